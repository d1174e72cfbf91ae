// Package s3 is Cinder's S3 backup driver (cinder/backup/drivers/s3.py): backups
// in the buckets of any server that speaks S3.
//
// An object is written in one request and all at once, with its MD5. With a
// customer's key (SSE-C) the server is put to the proof that it encrypts.
package s3

import (
	"context"
	"log/slog"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// Service is the class path that Cinder records for the s3 driver.
const Service = "cinder.backup.drivers.s3.S3BackupDriver"

// New returns the s3 driver. Nothing is asked of the server yet: what cannot
// be used is found by CheckForSetupError.
func New(_ context.Context, c Config) (driverstate.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c.warnEncryption(log)
	s, err := NewStore(c)
	if err != nil {
		return nil, err
	}
	d, err := chunked.New(c.Network(s, c.retries()), layout{chunked.ObjectLayout{Default: c.Bucket, Zone: c.Zone}}, chunked.Config{
		Service: Service, ObjectSize: c.ObjectSize, BlockSize: c.BlockSize,
		Compression: c.Compression, Workers: c.Workers, Tuning: c.Tuning, Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &Driver{Driver: d, cfg: c, store: s}, nil
}
