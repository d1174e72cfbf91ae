// Package db is what the engine needs of a database: Cinder's rows, and jobs
// that are written in the same transaction as the change they follow from. It
// holds the interface only; db/sqlite implements it.
//
// Errors answer to driverstate.ErrNotFound and driverstate.ErrConflict.
package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Backups are the rows of the backups table.
type Backups interface {
	// BackupCreate inserts b, or revives a soft-deleted row of the same id.
	// ErrConflict if a live row has the id.
	BackupCreate(ctx context.Context, b *driverstate.Backup) error
	// BackupGet returns the live row, or ErrNotFound.
	BackupGet(ctx context.Context, id string) (*driverstate.Backup, error)
	// BackupGetAll returns live rows, at most f.Limit of them.
	BackupGetAll(ctx context.Context, f driverstate.BackupFilter) ([]*driverstate.Backup, error)
	// BackupCount counts what BackupGetAll would return without limit,
	// offset and marker.
	BackupCount(ctx context.Context, f driverstate.BackupFilter) (int, error)
	// BackupUsage returns how many live backups a project has, and their size
	// in GiB.
	BackupUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error)
	// BackupUpdate writes every column of b, and sets UpdatedAt, if the row's
	// status is one of from; any live status when from is empty. ErrConflict
	// when the row moved, ErrNotFound when it is gone.
	BackupUpdate(ctx context.Context, b *driverstate.Backup, from ...driverstate.Status) error
	// BackupDestroy marks the row deleted, and forgets what was proven of the
	// backup. ErrNotFound when it is gone.
	BackupDestroy(ctx context.Context, id string) error
}

// Volumes are the engine's volumes.
type Volumes interface {
	VolumeCreate(ctx context.Context, v *driverstate.Volume) error
	VolumeGet(ctx context.Context, id string) (*driverstate.Volume, error)
	// VolumeGetAll returns all live volumes of the project, of every project
	// when it is empty, newest first.
	VolumeGetAll(ctx context.Context, projectID string) ([]*driverstate.Volume, error)
	// VolumeUpdate is BackupUpdate for volumes.
	VolumeUpdate(ctx context.Context, v *driverstate.Volume, from ...driverstate.VolumeStatus) error
	VolumeDestroy(ctx context.Context, id string) error
	// VolumeUsage returns how many volumes a project has, and their size in
	// GiB.
	VolumeUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error)
}

// Snapshots are the rows of the snapshots table.
type Snapshots interface {
	SnapshotCreate(ctx context.Context, s *driverstate.Snapshot) error
	SnapshotGet(ctx context.Context, id string) (*driverstate.Snapshot, error)
	// SnapshotGetAll returns the snapshots of a volume, and of a project; of
	// all where either is empty; newest first.
	SnapshotGetAll(ctx context.Context, projectID, volumeID string) ([]*driverstate.Snapshot, error)
	// SnapshotUpdate is BackupUpdate for snapshots.
	SnapshotUpdate(ctx context.Context, s *driverstate.Snapshot, from ...driverstate.SnapshotStatus) error
	SnapshotDestroy(ctx context.Context, id string) error
	// SnapshotUsage returns how many snapshots a project has, and their size
	// in GiB.
	SnapshotUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error)
}

// Quotas are the rows of the quotas table: limits that were set for a project.
type Quotas interface {
	// QuotaGetAll returns the limits that were set, by Cinder's name of the
	// resource; empty when none was. A limit of -1 is none.
	QuotaGetAll(ctx context.Context, projectID string) (map[string]int64, error)
	// QuotaSet sets the limit of one resource.
	QuotaSet(ctx context.Context, projectID, resource string, limit int64) error
	// QuotaDestroy forgets every limit of a project; none is success.
	QuotaDestroy(ctx context.Context, projectID string) error
	// QuotaClassGetAll and QuotaClassSet are QuotaGetAll and QuotaSet for the
	// limits of a class, such as default.
	QuotaClassGetAll(ctx context.Context, class string) (map[string]int64, error)
	QuotaClassSet(ctx context.Context, class, resource string, limit int64) error
	// UsageOfTypes returns what a project has by the name of the volume type; a
	// snapshot counts for the type of its volume.
	UsageOfTypes(ctx context.Context, projectID string) (map[string]driverstate.TypeUsage, error)
}

// VolumeTypes are the rows of the volume_types table. __DEFAULT__ has none.
type VolumeTypes interface {
	// VolumeTypeCreate answers ErrConflict if a row has the id or the name.
	VolumeTypeCreate(ctx context.Context, t *driverstate.VolumeTypeRow) error
	VolumeTypeGet(ctx context.Context, id string) (*driverstate.VolumeTypeRow, error)
	// VolumeTypeGetAll returns all, newest first.
	VolumeTypeGetAll(ctx context.Context) ([]*driverstate.VolumeTypeRow, error)
	// VolumeTypeUpdate writes every column and sets UpdatedAt. The volumes of
	// the type, and the limits that are named after it, follow a new name,
	// which no other may have. Call it in a transaction.
	VolumeTypeUpdate(ctx context.Context, t *driverstate.VolumeTypeRow) error
	VolumeTypeDestroy(ctx context.Context, id string) error
	// VolumesOfType counts the volumes of all projects that have a type.
	VolumesOfType(ctx context.Context, name string) (count int64, err error)
}

