package chunked

import (
	"context"
	"fmt"
	"io"

	"github.com/cinder-go/cinder-go/driverstate"
)

// onceSource is a Source that can be read from its beginning to its end, once,
// by one at a time.
type onceSource interface {
	driverstate.Source
	Sequential() bool
}

// pieces lets a backup read the piece that it is at as often as it likes, from
// a spool, of a source that can be read once.
type pieces struct {
	driverstate.Source
	now *spool
	off int64
}

func (p *pieces) load(ctx context.Context, off, n int64) error {
	p.close()
	scratch := make([]byte, window)
	p.now, p.off = &spool{}, off
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := scratch[:min(int64(len(scratch)), n-done)]
		if m, err := p.Source.ReadAt(b, off+done); m < len(b) {
			return fmt.Errorf("reading the volume at byte %d: %w", off+done, err)
		}
		if _, err := p.now.Write(b); err != nil {
			return err
		}
		done += int64(len(b))
	}
	return nil
}

// ReadAt reads of the piece that is loaded.
func (p *pieces) ReadAt(b []byte, off int64) (int, error) {
	return p.now.reader().(io.ReaderAt).ReadAt(b, off-p.off)
}

func (p *pieces) close() {
	if p.now != nil {
		p.now.close()
	}
}
