package chunked

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
)

const (
	// earlyBytes is the longest object that is decoded before its turn, and
	// earlyMost how many of them wait at once for each worker.
	earlyBytes = 128 << 10
	earlyMost  = 32
)

var earlyBuffers = sync.Pool{New: func() any { return new([earlyBytes]byte) }}

// early is a small object that a worker with nothing else to do decodes for the
// one that will come to it. In a region of a chain whose full backup is one
// object only one worker can decode that; the changes, thousands of files, would
// hold it up.
type early struct {
	unit  *unit
	begun atomic.Bool
	done  chan struct{}
	x     *extentReader // when done; nil if it could not be decoded
}

// lookAhead asks those who have nothing to do for the small objects that come
// after piece i of r.
func (w *worker) lookAhead(r region, i int) {
	if w.idle.Load() == 0 || w.d.cfg.Memory != 0 {
		return
	}
	// The next one would not be there in time.
	for w.ahead = max(w.ahead, i+2); w.ahead < min(len(r), i+2*earlyMost) && len(w.asked) < earlyMost; w.ahead++ {
		u := r[w.ahead].unit
		if u.extent.Length > earlyBytes || u.proof.hashes == nil || u.segments[0] != r[w.ahead].segment {
			continue
		}
		t := &early{unit: u, done: make(chan struct{})}
		select {
		case w.soon <- t:
			w.asked[u] = t
		default:
			return
		}
	}
}

// prepare decodes all of an object that another worker asked for. What is wrong
// with it that one finds out.
func (w *worker) prepare(ctx context.Context, t *early) {
	if !t.begun.CompareAndSwap(false, true) {
		return
	}
	defer close(t.done)
	x, err := w.open(ctx, t.unit.layer, t.unit.extent)
	if err != nil {
		return
	}
	defer x.close()
	m := &inMemory{buf: earlyBuffers.Get().(*[earlyBytes]byte)}
	plain := m.buf[:x.extent.Length]
	if x.read(plain) != nil || x.finish() != nil {
		m.Close()
		return
	}
	m.Reader.Reset(plain)
	t.x = &extentReader{layer: x.layer, extent: x.extent, stored: m, source: &watched{}, plain: m, buffer: readBuffers.Get().(*bufio.Reader)}
	t.x.buffer.Reset(bytes.NewReader(nil))
}

// openUnit opens an object, which may be decoded already.
func (w *worker) openUnit(ctx context.Context, u *unit) (*extentReader, error) {
	t := w.asked[u]
	if t == nil {
		return w.open(ctx, u.layer, u.extent)
	}
	delete(w.asked, u)
	if !t.begun.CompareAndSwap(false, true) {
		select {
		case <-t.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if t.x == nil {
		return w.open(ctx, u.layer, u.extent)
	}
	return t.x, nil
}

// inMemory is a decoder of what is decoded.
type inMemory struct {
	bytes.Reader
	buf *[earlyBytes]byte
}

func (m *inMemory) reset(*bufio.Reader, int) error { return io.ErrUnexpectedEOF }

// Close may be called twice: the reader takes it for its decoder, and for what
// it decodes.
func (m *inMemory) Close() error {
	if m.buf != nil {
		earlyBuffers.Put(m.buf)
		m.buf = nil
	}
	return nil
}