// Transfers are the rows of the transfers table: offers that stand.
type Transfers interface {
	TransferCreate(ctx context.Context, t *driverstate.Transfer) error
	TransferGet(ctx context.Context, id string) (*driverstate.Transfer, error)
	// TransferGetAll returns what a project offers, every project when it is
	// empty, oldest first.
	TransferGetAll(ctx context.Context, projectID string) ([]*driverstate.Transfer, error)
	TransferDestroy(ctx context.Context, id string) error
	// TransfersOfVolumeDestroy removes those of a volume; none is success.
	TransfersOfVolumeDestroy(ctx context.Context, volumeID string) error
}

// Services are the rows of the services table.
type Services interface {
	// ServiceUpsert inserts the service of s.Host and s.Binary or updates its
	// heartbeat, zone, cluster, reason and version, leaving Disabled as it is;
	// s.ID is set.
	ServiceUpsert(ctx context.Context, s *driverstate.Service) error
	ServiceGetAll(ctx context.Context) ([]*driverstate.Service, error)
	// ServiceUpdate writes Disabled and DisabledReason.
	ServiceUpdate(ctx context.Context, s *driverstate.Service) error
}

// Clusters are the rows of the clusters table.
type Clusters interface {
	// ClusterEnsure inserts c if no cluster has its name and binary.
	ClusterEnsure(ctx context.Context, c *driverstate.Cluster) error
	// ClusterGetAll returns all clusters, oldest first.
	ClusterGetAll(ctx context.Context) ([]*driverstate.Cluster, error)
	// ClusterUpdate writes Disabled and DisabledReason, and sets UpdatedAt.
	ClusterUpdate(ctx context.Context, c *driverstate.Cluster) error
}

// Messages are the rows of the messages table.
type Messages interface {
	MessageCreate(ctx context.Context, m *driverstate.Message) error
	MessageGet(ctx context.Context, id string) (*driverstate.Message, error)
	// MessageGetAll returns the messages of a project, of every project when
	// it is empty, newest first.
	MessageGetAll(ctx context.Context, projectID string) ([]*driverstate.Message, error)
	MessageDestroy(ctx context.Context, id string) error
	// MessagesExpire removes those that expired before now.
	MessagesExpire(ctx context.Context, now time.Time) error
}

// Workers are the rows of the workers table.
type Workers interface {
	WorkerCreate(ctx context.Context, w *driverstate.Worker) error
	// WorkerGet returns the worker of a resource. ErrNotFound if there is none.
	WorkerGet(ctx context.Context, resourceType, resourceID string) (*driverstate.Worker, error)
	// WorkerGetAll returns the workers of a service, of all when it is 0.
	WorkerGetAll(ctx context.Context, serviceID int64) ([]*driverstate.Worker, error)
	// WorkerClaimForCleanup gives w to serviceID if nobody moved it since it
	// was read: true for exactly one claimant.
	WorkerClaimForCleanup(ctx context.Context, w *driverstate.Worker, serviceID int64) (bool, error)
	// WorkerClaim gives the worker of the resource to serviceID if nobody has
	// it, or serviceID itself has: the claimant may then touch the resource.
	// ErrConflict if another service has it, ErrNotFound if there is none.
	WorkerClaim(ctx context.Context, resourceType, resourceID string, serviceID int64) (*driverstate.Worker, error)
	// WorkerRelease leaves w to nobody, if nobody moved it since it was read,
	// and changes w accordingly. ErrConflict if somebody did, ErrNotFound if
	// it is gone.
	WorkerRelease(ctx context.Context, w *driverstate.Worker) error
	// WorkerDestroy removes the worker of the resource; absent is success.
	WorkerDestroy(ctx context.Context, resourceType, resourceID string) error
}

// Verifications are looks at backups on the store.
type Verifications interface {
	VerificationCreate(ctx context.Context, v *driverstate.Verification) error
	VerificationGet(ctx context.Context, id string) (*driverstate.Verification, error)
	// VerificationUpdate writes every column of v if the row's status is
	// running; else ErrConflict: what a process that was taken for dead tells
	// of its progress must not bring back what was ended.
	VerificationUpdate(ctx context.Context, v *driverstate.Verification) error
}

// Proofs are what verifications remember of each backup: what was read and
// proven when.
type Proofs interface {
	// ProofGet returns what is remembered of a backup. ErrNotFound when nothing
	// is. It goes with the row of the backup (BackupDestroy).
	ProofGet(ctx context.Context, backupID string) (*driverstate.Proof, error)
	// ProofPut writes p in the place of what there was, and sets UpdatedAt.
	ProofPut(ctx context.Context, p *driverstate.Proof) error
	// ProofsExpire forgets the backups without a live row of which nothing was
	// written since before.
	ProofsExpire(ctx context.Context, before time.Time) error
}

