// Package chunked is version 1.0.0 of Cinder's chunked backup format, the one
// that its posix, nfs, glusterfs, swift, s3 and gcs drivers share
// (cinder/backup/chunkeddriver.py), as a driver over any object store.
package chunked

import (
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Layout is the only thing in which the chunked drivers differ.
type Layout interface {
	// Container names the container of b when the row names none.
	Container(b *driverstate.Backup) string
	// Prefix names the object prefix of b whose copy starts at start.
	Prefix(b *driverstate.Backup, start time.Time) string
	// CheckContainer refuses a container that could leave the store or that
	// the store cannot have: driverstate.ErrInvalidInput.
	CheckContainer(container string) error
}

// Config is what Cinder's options for a chunked driver say.
type Config struct {
	Service     string      // class path recorded in rows
	ObjectSize  int64       // bytes of volume per object; a multiple of BlockSize
	BlockSize   int64       // bytes per SHA-256
	Compression Compression // of new backups
	// Workers is how many objects are read, or pieces written, at once.
	// 0 means one per CPU.
	Workers int
}

// Driver implements driverstate.Driver, Scanner, Verifier and ForceDeleter.
type Driver struct {
	store  objectstore.Store
	layout Layout
	cfg    Config
}
