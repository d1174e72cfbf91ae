package tape

import (
	"io"
	"log/slog"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Pipe is the one tape that goes down a pipe. Drivers on it write to it one
// after another, and it remembers what it has carried, because a pipe cannot be
// read back. It is safe for concurrent use.
type Pipe struct{ tape *store }

// NewPipe returns the tape that goes to w. Nothing is written before the first
// object or record. A nil now is time.Now; a nil log discards.
func NewPipe(w io.Writer, now func() time.Time, log *slog.Logger) *Pipe {
	return &Pipe{newStore(&store{append: true, out: w, now: now, log: log})}
}

// Close writes the index and the end of the tape, if anything was written. It
// does not close the writer.
func (p *Pipe) Close() error { return p.tape.finish() }

// piped is the tape in a pipe as one of its drivers has it, which goes before
// the tape ends.
type piped struct{ *store }

// Close leaves the tape open for what comes behind.
func (piped) Close() error { return nil }

// Carried returns the row of a backup that went down the pipe whole, and false
// for any other: its metadata document is the last that is written of it.
func (d *Driver) Carried(id string) (*driverstate.Backup, bool) {
	d.tape.mu.Lock()
	defer d.tape.mu.Unlock()
	r, ok := d.tape.record(id)
	if !ok {
		return nil, false
	}
	decoded, err := driverstate.DecodeRecord(r)
	if err != nil {
		return nil, false
	}
	b := &decoded.Backup
	return b, d.tape.c.hasDocument(b.Container, b.ServiceMetadata)
}
