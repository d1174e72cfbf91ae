package chunked

import (
	"io"
	"log/slog"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Runtime is what the program tells a driver, besides what Cinder's options
// say.
type Runtime struct {
	ReadOnly bool // refuse every write
	Workers  int  // as Config.Workers
	Tuning
	// Logger is told what a scan leaves out; nil discards it.
	Logger *slog.Logger
	// Wrap is put around the store, below ReadOnly; nil for none.
	Wrap func(objectstore.Store) objectstore.Store
	// Limit holds the bytes of a driver that has no store for Wrap; nil for
	// none. Wrap sees to those of a store.
	Limit objectstore.Limiter
	// Stdin is for a store that is read from a pipe; nil for none.
	Stdin io.Reader
}

// Wrapped is s as the driver shall see it.
func (r Runtime) Wrapped(s objectstore.Store) objectstore.Store {
	if r.Wrap != nil {
		s = r.Wrap(s)
	}
	if r.ReadOnly {
		return objectstore.ReadOnly(s)
	}
	return s
}

// Network is a store behind a network as the driver shall see it: calls that
// fail are repeated, and all are told to the logger.
func (r Runtime) Network(s objectstore.Store, retries objectstore.Retries) objectstore.Store {
	retries.Logger = r.Logger
	return r.Wrapped(objectstore.Trace(objectstore.Retry(s, retries), r.Logger))
}

// CompressionOption is Cinder's option that every chunked driver reads
// (cinder/backup/chunkeddriver.py).
var CompressionOption = oslo.Opt{
	Name: "backup_compression_algorithm", Default: "zlib",
	Choices: []string{"none", "off", "no", "zlib", "gzip", "bz2", "bzip2", "zstd"}, AnyCase: true,
	Help: "compression of new backups",
}
