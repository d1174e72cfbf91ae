// Package gcs is Cinder's Google Cloud Storage backup driver
// (cinder/backup/drivers/gcs.py), through the same JSON API. Where Cinder reads
// one page of a listing, and so can neither restore nor wholly delete a backup
// of more than 1,000 objects, this driver reads all of them.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Service is the class path that Cinder records for the gcs driver.
const Service = "cinder.backup.drivers.gcs.GoogleBackupDriver"

// backoff is the pause before the second attempt of a request. Cinder's own
// begins between 0 and 2 s.
const backoff = time.Second

// Driver is the chunked format on buckets. It is safe for concurrent use.
type Driver struct {
	*chunked.Driver
	store *Store
	cfg   Config
}

var (
	_ driverstate.Driver       = (*Driver)(nil)
	_ driverstate.Scanner      = (*Driver)(nil)
	_ driverstate.Verifier     = (*Driver)(nil)
	_ driverstate.ForceDeleter = (*Driver)(nil)
)

// New returns the gcs driver. Nothing is opened: DoSetup reads the credentials
// and CheckForSetupError asks the server.
func New(_ context.Context, c Config) (driverstate.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	store := NewStore(c)
	network := c.Network(store, objectstore.Retries{Attempts: c.Retries, Backoff: backoff})
	format, err := chunked.New(network, chunked.ObjectLayout{Default: c.Bucket, Zone: c.Zone}, c.format())
	if err != nil {
		return nil, err
	}
	return &Driver{Driver: format, store: store, cfg: c}, nil
}

// DoSetup reads the credentials. It may be called again after a failure.
func (d *Driver) DoSetup(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := d.store.service()
	return err
}

// CheckForSetupError proves that the bucket can be listed. Like Cinder it asks
// for the bucket; a project is needed only to make one. A bucket that is not
// there is made by the first backup, and so is an error only of a store that is
// opened for reading, or whose project is not known.
func (d *Driver) CheckForSetupError(ctx context.Context) error {
	if err := d.store.configured(); err != nil {
		return err
	}
	err := d.Driver.CheckForSetupError(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, driverstate.ErrNotFound) && d.cfg.ReadOnly:
		return driverstate.Fail(driverstate.ErrNotFound,
			fmt.Sprintf("bucket %s does not exist; option backup_gcs_bucket names that of the backups", d.cfg.Bucket))
	case errors.Is(err, driverstate.ErrNotFound) && d.store.project() == "":
		return invalid("bucket %s does not exist, and no project is known to make it in: set backup_gcs_project_id", d.cfg.Bucket)
	case errors.Is(err, driverstate.ErrNotFound):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, driverstate.ErrForbidden), errors.Is(err, driverstate.ErrInvalidInput):
		return err
	}
	return driverstate.Fail(driverstate.ErrUnavailable, err.Error())
}
