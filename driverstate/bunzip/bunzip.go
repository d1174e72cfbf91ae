// Package bunzip decodes bz2 files on several cores, with bounded memory
// whatever the file is long.
//
// A file is one stream or several in a row, as Python's bz2, and so Cinder,
// reads them; a stream is made of blocks of at most 900,000 bytes that depend on
// no other and begin with 48 bits of their own, at any bit. The reader looks for
// those bits ahead of what is read and has what follows decoded side by side. A
// block counts only where the one before it ends: the bits also happen inside of
// blocks. The CRCs of blocks and of streams are checked.
//
// It reads what libbz2 writes. What only bzip2 before 0.9.5 (1999) wrote, blocks
// that are "randomised", is refused.
package bunzip

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/cinder-go/cinder-go/driverstate/cores"
)

// ErrCorrupt is what every fault of a file answers to, but for one that ends too
// early: that is io.ErrUnexpectedEOF.
var ErrCorrupt = errors.New("bz2 stream is damaged")

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

const (
	blockMagic = 0x314159265359 // pi
	endMagic   = 0x177245385090 // its square root
	magicBits  = 48

	// maxPacked is more than a block has bytes: 900,001 symbols of at most 20
	// bits, 32,767 selectors of at most 6, and its tables.
	maxPacked = 5 << 19
	readBytes = 128 << 10
)

// running counts the blocks that all readers decode at this moment. A reader
// starts to decode ahead only while they are fewer than there are processors,
// so that many readers are no more work at once than one.
var running atomic.Int32

// Reader decodes one file. It is used by one goroutine at a time. Close must be
// called, or goroutines are left. It keeps some 10 MiB for each goroutine that
// decodes, and as much for what is decoded and not read yet.
type Reader struct {
	src  io.Reader
	most int // of jobs at once
	each int // blocks of a job

	input window
	at    int64 // bit where the next block or end of stream is; that far all is proven
	open  bool  // within a stream
	level int   // the size of its blocks in 100,000 bytes
	sum   uint32

	ahead []*block // ascending, all that may be one from at on, as far as was looked
	now   *block   // being read
	out   expander
	err   error

	cancelled *atomic.Bool
}

// NewReader returns a reader of src that decodes with at most so many
// goroutines at a time, its caller's among them; 0 means one per processor. All
// readers of a process together have no more to decode ahead than it has
// processors, so that each of many takes about one. With 1 it decodes each block
// when it is wanted, and keeps less than 10 MiB.
func NewReader(src io.Reader, most int) *Reader {
	z := new(Reader)
	z.Reset(src, most)
	return z
}

// Reset makes z what NewReader would have returned.
func (z *Reader) Reset(src io.Reader, most int) {
	z.Close()
	z.each = jobBlocks
	if most == 1 {
		z.each = 1
	} else if most < 1 {
		most = cores.Count()
	}
	z.src, z.most, z.err = src, most, nil
	z.input.reset()
	z.at, z.open, z.sum = 0, false, 0
	z.cancelled = new(atomic.Bool)
}

// Close gives up what is decoded ahead and waits until no goroutine is left,
// which takes milliseconds. z can be used again after Reset.
func (z *Reader) Close() error {
	if z.cancelled != nil {
		z.cancelled.Store(true)
	}
	for len(z.ahead) > 0 {
		z.drop()
	}
	z.release()
	z.src, z.err = nil, errClosed
	return nil
}

var errClosed = errors.New("bunzip: the reader is closed")

// Read gives decoded bytes. io.EOF is the end of the file, after a whole stream.
// Errors of src are given as they are.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if z.now != nil {
			if n := z.out.read(p); n > 0 {
				return n, nil
			}
			z.endBlock()
		}
		if z.err != nil {
			return 0, z.err
		}
		if err := z.next(); err != nil {
			z.err = err
		}
	}
}

// endBlock proves the block that was read.
func (z *Reader) endBlock() {
	if z.out.sum() != z.now.crc {
		z.err = corrupt("the CRC of a block differs")
	}
	z.sum = (z.sum<<1 | z.sum>>31) ^ z.now.crc
	z.release()
}

func (z *Reader) release() {
	if z.now != nil {
		z.now.free()
		z.now = nil
	}
}

