package chunked

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// silences is how often a store may not answer until a backup that nothing
// depends on is asked no more: each time it may be waited for.
const silences = 3

// spare is a store of which one backup is read whose loss is none: whatever
// cannot be read of it is damage.
type spare struct {
	objectstore.Store

	mu     sync.Mutex
	silent int
	first  error // why something could not be read, for whoever may mend it
}

// Get implements objectstore.Store.
func (s *spare) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	if err := s.over(); err != nil {
		return nil, lost{err}
	}
	r, err := s.Store.Get(ctx, container, name, off, n)
	if err != nil {
		return nil, s.lose(ctx, name, err)
	}
	return &spareReader{ReadCloser: r, ctx: ctx, from: s, name: name}, nil
}

// over is not nil when the store has not answered often enough.
func (s *spare) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent < silences {
		return nil
	}
	return s.first
}

// lose makes damage of an error that is none of ctx, nor damage already.
func (s *spare) lose(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil || errors.Is(err, objectstore.ErrDamaged) || errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrNoContainer) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		s.first = fmt.Errorf("object %s: %w", name, err)
	}
	if objectstore.Repeatable(err) {
		s.silent++
	}
	return lost{err}
}

// spareReader is an object of a spare store.
type spareReader struct {
	io.ReadCloser
	ctx  context.Context
	from *spare
	name string
}

func (r *spareReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.from.lose(r.ctx, r.name, err)
	}
	return n, err
}

// lost is an error as damage, and nothing else.
type lost struct{ error }

func (lost) Unwrap() error { return objectstore.ErrDamaged }
