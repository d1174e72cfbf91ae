package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Get reads an object by requests of ReaderChunk bytes, all of one version of
// it.
func (s *Store) Get(ctx context.Context, bucket, name string, off, n int64) (io.ReadCloser, error) {
	if err := checkNames(bucket, name); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, objectstore.Permanent(fmt.Errorf("object %s/%s: offset %d is negative", bucket, name, off))
	}
	x := &reader{s: s, ctx: ctx, bucket: bucket, name: name, off: off, left: n}
	if n == 0 {
		x.left = 1 // to see whether it is there
	}
	if err := x.next(); err != nil {
		return nil, err
	}
	if n == 0 {
		x.left = 0
		x.done = true
	}
	return x, nil
}

// reader reads a range of an object, one request after the other.
type reader struct {
	s            *Store
	ctx          context.Context
	bucket, name string
	off, left    int64 // of the next byte; left < 0 for all that follows
	body         io.ReadCloser
	part         int64  // bytes that body still owes; < 0 if it did not say
	generation   string // of the object, when the first answer told it
	done         bool   // the object or the range ends with body
}

// Version is the object's generation.
func (x *reader) Version() string { return x.generation }

// next asks for the bytes from off on.
func (x *reader) next() error {
	c, err := x.s.service()
	if err != nil {
		return err
	}
	n := x.s.cfg.ReaderChunk
	if x.left >= 0 && (n < 0 || x.left < n) {
		n = x.left
	}
	call := c.Objects.Get(x.bucket, x.name).Context(x.ctx)
	switch {
	case n >= 0:
		call.Header().Set("Range", fmt.Sprintf("bytes=%d-%d", x.off, x.off+n-1))
	case x.off > 0:
		call.Header().Set("Range", fmt.Sprintf("bytes=%d-", x.off))
	}
	resp, err := call.Download()
	if status(err) == http.StatusRequestedRangeNotSatisfiable {
		x.body, x.done = http.NoBody, true
		return nil
	}
	if err != nil {
		return x.s.fail(x.ctx, "object "+x.bucket+"/"+x.name, err, objectstore.ErrNotFound)
	}
	x.body, x.part = resp.Body, resp.ContentLength
	if err := x.check(resp, n); err != nil {
		resp.Body.Close()
		x.body = nil
		return err
	}
	return nil
}

// check tells whether the answer holds what was asked for, of the same version
// of the object as the answers before.
func (x *reader) check(resp *http.Response, n int64) error {
	what := "object " + x.bucket + "/" + x.name
	generation := resp.Header.Get("X-Goog-Generation")
	if x.generation != "" && generation != x.generation {
		return objectstore.Permanent(fmt.Errorf("%s changed while it was read", what))
	}
	x.generation = generation
	if resp.StatusCode == http.StatusOK {
		x.done = true
		if x.off > 0 {
			return objectstore.Permanent(fmt.Errorf("%s: the server does not read ranges: it sent all of it for bytes from %d on", what, x.off))
		}
		return nil
	}
	var first, last, size int64
	if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size); err != nil || first != x.off {
		return fmt.Errorf("%s: the server answers a request for bytes from %d on with range %.80q", what, x.off, resp.Header.Get("Content-Range"))
	}
	x.part = last + 1 - first
	x.done = last+1 >= size || x.left >= 0 && x.part >= x.left
	return nil
}

// Read implements io.Reader.
func (x *reader) Read(p []byte) (int, error) {
	if err := x.ctx.Err(); err != nil {
		return 0, err
	}
	for x.left != 0 && len(p) > 0 {
		if x.body == nil {
			if x.done {
				return 0, io.EOF
			}
			if err := x.next(); err != nil {
				return 0, err
			}
		}
		q := p
		if x.left > 0 {
			q = p[:min(int64(len(p)), x.left)]
		}
		n, err := x.body.Read(q)
		x.off += int64(n)
		if x.left > 0 {
			x.left -= int64(n)
		}
		if x.part > 0 {
			x.part -= int64(n)
		}
		switch {
		case errors.Is(err, io.EOF) && x.part > 0:
			err = io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			x.body.Close()
			x.body, err = nil, nil
		}
		if err != nil && x.ctx.Err() != nil {
			return n, x.ctx.Err()
		}
		if err != nil {
			return n, &unavailable{fmt.Errorf("object %s/%s at byte %d: %w", x.bucket, x.name, x.off, err)}
		}
		if n > 0 {
			return n, nil
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	return 0, io.EOF
}

// Close implements io.Closer.
func (x *reader) Close() error {
	if x.body == nil {
		return nil
	}
	err := x.body.Close()
	x.body, x.done = nil, true
	return err
}
