package driverstate

import "time"

// Caller is who asks: the outcome of authentication.
type Caller struct {
	UserID    string
	ProjectID string
	Admin     bool
	RequestID string
	// Limit is what the caller may not do although it is in their own project.
	Limit Limit
}

// Limit is what a role of a project leaves out. One who is admin has none.
type Limit string

// Limits.
const (
	NoLimit    Limit = ""          // all that an owner may
	ReadOnly   Limit = "read only" // looks, changes nothing: the role reader alone
	NoRole     Limit = "no role"   // neither reader nor member
	NotAllowed Limit = "nothing"   // a token without a project
)

// BackupFilter selects backups. Zero fields do not filter.
type BackupFilter struct {
	ProjectID string
	// Columns are equality filters by column name of Cinder's backups table,
	// which is one of BackupColumns. Any other name selects nothing.
	Columns map[string]string
	// Like are the same with SQL LIKE %value%.
	Like map[string]string
	// Sort keys, in order; CreatedAt desc, ID desc when empty.
	Sort   []SortKey
	Marker string // id of the last backup of the page before
	Limit  int    // 0 = no limit
	Offset int
}

// BackupColumns are the columns of Cinder's backups table, by which backups can
// be filtered and sorted (cinder/db/sqlalchemy/models.py Backup).
var BackupColumns = []string{"availability_zone", "container", "created_at", "data_timestamp", "deleted", "deleted_at",
	"display_description", "display_name", "encryption_key_id", "fail_reason", "host", "id", "num_dependent_backups",
	"object_count", "parent_id", "project_id", "restore_volume_id", "service", "service_metadata", "size", "snapshot_id",
	"status", "temp_snapshot_id", "temp_volume_id", "updated_at", "user_id", "volume_id"}

// SortKey is one key of an ordering: a column name and its direction.
type SortKey struct {
	Column    string
	Ascending bool
}

// BackupRequest asks for a backup of a volume.
type BackupRequest struct {
	VolumeID string
	// SnapshotID is the snapshot to read from; empty for the volume itself.
	SnapshotID  string
	Name        *string
	Description *string
	Container   string // empty for the driver's own choice
	// AvailabilityZone is where the backup is to be kept; empty for anywhere.
	AvailabilityZone string
	// Incremental stores what differs from the newest backup of the volume.
	Incremental bool
	Force       bool // also of a volume that is in use
	Metadata    map[string]string
}

// BackupUpdate says what to write into the row of a backup. What is nil stays as
// it is; a pointer to nil writes NULL.
type BackupUpdate struct {
	Name        **string
	Description **string
	Metadata    map[string]string // replaces all of it
}

// RestoreRequest asks for a restore. With VolumeID empty a volume is created,
// named Name or restore_backup_<id>.
type RestoreRequest struct {
	VolumeID string
	Name     string
	// Options and Map are not Cinder's.
	Options RestoreOptions
	// Map is the file that Salvage writes the map of the holes to, absolute;
	// empty for the target's name with .map behind it.
	Map string
}

// RestoreAnswer says where the backup is being restored to.
type RestoreAnswer struct {
	BackupID, VolumeID, VolumeName string
}

// ExportedRecord is a record as the API carries it.
type ExportedRecord struct {
	BackupService string `json:"backup_service"`
	BackupURL     string `json:"backup_url"`
}

// VolumeRequest asks for a volume of the engine.
type VolumeRequest struct {
	Size             int64 // GiB
	Name             string
	Description      string
	AvailabilityZone string
	Metadata         map[string]string
	// What it is made from; at most one is not empty. Size is then the least
	// it can be when it is 0.
	SnapshotID, SourceVolID, BackupID string
	// VolumeType is the id or the name of a type. When it is empty, it is that
	// of what the volume is made from, or the default one.
	VolumeType string
	// SourceName is the file or device to take under management as the
	// volume (Cinder's manageable_volumes, ref source-name); "-" is the
	// engine's own standard output. Empty makes a file of the engine's own.
	SourceName string
	// Overwrite allows SourceName to be a file that holds data already.
	Overwrite bool
}

