package chunked

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"github.com/cinder-go/cinder-go/driverstate"
)

// blockBytes is how much of the image is written at once, if so much of it is
// contiguous.
const blockBytes = 1 << 20

// blockAlign is what direct I/O wants of buffers: a page.
const blockAlign = 4096

// block is a stretch of proven bytes on its way to the target.
type block struct {
	buf  []byte // blockBytes, at an address that is a multiple of blockAlign
	off  int64
	n    int
	runs []dataRun

	later    bool       // it is proven when it is full
	unproven []decoded  // all of it, if later
	verdict  chan error // whether it is proven
}

// dataRun is a part of a block: zeros, or not.
type dataRun struct {
	at, n int
	zero  bool
}

func newBlock() *block {
	raw := make([]byte, blockBytes+blockAlign)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % blockAlign
	return &block{buf: raw[skip : skip+blockBytes : skip+blockBytes], verdict: make(chan error, 1)}
}

// output is the queue between the workers and the target. Its blocks are the
// memory that a restore takes for what is not written yet.
type output struct {
	free    chan *block
	queue   chan *block
	writers int
}

// newOutput returns that of a target, with most blocks at most; nil when
// verifying.
func newOutput(target driverstate.Target, workers, most int) *output {
	writers := 1
	if target != nil {
		writers = max(1, target.Depth())
	}
	blocks := min(2*workers+writers, most)
	o := &output{free: make(chan *block, blocks), queue: make(chan *block, blocks), writers: writers}
	for range blocks {
		o.free <- nil // made when it is wanted
	}
	return o
}

func (o *output) take(ctx context.Context) (*block, error) {
	select {
	case b := <-o.free:
		if b == nil {
			b = newBlock()
		}
		b.n, b.runs, b.unproven = 0, b.runs[:0], b.unproven[:0]
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// write writes what comes through the queue.
func (r *run) write(ctx context.Context, o *output) error {
	for b := range o.queue {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, d := range b.runs {
			if err := r.put(b.buf[d.at:d.at+d.n], b.off+int64(d.at), d.zero); err != nil {
				return fmt.Errorf("writing the target at byte %d: %w", b.off+int64(d.at), err)
			}
		}
		o.free <- b
	}
	return nil
}

func (r *run) put(b []byte, off int64, zero bool) error {
	if zero {
		return r.target.ZeroRange(off, int64(len(b)))
	}
	r.written.Add(int64(len(b)))
	_, err := r.target.WriteAt(b, off)
	return err
}

// space is where the bytes of read are to be decoded, or as many of them, in
// whole units of grain, as there is room for: in the block that will be written
// (direct) if all of them are wanted, else in a buffer beside it. grain is at
// most window. Nothing is written when verifying; then blocks are for what is
// proven later.
func (w *worker) space(ctx context.Context, read, wanted segment, grain int64, later bool) (b []byte, direct bool, err error) {
	if w.target == nil && !later || read.off != wanted.off || read.end > wanted.end {
		return w.buffer[:read.end-read.off], false, nil
	}
	n := read.end - read.off
	room, err := w.room(ctx, read.off, min(n, grain), later)
	if err != nil {
		return nil, false, err
	}
	if n > room {
		n = room / grain * grain
	}
	return w.block.buf[w.block.n:][:n], true, nil
}

// room has a block that goes on at off, with room for n bytes at least, and
// returns how many there is room for. All of a block is proven later, or
// nothing of it.
func (w *worker) room(ctx context.Context, off, n int64, later bool) (int64, error) {
	if b := w.block; b != nil && (b.off+int64(b.n) != off || int64(blockBytes-b.n) < n || b.later != later) {
		if err := w.flush(ctx); err != nil {
			return 0, err
		}
	}
	if w.block == nil {
		start := time.Now()
		b, err := w.take(ctx)
		since(&w.meter.target, start)
		if err != nil {
			return 0, err
		}
		b.off, b.later = off, later
		w.block = b
	}
	return int64(blockBytes - w.block.n), nil
}

// emit takes proven bytes that lie at off for writing. Those that were decoded
// directly are in the block already.
func (w *worker) emit(ctx context.Context, b []byte, off int64, direct bool) error {
	w.proven.Add(int64(len(b)))
	if w.target == nil {
		return nil
	}
	if direct {
		w.block.n += len(b)
		return nil
	}
	for len(b) > 0 {
		if _, err := w.room(ctx, off, 1, false); err != nil {
			return err
		}
		n := copy(w.block.buf[w.block.n:], b)
		w.block.n += n
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// take returns a block that nobody uses. Those that w itself waits for come
// first: the target may be waiting for them.
func (w *worker) take(ctx context.Context) (*block, error) {
	for len(w.out.free) == 0 && len(w.pending) > 0 && !w.again {
		if err := w.forward(ctx, len(w.pending)-1); err != nil {
			return nil, err
		}
	}
	return w.out.take(ctx)
}

// flush ends the block that was being filled.
func (w *worker) flush(ctx context.Context) error {
	b := w.block
	if b == nil {
		return nil
	}
	w.block = nil
	if b.later || len(w.pending) > 0 && !w.again {
		return w.handOver(ctx, b)
	}
	return w.send(ctx, b)
}

// send sends a proven block to the target. Every byte of the image is written
// once, by its last writer, so that on a blank target no older data can show
// through where zeros are left out.
func (w *worker) send(ctx context.Context, b *block) error {
	if w.target == nil {
		w.out.free <- b
		return nil
	}
	b.divide(w.target.Blank())
	if len(b.runs) == 0 {
		w.out.free <- b
		return nil
	}
	select {
	case w.out.queue <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// zeroGrain is the piece in which zeros are told from data.
const zeroGrain = 32 << 10

// divide finds the runs of zeros and of data, without those of zeros if blank.
func (b *block) divide(blank bool) {
	for at := 0; at < b.n; {
		n := min(zeroGrain, b.n-at)
		zero := isZero(b.buf[at : at+n])
		last := len(b.runs) - 1
		switch {
		case zero && blank:
		case last >= 0 && b.runs[last].zero == zero && b.runs[last].at+b.runs[last].n == at:
			b.runs[last].n += n
		default:
			b.runs = append(b.runs, dataRun{at, n, zero})
		}
		at += n
	}
}