// Shipments are copies of backups to other stores, and comparisons of stores.
type Shipments interface {
	ShipmentCreate(ctx context.Context, s *driverstate.Shipment) error
	ShipmentGet(ctx context.Context, id string) (*driverstate.Shipment, error)
	// ShipmentUpdate writes every column of s if the row's status is running;
	// else ErrConflict.
	ShipmentUpdate(ctx context.Context, s *driverstate.Shipment) error
}

// JobKind says what a job does.
type JobKind string

// Job kinds.
const (
	JobBackup  JobKind = "backup_create"
	JobRestore JobKind = "backup_restore"
	JobDelete  JobKind = "backup_delete"
	JobReset   JobKind = "backup_reset_status"
	JobImport  JobKind = "backup_import"
	JobVerify  JobKind = "backup_verify"
	JobShip    JobKind = "backup_ship"
	JobCleanup JobKind = "workers_cleanup"
)

// Job is work for the service whose queue it is in.
type Job struct {
	ID       int64 // set when inserted
	Kind     JobKind
	Queue    string // host of the service that is to run it, or its cluster
	BackupID string // of the resource where the job is about no backup
	VolumeID string `json:",omitempty"`
	// RequestID, GlobalID (the client's), UserID and ProjectID are of the
	// request that the job follows from, for what there is to tell of it;
	// empty when none does.
	RequestID string `json:",omitempty"`
	GlobalID  string `json:",omitempty"`
	UserID    string `json:",omitempty"`
	ProjectID string `json:",omitempty"`
	// QueuedAt is when it was queued first; zero when that is not known.
	QueuedAt time.Time `json:",omitzero"`
	// Args is the job's own JSON, at most a few kB.
	Args []byte `json:",omitempty"`
}

// JobState is a job that is not finished.
type JobState struct {
	Job
	Running bool
	// Runner is the host that runs it, as WorkOptions names it; empty while
	// nobody does. It stays when that host dies.
	Runner string
}

// Tx is a transaction: everything in it is written, or nothing.
type Tx interface {
	Backups
	Volumes
	Snapshots
	Quotas
	VolumeTypes
	Transfers
	Services
	Clusters
	Messages
	Workers
	Verifications
	Proofs
	Shipments
	// JobInsert queues j; it becomes visible to workers on commit. Now and
	// then it removes jobs that were finished long ago.
	JobInsert(ctx context.Context, j *Job) error
	// JobsOf returns the unfinished jobs of a backup, oldest first.
	JobsOf(ctx context.Context, backupID string) ([]JobState, error)
	// JobsRunBy returns the unfinished jobs that runner is running, or ran
	// when it died, oldest first.
	JobsRunBy(ctx context.Context, runner string) ([]JobState, error)
	// JobsWaiting returns the unfinished jobs of queue that nobody runs,
	// oldest first.
	JobsWaiting(ctx context.Context, queue string) ([]JobState, error)
	// JobsDiscard takes jobs off, whatever their state: one that waits does
	// not run, of one that runs nothing is left when its runner is dead. A
	// runner that lives goes on with it: cancel it there. Those finished, or
	// absent, are left as they are.
	JobsDiscard(ctx context.Context, ids ...int64) error
}

// DB is a database. Its Backups and other methods outside of a transaction
// are each a transaction of their own.
type DB interface {
	Backups
	Volumes
	Snapshots
	Quotas
	VolumeTypes
	Transfers
	Services
	Clusters
	Messages
	Workers
	Verifications
	Proofs
	Shipments
	// Update runs f in one transaction. f may run again after a
	// serialization failure and must not have effects outside of it.
	Update(ctx context.Context, f func(Tx) error) error
	// Work runs the jobs of o.Queues until Stop. A job whose handler returns
	// an error is finished all the same: the handler has recorded the failure
	// in its rows. Each job is run by one process. One call per process.
	// ErrInvalidInput when o cannot be.
	Work(ctx context.Context, o WorkOptions, handle func(context.Context, Job) error) (Queue, error)
	Close() error
}

// WorkOptions say who works what.
type WorkOptions struct {
	// Runner names the process to others: its host, at most MaxRunner bytes.
	// No two processes that live have the same.
	Runner string
	Queues []string // hosts and clusters, see Job.Queue
	// Parallel is how many jobs run at once, of each queue.
	Parallel int
}

// MaxRunner is the longest name of a runner, in bytes.
const MaxRunner = 100

// Validate answers ErrInvalidInput to options that cannot be worked.
func (o WorkOptions) Validate() error {
	switch {
	case o.Runner == "", len(o.Runner) > MaxRunner:
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("host %q is empty or longer than %d bytes", o.Runner, MaxRunner))
	case len(o.Queues) == 0, slices.Contains(o.Queues, ""):
		return driverstate.Fail(driverstate.ErrInvalidInput, "a queue must be named")
	case o.Parallel < 1:
		return driverstate.Fail(driverstate.ErrInvalidInput, "at least one job must be run at a time")
	}
	return nil
}

// Queue is the work of a process on its queues.
type Queue interface {
	// Stop takes no more jobs, cancels the context of those running and waits
	// for them, at most until ctx ends.
	Stop(ctx context.Context) error
}

// Clock tells the time; injected so that tests need not wait.
type Clock func() time.Time
