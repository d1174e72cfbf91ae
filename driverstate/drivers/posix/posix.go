// Package posix is Cinder's posix backup driver: backups in the directories of
// a file system (cinder/backup/drivers/posix.py). It also opens a directory
// copy of an object store's account. Reading needs no right to write: a store
// that is mounted read-only can be scanned, verified and restored from.
package posix

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Service is the class path that Cinder records for the posix driver.
const Service = "cinder.backup.drivers.posix.PosixBackupDriver"

// New returns the posix driver. Nothing is opened: a root that is not there is
// found by CheckForSetupError.
func New(_ context.Context, c Config) (driverstate.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return chunked.New(c.wrap(NewStore(c.Path)), chunked.FileLayout{Default: c.Container}, c.format(Service))
}

// NewObjects returns the driver of an object store whose account lies copied
// in directories below c.Path. service is the class path of the driver that
// wrote it; c.Container is its default container.
func NewObjects(_ context.Context, service string, c Config) (driverstate.Driver, error) {
	if err := checkPath(c.Path); err != nil {
		return nil, err
	}
	layout := chunked.ObjectLayout{Default: c.Container}
	if c.Container != "" {
		if err := layout.CheckContainer(c.Container); err != nil {
			return nil, err
		}
	}
	return chunked.New(c.wrap(NewObjectsStore(c.Path)), layout, c.format(service))
}

func (c Config) wrap(s objectstore.Store) objectstore.Store {
	if c.Wrap != nil {
		s = c.Wrap(s)
	}
	if c.ReadOnly {
		return objectstore.ReadOnly(s)
	}
	return s
}