// Verification is one look at a backup on the store, asked for through the
// engine's extension /verifications.
type Verification struct {
	ID         string
	BackupID   string // the one that is asked about; of several, its own ID
	Request    VerifyRequest
	Results    []VerifyResult // when done: of each backup, in the order of the request
	Depth      Depth
	Status     VerificationStatus
	Report     Report // when done; of several backups, what they have in common: what was read
	Error      string // when failed: why it could not look
	BytesDone  int64
	BytesTotal int64
	CreatedAt  time.Time
	FinishedAt time.Time
}

// VerificationStatus says how far a verification is.
type VerificationStatus string

// Verification statuses.
const (
	VerificationRunning VerificationStatus = "running"
	VerificationDone    VerificationStatus = "done"
	VerificationFailed  VerificationStatus = "failed"
)

// ManageRequest takes a backup found in the store under management.
type ManageRequest struct {
	BackupID string
	// Host is that of the service on whose store it is; empty for the first
	// that has it.
	Host string
	// AllowOrphaned and AllowDamaged admit backups that are not whole; the
	// row then becomes error, with the reason.
	AllowOrphaned, AllowDamaged bool
}

// Manageable is a backup found in the store, and whether a row has it already.
type Manageable struct {
	Found
	Host    string // of the service on whose store it is
	Managed bool   // a live row has this id
}

// ManageableFilter says where to look for backups.
type ManageableFilter struct {
	Host       string   // of the service whose store is looked at; empty for all
	Containers []string // none for all; a directory stands for those below it, too
}

// ServiceSetting lets a service take new work, or keeps it from it.
type ServiceSetting struct {
	Host     string // in full, as its row names it
	Binary   Binary
	Disabled bool
	Reason   string // why it is disabled; may be empty
}

// ServiceState is a service with what the API says of its liveness.
type ServiceState struct {
	Service
	Up bool
}

// ClusterSetting lets the services of a cluster take new work, or keeps it from
// them.
type ClusterSetting struct {
	Name     string
	Binary   Binary // any when empty
	Disabled bool
	Reason   string
}

// ClusterState is a cluster with what its services tell.
type ClusterState struct {
	Cluster
	Up              bool // any of its services is
	Hosts           int
	DownHosts       int
	Frozen          bool      // all of its services are
	LastHeartbeatAt time.Time // zero when it has no service
}

// VolumeUpdate says what to write into the row of a volume or of a snapshot.
// What is nil stays as it is.
type VolumeUpdate struct {
	Name        *string
	Description *string
	Metadata    map[string]string // replaces all of it
}

// MetadataChange changes the metadata of a volume or of a snapshot.
type MetadataChange struct {
	Set     map[string]string
	Replace bool   // of all there is
	Remove  string // a key; empty for none
}

// AttachRequest says that a server, or a host, has a volume.
type AttachRequest struct {
	ServerID string
	HostName string
	Device   string // such as /dev/vdb
	ReadOnly bool
}

// SnapshotRequest asks for a snapshot of a volume.
type SnapshotRequest struct {
	VolumeID    string
	Name        string
	Description string
	InUse       bool // also of a volume that is in use
	Metadata    map[string]string
}

// FreezeSetting is for the volume service of a host, or those of a cluster; one
// of the two is empty.
type FreezeSetting struct {
	Host, Cluster string
	Frozen        bool
}

// Pool is where volumes are made.
type Pool struct {
	Name        string // host@backend#pool, of a cluster cluster#pool
	Backend     string
	Pool        string
	TotalGB     float64
	FreeGB      float64
	AllocatedGB int64 // of volumes that have been made
	Up          bool
	UpdatedAt   time.Time
}
