package chunked

import (
	"context"
	"slices"
	"time"
)

const (
	// helpers is how many workers can have something to do for each region:
	// one that decodes, and others that hash what it has decoded.
	helpers = 4
	// maxPending is how many blocks of a worker may be with others.
	maxPending = 2
)

// decoded is a stretch of a block that is not proven yet.
type decoded struct {
	segment
	c *cursor
}

// assist proves what others have decoded, and decodes what they will come to,
// for a worker that found no more regions: a volume of one object, and the last
// objects of any other, would leave it idle. It ends when nobody decodes any
// more.
func (w *worker) assist(ctx context.Context) error {
	w.idle.Add(1)
	defer w.idle.Add(-1)
	for {
		select {
		case b, ok := <-w.help: // somebody waits for it sooner
			if !ok {
				return nil
			}
			b.verdict <- w.judge(ctx, b)
			continue
		default:
		}
		start := time.Now()
		select {
		case b, ok := <-w.help:
			since(&w.meter.idle, start)
			if !ok {
				return nil
			}
			b.verdict <- w.judge(ctx, b)
		case t := <-w.soon:
			since(&w.meter.idle, start)
			w.prepare(ctx, t)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// judge proves a block.
func (w *worker) judge(ctx context.Context, b *block) error {
	for _, p := range b.unproven {
		u := p.c.u
		if _, err := w.blocks(ctx, u.layer, u.extent, u.proof.hashes, b.buf[p.off-b.off:p.end-b.off], p.off); err != nil {
			return err
		}
	}
	return nil
}

// later reports whether what c reads is to be proven when its block is full, by
// whoever has nothing else to do. After a fault every piece is proven as it is
// read.
func (c *cursor) later() bool {
	return !c.w.again && !c.condemned && c.suspect < 0 && c.w.out != nil && c.w.idle.Load() > 0
}

// keepLater takes bytes of c at off that were decoded into the block and are to
// be proven later.
func (w *worker) keepLater(c *cursor, off, n int64) {
	b := w.block
	b.n += int(n)
	c.seen += n
	if last := len(b.unproven) - 1; last >= 0 && b.unproven[last].c == c && b.unproven[last].end == off {
		b.unproven[last].end += n
		return
	}
	b.unproven = append(b.unproven, decoded{segment{off, off + n}, c})
}

// handOver has a full block proven: by another worker if one waits for it, else
// here. It is forwarded in its turn.
func (w *worker) handOver(ctx context.Context, b *block) error {
	if len(b.unproven) == 0 {
		b.verdict <- nil
	} else {
		select {
		case w.help <- b:
		default:
			b.verdict <- w.judge(ctx, b)
		}
	}
	w.pending = append(w.pending, b)
	return w.forward(ctx, maxPending)
}

// forward sends those of the pending blocks to the target that are proven, in
// their order. It waits until no more than most are left.
func (w *worker) forward(ctx context.Context, most int) error {
	for len(w.pending) > 0 {
		var verdict error
		if len(w.pending) > most {
			select {
			case verdict = <-w.pending[0].verdict:
			case b := <-w.help: // which waits as well
				b.verdict <- w.judge(ctx, b)
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		} else {
			select {
			case verdict = <-w.pending[0].verdict:
			default:
				return nil
			}
		}
		b := w.pending[0]
		w.pending = slices.Delete(w.pending, 0, 1)
		if w.failed = w.conclude(ctx, b, verdict); w.failed != nil {
			return w.failed
		}
	}
	return nil
}

// conclude sends a block to the target. One that was not proven is read again,
// piece by piece, which finds what is wrong with it, if anything is.
func (w *worker) conclude(ctx context.Context, b *block, verdict error) error {
	if verdict == nil {
		for _, p := range b.unproven {
			w.proven.Add(p.end - p.off)
			w.watch.bytes(p.end - p.off)
		}
		return w.send(ctx, b)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	pieces := slices.Clone(b.unproven)
	w.out.free <- b
	block := w.block // which comes after b
	w.block, w.again = nil, true
	defer func() { w.block, w.again = block, false }()
	for _, p := range pieces {
		c := newCursor(w, p.c.u)
		c.condemned = p.c.condemned
		err := c.segment(ctx, p.segment)
		c.close()
		if err != nil {
			return err
		}
		w.watch.bytes(p.end - p.off - c.seen)
		p.c.condemned = c.condemned
	}
	return w.flush(ctx)
}

// settle returns when all that w has decoded is proven.
func (w *worker) settle(ctx context.Context) error {
	if w.again || len(w.pending) == 0 && (w.block == nil || !w.block.later) {
		return nil
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	return w.forward(ctx, 0)
}
