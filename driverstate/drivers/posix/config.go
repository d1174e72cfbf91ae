package posix

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Defaults of Cinder's options backup_file_size and
// backup_sha_block_size_bytes (cinder/backup/drivers/posix.py).
const (
	DefaultObjectSize = 1999994880
	DefaultBlockSize  = 32768
)

// FileOptions are the options of every driver whose store is a file system
// (cinder/backup/drivers/posix.py).
var FileOptions = []oslo.Opt{
	chunked.CompressionOption,
	{Name: "backup_file_size", Kind: oslo.Int, Default: "1999994880", Help: "bytes of volume per object, a multiple of backup_sha_block_size_bytes"},
	{Name: "backup_sha_block_size_bytes", Kind: oslo.Int, Default: "32768", Help: "bytes per digest, in which changes are found"},
	{Name: "backup_enable_progress_timer", Kind: oslo.Bool, Default: "true", Help: "notify of the progress of a backup every backup_timer_interval seconds too"},
	{Name: "backup_container", Help: "one directory for all backups in place of one for each"},
}

// Options are those that the posix driver reads.
var Options = append([]oslo.Opt{{Name: "backup_posix_path", Default: "$state_path/backup", Help: "directory of the store"}}, FileOptions...)

// Config is what the posix driver can be told. Zero fields take Cinder's
// defaults.
type Config struct {
	Path        string              // backup_posix_path, absolute
	Container   string              // backup_container: one directory for all backups
	ObjectSize  int64               // backup_file_size, bytes
	BlockSize   int64               // backup_sha_block_size_bytes
	Compression chunked.Compression // backup_compression_algorithm; zlib when empty
	chunked.Runtime
}

// NewConfig reads Options.
func NewConfig(v oslo.Values) (Config, error) {
	c, err := NewFileConfig(v)
	if err != nil {
		return c, err
	}
	c.Path = oslo.Read(Options, v).String("backup_posix_path")
	return c, nil
}

// NewFileConfig reads FileOptions.
func NewFileConfig(v oslo.Values) (Config, error) {
	r := oslo.Read(FileOptions, v)
	c := Config{
		Container: r.String("backup_container"), ObjectSize: r.Int("backup_file_size"), BlockSize: r.Int("backup_sha_block_size_bytes"),
	}
	if plain := strings.TrimRight(c.Container, "/"); plain != "" {
		c.Container = plain
	}
	r.Bool("backup_enable_progress_timer")
	word := r.String("backup_compression_algorithm")
	if err := r.Err(); err != nil {
		return c, err
	}
	var err error
	c.Compression, err = chunked.ParseCompression(word)
	return c, err
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
		Compression: c.Compression, Workers: c.Workers, Tuning: c.Tuning, Logger: c.Logger,
		Space: func() (free, total int64, err error) { return space(c.Path) },
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
