package chunked

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/inflate"
)

// The memory that an image takes, besides the documents of its chain, is
// cacheBytes, plus maxPoints times 33 KiB, plus the decoders: at most maxIdle
// and two per worker, of some 600 KiB each, or, of zstd, of the window of the
// frame.
const (
	frameBytes = 256 << 10 // that are decoded, proven and kept together, in whole blocks
	cacheBytes = 32 << 20
	maxIdle    = 8
	maxPoints  = 2048
	// pointSpacing is how many plain bytes lie between the restart points of an
	// object; more in one of which that would take half of maxPoints.
	pointSpacing = 1 << 20
	// keepBehind is how much of what a decoder passes is proven and kept, for
	// requests that come in no strict order.
	keepBehind = 1 << 20
	// aheadBytes is how much is decoded beyond a request that goes on where
	// another one ended.
	aheadBytes = 1 << 20
)

// image implements driverstate.Image: frames of objects, decoded when they are
// wanted, each from the nearest place at which decoding can begin: a decoder
// that stands before it, or a restart point. Objects that are stored as they are
// can be begun anywhere, those of zlib at the points that were recorded when
// they were decoded, all others at their beginning only.
type image struct {
	d      *Driver
	p      *plan
	pieces []piece // ascending
	zeros  map[int64][sha256.Size]byte
	// ctx is that of the decoders: they outlive the call that opens them.
	ctx    context.Context
	cancel context.CancelFunc
	calls  sync.WaitGroup // reads, and what they have read ahead
	ahead  chan struct{}  // one for each of those
	most   int            // decoders at work
	meter  meter          // of nobody
	lists  sync.Pool      // of *digests

	mu      sync.Mutex
	closed  bool
	changed chan struct{} // closed when a decoder has become free
	frames  map[frameKey]*list.Element
	order   *list.List // of *frame, the one used last first
	size    int        // bytes of all frames
	spare   [][]byte
	making  map[frameKey]bool
	cursors []*imageCursor
	busy    int
	objects map[*unit]*imageObject
	points  int
	clock   int64
	ends    [16]int64 // where the last requests ended
	nextEnd int
}

var _ driverstate.Imager = (*Driver)(nil)

// frameKey names a frame by the object that it is of, and its offset in the
// volume.
type frameKey struct {
	unit *unit
	off  int64
}

// imageObject is what is known of an object.
type imageObject struct {
	used   int64
	points []inflate.Checkpoint // ascending
	proven bool                 // by its md5, if that is its proof
	// condemned: a fault was the same when the object was read again from its
	// beginning. To do so for each of its bad blocks would take too long.
	condemned bool
	cut       *damage // nothing from its Offset on can be read
}

// OpenImage implements driverstate.Imager.
func (d *Driver) OpenImage(ctx context.Context, c driverstate.Chain) (driverstate.Image, error) {
	p, err := d.load(ctx, c)
	if err != nil {
		if len(c) > 0 {
			err = &driverstate.Error{Op: "open", Resource: "backup", ID: c.Tip().ID, Err: err}
		}
		return nil, err
	}
	m := &image{
		d: d, p: p, pieces: slices.Concat(p.regions()...), zeros: map[int64][sha256.Size]byte{},
		most: 2 * d.cfg.Workers, ahead: make(chan struct{}, d.cfg.Workers), changed: make(chan struct{}),
		frames: map[frameKey]*list.Element{}, order: list.New(), making: map[frameKey]bool{}, objects: map[*unit]*imageObject{},
	}
	m.ctx, m.cancel = context.WithCancel(ctx)
	for i := range m.ends {
		m.ends[i] = -1
	}
	for _, u := range p.units {
		if h := u.proof.hashes; h != nil {
			m.zeroSum(h.BlockSize)
			m.zeroSum(m.end(u) % h.BlockSize)
		}
	}
	return m, nil
}

// digests reads hash lists for one goroutine, which puts it back into m.lists.
func (m *image) digests() *digests {
	if list, ok := m.lists.Get().(*digests); ok {
		return list
	}
	return &digests{}
}

// zeroSum has the digest of n zeros at hand.
func (m *image) zeroSum(n int64) {
	if _, ok := m.zeros[n]; !ok {
		m.zeros[n] = sha256.Sum256(zeroPage[:n])
	}
}

// Size implements driverstate.Image.
func (m *image) Size() int64 { return m.p.length }

// Warnings implements driverstate.Image.
func (m *image) Warnings() []string { return m.p.warnings }

// Close ends the reads under way, and waits for them.
func (m *image) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.calls.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.cursors {
		k.close()
	}
	m.cursors = nil
	m.p.close()
	return nil
}

// enter begins a call, which ends with calls.Done.
func (m *image) enter() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errors.New("the image is closed")
	}
	m.calls.Add(1)
	return nil
}

