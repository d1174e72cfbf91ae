// Package driverstate is the vocabulary of cinder-go: backups, their statuses
// and transitions, records, services, volumes, and what a backup driver is.
// It imports nothing outside the standard library and does nothing by itself.
package driverstate

import (
	"context"
	"iter"
	"time"
)

// Stored is what a driver left on the store for a backup.
type Stored struct {
	ObjectCount int   // chunks, documents not counted
	Bytes       int64 // stored bytes
}

// Restored is what a restore did.
type Restored struct {
	Length       int64 // of the image, or of the part of it that was asked for, bytes
	BytesWritten int64 // without the zeros that were skipped
	BytesKept    int64 // that the target held already (RestoreOptions.Resume)
	BytesFilled  int64 // taken from other objects than those that were damaged (RestoreOptions.Salvage)
	// Holes are what could not be proven, in bytes of the target, ascending; nil
	// when all of it was.
	Holes       []Range
	ObjectsRead int
	// VolumeMeta is the tip's volume_meta text (contract/store.md 1.5), nil if none.
	VolumeMeta []byte
	Method     string // as Report.Method
	Warnings   []string
}

// Driver moves backups between a volume and a store, in the format that the
// Cinder driver of the same Service writes. It is safe for concurrent use and
// knows nothing of rows or HTTP.
//
// Every method returns soon after its context ends, leaving no goroutine, file
// or lock behind.
type Driver interface {
	// Service is the class path that Cinder records for this driver.
	Service() string
	// DoSetup prepares the driver: mounts, sessions. It may be called again
	// after a failure.
	DoSetup(ctx context.Context) error
	// CheckForSetupError proves that the store can be used, and names what
	// cannot: ErrUnavailable, ErrForbidden, ErrInvalidInput (configuration).
	CheckForSetupError(ctx context.Context) error
	// Place names where b will lie if its copy, on parent if not nil, starts
	// at start. The caller stores both in the row before Backup is called, so
	// that whatever Backup leaves can be found and deleted.
	Place(b, parent *Backup, start time.Time) (container, serviceMetadata string, err error)
	// Backup copies src to the store as b, based on parent if not nil. Chunks
	// come first, the metadata document last: without it there is no backup.
	// If it fails, the caller deletes b.
	Backup(ctx context.Context, b, parent *Backup, src Source, obs Observer) (Stored, error)
	// Restore writes the image of c.Tip to dst. Each block is proven by its
	// hash before its bytes reach dst. Damage is ErrCorrupt; then dst is
	// incomplete and must be marked unusable. o asks for a part of the image, or
	// for more than an ordinary restore does.
	Restore(ctx context.Context, c Chain, dst Target, o RestoreOptions, obs Observer) (Restored, error)
	// Delete removes every object of b, the metadata document first, and
	// nothing else. A backup that is not there is success. It refuses a
	// container or prefix that is empty, short or not b's own.
	Delete(ctx context.Context, b *Backup) error
	// Close releases the driver.
	Close() error
}

// Scanner is a driver that can find backups without a database.
type Scanner interface {
	// Scan yields every backup under container, or in every container that
	// the driver writes to when it is empty. A Found is judged by itself:
	// Condition is whole, partial or damaged; chains are linked by LinkChains.
	// An error that concerns one backup is a Found; an error yielded ends the
	// scan. The store is looked at when the sequence is ranged over the first
	// time; afterwards it yields the same again.
	Scan(ctx context.Context, container string) iter.Seq2[Found, error]
	// Inspect is Scan for the one backup b: by b.Container and
	// b.ServiceMetadata, or by b.ID in the driver's default place when they
	// are empty. ErrNotFound when the store holds nothing of it.
	Inspect(ctx context.Context, b *Backup) (Found, error)
}

// Verifier is a driver that can prove a backup without restoring it.
type Verifier interface {
	// Verify looks at c.Tip and all it stands on. Damage is in the Report;
	// an error says that it could not look.
	Verify(ctx context.Context, c Chain, d Depth, obs Observer) (Report, error)
}

// BackupChecker is a driver that may be able to read backups and not to make
// any.
type BackupChecker interface {
	// CheckBackup answers ErrInvalidInput when what the driver was told of the
	// machine is too little to make a backup with. It looks at nothing.
	CheckBackup() error
}

// ForceDeleter is a driver for which Cinder allows force delete.
type ForceDeleter interface{ SupportsForceDelete() bool }

// RecordCarrier is a driver with a part of its own in export records, which is
// Cinder's driver_info (cinder/backup/driver.py export_record, import_record).
// No driver of Cinder's tree has one. A record that brings one to a driver that
// is no RecordCarrier is refused, where Cinder drops it.
type RecordCarrier interface {
	// ExportRecord returns what another site needs of b besides its row, of
	// values as EncodeRecord takes them; nil for nothing.
	ExportRecord(ctx context.Context, b *Backup) (map[string]any, error)
	// ImportRecord completes b, whose row is not written yet, by what
	// ExportRecord returned elsewhere; info may be empty. What it needs of the
	// store it leaves to the look that follows. ErrInvalidInput refuses the
	// record.
	ImportRecord(ctx context.Context, b *Backup, info map[string]any) error
}

// Examiner is a driver that can be examined step by step, for an operator who
// wants to know why it does not work.
type Examiner interface {
	// Examine yields the steps in order, each as it ends: configuration, name
	// resolution, TLS, credentials, container, list, read, write, clock,
	// space, as far as the store has them. It ends after a step without which
	// the next ones cannot be taken.
	Examine(ctx context.Context, o ExamineOptions) iter.Seq[Step]
}

// ExamineOptions say how far an examination may go.
type ExamineOptions struct {
	// Write allows the write step: an object of its own is written, read back
	// and removed.
	Write bool
}

// Step is what one step of an examination found.
type Step struct {
	Name   string // such as "credentials"
	Detail string // what was seen
	Err    error  // nil when it passed
	Advice string // what to change when it did not
}
