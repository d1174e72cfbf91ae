package chunked

import (
	"bytes"
	"context"
	"crypto/md5" // the format's
	"errors"
	"hash"
	"io"
	"time"
)

// storeRaw stores an object as it is: hashed while the store reads it.
func (w *writer) storeRaw(ctx context.Context, o *object) error {
	body := newRawBody(ctx, w, o)
	defer body.close()
	if err := w.putObject(ctx, o, body, o.Length); err != nil {
		return err
	}
	return body.finish()
}

// rawBody is the plain bytes of an object. They are read from the volume once,
// by the workers; a store that goes back to the begin has them read again, and
// those must be the same.
type rawBody struct {
	ctx     context.Context
	w       *writer
	o       *object
	current *grain
	at      int   // in current
	pos     int64 // of the next Read
	passed  int64 // how many bytes of the first pass were read
	summed  chan *grain
	sum     chan [md5.Size]byte
	again   *rereader // nil in the first pass
}

func newRawBody(ctx context.Context, w *writer, o *object) *rawBody {
	summed := make(chan *grain, cap(o.grains))
	r := &rawBody{ctx: ctx, w: w, o: o, summed: summed, sum: make(chan [md5.Size]byte, 1)}
	go func() { // ends when summed is closed, by close at the latest
		sum := md5.New()
		for g := range summed {
			start := time.Now()
			sum.Write(g.plain)
			since(&w.meter.storing, start)
			w.release(g)
		}
		r.sum <- [md5.Size]byte(sum.Sum(nil))
	}()
	return r
}

func (r *rawBody) Read(p []byte) (int, error) {
	if r.pos != r.passed && r.again == nil {
		if err := r.drain(); err != nil {
			return 0, err
		}
		r.again = &rereader{SectionReader: io.NewSectionReader(r.w.src, r.o.Offset, r.o.Length), want: r.o.MD5}
		if _, err := r.again.Seek(r.pos, io.SeekStart); err != nil {
			return 0, err
		}
	}
	if r.again != nil {
		n, err := r.again.Read(p)
		r.pos += int64(n)
		return n, err
	}
	n, err := r.first(p)
	r.pos += int64(n)
	return n, err
}

// first reads on in the first pass.
func (r *rawBody) first(p []byte) (int, error) {
	if r.passed == r.o.Length {
		return 0, io.EOF
	}
	if r.current == nil {
		start := time.Now()
		g, err := r.o.next(r.ctx)
		r.w.meter.target.Add(-int64(time.Since(start))) // the store waits here, not for itself
		if err != nil {
			return 0, err
		}
		r.summed <- g
		r.current, r.at = g, 0
	}
	n := copy(p, r.current.plain[r.at:])
	r.at += n
	r.passed += int64(n)
	if r.at == len(r.current.plain) {
		r.w.release(r.current)
		r.current = nil
	}
	return n, nil
}

// Seek implements io.Seeker. It reads nothing: some stores only ask how long
// the body is.
func (r *rawBody) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += r.pos
	case io.SeekEnd:
		off += r.o.Length
	}
	if off < 0 {
		return r.pos, errors.New("seek before the begin of an object")
	}
	r.pos = off
	if r.again != nil {
		return r.again.Seek(off, io.SeekStart)
	}
	return off, nil
}

// drain ends the first pass, and so knows the md5.
func (r *rawBody) drain() error {
	if r.summed == nil {
		return nil
	}
	var scratch [32 << 10]byte
	for {
		if _, err := r.first(scratch[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	close(r.summed)
	r.summed = nil
	r.o.MD5 = <-r.sum
	return nil
}

// finish says whether what the store has read last is what was hashed.
func (r *rawBody) finish() error {
	if err := r.drain(); err != nil {
		return err
	}
	if r.again != nil {
		return r.again.verdict(true)
	}
	return nil
}

func (r *rawBody) close() {
	if r.summed != nil {
		close(r.summed)
		r.summed = nil
		<-r.sum
	}
}

// rereader proves that what is read a second time is what was hashed the first
// time.
type rereader struct {
	*io.SectionReader
	want [md5.Size]byte
	hash hash.Hash // of this pass, which began at the begin
	read int64     // bytes of it
	last verdict   // on the last pass that came to the end
}

type verdict int

const (
	unread verdict = iota
	same
	other
)

func (c *rereader) Read(p []byte) (int, error) {
	n, err := c.SectionReader.Read(p)
	if c.hash == nil {
		c.hash = md5.New() // the format's
	}
	c.hash.Write(p[:n])
	c.read += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (c *rereader) Seek(off int64, whence int) (int64, error) {
	c.pass()
	return c.SectionReader.Seek(off, whence)
}

// pass ends a pass. One that did not come to the end was given up.
func (c *rereader) pass() {
	if c.read == c.Size() && c.hash != nil {
		c.last = other
		if bytes.Equal(c.hash.Sum(nil), c.want[:]) {
			c.last = same
		}
	}
	c.hash, c.read = nil, 0
}

// verdict is ErrConflict if what was read last is not what was hashed. It may
// be unread by a store that has read it the first time.
func (c *rereader) verdict(mayBeUnread bool) error {
	partly := c.read > 0 && c.read < c.Size()
	c.pass()
	if partly || c.last == other || c.last == unread && !mayBeUnread && c.Size() > 0 {
		return errVolumeChanged
	}
	return nil
}