// ReadAt implements driverstate.Image.
func (m *image) ReadAt(ctx context.Context, p []byte, off int64) error {
	end := off + int64(len(p))
	if off < 0 || end > m.p.length {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("bytes %d to %d of an image of %d", off, end, m.p.length))
	}
	if err := m.enter(); err != nil {
		return err
	}
	defer m.calls.Done()
	if m.goesOn(off, end) {
		m.readAhead(end)
	}
	return m.read(ctx, p, off)
}

// goesOn reports whether a request begins where one of the last ended.
func (m *image) goesOn(off, end int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.ends[:], off)
	if i < 0 {
		i = m.nextEnd
		m.nextEnd = (i + 1) % len(m.ends)
		m.ends[i] = end
		return false
	}
	m.ends[i] = end
	return true
}

// readAhead decodes what follows off, if there is a worker left for that.
func (m *image) readAhead(off int64) {
	select {
	case m.ahead <- struct{}{}:
	default:
		return
	}
	m.calls.Add(1) // the caller's own keeps Close waiting until here
	go func() {
		defer m.calls.Done()
		defer func() { <-m.ahead }()
		for end := min(off+aheadBytes, m.p.length); off < end; {
			next := m.at(off)
			if next.unit == nil || m.zeroRun(m.ctx, next, off, next.end) == next.end {
				off = next.end
				continue
			}
			w := m.window(next.unit, off)
			if m.frame(m.ctx, next.unit, w, nil, off) != nil {
				return
			}
			off = min(w.end, next.end)
		}
	}()
}

// at is the piece that has the byte at off, or else a gap.
func (m *image) at(off int64) piece {
	i := sort.Search(len(m.pieces), func(i int) bool { return m.pieces[i].end > off })
	switch {
	case i == len(m.pieces):
		return piece{segment: segment{off, m.p.length}}
	case m.pieces[i].off > off:
		return piece{segment: segment{off, m.pieces[i].off}}
	}
	return m.pieces[i]
}

func (m *image) read(ctx context.Context, p []byte, off int64) error {
	for len(p) > 0 {
		at := m.at(off)
		n := min(int64(len(p)), at.end-off)
		if at.unit == nil {
			return m.p.gapFault(segment{off, off + n})
		}
		if until := m.zeroRun(ctx, at, off, off+n); until > off {
			n = until - off
			clear(p[:n])
		} else {
			w := m.window(at.unit, off)
			n = min(n, w.end-off)
			if err := m.frame(ctx, at.unit, w, p[:n], off); err != nil {
				return err
			}
		}
		p, off = p[n:], off+n
	}
	return nil
}

// end is where in the volume the bytes of u end that its proof covers.
func (m *image) end(u *unit) int64 {
	end := u.extent.Offset + u.extent.Length
	if h := u.proof.hashes; h != nil && h == m.p.tip().hashes {
		end = min(end, m.p.length)
	}
	return end
}

// window is the range of the frame of u that has the byte at off.
func (m *image) window(u *unit, off int64) segment {
	grid := int64(frameBytes)
	if h := u.proof.hashes; h != nil {
		grid = max(h.BlockSize, grid/h.BlockSize*h.BlockSize)
	}
	from := off / grid * grid
	return segment{max(from, u.extent.Offset), min(from+grid, m.end(u))}
}

// zeroRun returns up to where, at most end, the bytes of a piece from off on
// are zeros by their digests. What a digest that cannot be read says is found
// out when its block is read.
func (m *image) zeroRun(ctx context.Context, at piece, off, end int64) int64 {
	h := at.unit.proof.hashes
	if h == nil {
		return off
	}
	list := m.digests()
	defer m.lists.Put(list)
	last := m.end(at.unit)
	for off < end {
		i := off / h.BlockSize
		n := min(h.BlockSize, last-i*h.BlockSize)
		sum, err := list.digest(ctx, h, i)
		if err != nil || m.zeros[n] != [sha256.Size]byte(sum) {
			return off
		}
		off = min((i+1)*h.BlockSize, end)
	}
	return off
}

// Zeros implements driverstate.Image.
func (m *image) Zeros(off, end int64) (zero bool, until int64) {
	end = min(end, m.p.length)
	for begin := off; off < end; {
		at := m.at(off)
		stop := min(at.end, end)
		is := false
		next := stop
		if at.unit != nil {
			if next = m.zeroRun(m.ctx, at, off, stop); next > off {
				is = true
			} else {
				next = m.nextZero(at, off, stop)
			}
		}
		if off > begin && is != zero {
			return zero, off
		}
		zero, off = is, next
	}
	return zero, end
}

// nextZero returns where, at most end, after off the first block of a piece
// begins that is zeros.
func (m *image) nextZero(at piece, off, end int64) int64 {
	h := at.unit.proof.hashes
	if h == nil {
		return end
	}
	for off < end {
		off = min((off/h.BlockSize+1)*h.BlockSize, end)
		if off < end && m.zeroRun(m.ctx, at, off, off+1) > off {
			break
		}
	}
	return off
}
