package chunked

import (
	"context"
	"crypto/sha256"
	"errors"
	"sort"
)

// frame is a stretch of an object's plain bytes, proven as far as its blocks
// survive in the image.
type frame struct {
	key  frameKey
	data []byte
	bad  []badRange
	cut  bool // the decoder failed within it
}

// badRange is a part of a frame that is not to be used.
type badRange struct {
	segment
	fault *damage
}

// copy copies what lies at off in the volume to p.
func (f *frame) copy(p []byte, off int64) error {
	for _, b := range f.bad {
		if b.off < off+int64(len(p)) && off < b.end {
			return b.fault
		}
	}
	copy(p, f.data[off-f.key.off:])
	return nil
}

// frame copies what lies at off from the frame of u in w, which is decoded
// first if it is not at hand. An empty p only wants it to be at hand.
func (m *image) frame(ctx context.Context, u *unit, w segment, p []byte, off int64) error {
	key := frameKey{u, w.off}
	for {
		m.mu.Lock()
		if e := m.frames[key]; e != nil {
			m.order.MoveToFront(e)
			err := e.Value.(*frame).copy(p, off)
			m.mu.Unlock()
			return err
		}
		if o := m.objects[u]; o != nil && o.cut != nil && w.off >= o.cut.Offset {
			fault := o.cut
			m.mu.Unlock()
			return fault
		}
		k, wait := m.choose(u, w.off-u.extent.Offset)
		if wait || m.making[key] {
			changed := m.changed
			m.mu.Unlock()
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			case <-m.ctx.Done():
				return m.ctx.Err()
			}
		}
		k = m.take(k, u, w)
		m.making[key] = true
		m.mu.Unlock()

		f, err := m.decode(ctx, k, u, w)

		m.mu.Lock()
		delete(m.making, key)
		if err == nil {
			err = f.copy(p, off)
			m.keep(f)
		}
		m.tell()
		m.mu.Unlock()
		return err
	}
}

// tell wakes those who wait for a frame or a decoder; m.mu is held.
func (m *image) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// keep has a frame at hand; m.mu is held.
func (m *image) keep(f *frame) {
	if e := m.frames[f.key]; e != nil { // another passed it meanwhile
		m.order.MoveToFront(e)
		m.reuse(f.data)
		return
	}
	m.frames[f.key] = m.order.PushFront(f)
	m.size += cap(f.data)
	for m.size > cacheBytes {
		last := m.order.Back()
		old := m.order.Remove(last).(*frame)
		delete(m.frames, old.key)
		m.size -= cap(old.data)
		m.reuse(old.data)
	}
}

// reuse keeps a buffer for another frame; m.mu is held.
func (m *image) reuse(b []byte) {
	if len(m.spare) < m.most {
		m.spare = append(m.spare, b)
	}
}

// blank is a frame that is not decoded yet.
func (m *image) blank(u *unit, w segment) *frame {
	f := &frame{key: frameKey{u, w.off}}
	n := w.end - w.off
	m.mu.Lock()
	if last := len(m.spare) - 1; last >= 0 {
		f.data, m.spare = m.spare[last], m.spare[:last]
	}
	m.mu.Unlock()
	if int64(cap(f.data)) < n {
		f.data = make([]byte, n)
	}
	f.data = f.data[:n]
	return f
}

