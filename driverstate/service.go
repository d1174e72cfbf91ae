package driverstate

import "time"

// Binary names a kind of Cinder service.
type Binary string

// Binaries.
const (
	BinaryBackup    Binary = "cinder-backup"
	BinaryVolume    Binary = "cinder-volume"
	BinaryScheduler Binary = "cinder-scheduler"
)

// Service is one row of Cinder's services table.
type Service struct {
	ID               int64
	Binary           Binary
	Host             string
	Cluster          string
	AvailabilityZone string
	Disabled         bool
	DisabledReason   string
	// Reason says why a service that heartbeats is not ready: the driver's
	// setup error. Empty when it is ready.
	Reason string
	// Version is of the work that the process can carry out, as Cinder keeps
	// rpc_current_version; 0 of one that wrote none.
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time // last heartbeat
}

// Up reports whether the service was heard of within downTime before now and
// its driver is ready.
func (s *Service) Up(now time.Time, downTime time.Duration) bool {
	last := s.UpdatedAt
	if last.IsZero() {
		last = s.CreatedAt
	}
	return s.Reason == "" && now.Sub(last) <= downTime
}

// FrozenReason is why a frozen service is disabled: Cinder writes it so, and by
// it the engine knows one (cinder/volume/manager.py freeze_host).
const FrozenReason = "frozen"

// Frozen reports whether nothing may be changed on the service's back end.
func (s *Service) Frozen() bool {
	return s.Binary == BinaryVolume && s.Disabled && s.DisabledReason == FrozenReason
}

// Cluster is one row of Cinder's clusters table: services that can do each
// other's work.
type Cluster struct {
	Name           string
	Binary         Binary
	Disabled       bool
	DisabledReason string
	CreatedAt      time.Time
	UpdatedAt      time.Time // of the last change; zero before the first
}

// Worker is one row of Cinder's workers table: work in progress on a resource,
// to be cleaned up if the service that does it dies.
type Worker struct {
	ID            int64
	ResourceType  string // Volume, Snapshot
	ResourceID    string
	Status        string // the status to be cleaned
	ServiceID     int64  // 0 until a service claims it
	RacePreventer int
	UpdatedAt     time.Time
}

// CleanupFilter selects services for workers/cleanup (Cinder's API, 3.24). Nil
// pointers are absent filters; IsUp absent means false, as in Cinder: only
// services that are down.
type CleanupFilter struct {
	ServiceID    *int64
	ClusterName  *string
	Host         *string
	Binary       *Binary
	IsUp         bool
	Disabled     *bool
	ResourceID   *string
	ResourceType *string
}

// CleanupResult lists the services being cleaned up and those for which no
// other service can do it.
type CleanupResult struct {
	Cleaning    []Service
	Unavailable []Service
}
