package wrap

import (
	"context"
	"io"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Store puts a point before and after every write to s.
func Store(s objectstore.Store) objectstore.Store { return store{s} }

type store struct{ objectstore.Store }

// Check passes the question on.
func (s store) Check(ctx context.Context) error {
	if c, ok := s.Store.(objectstore.Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// Sweep passes on: a sweep that is killed is made again by the next one.
func (s store) Sweep(ctx context.Context, container string) error {
	if sweeper, ok := s.Store.(objectstore.Sweeper); ok {
		return sweeper.Sweep(ctx, container)
	}
	return nil
}

func (s store) PutContainer(ctx context.Context, container string) error {
	return around("store.container.begin", "store.container.done", func() error { return s.Store.PutContainer(ctx, container) })
}

func (s store) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	kind := kindOf(name)
	return around("store.put.begin:"+kind, "store.put.done:"+kind, func() error { return s.Store.Put(ctx, container, name, r, size) })
}

func (s store) Delete(ctx context.Context, container, name string) error {
	kind := kindOf(name)
	return around("store.delete.begin:"+kind, "store.delete.done:"+kind, func() error { return s.Store.Delete(ctx, container, name) })
}

func (s store) RemoveContainer(ctx context.Context, container string) error {
	return around("store.remove.begin", "store.remove.done", func() error { return s.Store.RemoveContainer(ctx, container) })
}

// around runs act between two points; a failure passes the first only.
func around(begin, done string, act func() error) error {
	fault.Point(begin)
	err := act()
	if err == nil {
		fault.Point(done)
	}
	return err
}

// kindOf tells the objects of a chunked backup apart by their names
// (cinder/backup/chunkeddriver.py).
func kindOf(name string) string {
	switch {
	case strings.HasSuffix(name, "_metadata"):
		return "metadata"
	case strings.HasSuffix(name, "_sha256file"):
		return "hashes"
	}
	return "chunk"
}
