package chunked

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
)

// marks is a bit for each block of an image. Any number may be set at once.
type marks []atomic.Uint64

func newMarks(n int64) marks { return make(marks, (n+63)/64) }

func (m marks) set(i int64)      { m[i/64].Or(1 << (i % 64)) }
func (m marks) has(i int64) bool { return m[i/64].Load()&(1<<(i%64)) != 0 }

// resume takes out of the plan the blocks that dst, a target for what is wanted
// of the image, holds already, and returns how many bytes that are. Without a
// hash list of the tip nothing can be known to be there.
func (r *run) resume(ctx context.Context, dst driverstate.Target) (kept int64, err error) {
	from, ok := dst.(driverstate.Readable)
	if !ok {
		return 0, driverstate.Fail(driverstate.ErrNotSupported, "the target cannot be read, so that there is nothing to go on from")
	}
	if dst.Blank() {
		return 0, nil
	}
	h := r.p.tip().hashes
	if h == nil || h.BlockSize > window {
		r.p.warnings = append(r.p.warnings, "without a hash list nothing of the target is known to be right: all of it is restored")
		return 0, nil
	}
	c := &comparison{run: r, hashes: h, from: from, wanted: segment{0, r.p.length}, right: newMarks(int64(h.Blocks()))}
	if r.p.part != nil {
		c.wanted = *r.p.part
	}
	begun := time.Now()
	if err := c.execute(ctx); err != nil {
		return 0, err
	}
	kept = r.p.without(c.right, h.BlockSize)
	r.watch.left(len(r.p.units))
	took, busy := time.Since(begun), c.busy.Load()
	r.meter.before.Add(shareOf(took, c.listing.Load(), busy))
	r.meter.after.Add(shareOf(took, c.reading.Load(), busy))
	return kept, nil
}

// comparison looks which blocks of an image a target holds.
type comparison struct {
	*run
	hashes *Hashes
	from   driverstate.Readable
	wanted segment // of the image; the target holds it from its beginning on
	right  marks   // by block

	// ns, of workers: at work, and of that reading the target and reading the
	// hash list.
	busy, reading, listing atomic.Int64
}

// execute compares stretches side by side, each worker with one in memory.
func (c *comparison) execute(ctx context.Context) error {
	block := c.hashes.BlockSize
	first := (c.wanted.off + block - 1) / block * block // blocks at the edges cannot be proven
	stretch := window / block * block
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range max(1, c.d.cfg.Workers) {
		group.Go(func() error {
			defer since(&c.busy, time.Now())
			w, buffer := &worker{digester: newDigester()}, make([]byte, stretch)
			for {
				at := first + (next.Add(1)-1)*stretch
				if at >= c.wanted.end {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := c.stretch(ctx, w, buffer, at); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// stretch compares the whole blocks from off on, and tells of those that are
// right as of bytes that are done. What is behind the end of the target will
// read as zeros.
func (c *comparison) stretch(ctx context.Context, w *worker, buffer []byte, off int64) error {
	b := buffer[:min(int64(len(buffer)), c.wanted.end-off)]
	start := time.Now()
	n, err := c.from.ReadAt(b, off-c.wanted.off)
	since(&c.reading, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the target at byte %d: %w", off-c.wanted.off, err)
	}
	clear(b[n:])
	block, kept := c.hashes.BlockSize, int64(0)
	for at := int64(0); at < int64(len(b)); at += block {
		end := min(at+block, int64(len(b)))
		i := (off + at) / block
		if end-at < block && off+end != c.p.length || i >= int64(c.hashes.Blocks()) {
			break // the rest of the block is not wanted
		}
		want, err := c.digest(ctx, w, i)
		if err != nil {
			return err
		}
		if w.sum(b[at:end]) == [sha256.Size]byte(want) {
			c.right.set(i)
			kept += end - at
		}
	}
	c.watch.bytes(kept)
	return nil
}

// digest is that of block i; a list that is not held is read from the store.
func (c *comparison) digest(ctx context.Context, w *worker, i int64) ([]byte, error) {
	if c.hashes.paged != nil {
		defer since(&c.listing, time.Now())
	}
	return w.digest(ctx, c.hashes, i)
}

// without takes the marked blocks out of the plan, and returns how many bytes
// of it they were.
func (p *plan) without(right marks, block int64) (n int64) {
	units := p.units[:0]
	for _, u := range p.units {
		before := total(u.segments)
		u.segments = unmarked(u.segments, right, block)
		n += before - total(u.segments)
		if len(u.segments) > 0 {
			units = append(units, u)
		}
	}
	p.units = units
	before := total(p.gaps)
	p.gaps = unmarked(p.gaps, right, block)
	return n + before - total(p.gaps)
}

// unmarked is what of the segments lies in no marked block.
func unmarked(segments []segment, marked marks, block int64) (left []segment) {
	for _, s := range segments {
		for at := s.off; at < s.end; {
			end := min((at/block+1)*block, s.end)
			last := len(left) - 1
			switch i := at / block; {
			case i < int64(len(marked))*64 && marked.has(i):
			case last >= 0 && left[last].end == at:
				left[last].end = end
			default:
				left = append(left, segment{at, end})
			}
			at = end
		}
	}
	return left
}
