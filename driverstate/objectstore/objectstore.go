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
	// ErrDamaged: the store itself knows that what it holds of an object is not
	// what was written.
	ErrDamaged = errors.New("damaged on the store")
)

// Info is one object of a listing.
type Info struct {
	Name     string // within the container
	Size     int64
	Modified time.Time
	// MD5 is that of the object's bytes, 16 of them, where the listing tells
	// it; nil where it does not, or what it tells may be something else.
	MD5 []byte
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
	// returns nil the object is on stable storage. Nothing is read of r once ctx
	// has ended, so that no object comes of a Put that was given up.
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

// Surveyor is a Store that can look through all that it holds faster than by
// its Containers and a List and Gets of each.
type Surveyor interface {
	// Survey calls visit for every container that Containers yields, or for
	// within and those below it ("within/..."), from several goroutines at a
	// time. ErrNoContainer if within is not there. It ends with the first error
	// of visit. errors.ErrUnsupported if it can do nothing better than
	// Containers: then visit was not called.
	Survey(ctx context.Context, within string, visit Visit) error
}

// Visit is told of one container. Until it returns, in is the store, and knows
// where the container is: listing it once, and reading what it holds, is what
// it is for. With err, the container cannot be read, and in is nil.
type Visit func(container string, in Store, err error) error
