package tape

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Service is that of the records of a tape, which holds a posix store: its
// objects, put into files by their containers and names, are one.
const Service = "cinder.backup.drivers.posix.PosixBackupDriver"

// minVolume is the smallest volume: a block must fit behind its head.
const minVolume = 2 * maxPayload

// Options are what a tape can be told. They are of cinder-go.
var Options = []oslo.Opt{
	{Name: "tape_path", Help: "file of the tape; its volumes are that and .001, .002"},
	{Name: "tape_volume_size", Kind: oslo.Int, Default: "0", Help: "bytes of one volume of a tape that is written; 0 for one volume"},
	chunked.CompressionOption,
	{Name: "tape_object_size", Kind: oslo.Int, Default: "52428800", Help: "bytes of volume per object, of a chain that is flattened onto the tape"},
	{Name: "tape_block_size", Kind: oslo.Int, Default: "32768", Help: "bytes per digest, of the same"},
}

// Config is what a tape can be told.
type Config struct {
	Path        string // absolute
	VolumeSize  int64  // bytes; 0 for one volume
	ObjectSize  int64
	BlockSize   int64
	Compression chunked.Compression
	chunked.Runtime

	// Append lets the tape be written; one that is not there is made.
	Append bool
	In     io.Reader // a tape to be read from a pipe, in place of Path
	Out    *Pipe     // the tape in a pipe that is written to, in place of Path
	Now    func() time.Time
}

// NewConfig reads Options.
func NewConfig(v oslo.Values) (Config, error) {
	r := oslo.Read(Options, v)
	c := Config{
		Path: r.String("tape_path"), VolumeSize: r.Int("tape_volume_size"),
		ObjectSize: r.Int("tape_object_size"), BlockSize: r.Int("tape_block_size"),
	}
	word := r.String(chunked.CompressionOption.Name)
	if err := r.Err(); err != nil {
		return c, err
	}
	var err error
	c.Compression, err = chunked.ParseCompression(word)
	return c, err
}

// Validate answers ErrInvalidInput to a tape that cannot be.
func (c Config) Validate() error {
	bad := func(format string, args ...any) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
	}
	switch {
	case c.In != nil && c.Out != nil:
		return bad("a tape is read from a pipe or written to one")
	case c.In == nil && c.Out == nil && !filepath.IsAbs(c.Path):
		return bad("tape path %q is not absolute", c.Path)
	case c.VolumeSize != 0 && c.VolumeSize < minVolume:
		return bad("volume size %d of a tape is less than %d", c.VolumeSize, minVolume)
	case c.VolumeSize != 0 && (c.In != nil || c.Out != nil):
		return bad("a tape in a pipe has one volume")
	}
	return nil
}

// Driver is a tape as a backup driver: backups are listed, verified, restored
// and shipped from it. Only a shipment writes to it.
type Driver struct {
	*chunked.Driver
	tape *store
}

// New returns the driver of a tape. Nothing is opened.
func New(_ context.Context, c Config) (*Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := newStore(&store{
		path: filepath.Clean(c.Path), volumeSize: c.VolumeSize, append: c.Append && !c.ReadOnly, in: c.In, now: c.Now, log: c.Logger,
	})
	var objects objectstore.Store = s
	if c.Out != nil {
		s = c.Out.tape
		objects = piped{s}
	}
	workers := c.Workers
	if s.append {
		workers = 1 // a tape is written in order
	}
	c.ReadOnly = !s.append
	d, err := chunked.New(c.Wrapped(objects), chunked.FileLayout{}, chunked.Config{
		Service: Service, ObjectSize: c.ObjectSize, BlockSize: c.BlockSize, Compression: c.Compression, Workers: workers, Tuning: c.Tuning, Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &Driver{Driver: d, tape: s}, nil
}

// DoSetup opens the tape and finds out what is on it.
func (d *Driver) DoSetup(ctx context.Context) error { return d.tape.Check(ctx) }

// WriteOnly reports whether the tape cannot be read while it is written.
func (d *Driver) WriteOnly() bool { return d.tape.out != nil }

// KeepRecord writes a record, if the tape does not have it.
func (d *Driver) KeepRecord(ctx context.Context, r driverstate.ExportedRecord) error {
	return d.tape.keepRecord(ctx, r)
}

// KeptRecord returns the record of a backup.
func (d *Driver) KeptRecord(id string) (driverstate.ExportedRecord, bool) {
	d.tape.mu.Lock()
	defer d.tape.mu.Unlock()
	return d.tape.record(id)
}

// Finish writes the index and the end of the tape. More can be written after
// it. A tape in a pipe ends when the Pipe is closed.
func (d *Driver) Finish(context.Context) error {
	if d.WriteOnly() {
		return nil
	}
	return d.tape.finish()
}

// Problems are what is not whole of the tape, in its order; nil for a tape that
// was read by its index, of which only the data can tell.
func (d *Driver) Problems() []string {
	d.tape.mu.Lock()
	defer d.tape.mu.Unlock()
	if d.tape.c == nil {
		return nil
	}
	return d.tape.c.problems
}

var (
	_ driverstate.Driver       = (*Driver)(nil)
	_ driverstate.RecordKeeper = (*Driver)(nil)
	_ driverstate.Finisher     = (*Driver)(nil)
	_ objectstore.Store        = (*store)(nil)
)
