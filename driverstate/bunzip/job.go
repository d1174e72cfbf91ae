package bunzip

import (
	"errors"
	"sync"
	"sync/atomic"
)

// jobBlocks is how many blocks one goroutine decodes together: to walk through
// one waits for memory most of the time, to walk through two in turn does not
// take longer.
const jobBlocks = 2

// job is what one goroutine decodes at a time.
type job struct {
	blocks    []*block
	done      chan struct{} // closed when it is
	cancelled *atomic.Bool
}

func newJob(cancelled *atomic.Bool, blocks ...*block) *job {
	if len(blocks) == 0 {
		return nil
	}
	j := &job{blocks: blocks, done: make(chan struct{}), cancelled: cancelled}
	for _, b := range blocks {
		b.job = j
	}
	return j
}

// run decodes the blocks, and counts itself out of running.
func (j *job) run() {
	defer running.Add(-1)
	defer close(j.done)
	var good []*block
	for _, b := range j.blocks {
		if b.err = b.decode(j.cancelled); b.err == nil {
			good = append(good, b)
		}
	}
	if len(good) == jobBlocks {
		walkTwo(good[0], good[1])
	} else if len(good) == 1 {
		good[0].walk()
	}
}

func (j *job) isDone() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

const mostPlain = 900_000 // bytes of a block before runs are expanded

// errShort is a block that goes on beyond what it was given.
var (
	errShort     = errors.New("block goes on")
	errCancelled = errors.New("bunzip: the reader is closed")
)

// block is one of a stream, or what looks like one.
type block struct {
	job    *job
	start  int64 // its first bit in the file
	until  int64 // where something begins that looks like a block or an end
	packed []byte
	skip   uint // bits of packed before it

	err    error
	end    int64 // the first bit after it
	crc    uint32
	n      int // of plain
	origin uint32
	// next[i]>>8 is where in plain's permutation the byte after next[i]&0xff is.
	next  []uint32
	plain []byte // with runs not expanded
	*tables
}

// padding follows packed, so that bits can be taken without looking for the end
// each time.
const padding = 256

var blocks = sync.Pool{New: func() any { return &block{tables: new(tables)} }}

// newBlock is a block that begins at a bit of the file, of which packed is what
// there is from that bit's byte on.
func newBlock(start int64, packed []byte) *block {
	b := blocks.Get().(*block)
	b.start, b.skip = start, uint(start%8)
	b.packed = append(append(b.packed[:0], packed...), make([]byte, padding)...)
	return b
}

func (b *block) free() {
	b.job, b.err = nil, nil
	blocks.Put(b)
}

// walk undoes the Burrows-Wheeler transform.
func (b *block) walk() {
	next, p := b.next[:b.n], b.next[b.origin]>>8
	plain := b.plain[:b.n]
	for i := range plain {
		v := next[p]
		plain[i] = byte(v)
		p = v >> 8
	}
}

// walkTwo is walk for two blocks in turn.
func walkTwo(x, y *block) {
	if x.n > y.n {
		x, y = y, x
	}
	nx, ny := x.next[:x.n], y.next[:y.n]
	p, q := nx[x.origin]>>8, ny[y.origin]>>8
	px, py := x.plain[:x.n], y.plain[:y.n]
	for i := range px {
		v, w := nx[p], ny[q]
		px[i] = byte(v)
		py[i] = byte(w)
		p, q = v>>8, w>>8
	}
	for i := x.n; i < y.n; i++ {
		w := ny[q]
		py[i] = byte(w)
		q = w >> 8
	}
}
