package chunked

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" // the format's
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// object is one that is being stored.
type object struct {
	*Extent
	grains chan *grain // in order; has room for all that there are
}

// object has a range of the volume stored under the next name. done is called
// when it is, if not nil. It is fed beside others: one object is hashed, and by
// most codecs encoded, by one processor at a time.
func (w *writer) object(ctx context.Context, stores *errgroup.Group, off, n int64, done func()) error {
	e := &Extent{Name: chunkName(w.b.ServiceMetadata, len(w.extents)+1), Offset: off, Length: n, Compression: w.d.cfg.Compression}
	w.extents = append(w.extents, e)
	select {
	case w.objects <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	o := &object{e, make(chan *grain, cap(w.free))}
	stores.Go(func() error {
		free := sync.OnceFunc(func() { <-w.objects })
		defer free()
		store := w.store
		if n <= smallObject && cap(w.small) > 0 {
			store = func(ctx context.Context, o *object) error { return w.storeSmall(ctx, o, free) }
		}
		err := store(ctx, o)
		if err == nil && done != nil {
			done()
		}
		return err
	})
	add := func(g *grain) {
		g.ready = make(chan struct{})
		g.users.Store(2)
		o.grains <- g
	}
	// Objects begin in their order.
	first := min(n, w.grain)
	if err := w.feed(ctx, off, first, add); err != nil || first == n {
		close(o.grains)
		return err
	}
	stores.Go(func() error {
		defer close(o.grains)
		return w.feed(ctx, off+first, n-first, add)
	})
	return nil
}

// store stores an object: compressed where that makes it smaller, else raw.
func (w *writer) store(ctx context.Context, o *object) error {
	if o.Compression == CompressionNone {
		return w.storeRaw(ctx, o)
	}
	packed := &spool{}
	defer packed.close()
	if err := w.compress(ctx, o, packed); err != nil {
		return err
	}
	if packed.size < o.Length {
		return w.putObject(ctx, o, packed.reader(), packed.size)
	}
	o.Compression = CompressionNone
	body := &rereader{SectionReader: io.NewSectionReader(w.src, o.Offset, o.Length), want: o.MD5}
	if err := w.putObject(ctx, o, body, o.Length); err != nil {
		return err
	}
	return body.verdict(false)
}

// smallObject is the length of objects that wait for the store in numbers. It is
// no more than a grain's.
const smallObject = 256 << 10

// storeSmall is store for an object of up to smallObject. An increment has
// thousands of them, for which a store takes the time of its answer rather than
// that of their bytes: packed, they wait for it out of the way of the next ones,
// to which free makes room.
func (w *writer) storeSmall(ctx context.Context, o *object, free func()) error {
	g, err := o.next(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	body, err := w.packSmall(o, g)
	since(&w.meter.storing, start)
	w.release(g) // for who would pack it,
	w.release(g) // and for who would sum it
	if err != nil {
		return err
	}
	select {
	case w.small <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.small }()
	free()
	return w.putObject(ctx, o, bytes.NewReader(body), int64(len(body)))
}

// packSmall is the only grain of an object as it is stored, in memory of its
// own.
func (w *writer) packSmall(o *object, g *grain) ([]byte, error) {
	o.MD5 = md5.Sum(g.plain) // the format's
	if o.Compression != CompressionNone {
		var packed bytes.Buffer
		out, err := newEncoder(o.Compression, w.d.cfg.Level, &packed, o.Length)
		if err != nil {
			return nil, err
		}
		if err := cmp.Or(out.add(g), out.close()); err != nil {
			return nil, err
		}
		if int64(packed.Len()) < o.Length {
			return packed.Bytes(), nil
		}
		o.Compression = CompressionNone
	}
	return bytes.Clone(g.plain), nil
}

func (w *writer) putObject(ctx context.Context, o *object, body io.ReadSeeker, size int64) error {
	start := time.Now()
	err := w.d.store.Put(ctx, w.b.Container, o.Name, body, size)
	since(&w.meter.target, start)
	if err != nil {
		return fmt.Errorf("object %s: %w", o.Name, storeError(err))
	}
	w.stored.Add(size)
	return nil
}

// compress writes an object's stream to packed, and computes its md5 beside.
func (w *writer) compress(ctx context.Context, o *object, packed io.Writer) error {
	out, err := newEncoder(o.Compression, w.d.cfg.Level, packed, o.Length)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	summed := make(chan *grain, cap(o.grains))
	group.Go(func() error {
		sum := md5.New() // the format's
		for g := range summed {
			start := time.Now()
			sum.Write(g.plain)
			since(&w.meter.storing, start)
			w.release(g)
		}
		sum.Sum(o.MD5[:0])
		return nil
	})
	group.Go(func() error {
		defer close(summed)
		left := o.Length
		for left > 0 {
			g, err := o.next(ctx)
			if err != nil {
				return err
			}
			left -= int64(len(g.plain))
			summed <- g
			start := time.Now()
			err = out.add(g)
			since(&w.meter.storing, start)
			w.release(g)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return cmp.Or(group.Wait(), out.close())
}

// next is the object's next grain when it is ready. There must be one.
func (o *object) next(ctx context.Context) (*grain, error) {
	select {
	case g, ok := <-o.grains:
		if !ok { // they end early only when ctx has ended
			return nil, cmp.Or(ctx.Err(), io.ErrUnexpectedEOF)
		}
		select {
		case <-g.ready:
			return g, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// zlibStream joins deflated grains to one stream, which zlib calls of level 6
// by its header: Cinder's (zlib.compress without a level).
type zlibStream struct {
	to    io.Writer
	adler uint32
}

func newZlibStream(to io.Writer) (*zlibStream, error) {
	_, err := to.Write([]byte{0x78, 0x9c})
	return &zlibStream{to: to, adler: 1}, err
}

func (z *zlibStream) add(g *grain) error {
	z.adler = combineAdler(z.adler, g.packed.adler, int64(len(g.plain)))
	_, err := z.to.Write(g.packed.data)
	return err
}

// close ends the stream with an empty last block of fixed codes and the
// checksum.
func (z *zlibStream) close() error {
	_, err := z.to.Write(binary.BigEndian.AppendUint32([]byte{0x03, 0x00}, z.adler))
	return err
}

// combineAdler is the Adler-32 of two stretches in a row, the second of n bytes
// (RFC 1950, 8.2).
func combineAdler(first, second uint32, n int64) uint32 {
	const mod = 65521
	a1, b1 := uint64(first&0xffff), uint64(first>>16)
	a2, b2 := uint64(second&0xffff), uint64(second>>16)
	// The second begins with 1 by itself, with a1 here: every of its n sums is
	// a1 - 1 higher.
	more := (a1 + mod - 1) % mod
	a := (a2 + more) % mod
	b := (b1 + b2 + uint64(n%mod)*more) % mod
	return uint32(b<<16 | a)
}

// stream is an encoder that takes the plain bytes of grains.
type stream struct{ io.WriteCloser }

func (s stream) add(g *grain) error {
	_, err := s.Write(g.plain)
	return err
}

func (s stream) close() error { return s.Close() }
