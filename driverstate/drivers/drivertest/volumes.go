package drivertest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/cinder-go/cinder-go/driverstate"
)

// source is a volume in memory.
type source struct {
	image []byte
	meta  []byte
	read  func() // called before every read, if set
}

func (s *source) Size() int64               { return int64(len(s.image)) }
func (s *source) Metadata() ([]byte, error) { return s.meta, nil }

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.read != nil {
		s.read()
	}
	return bytes.NewReader(s.image).ReadAt(p, off)
}

// target is a restore target in memory that holds its caller to the contract.
type target struct {
	image      []byte
	sequential bool
	blank      bool
	limit      int64 // 0 for none
	write      func() error

	mu     sync.Mutex
	begun  bool
	synced bool
	next   int64
	ranges [][2]int64 // written or zeroed
}

// targets are one of each kind, for images of n bytes.
func targets(n int) map[string]*target {
	return map[string]*target{
		"new":        {blank: true},
		"zeroed":     {image: make([]byte, n)},
		"dirty":      {image: bytes.Repeat([]byte{0xa5}, n)},
		"sequential": {sequential: true},
	}
}

func (t *target) Begin(length int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun {
		return fmt.Errorf("begun twice")
	}
	if t.limit > 0 && length > t.limit {
		return driverstate.ErrTooSmall
	}
	t.begun = true
	image := make([]byte, length)
	copy(image, t.image)
	t.image = image
	return nil
}

func (t *target) Sequential() bool { return t.sequential }
func (t *target) Blank() bool      { return t.blank }

func (t *target) Depth() int {
	if t.sequential {
		return 1
	}
	return 3
}

func (t *target) Sync() error {
	t.synced = true
	if t.sequential && t.next != int64(len(t.image)) {
		return fmt.Errorf("%d bytes of %d were written", t.next, len(t.image))
	}
	return nil
}

func (t *target) WriteAt(p []byte, off int64) (int, error) {
	return len(p), t.put(off, int64(len(p)), func(at []byte) { copy(at, p) })
}

func (t *target) ZeroRange(off, n int64) error {
	return t.put(off, n, func(at []byte) { clear(at) })
}

func (t *target) put(off, n int64, fill func([]byte)) error {
	if t.write != nil {
		if err := t.write(); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch end := off + n; {
	case !t.begun:
		return fmt.Errorf("written before it was begun")
	case off < 0 || n < 0 || end > int64(len(t.image)):
		return fmt.Errorf("bytes %d to %d of %d", off, end, len(t.image))
	case t.sequential && off != t.next:
		return fmt.Errorf("byte %d written when byte %d was due", off, t.next)
	}
	for _, r := range t.ranges {
		if off < r[1] && r[0] < off+n {
			return fmt.Errorf("bytes %d to %d overlap those written before", off, off+n)
		}
	}
	fill(t.image[off : off+n])
	t.next = off + n
	t.ranges = append(t.ranges, [2]int64{off, off + n})
	return nil
}

// countdown returns a function that calls then when it is called the nth time.
func countdown(n int64, then func()) func() {
	var left atomic.Int64
	left.Store(n)
	return func() {
		if left.Add(-1) == 0 {
			then()
		}
	}
}

// mixed is an image of n bytes of zeros, text and noise by turns, the same for
// the same seed.
func mixed(n int, seed uint64) []byte {
	image := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for at := 0; at < n; {
		piece := image[at:min(n, at+1+r.IntN(3*blockSize))]
		switch r.IntN(3) {
		case 1:
			copy(piece, bytes.Repeat(fmt.Appendf(nil, "line %d of the log\n", r.Uint32()), len(piece)/8+1))
		case 2:
			noise(piece, r)
		}
		at += len(piece)
	}
	return image
}

func noise(b []byte, r *rand.Rand) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// random is n bytes that no codec makes smaller.
func random(n int, seed uint64) []byte {
	b := make([]byte, n)
	noise(b, rand.New(rand.NewPCG(seed, 2)))
	return b
}

// text is n bytes without a zero that every codec makes smaller.
func text(n int, seed uint64) []byte {
	line := fmt.Appendf(nil, "the quick brown fox number %d jumps over the lazy dog\n", seed)
	return bytes.Repeat(line, n/len(line)+1)[:n]
}

// changed is a copy of image with content laid over it at off.
func changed(image []byte, off int, content []byte) []byte {
	image = bytes.Clone(image)
	copy(image[off:], content)
	return image
}

var (
	_ driverstate.Source = (*source)(nil)
	_ driverstate.Target = (*target)(nil)
	_ io.WriterAt        = (*target)(nil)
)
