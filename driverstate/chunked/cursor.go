package chunked

import (
	"context"
	"errors"
)

// whole processes all of a unit.
func (w *worker) whole(ctx context.Context, u *unit) error {
	c := newCursor(w, u)
	defer c.close()
	if err := c.begin(ctx); err != nil {
		return err
	}
	for _, s := range u.segments {
		if err := c.segment(ctx, s); err != nil {
			return err
		}
	}
	return c.finish()
}

// cursor is one unit being processed.
type cursor struct {
	w    *worker
	u    *unit
	x    *extentReader
	seen int64 // surviving bytes that progress was told of
	// suspect is where a fault was that is being read again; -1 for none.
	suspect int64
	// condemned: a fault was the same when it was read again. To read an
	// object again for each of its bad blocks would take the square of its
	// length.
	condemned bool
	lost      bool // verifying: what is left of the object cannot be read
}

func newCursor(w *worker, u *unit) *cursor { return &cursor{w: w, u: u, suspect: -1} }

func (c *cursor) close() {
	if c.x != nil {
		c.x.close()
		c.x = nil
	}
}

func (c *cursor) count(n int64) {
	c.seen += n
	c.w.watch.bytes(n)
}

// begin proves a unit that only its md5 can prove, in a pass of its own before
// any of its bytes are used.
func (c *cursor) begin(ctx context.Context) error {
	c.w.read.Add(1)
	if c.u.proof.hashes != nil {
		c.w.note("sha256")
		return nil
	}
	method, err := c.w.md5(ctx, c.u)
	var fault *damage
	if errors.As(err, &fault) { // one bad read does not condemn
		method, err = c.w.md5(ctx, c.u)
	}
	if errors.As(err, &fault) && c.w.report != nil {
		c.w.report(fault)
		c.lost = true
		return nil
	}
	if err == nil {
		c.w.note(method)
	}
	return err
}

func (u *unit) surviving() (n int64) {
	for _, s := range u.segments {
		n += s.end - s.off
	}
	return n
}

// segment passes the blocks of s through: read, prove, write.
func (c *cursor) segment(ctx context.Context, s segment) error {
	for at := s.off; at < s.end && !c.lost; {
		reached, err := c.advance(ctx, at, s)
		at = reached
		var fault *damage
		switch {
		case err == nil:
		case !errors.As(err, &fault):
			return err
		case !c.condemned && at != c.suspect:
			c.suspect = at
			c.close()
		case c.w.report == nil:
			return err
		default:
			c.condemned = true
			c.w.report(fault)
			c.lost = fault.cut
			at = min(fault.Offset+fault.Length, s.end)
		}
	}
	return nil
}

// grid is the size of the blocks that are proven one by one.
func (c *cursor) grid() int64 {
	if h := c.u.proof.hashes; h != nil {
		return h.BlockSize
	}
	return 1 // the whole object was proven
}

// advance processes whole blocks from at on until the end of s or a fault, and
// returns how far it came.
func (c *cursor) advance(ctx context.Context, at int64, s segment) (int64, error) {
	e, block := c.u.extent, c.grid()
	if c.x == nil {
		x, err := c.w.d.open(ctx, c.u.layer, e)
		if err != nil {
			return at, err
		}
		c.x = x
	}
	step := window / block * block
	for at < s.end {
		if err := ctx.Err(); err != nil {
			return at, err
		}
		// Whole blocks of the volume's grid around what survives, within the
		// object: a proof needs all of a block.
		from := max(at/block*block, e.Offset)
		to := min(from+step, (s.end+block-1)/block*block, e.Offset+e.Length)
		if c.u.proof.hashes == c.w.p.tip().hashes {
			to = min(to, max(c.w.p.length, s.end))
		}
		if c.x.pos > from-e.Offset {
			// Another segment of this object had part of the block.
			c.close()
			return c.advance(ctx, at, s)
		}
		if err := c.x.skip(ctx, from-e.Offset, c.w.buffer); err != nil {
			return at, err
		}
		b := c.w.buffer[:to-from]
		if err := c.x.read(b); err != nil {
			return at, err
		}
		good, fault := c.prove(b, from)
		done := min(from+good, s.end)
		if done > at {
			if err := c.w.emit(b[at-from:done-from], at); err != nil {
				return at, err
			}
			c.count(done - at)
			at = done
		}
		if fault != nil {
			return at, fault
		}
	}
	return at, nil
}

// prove compares the blocks of b, which lies at off, with their digests, and
// returns how many bytes are good before the first that is not.
func (c *cursor) prove(b []byte, off int64) (int64, error) {
	h := c.u.proof.hashes
	if h == nil {
		return int64(len(b)), nil // its md5 was
	}
	for at := int64(0); at < int64(len(b)); {
		n := min(h.BlockSize, int64(len(b))-at)
		block := b[at : at+n]
		if i := (off + at) / h.BlockSize; !c.w.matches(block, h.Sum(int(i))) {
			return at, c.u.layer.damaged(c.u.extent, "the hash of its data differs", off+at, n)
		}
		at += n
	}
	return int64(len(b)), nil
}

// finish looks, if the last byte of the object was used, whether the object
// ends with it.
func (c *cursor) finish() error {
	var err error
	if c.x != nil && !c.lost && c.x.pos == c.u.extent.Length {
		err = c.x.finish()
	}
	var fault *damage
	if errors.As(err, &fault) && c.w.report != nil {
		c.w.report(fault)
		err = nil
	}
	if err == nil {
		c.count(c.u.surviving() - c.seen)
		c.w.watch.object()
	}
	return err
}
