package chunked

import (
	"sort"

	"github.com/cinder-go/cinder-go/driverstate/inflate"
)

// What it costs to begin to decode anew, or to wait for a decoder that is at
// work, in plain bytes that could be decoded instead.
const (
	beginCost = 256 << 10
	waitCost  = 128 << 10
)

// imageCursor is a decoder that stands somewhere in an object.
type imageCursor struct {
	u       *unit
	x       *extentReader // nil until it is opened
	pos     int64         // in the extent; while it is at work: where it will be
	busy    bool
	used    int64
	from    place
	passing []byte
}

// place is where the decoding of an object can begin.
type place struct {
	plain int64               // in the extent
	point *inflate.Checkpoint // nil for none
}

func (k *imageCursor) close() {
	if k.x != nil {
		k.x.close()
		k.x = nil
	}
}

// scratch is where what is passed over is decoded to.
func (k *imageCursor) scratch() []byte {
	if k.passing == nil {
		k.passing = make([]byte, 64<<10)
	}
	return k.passing
}

// object is what is known of u; m.mu is held.
func (m *image) object(u *unit) *imageObject {
	o := m.objects[u]
	if o == nil {
		o = &imageObject{}
		m.objects[u] = o
	}
	m.clock++
	o.used = m.clock
	return o
}

// nearest is the last place of u at or before at; m.mu is held.
func (m *image) nearest(u *unit, at int64) place {
	if u.extent.Compression == CompressionNone {
		return place{plain: at}
	}
	o := m.objects[u]
	if o == nil {
		return place{}
	}
	i := sort.Search(len(o.points), func(i int) bool { return o.points[i].Plain > at })
	if i == 0 {
		return place{}
	}
	point := o.points[i-1] // a copy: they move when others are recorded
	return place{point.Plain, &point}
}

// choose says with what the byte at of u is decoded best: with a cursor that is
// there, with a new one (nil), or after another has become free (wait). m.mu is
// held.
func (m *image) choose(u *unit, at int64) (best *imageCursor, wait bool) {
	cost := beginCost + at - m.nearest(u, at).plain
	for _, k := range m.cursors {
		if k.u != u || k.pos > at {
			continue
		}
		its := at - k.pos
		if k.busy {
			its += waitCost
		}
		if its < cost {
			best, cost = k, its
		}
	}
	return best, m.busy >= m.most || best != nil && best.busy
}

// take has k, or a new cursor, at work on the frame of u in w; m.mu is held.
func (m *image) take(k *imageCursor, u *unit, w segment) *imageCursor {
	if k == nil {
		k = &imageCursor{u: u, from: m.nearest(u, w.off-u.extent.Offset)}
		if k.from.point != nil {
			m.object(u) // it is used
		}
		m.cursors = append(m.cursors, k)
	}
	m.busy++
	k.busy, k.pos = true, w.end-u.extent.Offset
	return k
}

// leave gives back a cursor, whose decoder stands right after the frame if it
// is good.
func (m *image) leave(k *imageCursor, good bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy--
	m.clock++
	k.busy, k.used = false, m.clock
	if !good || k.x == nil || k.x.pos >= m.end(k.u)-k.u.extent.Offset {
		m.drop(k)
	} else {
		k.pos = k.x.pos
		m.dropOldest()
	}
	m.tell()
}

// drop closes a cursor that is not at work; m.mu is held.
func (m *image) drop(k *imageCursor) {
	for i := range m.cursors {
		if m.cursors[i] == k {
			m.cursors = append(m.cursors[:i], m.cursors[i+1:]...)
			break
		}
	}
	k.close()
}

// dropOldest closes the cursor that was not used longest, if too many are idle;
// m.mu is held.
func (m *image) dropOldest() {
	var oldest *imageCursor
	idle := 0
	for _, k := range m.cursors {
		if k.busy {
			continue
		}
		idle++
		if oldest == nil || k.used < oldest.used {
			oldest = k
		}
	}
	if idle > maxIdle {
		m.drop(oldest)
	}
}

// forget gives up what decoding an object has left behind, which a bad read may
// have spoilt; m.mu is held.
func (m *image) forget(u *unit) {
	o := m.object(u)
	m.points -= len(o.points)
	o.points = nil
	for i := len(m.cursors) - 1; i >= 0; i-- {
		if k := m.cursors[i]; k.u == u && !k.busy {
			m.drop(k)
		}
	}
}

// open opens a cursor that is new.
func (m *image) open(k *imageCursor) error {
	if k.x != nil {
		return nil
	}
	u, at := k.u, k.from
	off := at.plain // of an object that is stored as it is
	if at.point != nil {
		off = at.point.Stored
	}
	x, err := m.d.openStored(m.ctx, &m.meter, u.layer, u.extent, off)
	if err != nil {
		return err
	}
	if err := x.decode(); err != nil {
		return err
	}
	x.pos, k.x = at.plain, x
	z, ok := x.plain.(*zlibDecoder)
	if !ok {
		return nil
	}
	if at.point != nil {
		z.ResetAt(x.buffer, *at.point)
	}
	z.Checkpoints(max(pointSpacing, u.extent.Length/(maxPoints/2)), func(c inflate.Checkpoint) { m.record(u, c) })
	return nil
}

// record keeps a restart point. Those of the object that was not used longest
// make room for it.
func (m *image) record(u *unit, c inflate.Checkpoint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.object(u)
	i := sort.Search(len(o.points), func(i int) bool { return o.points[i].Plain >= c.Plain })
	if i < len(o.points) && o.points[i].Plain-c.Plain < pointSpacing/2 || i > 0 && c.Plain-o.points[i-1].Plain < pointSpacing/2 {
		return
	}
	for m.points >= maxPoints {
		oldest := o
		for _, other := range m.objects {
			if len(other.points) > 0 && (other.used < oldest.used || len(oldest.points) == 0) {
				oldest = other
			}
		}
		if oldest == o {
			return
		}
		m.points -= len(oldest.points)
		oldest.points = nil
	}
	o.points = append(o.points, inflate.Checkpoint{})
	copy(o.points[i+1:], o.points[i:])
	o.points[i] = c
	m.points++
}
