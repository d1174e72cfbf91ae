package driverstate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Shipment is a copy of backups to another store, or a comparison of two
// stores, asked for through the engine's extension /shipments.
type Shipment struct {
	ID         string
	Request    ShipRequest
	Status     ShipmentStatus
	Result     ShipResult // as far as it came
	Error      string     // when failed: why
	Fault      string     // word of the kind of Error (FaultOf); empty for none
	BytesDone  int64      // volume bytes
	BytesTotal int64
	CreatedAt  time.Time
	FinishedAt time.Time
}

// ShipmentStatus says how far a shipment is.
type ShipmentStatus string

// Shipment statuses.
const (
	ShipmentRunning   ShipmentStatus = "running"
	ShipmentDone      ShipmentStatus = "done"
	ShipmentFailed    ShipmentStatus = "failed"
	ShipmentCancelled ShipmentStatus = "cancelled"
)

// ShipMode says what a shipment does.
type ShipMode string

// Ship modes.
const (
	ShipCopy    ShipMode = "ship"    // copies a backup to the store To
	ShipCompare ShipMode = "compare" // compares the stores From and To
)

// ShipVerify says how what was written is looked at.
type ShipVerify string

// Ship verifications.
const (
	// ShipVerifyListed compares the size and the MD5 that the target's listing
	// tells; an object of which it tells no MD5 is read back, and so is what a
	// driver keeps in no objects.
	ShipVerifyListed ShipVerify = "listing"
	// ShipVerifyFull reads everything back.
	ShipVerifyFull ShipVerify = "full"
)

// ShipRequest asks for a shipment.
type ShipRequest struct {
	Mode ShipMode `json:"mode"`
	// BackupID is the backup to ship; it may have no row.
	BackupID string `json:"backup_id,omitempty"`
	// From is the URL of the first store of a comparison; empty for the
	// engine's own.
	From string `json:"from,omitempty"`
	To   string `json:"to"` // URL of the other store
	// Chain ships what the backup stands on as well.
	Chain bool `json:"chain,omitempty"`
	// Flatten writes the chain as one full backup of the same id.
	Flatten     bool       `json:"flatten,omitempty"`
	Compression string     `json:"compression,omitempty"` // of the copy; empty keeps that of the original
	BytesPerSec int64      `json:"bytes_per_sec,omitempty"`
	VolumeSize  int64      `json:"volume_size,omitempty"` // bytes of one volume of a tape; 0 for one volume
	Verify      ShipVerify `json:"verify,omitempty"`
	Depth       Depth      `json:"depth,omitempty"` // of a comparison
}

// Validate answers ErrInvalidInput to what cannot be asked for.
func (r *ShipRequest) Validate() error {
	bad := func(format string, args ...any) error { return Fail(ErrInvalidInput, fmt.Sprintf(format, args...)) }
	switch {
	case r.Mode != ShipCopy && r.Mode != ShipCompare:
		return bad("mode %q is neither ship nor compare", r.Mode)
	case r.To == "":
		return bad("there is no store to %s", map[ShipMode]string{ShipCopy: "ship to", ShipCompare: "compare with"}[r.Mode])
	case r.Mode == ShipCopy && !IsUUID(r.BackupID):
		return bad("backup id %.80q is not a UUID", r.BackupID)
	case r.Mode == ShipCopy && (r.From != "" || r.Depth != ""):
		return bad("from and depth are for comparisons")
	case r.Mode == ShipCompare && (r.BackupID != "" || r.Chain || r.Flatten || r.Compression != "" || r.VolumeSize != 0 || r.BytesPerSec != 0 || r.Verify != ""):
		return bad("a comparison takes two stores, and a depth, no more")
	case r.Chain && r.Flatten:
		return bad("chain and flatten exclude each other: flatten makes one full backup of the chain")
	case r.BytesPerSec < 0, r.VolumeSize < 0:
		return bad("a size is negative")
	case r.Verify != "" && r.Verify != ShipVerifyListed && r.Verify != ShipVerifyFull:
		return bad("verify %q is neither listing nor full", r.Verify)
	case r.Depth != "" && r.Depth != DepthStructure && r.Depth != DepthData:
		return bad("depth %q is neither structure nor data", r.Depth)
	}
	return nil
}

// ShipItem is one backup to be shipped: where it lies, and the row that its
// record tells of.
type ShipItem struct {
	At  Backup // as found on the source
	Row Backup
}

// Landed is a backup that is at the target, whole.
type Landed struct {
	BackupID        string         `json:"backup_id"`
	Container       string         `json:"container"`
	ServiceMetadata string         `json:"service_metadata"`
	Objects         int            `json:"objects"` // chunks
	Bytes           int64          `json:"bytes"`   // that were sent
	Kept            int            `json:"kept"`    // objects that were there already
	There           bool           `json:"there"`   // all of it was
	Record          ExportedRecord `json:"record"`  // for the site of the target
}

// ShipResult is what a shipment has brought.
type ShipResult struct {
	Landed      []Landed     `json:"landed,omitempty"` // parents before children
	Differences []Difference `json:"differences,omitempty"`
	Compared    int          `json:"compared,omitempty"` // backups that both stores have
	Equal       int          `json:"equal,omitempty"`
	Warnings    []string     `json:"warnings,omitempty"`
}

// Difference is a backup in which two stores differ.
type Difference struct {
	BackupID string `json:"backup_id"`
	// Store is the one to blame: "first", "second", or "both" when each is
	// whole by itself.
	Store  string `json:"store"`
	Reason string `json:"reason"`
}

// IsPipe reports whether a store URL is that of the tape in a pipe, standard
// input or output: -, file:- or file://-, with or without parameters. file:///-
// is a file.
func IsPipe(url string) bool {
	place, _, _ := strings.Cut(url, "?")
	return place == "-" || place == "file:-" || place == "file://-"
}

// RecordKeeper is a driver whose store keeps export records beside the data.
type RecordKeeper interface {
	// KeepRecord stores the record of a backup that is about to be written, or
	// was.
	KeepRecord(ctx context.Context, r ExportedRecord) error
	// KeptRecord returns the record of a backup; false if there is none.
	KeptRecord(id string) (ExportedRecord, bool)
}

// Finisher is a driver whose store has an end: Finish writes it. More may be
// written after it.
type Finisher interface {
	Finish(ctx context.Context) error
}

// PartialRemover is a driver that cannot write a backup anew where one that
// never finished lies.
type PartialRemover interface {
	// RemovePartial removes what an unfinished copy of b has left, if b is
	// ConditionPartial and nothing else stands on it. That it is not there is
	// success; ErrConflict when it is anything else, or is still being written:
	// then nothing was removed.
	RemovePartial(ctx context.Context, b *Backup) error
}

// faults are the words of error kinds in the rows of shipments.
var faults = []struct {
	word string
	kind error
}{
	{"damaged", ErrCorrupt}, {"not_found", ErrNotFound}, {"invalid_input", ErrInvalidInput}, {"invalid_status", ErrInvalidStatus},
	{"conflict", ErrConflict}, {"forbidden", ErrForbidden}, {"read_only", ErrReadOnly}, {"not_supported", ErrNotSupported},
	{"unavailable", ErrUnavailable},
}

// FaultOf is the word of the kind that err answers to; empty for none.
func FaultOf(err error) string {
	for _, f := range faults {
		if errors.Is(err, f.kind) {
			return f.word
		}
	}
	return ""
}

// FaultKind is the kind of a word of FaultOf; ErrUnavailable for any other.
func FaultKind(word string) error {
	for _, f := range faults {
		if f.word == word {
			return f.kind
		}
	}
	return ErrUnavailable
}
