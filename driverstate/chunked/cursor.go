package chunked

import (
	"context"
	"errors"
)

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
		c.tell(fault, c.u.extent.Offset)
		c.lost = true
		return nil
	}
	if err == nil {
		c.w.note(method)
	}
	return err
}

func (u *unit) surviving() int64 { return total(u.segments) }

// segment passes the blocks of s through: read, prove, write.
func (c *cursor) segment(ctx context.Context, s segment) error {
	for at := s.off; at < s.end && !c.lost; {
		reached, err := c.advance(ctx, at, s)
		at = reached
		if c.w.failed != nil {
			return c.w.failed
		}
		if err != nil { // what comes before it is judged first
			if before := c.w.settle(ctx); before != nil {
				return before
			}
		}
		var fault *damage
		switch {
		case err == nil:
		case !errors.As(err, &fault):
			if c.w.target != nil || ctx.Err() != nil || at == c.suspect {
				return err
			}
			c.suspect = at // verifying, the store is asked twice
			c.close()
		case !c.condemned && at != c.suspect:
			c.suspect = at
			c.close()
		case c.w.report == nil:
			return err
		default:
			c.condemned = true
			if c.x != nil && c.x.source.err != nil {
				c.close() // a reader that failed reads no more
			}
			fault = c.whole(fault, at)
			c.tell(fault, at)
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

// whole is fault of whole blocks, from at on: of a block that can be read in
// part nothing can be proven.
func (c *cursor) whole(fault *damage, at int64) *damage {
	if fault.cut {
		return fault
	}
	e, block := c.u.extent, c.grid()
	all := *fault
	all.Offset = max(fault.Offset/block*block, e.Offset, at)
	all.Length = min((fault.Offset+fault.Length+block-1)/block*block, e.Offset+e.Length) - all.Offset
	return &all
}

// advance processes whole blocks from at on until the end of s or a fault, and
// returns how far it came.
func (c *cursor) advance(ctx context.Context, at int64, s segment) (int64, error) {
	e, block := c.u.extent, c.grid()
	if c.x == nil {
		var err error
		if c.condemned && e.Compression == CompressionNone {
			c.x, err = c.w.d.openRaw(ctx, c.w.meter, c.u.layer, e, max(at/block*block, e.Offset)-e.Offset)
		} else {
			c.x, err = c.w.openUnit(ctx, c.u)
		}
		if err != nil {
			return at, err
		}
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
		later := c.later()
		b, direct := c.w.buffer[:to-from], false
		if !c.goesOn() { // else there may be bad blocks in between
			var err error
			if b, direct, err = c.w.space(ctx, segment{from, to}, segment{at, s.end}, block, later); err != nil {
				return at, err
			}
		}
		cut := c.x.read(b)
		if cut != nil { // what came before it may be good
			b = b[:(c.x.pos+e.Offset-from)/block*block]
		}
		if later && direct {
			if len(b) > 0 {
				c.w.keepLater(c, at, int64(len(b)))
				at += int64(len(b))
			}
		} else {
			var err error
			if at, err = c.use(ctx, b, from, at, s.end, direct); err != nil {
				return at, err
			}
		}
		if cut != nil {
			return at, cut
		}
	}
	return at, nil
}

// use proves the blocks of b, which lies at from, and emits what of them is
// wanted from at to end, up to the first that is bad. When a bad block of the
// object was confirmed already it tells of this one and goes on behind it.
func (c *cursor) use(ctx context.Context, b []byte, from, at, end int64, direct bool) (int64, error) {
	for {
		good, err := c.prove(ctx, b, from)
		if done := min(from+good, end); done > at {
			if err := c.w.emit(ctx, b[at-from:done-from], at, direct); err != nil {
				return at, err
			}
			c.count(done - at)
			at = done
		}
		var fault *damage
		if err == nil || !c.goesOn() || !errors.As(err, &fault) {
			return at, err
		}
		c.tell(fault, at)
		next := fault.Offset + fault.Length
		at = min(next, end)
		if b = b[next-from:]; len(b) == 0 {
			return at, nil
		}
		from = next
	}
}

// goesOn reports whether bad blocks are told of as they come.
func (c *cursor) goesOn() bool { return c.condemned && c.w.report != nil }

// prove compares the blocks of b, which lies at off, with their digests, and
// returns how many bytes are good before the first that is not.
func (c *cursor) prove(ctx context.Context, b []byte, off int64) (int64, error) {
	return c.w.blocks(ctx, c.u.layer, c.u.extent, c.u.proof.hashes, b, off)
}

// blocks is prove for bytes of an extent of l, by h; nil if its md5 proves it.
func (w *worker) blocks(ctx context.Context, l *layer, e *Extent, h *Hashes, b []byte, off int64) (int64, error) {
	if h == nil {
		return int64(len(b)), nil
	}
	for at := int64(0); at < int64(len(b)); {
		n := min(h.BlockSize, int64(len(b))-at)
		block := b[at : at+n]
		good, err := w.proves(ctx, h, (off+at)/h.BlockSize, w.sum(block))
		if err != nil {
			return at, err
		}
		if !good {
			return at, l.damaged(e, "the hash of its data differs", off+at, n)
		}
		at += n
	}
	return int64(len(b)), nil
}

// finish looks, if the last byte of the object was used, whether the object
// ends with it.
func (c *cursor) finish(ctx context.Context) error {
	if c.w.ended != nil { // only of what is proven
		if err := c.w.settle(ctx); err != nil {
			return err
		}
	}
	var err error
	if c.x != nil && !c.lost && c.x.pos == c.u.extent.Length {
		if err = c.x.finish(); err != nil {
			err = c.again(ctx, err)
		}
	}
	var fault *damage
	if errors.As(err, &fault) && c.w.report != nil {
		c.w.report(fault)
		err = nil
	}
	if err == nil {
		c.count(c.u.surviving() - c.seen)
		c.w.watch.object()
		if c.w.ended != nil {
			c.w.ended(c.u)
		}
	}
	return err
}
