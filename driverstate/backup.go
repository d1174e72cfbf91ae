package driverstate

import "time"

// Backup is one row of Cinder's backups table. An empty string and a zero time
// stand for NULL, except in Name and Description, where NULL and the empty
// string are both possible and differ in an exported record.
type Backup struct {
	ID               string // UUID, lower case
	VolumeID         string
	UserID           string
	ProjectID        string
	Host             string // of the cinder-backup service that owns it
	AvailabilityZone string
	Name             *string
	Description      *string
	// Container and ServiceMetadata say where the data lies; for the chunked
	// drivers ServiceMetadata is the object prefix, for ceph a JSON text.
	Container           string
	ServiceMetadata     string
	Service             string // class path of the driver, such as cinder.backup.drivers.posix.PosixBackupDriver
	ParentID            string // empty for a full backup
	Status              Status
	FailReason          string // at most 255 characters
	Size                int64  // GiB, of the volume
	ObjectCount         int    // chunks, the two documents not counted
	TempVolumeID        string
	TempSnapshotID      string
	NumDependentBackups int
	SnapshotID          string
	DataTimestamp       time.Time
	RestoreVolumeID     string
	Metadata            map[string]string
	EncryptionKeyID     string
	CreatedAt           time.Time
	UpdatedAt           time.Time
	DeletedAt           time.Time
	Deleted             bool
}

// Incremental reports whether b stands on a parent.
func (b *Backup) Incremental() bool { return b.ParentID != "" }

// Chain is a backup with everything it stands on, the full backup first and
// the backup itself last. Every element after the first has the one before it
// as its parent.
type Chain []*Backup

// Tip is the backup that the chain restores to; nil for an empty chain.
func (c Chain) Tip() *Backup {
	if len(c) == 0 {
		return nil
	}
	return c[len(c)-1]
}

// Condition is what a look at the store says of a backup.
type Condition string

// Conditions.
const (
	// ConditionWhole: documents sound, all objects there, chain complete.
	ConditionWhole Condition = "whole"
	// ConditionPartial: never finished, or its metadata document is gone or cut.
	ConditionPartial Condition = "partial"
	// ConditionDamaged: an object of it, or of a backup it stands on, is
	// missing or wrong.
	ConditionDamaged Condition = "damaged"
	// ConditionOrphaned: a backup it stands on is not in the store.
	ConditionOrphaned Condition = "orphaned"
)

// Problem is one thing wrong with a backup on the store.
type Problem struct {
	BackupID string // whose object it is; may be an ancestor of the one asked about
	Object   string // name in the container; empty when no single object is to blame
	Reason   string // such as "missing", "block hash differs", in lower case
	// Offset and Length are the byte range of the volume that is lost by it;
	// Length is 0 when unknown or none.
	Offset, Length int64
}

// Found is a backup as a scan of the store found it.
type Found struct {
	// Backup is the row rebuilt from the store, as far as the store tells
	// (contract/store.md section 6). Status is available only if Condition is
	// whole. For a partial backup only what its names tell is set.
	Backup    Backup
	Condition Condition
	// Reason says in one line why Condition is not whole; empty if it is.
	Reason   string
	Problems []Problem
	// Warnings do not stop a restore: a stray object, a hash list that is gone.
	Warnings []string
	Bytes    int64 // stored bytes of all its objects
}

// Depth says how closely Verify looks.
type Depth string

// Depths.
const (
	DepthStructure Depth = "structure" // documents, presence and size of objects, chain
	DepthData      Depth = "data"      // also reads, inflates and hashes every byte
)

// ParseDepth returns the depth named s, or an error that answers to
// ErrInvalidInput.
func ParseDepth(s string) (Depth, error) {
	switch d := Depth(s); d {
	case DepthStructure, DepthData:
		return d, nil
	}
	return "", Fail(ErrInvalidInput, `depth "`+s+`" is neither structure nor data`)
}

// Report is the outcome of Verify.
type Report struct {
	Condition   Condition
	Reason      string // one line, empty when whole
	Problems    []Problem
	Warnings    []string
	BytesRead   int64 // volume bytes that were proven
	ObjectsRead int
	// Method says what proved the data: "sha256", "md5", "md5-stored" (Kilo
	// and older hashed the stored bytes), "read" (ceph has no hashes: every
	// byte could be read), or "" at DepthStructure.
	Method string
}
