// Package chunked is version 1.0.0 of Cinder's chunked backup format, the one
// that its posix, nfs, glusterfs, swift, s3 and gcs drivers share
// (cinder/backup/chunkeddriver.py), as a driver over any object store.
package chunked

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/cores"
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
	BlockSize   int64       // bytes per SHA-256, a multiple of 512
	Compression Compression // of new backups
	// Workers is how many objects are read, or pieces written, at once.
	// 0 means one per CPU.
	Workers int
	Tuning
	// Logger is told what a scan had to leave out; nil discards it.
	Logger *slog.Logger
	// Space is what is free, and what there is, of the file system that the
	// store is, in bytes; nil when it is none.
	Space func() (free, total int64, err error)
}

// Validate answers ErrInvalidInput to what the format cannot hold.
func (c Config) Validate() error {
	bad := func(format string, args ...any) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
	}
	switch {
	case c.Service == "":
		return bad("driver configuration names no service")
	case checkHashBlock(c.BlockSize) != nil:
		return bad("block size %d is not a positive multiple of 512", c.BlockSize)
	case c.ObjectSize <= 0 || c.ObjectSize > maxExtent:
		return bad("object size %d is not between 1 and %d", c.ObjectSize, int64(maxExtent))
	case c.ObjectSize%c.BlockSize != 0:
		// Cinder: "Chunk size is not multiple of block size for creating hash."
		return bad("object size %d is not a multiple of the block size %d", c.ObjectSize, c.BlockSize)
	case c.Workers < 0:
		return bad("workers %d is negative", c.Workers)
	}
	if err := c.Tuning.validate(); err != nil {
		return err
	}
	switch c.Compression {
	case CompressionNone, CompressionZlib, CompressionBz2, CompressionZstd:
		return nil
	}
	return bad("compression %q is not none, zlib, bz2 or zstd", c.Compression)
}

// Driver implements driverstate.Driver, Scanner, Verifier and ForceDeleter.
type Driver struct {
	store  objectstore.Store
	layout Layout
	cfg    Config
	held   int // digests of a hash list that are held in memory
	// big admits one long document at a time, so that a store full of them
	// cannot use up the memory.
	big chan struct{}
}

// New returns the driver that lays its backups out in store as layout says. It
// owns store and closes it.
func New(store objectstore.Store, layout Layout, cfg Config) (*Driver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Workers == 0 {
		cfg.Workers = cores.Count()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Driver{store: store, layout: layout, cfg: cfg, held: heldDigests, big: make(chan struct{}, 1)}, nil
}

// Service is the class path that Cinder records for this driver.
func (d *Driver) Service() string { return d.cfg.Service }

// DoSetup has nothing to prepare: mounts and sessions are the store's.
func (d *Driver) DoSetup(ctx context.Context) error { return ctx.Err() }

// CheckForSetupError proves that the store can be listed. It needs no right to
// write: recovery reads.
func (d *Driver) CheckForSetupError(ctx context.Context) error {
	if c, ok := d.store.(objectstore.Checker); ok {
		return storeError(c.Check(ctx))
	}
	for _, err := range d.store.Containers(ctx) {
		return storeError(err)
	}
	return nil
}

// Place names where b will lie if its copy starts at start. It does not
// depend on where its parent lies.
func (d *Driver) Place(b, _ *driverstate.Backup, start time.Time) (container, serviceMetadata string, err error) {
	if !driverstate.IsUUID(b.ID) || !driverstate.IsUUID(b.VolumeID) {
		return "", "", driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("backup id %.80q or volume id %.80q is not a UUID", b.ID, b.VolumeID))
	}
	container = b.Container
	if container == "" {
		container = d.layout.Container(b)
	}
	if err := d.layout.CheckContainer(container); err != nil {
		return "", "", err
	}
	prefix := d.layout.Prefix(b, start)
	if _, err := ownPrefix(b, prefix); err != nil {
		return "", "", err
	}
	return container, prefix, nil
}

// CheckBackup implements driverstate.BackupChecker: Tuning.Memory may be too
// little to pack a backup, and enough to read one.
func (d *Driver) CheckBackup() error {
	_, err := d.cfg.backup(d.cfg.Compression, 1)
	return err
}

// SupportsForceDelete is true for every chunked driver (chunkeddriver.py
// support_force_delete).
func (d *Driver) SupportsForceDelete() bool { return true }

// Close closes the store.
func (d *Driver) Close() error { return d.store.Close() }

// storeError gives a store's error the kind that the rest of the program
// knows; one that has a kind, or is raw, stays as it is.
func storeError(err error) error {
	var kind error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, objectstore.ErrNotFound), errors.Is(err, objectstore.ErrNoContainer):
		kind = driverstate.ErrNotFound
	case errors.Is(err, objectstore.ErrForbidden):
		kind = driverstate.ErrForbidden
	case errors.Is(err, objectstore.ErrReadOnly):
		kind = driverstate.ErrReadOnly
	case errors.Is(err, objectstore.ErrBadName):
		kind = driverstate.ErrInvalidInput
	case errors.Is(err, objectstore.ErrDamaged):
		kind = driverstate.ErrCorrupt
	default:
		return err
	}
	return &storeFailure{error: err, kind: kind}
}

// storeFailure is an error of the store that also answers to kind.
type storeFailure struct {
	error
	kind error
}

func (e *storeFailure) Unwrap() []error { return []error{e.error, e.kind} }
