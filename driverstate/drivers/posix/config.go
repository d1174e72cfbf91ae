package posix

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Defaults of Cinder's options backup_file_size and
// backup_sha_block_size_bytes (cinder/backup/drivers/posix.py).
const (
	DefaultObjectSize = 1999994880
	DefaultBlockSize  = 32768
)

// Config is what the posix driver can be told. Zero fields take Cinder's
// defaults.
type Config struct {
	Path        string              // backup_posix_path, absolute
	Container   string              // backup_container: one directory for all backups
	ObjectSize  int64               // backup_file_size, bytes
	BlockSize   int64               // backup_sha_block_size_bytes
	Compression chunked.Compression // backup_compression_algorithm; zlib when empty
	ReadOnly    bool                // refuse every write
	Workers     int                 // as chunked.Config
	Logger      *slog.Logger
	Wrap        func(objectstore.Store) objectstore.Store // nil for none
}

// Validate answers driverstate.ErrInvalidInput to a path that is not absolute.
// The rest is the format's to judge.
func (c Config) Validate() error {
	if err := checkPath(c.Path); err != nil {
		return err
	}
	if c.Container == "" {
		return nil
	}
	return chunked.FileLayout{}.CheckContainer(c.Container)
}

func checkPath(path string) error {
	if !filepath.IsAbs(path) {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("store path %q is not absolute", path))
	}
	return nil
}

func (c Config) format(service string) chunked.Config {
	f := chunked.Config{
		Service: service, ObjectSize: c.ObjectSize, BlockSize: c.BlockSize,
		Compression: c.Compression, Workers: c.Workers, Logger: c.Logger,
	}
	if f.BlockSize == 0 {
		f.BlockSize = DefaultBlockSize
	}
	if f.ObjectSize == 0 {
		f.ObjectSize = DefaultObjectSize
	}
	if f.Compression == "" {
		f.Compression = chunked.CompressionZlib
	}
	return f
}
