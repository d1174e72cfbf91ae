package driverstate

import (
	"errors"
	"strings"
)

// Error kinds. Every error that leaves a package of this module answers to at
// most one of them through errors.Is; an error that answers to none is a fault
// of the program or of a system call and is shown as it is.
var (
	// ErrNotFound: no such backup, volume, service or object.
	ErrNotFound = errors.New("not found")
	// ErrInvalidInput: the request or record is malformed; nothing was done.
	ErrInvalidInput = errors.New("invalid input")
	// ErrInvalidStatus: the object's status forbids the operation.
	ErrInvalidStatus = errors.New("invalid status")
	// ErrHasDependents: incremental backups stand on this one.
	ErrHasDependents = errors.New("has dependent backups")
	// ErrConflict: the row moved, or the thing exists already.
	ErrConflict = errors.New("conflict")
	// ErrOverLimit: a quota or a limit is used up.
	ErrOverLimit = errors.New("over limit")
	// ErrForbidden: the caller may not do this.
	ErrForbidden = errors.New("forbidden")
	// ErrUnavailable: a server or a store did not answer.
	ErrUnavailable = errors.New("unavailable")
	// ErrServiceDown: no backup service is up to do the work (Cinder's 404 or
	// 503 that names a service).
	ErrServiceDown = errors.New("no backup service is up")
	// ErrCorrupt: data or a document on the store is damaged.
	ErrCorrupt = errors.New("damaged")
	// ErrNotSupported: the driver or the cloud has no such operation.
	ErrNotSupported = errors.New("not supported")
	// ErrNotApplied: accepted, but the state did not change.
	ErrNotApplied = errors.New("accepted, not applied")
	// ErrIncomplete: restored in part; the rest could not be proven.
	ErrIncomplete = errors.New("restored in part")
	// ErrReadOnly: the store was opened for reading only.
	ErrReadOnly = errors.New("store is read-only")
	// ErrTooSmall: the restore target cannot hold the image.
	ErrTooSmall = errors.New("target too small")
)

// Error says which operation failed on which object. Err carries the cause and
// the kind. The text reads "backup <id>: <cause>"; Op is for logs and hints.
type Error struct {
	Op       string // verb in Cinder's words, such as "restore"; may be empty
	Resource string // "backup", "volume", "object", "service"; may be empty
	ID       string
	Err      error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Resource != "" {
		b.WriteString(e.Resource)
		if e.ID != "" {
			b.WriteString(" " + e.ID)
		}
		b.WriteString(": ")
	}
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// kindError is a message of its own that answers to a kind, so that the text
// need not repeat the kind's name.
type kindError struct {
	kind error
	msg  string
}

func (e *kindError) Error() string { return e.msg }
func (e *kindError) Unwrap() error { return e.kind }

// Fail returns an error with text msg that answers to kind.
func Fail(kind error, msg string) error { return &kindError{kind: kind, msg: msg} }