// next makes the block at z.at the one that is read, or ends the file.
func (z *Reader) next() error {
	for z.now == nil {
		if !z.open {
			if err := z.header(); err != nil {
				return err
			}
		}
		magic, err := z.bits(z.at, magicBits)
		if err != nil {
			return err
		}
		switch magic {
		case blockMagic:
			err = z.block()
		case endMagic:
			err = z.trailer()
		default:
			err = corrupt("there is neither a block nor an end")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// header reads the first 4 bytes of a stream, or finds that there is none.
func (z *Reader) header() error {
	if err := z.input.fill(z.src, z.at/8, 1); err != nil {
		return err
	}
	if z.at > 0 && z.input.end() == z.at/8 {
		return io.EOF
	}
	head, err := z.bits(z.at, 32)
	if err != nil {
		return err
	}
	level := int(head&0xff) - '0'
	if head>>8 != 'B'<<16|'Z'<<8|'h' || level < 1 || level > 9 {
		return corrupt("it does not begin as a stream does")
	}
	z.at += 32
	z.open, z.level, z.sum = true, level, 0
	return nil
}

// trailer reads the end of a stream.
func (z *Reader) trailer() error {
	sum, err := z.bits(z.at+magicBits, 32)
	if err != nil {
		return err
	}
	if uint32(sum) != z.sum {
		return corrupt("the CRC of the stream differs")
	}
	z.at = (z.at + magicBits + 32 + 7) / 8 * 8
	z.open = false
	z.input.forget(z.at / 8)
	return nil
}

// bits are n bits, at most 56, of the file.
func (z *Reader) bits(at int64, n int64) (uint64, error) {
	first, last := at/8, (at+n+7)/8
	if err := z.input.fill(z.src, first, int(last-first)); err != nil {
		return 0, err
	}
	if z.input.end() < last {
		return 0, io.ErrUnexpectedEOF
	}
	var v uint64
	for _, b := range z.input.from(first)[:last-first] {
		v = v<<8 | uint64(b)
	}
	return v >> (last*8 - at - n) & (1<<n - 1), nil
}

// block decodes the block at z.at, and has those after it decoded ahead.
func (z *Reader) block() error {
	for len(z.ahead) > 0 && z.ahead[0].start < z.at { // it was none
		z.drop()
	}
	if len(z.ahead) == 0 {
		job, err := z.find()
		if err != nil {
			return err
		}
		z.ahead = append(z.ahead, job.blocks...)
		running.Add(1)
		z.decodeAhead(z.most - 1)
		job.run()
	} else {
		z.decodeAhead(z.most)
		<-z.ahead[0].job.done
	}
	b := z.ahead[0]
	z.ahead = z.ahead[1:]
	if b.err != nil {
		// What follows it may have been inside of it.
		var err error
		if b, err = z.alone(b); err != nil {
			return err
		}
	}
	z.now = b
	if b.n > z.level*100_000 {
		return corrupt("a block is larger than the stream says")
	}
	z.at = b.end
	z.input.forget(z.at / 8)
	z.out.reset(b.plain[:b.n])
	return nil
}

// decodeAhead starts jobs while fewer than most run and there are processors to
// spare. What is wrong with the input is told when it is wanted.
func (z *Reader) decodeAhead(most int) {
	for jobs, busy := z.jobs(); jobs <= z.most && busy < most && spare(); jobs, busy = jobs+1, busy+1 {
		job, err := z.find()
		if job == nil || err != nil {
			running.Add(-1)
			return
		}
		z.ahead = append(z.ahead, job.blocks...)
		go job.run()
	}
}

// spare takes a processor for another job, if one is left.
func spare() bool {
	if running.Add(1) <= int32(cores.Count()) {
		return true
	}
	running.Add(-1)
	return false
}

// jobs is how many jobs there are ahead, and how many of them are not done.
func (z *Reader) jobs() (n, busy int) {
	var last *job
	for _, b := range z.ahead {
		if b.job != last {
			last = b.job
			n++
			if !last.isDone() {
				busy++
			}
		}
	}
	return n, busy
}

// drop gives up the first of ahead.
func (z *Reader) drop() {
	b := z.ahead[0]
	z.ahead = z.ahead[1:]
	<-b.job.done
	b.free()
}

// alone decodes a block again, with all of the input that it can have.
func (z *Reader) alone(b *block) (*block, error) {
	start := b.start
	b.free()
	if err := z.input.fill(z.src, start/8, maxPacked); err != nil {
		return nil, err
	}
	packed := z.input.from(start / 8)
	packed = packed[:min(len(packed), maxPacked)]
	b = newBlock(start, packed)
	running.Add(1)
	newJob(z.cancelled, b).run()
	err := b.err
	if err == nil {
		return b, nil
	}
	b.free()
	if errors.Is(err, errShort) {
		if len(packed) == maxPacked {
			return nil, corrupt("a block is too long")
		}
		return nil, io.ErrUnexpectedEOF
	}
	return nil, err
}

// find makes a job of the next blocks that nobody has decoded. It is nil if
// there are none, or if they are too far ahead; with none ahead it is not.
func (z *Reader) find() (*job, error) {
	var blocks []*block
	from, room := z.at, maxPacked+z.most*jobBlocks<<20
	if n := len(z.ahead); n > 0 {
		from = z.ahead[n-1].until
	}
	for len(blocks) < z.each {
		start, ok, err := z.input.mark(z.src, from, room, blockMagic, blockMagic)
		var until, stop int64
		if ok {
			until, ok, err = z.input.mark(z.src, start+1, room, blockMagic, endMagic)
			stop = until
			if !ok && err == nil && (z.input.eof || len(blocks)+len(z.ahead) == 0) {
				ok, stop = true, z.input.end()*8
				until = max(start+1, stop-magicBits+1)
			}
		}
		switch {
		case !ok && len(blocks) == 0:
			return nil, err
		case !ok:
			return newJob(z.cancelled, blocks...), nil
		}
		b := newBlock(start, z.input.from(start / 8)[:(stop+7)/8-start/8])
		b.until = until
		blocks = append(blocks, b)
		from = until
	}
	return newJob(z.cancelled, blocks...), nil
}
