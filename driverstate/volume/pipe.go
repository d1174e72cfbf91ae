package volume

import (
	"fmt"
	"io"
)

// Pipe is a sequential target (driverstate.Target).
type Pipe struct {
	w      io.Writer
	limit  int64 // longest image; 0 is no limit
	next   int64 // offset of the byte to be written next
	length int64
}

var _ Target = (*Pipe)(nil)

// NewPipe writes an image of at most limit bytes to w; 0 is no limit. Closing
// it leaves w open.
func NewPipe(w io.Writer, limit int64) *Pipe { return &Pipe{w: w, limit: limit} }

// Begin implements driverstate.Target.
func (p *Pipe) Begin(length int64) error {
	p.length = length
	if p.limit > 0 {
		return checkFit("-", length, p.limit)
	}
	return nil
}

// Sequential implements driverstate.Target.
func (p *Pipe) Sequential() bool { return true }

// Blank is false: every zero must be written to a pipe.
func (p *Pipe) Blank() bool { return false }

// Depth implements driverstate.Target.
func (p *Pipe) Depth() int { return 1 }

// WriteAt implements driverstate.Target.
func (p *Pipe) WriteAt(b []byte, off int64) (int, error) {
	if off != p.next {
		return 0, fmt.Errorf("byte %d of a pipe cannot be written after %d bytes", off, p.next)
	}
	n, err := p.w.Write(b)
	p.next += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing to the pipe: %w", err)
	}
	return n, nil
}

// ZeroRange implements driverstate.Target.
func (p *Pipe) ZeroRange(off, n int64) error {
	for n > 0 {
		w, err := p.WriteAt(zeros[:min(n, int64(len(zeros)))], off)
		if err != nil {
			return err
		}
		off, n = off+int64(w), n-int64(w)
	}
	return nil
}

// Sync answers an error if not every byte of the image was written.
func (p *Pipe) Sync() error {
	if p.next != p.length {
		return fmt.Errorf("%d of %d bytes were written to the pipe", p.next, p.length)
	}
	return nil
}

// Commit fails if a part of the image was not written.
func (p *Pipe) Commit() error { return p.Sync() }

// Abort has nothing to take back: what the reader has got it has got.
func (p *Pipe) Abort() error { return nil }

// Keep has nothing to keep: what was written has gone.
func (p *Pipe) Keep() string { return "" }

// Close leaves the writer open.
func (p *Pipe) Close() error { return nil }