// decode makes the frame of u in w with the cursor k. One bad read does not
// condemn: what was bad is read again, from the beginning of the object.
func (m *image) decode(ctx context.Context, k *imageCursor, u *unit, w segment) (*frame, error) {
	f, err := m.attempt(ctx, k, u, w)
	if err != nil || len(f.bad) == 0 {
		m.leave(k, err == nil)
		return f, err
	}
	m.leave(k, !f.cut)
	m.mu.Lock()
	if m.object(u).condemned {
		m.mu.Unlock()
		return f, nil
	}
	m.forget(u)
	again := m.take(nil, u, w)
	m.mu.Unlock()
	f, err = m.attempt(ctx, again, u, w)
	m.leave(again, err == nil && !f.cut)
	if err != nil || len(f.bad) == 0 {
		return f, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.object(u)
	o.condemned = true
	if f.cut {
		o.cut = f.bad[len(f.bad)-1].fault
	}
	return f, nil
}

// attempt is decode once. What of the frame cannot be read is bad.
func (m *image) attempt(ctx context.Context, k *imageCursor, u *unit, w segment) (*frame, error) {
	f, err := m.draw(ctx, k, u, w)
	var fault *damage
	if errors.As(err, &fault) {
		f = m.blank(u, w)
		f.bad, f.cut = []badRange{{w, fault}}, true
		err = nil
	}
	return f, err
}

// draw moves k to the begin of w, and makes the frame. Frames that it passes
// just before are kept too.
func (m *image) draw(ctx context.Context, k *imageCursor, u *unit, w segment) (*frame, error) {
	if err := m.prove(ctx, u); err != nil {
		return nil, err
	}
	if err := m.open(k); err != nil {
		return nil, err
	}
	begin := u.extent.Offset
	for at := w.off - begin; k.x.pos < at; {
		next := m.window(u, begin+k.x.pos)
		if next.off < begin+k.x.pos || at-k.x.pos > keepBehind {
			if err := k.x.skip(ctx, next.end-begin, k.scratch()); err != nil {
				return nil, err
			}
			continue
		}
		f, err := m.fill(ctx, k.x, u, next)
		if err != nil {
			return nil, err
		}
		if len(f.bad) > 0 {
			if f.cut {
				return nil, f.bad[len(f.bad)-1].fault
			}
			continue
		}
		m.mu.Lock()
		m.keep(f)
		m.tell()
		m.mu.Unlock()
	}
	return m.fill(ctx, k.x, u, w)
}

// fill decodes and proves the frame of u in w, at whose begin x is.
func (m *image) fill(ctx context.Context, x *extentReader, u *unit, w segment) (*frame, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, before := m.blank(u, w), x.pos
	err := x.read(f.data)
	var fault *damage
	if err != nil && !errors.As(err, &fault) {
		return nil, err
	}
	good := w.off + x.pos - before
	if err := m.compare(ctx, f, u, good); err != nil {
		return nil, err
	}
	if fault != nil {
		from := good
		if h := u.proof.hashes; h != nil {
			from = max(w.off, good/h.BlockSize*h.BlockSize)
		}
		f.bad, f.cut = append(f.bad, badRange{segment{from, w.end}, fault}), true
	}
	return f, nil
}

// compare compares the blocks of a frame of u that survive in the image, and
// lie before end, with their digests.
func (m *image) compare(ctx context.Context, f *frame, u *unit, end int64) error {
	h := u.proof.hashes
	if h == nil {
		return nil
	}
	list := m.digests()
	defer m.lists.Put(list)
	last := f.key.off + int64(len(f.data))
	at := f.key.off
	for i := sort.Search(len(u.segments), func(i int) bool { return u.segments[i].end > at }); i < len(u.segments); i++ {
		s := u.segments[i]
		at = max(at, s.off/h.BlockSize*h.BlockSize)
		for at < min(s.end, last) {
			n := min(h.BlockSize, last-at)
			if at+n > end {
				return nil
			}
			block := f.data[at-f.key.off:][:n]
			good, err := list.proves(ctx, h, at/h.BlockSize, m.sum(block))
			if err != nil {
				return err
			}
			if !good {
				var fault *damage
				errors.As(u.layer.damaged(u.extent, "the hash of its data differs", at, n), &fault)
				f.bad = append(f.bad, badRange{segment{at, at + n}, fault})
			}
			at += n
		}
	}
	return nil
}

func (m *image) sum(block []byte) [sha256.Size]byte {
	if isZero(block) {
		if sum, ok := m.zeros[int64(len(block))]; ok {
			return sum
		}
	}
	return sha256.Sum256(block)
}

// prove proves an object that only its md5 proves, as a whole, before any of
// its bytes are used.
func (m *image) prove(ctx context.Context, u *unit) error {
	if u.proof.hashes != nil {
		return nil
	}
	m.mu.Lock()
	proven := m.object(u).proven
	m.mu.Unlock()
	if proven {
		return nil
	}
	w := newWorker(&run{d: m.d, p: m.p, meter: &m.meter}, nil)
	_, err := w.md5(ctx, u)
	var fault *damage
	if errors.As(err, &fault) {
		return u.layer.cut(u.extent, fault.Reason, u.extent.Offset) // nothing of it is proven
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.object(u).proven = true
	m.mu.Unlock()
	return nil
}
