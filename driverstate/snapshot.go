package driverstate

import "time"

// SnapshotStatus is the status column of a snapshot, in Cinder's words.
type SnapshotStatus string

// The snapshot statuses that the engine brings about.
const (
	SnapshotCreating      SnapshotStatus = "creating"
	SnapshotAvailable     SnapshotStatus = "available"
	SnapshotDeleting      SnapshotStatus = "deleting"
	SnapshotError         SnapshotStatus = "error"
	SnapshotErrorDeleting SnapshotStatus = "error_deleting"
	SnapshotBackingUp     SnapshotStatus = "backing-up"
	SnapshotRestoring     SnapshotStatus = "restoring"
)

// SnapshotStatuses are all of Cinder's, in its order (cinder/objects/fields.py
// SnapshotStatus).
var SnapshotStatuses = []SnapshotStatus{
	SnapshotError, SnapshotAvailable, SnapshotCreating, SnapshotDeleting, "deleted", "updating",
	SnapshotErrorDeleting, "unmanaging", SnapshotBackingUp, SnapshotRestoring,
}

// Snapshot is one row of Cinder's snapshots table: a copy of a volume of the
// engine at one moment.
type Snapshot struct {
	ID          string
	VolumeID    string
	ProjectID   string
	UserID      string
	Name        string
	Description string
	Status      SnapshotStatus
	Size        int64 // GiB, of the volume when it was taken
	Metadata    map[string]string
	Path        string // the file that holds the bytes, absolute
	Progress    string // such as 80%, as another who makes it has told; empty when nobody has
	CreatedAt   time.Time
	UpdatedAt   time.Time
}
