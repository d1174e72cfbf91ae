// Package posix is Cinder's posix backup driver: backups in the directories of
// a file system (cinder/backup/drivers/posix.py). It also opens a directory
// copy of an object store's account. Reading needs no right to write: a store
// that is mounted read-only can be scanned, verified and restored from.
package posix

import (
	"context"
	"os"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// Service is the class path that Cinder records for the posix driver.
const Service = "cinder.backup.drivers.posix.PosixBackupDriver"

// New returns the posix driver. Nothing is opened: a root that is not there is
// found by CheckForSetupError.
func New(_ context.Context, c Config) (driverstate.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return chunked.New(c.Wrapped(NewStore(c.Path)), chunked.FileLayout{Default: c.Container}, c.format(Service))
}

// NewGuarded returns the posix driver under the name of service, for a store on
// a share. guard is asked about the root each time it is opened, and its error
// ends the call: it tells whether the share is there.
func NewGuarded(service string, c Config, guard func(root *os.File) error) (*chunked.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	store := NewStore(c.Path)
	store.guard = guard
	return chunked.New(c.Wrapped(store), chunked.FileLayout{Default: c.Container}, c.format(service))
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
	return chunked.New(c.Wrapped(NewObjectsStore(c.Path)), layout, c.format(service))
}
