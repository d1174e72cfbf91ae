package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Versioned is a reader of Get that knows which version of the object it
// reads, such as its ETag.
type Versioned interface{ Version() string }

// Get opens the object, and opens it again where a reader breaks off. A
// reader whose object has meanwhile become another one ends with an error.
func (r *retrying) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	x := &resumed{ctx: ctx, r: r, container: container, name: name, off: off, left: n}
	if err := r.do(ctx, "get", x.open); err != nil {
		return nil, err
	}
	return x, nil
}

// resumed reads an object through as many readers as it takes.
type resumed struct {
	ctx             context.Context
	r               *retrying
	container, name string
	off, left       int64 // of the next byte; left < 0 for all
	body            io.ReadCloser
	version         string
	failed          int   // times in a row with little read in between
	read            int64 // since the last failure
	err             error
}

// progress is how much a reader must read before it breaks off for its failure
// not to count as one more of the same.
const progress = 256 << 10

func (x *resumed) open() error {
	body, err := x.r.Store.Get(x.ctx, x.container, x.name, x.off, x.left)
	if err != nil {
		return err
	}
	version := ""
	if v, ok := body.(Versioned); ok {
		version = v.Version()
	}
	if x.version != "" && version != x.version {
		body.Close()
		return Permanent(fmt.Errorf("object %s changed while it was read", x.name))
	}
	x.body, x.version = body, version
	return nil
}

// Version is that of the object if the store tells it.
func (x *resumed) Version() string { return x.version }

// Read implements io.Reader.
func (x *resumed) Read(p []byte) (int, error) {
	if x.err != nil {
		return 0, x.err
	}
	n, err := x.body.Read(p)
	x.off += int64(n)
	x.read += int64(n)
	if x.left > 0 {
		x.left -= int64(n)
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	x.err = x.resume(err)
	if x.err != nil || n > 0 {
		return n, x.err
	}
	return x.Read(p)
}

// resume opens the rest of the object after a failure.
func (x *resumed) resume(cause error) error {
	if x.read >= progress {
		x.failed = 0
	}
	x.read = 0
	for {
		x.failed++
		if err := x.r.pause(x.ctx, "get", x.failed, cause); err != nil {
			return err
		}
		if x.body != nil {
			x.body.Close()
			x.body = nil
		}
		if cause = x.open(); cause == nil {
			return nil
		}
	}
}

// Close implements io.Closer.
func (x *resumed) Close() error {
	if x.body == nil {
		return nil
	}
	err := x.body.Close()
	x.body = nil
	if x.err == nil {
		x.err = errors.New("read of an object that was closed")
	}
	return err
}
