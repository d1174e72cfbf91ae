// Package objectstore is the small interface through which a chunked backup
// driver reaches its store, with the wrappers that any store can wear. It
// knows nothing of backups.
package objectstore

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors that a Store answers with. Anything else is raw and may be retried.
var (
	ErrNotFound    = errors.New("no such object")
	ErrNoContainer = errors.New("no such container")
	ErrForbidden   = errors.New("access to the store denied")
	ErrReadOnly    = errors.New("the store was opened read-only")
	// ErrBadName: a container or name that could leave the store or cannot be
	// an object's. Nothing was touched.
	ErrBadName = errors.New("bad object name")
)

// Info is one object of a listing.
type Info struct {
	Name     string // within the container
	Size     int64
	Modified time.Time
}

// Store holds objects by container and name. It is safe for concurrent use.
// Names are Cinder's: prefixes are strings, not directories.
type Store interface {
	// PutContainer makes the container; one that is there already is success.
	PutContainer(ctx context.Context, container string) error
	// Containers yields every container in any order. For a file system that
	// is every directory below the root that holds a regular file.
	Containers(ctx context.Context) iter.Seq2[string, error]
	// List yields every object of container whose name begins with prefix, in
	// any order, all pages of it. ErrNoContainer if there is none.
	List(ctx context.Context, container, prefix string) iter.Seq2[Info, error]
	// Get opens n bytes from off, or all from off when n < 0. A range that
	// ends beyond the object is cut to it. The reader must be closed.
	Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error)
	// Put stores size bytes of r under name: all of them or nothing. When it
	// returns nil the object is on stable storage.
	Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error
	// Delete removes an object; one that is not there is success.
	Delete(ctx context.Context, container, name string) error
	// RemoveContainer removes the container if it is empty; one that is not
	// empty or not there is left as it is, without an error.
	RemoveContainer(ctx context.Context, container string) error
	Close() error
}

// Sweeper is a Store in which a writer that is killed can leave something that
// is no object.
type Sweeper interface {
	// Sweep removes what writers that died left in container; one that is not
	// there is success.
	Sweep(ctx context.Context, container string) error
}

// Checker is a Store that can tell whether it is there and readable at all,
// without looking at any container.
type Checker interface {
	// Check returns nil when the store can be listed.
	Check(ctx context.Context) error
}
