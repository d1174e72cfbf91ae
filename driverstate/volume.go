package driverstate

import (
	"io"
	"time"
)

// VolumeStatus is the status column of a volume, in Cinder's words.
type VolumeStatus string

// The volume statuses that backups bring about.
const (
	VolumeCreating       VolumeStatus = "creating"
	VolumeAvailable      VolumeStatus = "available"
	VolumeInUse          VolumeStatus = "in-use"
	VolumeBackingUp      VolumeStatus = "backing-up"
	VolumeRestoring      VolumeStatus = "restoring-backup"
	VolumeError          VolumeStatus = "error"
	VolumeErrorRestoring VolumeStatus = "error_restoring"
	VolumeDeleting       VolumeStatus = "deleting"
)

// VolumeStatuses are all of Cinder's, in its order (cinder/objects/fields.py
// VolumeStatus).
var VolumeStatuses = []VolumeStatus{
	VolumeCreating, VolumeAvailable, VolumeDeleting, VolumeError, "error_deleting", "error_managing", "managing",
	"attaching", VolumeInUse, "detaching", "maintenance", VolumeRestoring, VolumeErrorRestoring, "reserved",
	"awaiting-transfer", VolumeBackingUp, "error_backing-up", "error_extending", "downloading", "uploading",
	"retyping", "extending",
}

// Volume is a volume of the engine: a raw file of its own, or a file or block
// device of the operator's, taken under management as a restore target.
type Volume struct {
	ID          string
	UserID      string
	ProjectID   string
	Host        string
	Name        string
	Description string
	Size        int64 // GiB
	Status      VolumeStatus
	// PreviousStatus is what a failed or finished backup puts back.
	PreviousStatus   VolumeStatus
	AvailabilityZone string
	Metadata         map[string]string
	// Path is the file or device that holds the bytes, absolute; "-" is the
	// standard output of an engine in the same process.
	Path string
	// Managed: the path is the operator's and survives the volume's deletion.
	Managed     bool
	Bootable    bool
	Attachments []Attachment
	SnapshotID  string // the snapshot it was made from; empty for none
	SourceVolID string // the volume it was cloned from; empty for none
	VolumeType  string // name of its type; empty is __DEFAULT__, too
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Attachment says that a server has a volume, as Cinder's API shows it. The
// engine keeps what it is told and attaches nothing itself.
type Attachment struct {
	ID           string // of the volume
	AttachmentID string
	ServerID     string
	HostName     string
	Device       string // such as /dev/vdb
	AttachedAt   time.Time
}

// Source is a volume to be backed up. ReadAt may be called from several
// goroutines at once.
type Source interface {
	io.ReaderAt
	Size() int64 // bytes
	// Metadata is the text of volume_meta (contract/store.md 1.5); nil for none.
	Metadata() ([]byte, error)
}

// Sparse is a source that knows its holes.
type Sparse interface {
	// NextData is the next range at off or after it that is not a hole; start
	// is the source's size when only holes follow.
	NextData(off int64) (start, end int64)
}

// Readable is a target of which a restore can see what it holds already: ReadAt
// may be called before Begin, and ends with io.EOF where the target does.
type Readable interface {
	Target
	io.ReaderAt
}

// Target is what a restore writes to. WriteAt and ZeroRange may be called from
// several goroutines at once, never for overlapping ranges, in any order; if
// Sequential is true from one at a time, in ascending order without a gap.
type Target interface {
	io.WriterAt
	// Begin is called once before anything is written, with the exact length
	// of the image. A file grows to it; a target that cannot hold it answers
	// ErrTooSmall and nothing has been written.
	Begin(length int64) error
	// ZeroRange makes n bytes at off read as zeros.
	ZeroRange(off, n int64) error
	// Sequential reports whether it can only be written from its beginning to
	// its end, as a pipe.
	Sequential() bool
	// Depth is how many writes at once are worth having in flight, at least
	// 1; a sequential target has one.
	Depth() int
	// Blank reports whether every byte not yet written reads as zero, so that
	// zeros may be skipped.
	Blank() bool
	// Sync returns when everything written is on stable storage.
	Sync() error
}
