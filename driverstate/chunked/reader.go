package chunked

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// readAhead is how much of a stored object is read at once.
const readAhead = 256 << 10

var readBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readAhead) }}

// damage is a fault of the data on the store, as an error.
type damage struct {
	driverstate.Problem
	// cut: nothing that follows in the object can be read.
	cut bool
}

func (e *damage) Error() string {
	if e.Object == "" {
		return e.Reason
	}
	return fmt.Sprintf("object %s: %s", e.Object, e.Reason)
}

func (e *damage) Unwrap() error { return driverstate.ErrCorrupt }

// watched remembers an error of the store beneath a decoder, which would call
// it a fault of the data.
type watched struct {
	io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// extentReader reads the plain bytes of one object in order, never more than
// its entry promises.
type extentReader struct {
	layer  *layer
	extent *Extent
	stored io.ReadCloser
	source *watched
	buffer *bufio.Reader
	plain  decoder
	pos    int64 // in the extent
}

// open opens the object of e. Its absence is damage.
func (d *Driver) open(ctx context.Context, l *layer, e *Extent) (*extentReader, error) {
	stored, err := d.store.Get(ctx, l.backup.Container, e.Name, 0, -1)
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrNoContainer) {
		return nil, l.cut(e, reasonMissing, e.Offset)
	}
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", e.Name, storeError(err))
	}
	x := &extentReader{layer: l, extent: e, stored: stored, source: &watched{Reader: stored}}
	x.buffer = readBuffers.Get().(*bufio.Reader)
	x.buffer.Reset(x.source)
	if x.plain, err = newDecoder(e.Compression, x.buffer); err != nil {
		err = x.fault(err)
		x.close()
		return nil, err
	}
	return x, nil
}

func (x *extentReader) close() {
	if x.plain != nil {
		x.plain.Close()
	}
	x.buffer.Reset(nil)
	readBuffers.Put(x.buffer)
	x.stored.Close()
}

// fault tells the store's errors from the data's.
func (x *extentReader) fault(err error) error {
	if x.source.err != nil {
		return fmt.Errorf("object %s: %w", x.extent.Name, storeError(x.source.err))
	}
	e := x.extent
	reason := fmt.Sprintf("its %s data is damaged (%v)", e.Compression, err)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		reason = fmt.Sprintf("it ends after %d of %d bytes", x.pos, e.Length)
		if x.pos == e.Length {
			reason = fmt.Sprintf("its %s data lacks its end", e.Compression)
		}
	}
	return x.layer.cut(e, reason, e.Offset+x.pos)
}

// read fills p, which must not reach beyond the extent's end.
func (x *extentReader) read(p []byte) error {
	n, err := io.ReadFull(x.plain, p)
	x.pos += int64(n)
	if err != nil {
		return x.fault(err)
	}
	return nil
}

// skip passes over plain bytes up to pos.
func (x *extentReader) skip(ctx context.Context, pos int64, scratch []byte) error {
	for x.pos < pos {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.read(scratch[:min(int64(len(scratch)), pos-x.pos)]); err != nil {
			return err
		}
	}
	return nil
}

// finish proves, at the extent's end, that the object ends there too.
func (x *extentReader) finish() error {
	var one [1]byte
	n, err := io.ReadFull(x.plain, one[:])
	if n == 0 && errors.Is(err, io.EOF) {
		// zlib and zstd readers stop at the end of their stream.
		_, err = x.buffer.ReadByte()
	}
	switch {
	case n > 0, err == nil:
		return x.layer.cut(x.extent, fmt.Sprintf("it goes on after %d bytes", x.extent.Length), x.extent.Offset+x.extent.Length)
	case errors.Is(err, io.EOF):
		return nil
	}
	return x.fault(err)
}

// damaged is a fault of n bytes at off, after which the object goes on.
func (l *layer) damaged(e *Extent, reason string, off, n int64) error {
	return &damage{Problem: driverstate.Problem{
		BackupID: l.backup.ID, Object: e.Name, Reason: reason, Offset: off, Length: n,
	}}
}

// cut is a fault that takes all of the object from off on.
func (l *layer) cut(e *Extent, reason string, off int64) error {
	return &damage{cut: true, Problem: driverstate.Problem{
		BackupID: l.backup.ID, Object: e.Name, Reason: reason, Offset: off, Length: e.Offset + e.Length - off,
	}}
}
