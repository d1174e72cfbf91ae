package objectstore

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// limitStep is the most that is read or written in one go.
const limitStep = 64 << 10

// Limiter holds bytes to a rate, for any number of stores.
type Limiter interface {
	// WaitN returns when n more bytes may pass, 64 KiB at most, or when ctx ends.
	WaitN(ctx context.Context, n int) error
}

// NewLimiter is a rate in bytes per second; nil for none.
func NewLimiter(bytesPerSecond int64) Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	// A burst of a step lets a rate below that work too.
	return rate.NewLimiter(rate.Limit(bytesPerSecond), limitStep)
}

// Limit returns s with the bytes of all its Puts and Gets together held to l,
// listings not counted.
func Limit(s Store, l Limiter) Store {
	if l == nil {
		return s
	}
	return limited{passing{s}, l}
}

type limited struct {
	passing
	rate Limiter
}

func (l limited) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	return l.Store.Put(ctx, container, name, slowSeeker{slow{ctx, r, l.rate}, r}, size)
}

func (l limited) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	body, err := l.Store.Get(ctx, container, name, off, n)
	if err != nil {
		return nil, err
	}
	return slowBody{slow{ctx, body, l.rate}, body}, nil
}

// Survey passes the work on; what is read in it is held to the rate, too.
func (l limited) Survey(ctx context.Context, within string, visit Visit) error {
	return surveyWith(ctx, l.Store, within, visit, func(in Store) Store { return Limit(in, l.rate) })
}

// slow reads no faster than its rate allows.
type slow struct {
	ctx  context.Context
	r    io.Reader
	rate Limiter
}

func (s slow) Read(p []byte) (int, error) {
	n, err := s.r.Read(p[:min(len(p), limitStep)])
	if n > 0 {
		if late := s.rate.WaitN(s.ctx, n); late != nil {
			return n, late
		}
	}
	return n, err
}

// LimitReader returns r with its bytes held to l; r itself if l is nil.
func LimitReader(ctx context.Context, r io.Reader, l Limiter) io.Reader {
	if l == nil {
		return r
	}
	return slow{ctx, r, l}
}

// LimitWriter returns w with its bytes held to l; w itself if l is nil.
func LimitWriter(ctx context.Context, w io.Writer, l Limiter) io.Writer {
	if l == nil {
		return w
	}
	return slowWriter{ctx, w, l}
}

// slowWriter writes no faster than its rate allows.
type slowWriter struct {
	ctx  context.Context
	w    io.Writer
	rate Limiter
}

func (s slowWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		step := p[n:min(n+limitStep, len(p))]
		if err := s.rate.WaitN(s.ctx, len(step)); err != nil {
			return n, err
		}
		written, err := s.w.Write(step)
		n += written
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

type slowSeeker struct {
	slow
	io.Seeker
}

type slowBody struct {
	slow
	io.Closer
}
