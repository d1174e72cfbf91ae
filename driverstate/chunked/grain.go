package chunked

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"io"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/cinder-go/cinder-go/driverstate"
)

// grainBytes is how much of the volume a worker reads, hashes and deflates at
// a time.
const grainBytes = 1 << 20

// grain is a stretch of the volume on its way into an object, or one that is
// hashed only.
type grain struct {
	off     int64
	plain   []byte // of buf, or of zeroPage
	buf     []byte
	packed  deflated
	packBuf []byte        // what packed lies in, unless it is that of zeros
	hashing *hashing      // that of its piece, if it is hashed only
	ready   chan struct{} // closed when it is hashed and deflated, if it goes into an object
	users   atomic.Int32  // that have not released it yet
}

// take returns a grain that nobody uses.
func (w *writer) take(ctx context.Context) (*grain, error) {
	select {
	case g := <-w.free:
		if g == nil {
			g = &grain{buf: make([]byte, w.grain)}
		}
		g.hashing, g.ready = nil, nil
		return g, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *writer) release(g *grain) {
	if g.users.Add(-1) <= 0 {
		w.free <- g
	}
}

// feed has the workers process a range of the volume. prepare is called for
// each grain before that.
func (w *writer) feed(ctx context.Context, off, n int64, prepare func(*grain)) error {
	for at := int64(0); at < n; at += w.grain {
		g, err := w.take(ctx)
		if err != nil {
			return err
		}
		g.off, g.plain = off+at, g.buf[:min(w.grain, n-at)]
		prepare(g)
		select {
		case w.tasks <- g:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// packer is a worker of a backup.
type packer struct {
	w *writer
	*digester
	level Level
	block hash.Hash // of the begin of a block that is longer than a grain
	flate *flate.Writer
}

func newPacker(w *writer, l Level) *packer {
	return &packer{w: w, level: l, digester: newDigester(), block: sha256.New()}
}

// work processes grains until there are no more.
func (p *packer) work(ctx context.Context) error {
	for g := range p.w.tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.process(g); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) process(g *grain) error {
	start := time.Now()
	err := p.read(g)
	since(&p.w.meter.source, start)
	if err != nil {
		return err
	}
	defer since(&p.w.meter.packing, time.Now())
	if err := p.hash(g); err != nil {
		return err
	}
	if g.hashing != nil || p.w.base == nil {
		p.w.watch.bytes(int64(len(g.plain)))
	}
	if g.hashing != nil {
		g.users.Store(1)
		p.w.release(g)
		g.hashing.finish()
		return nil
	}
	if p.w.d.cfg.Compression == CompressionZlib {
		p.pack(g)
	}
	close(g.ready)
	return nil
}

// read reads the grain, unless it lies in a hole.
func (p *packer) read(g *grain) error {
	n := int64(len(g.plain))
	if holes, ok := p.w.src.(driverstate.Sparse); ok {
		if start, _ := holes.NextData(g.off); start >= g.off+n {
			g.plain = zeroPage[:n]
			return nil
		}
	}
	switch m, err := p.w.src.ReadAt(g.plain, g.off); {
	case m == len(g.plain):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return fmt.Errorf("the volume has no byte %d any more: it became shorter while it was read", g.off+int64(m))
	default:
		return fmt.Errorf("reading the volume at byte %d: %w", g.off, err)
	}
}

// hash computes the digests of the grain's blocks. A block that is longer than
// a grain comes in order: there is one worker then.
func (p *packer) hash(g *grain) error {
	block := p.w.hashes.BlockSize
	for at := int64(0); at < int64(len(g.plain)); {
		off := g.off + at
		n := min(block-off%block, int64(len(g.plain))-at)
		b := g.plain[at : at+n]
		at += n
		begins, ends := off%block == 0, (off+n)%block == 0 || off+n == p.w.size
		var sum [sha256.Size]byte
		if begins && ends {
			sum = p.sum(b)
		} else {
			p.block.Write(b)
			if !ends {
				continue
			}
			p.block.Sum(sum[:0])
			p.block.Reset()
		}
		if err := p.keep(g, off/block, sum); err != nil {
			return err
		}
	}
	return nil
}

// keep notes the digest of a block, or compares it with the one that its change
// was found by.
func (p *packer) keep(g *grain, i int64, sum [sha256.Size]byte) error {
	list := p.w.hashes.Sum(int(i))
	if p.w.base != nil && g.hashing == nil {
		if sum != [sha256.Size]byte(list) {
			return errVolumeChanged
		}
		return nil
	}
	copy(list, sum[:])
	return nil
}

var errVolumeChanged = driverstate.Fail(driverstate.ErrConflict, "the volume changed while it was being backed up")

// deflated is a grain as a part of a zlib stream.
type deflated struct {
	data  []byte // DEFLATE blocks that refer to nothing before them, at a byte's end
	adler uint32 // of the plain bytes
}

func (p *packer) pack(g *grain) {
	if int64(len(g.plain)) == p.w.grain && isZero(g.plain) {
		g.packed = p.w.zeros()
		return
	}
	g.packed = p.deflate(g.plain, g.packBuf[:0])
	g.packBuf = g.packed.data
}

// deflate packs plain behind the bytes of to. What is written to memory cannot
// fail.
func (p *packer) deflate(plain, to []byte) deflated {
	out := (*appender)(&to)
	if p.flate == nil {
		p.flate, _ = flate.NewWriter(out, p.level.zlib()) // the level is a right one
	} else {
		p.flate.Reset(out)
	}
	p.flate.Write(plain)
	p.flate.Flush()
	return deflated{data: to, adler: adler32.Checksum(plain)}
}

// appender is a writer to the end of a slice.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}
