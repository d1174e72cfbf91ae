package chunked

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

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
	object := e.Object
	if strings.HasPrefix(object, oldPrefix) { // which says not whose it is
		object += " of backup " + e.BackupID
	}
	return fmt.Sprintf("object %s: %s", object, e.Reason)
}

func (e *damage) Unwrap() error { return driverstate.ErrCorrupt }

// objectID names an object of a chain. Its name alone does not: before Pike the
// objects of every backup on a file system were named alike (oldPrefix).
type objectID struct{ backup, name string }

func objectOf(p *driverstate.Problem) objectID { return objectID{p.BackupID, p.Object} }

// Damage implements driverstate.Damaged.
func (e *damage) Damage() driverstate.Problem { return e.Problem }

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
	most   int // blocks that are decoded at once, as newDecoder has it
	plain  decoder
	pos    int64 // in the extent
}

// open opens the object of e, whose absence is damage; m counts the time of
// reading. The stored bytes are written, as they are read, to all of taps that
// are not nil: when finish has succeeded those have got all of them.
func (d *Driver) open(ctx context.Context, m *meter, l *layer, e *Extent, taps ...io.Writer) (*extentReader, error) {
	x, err := d.openStored(ctx, m, l, e, 0)
	if err != nil {
		return nil, err
	}
	for _, tap := range taps {
		if tap != nil {
			x.source.Reader = io.TeeReader(x.source.Reader, tap)
		}
	}
	if err := x.decode(); err != nil {
		return nil, err
	}
	return x, nil
}

// openStored opens the stored bytes of e from off on.
func (d *Driver) openStored(ctx context.Context, m *meter, l *layer, e *Extent, off int64) (*extentReader, error) {
	start := time.Now()
	stored, err := d.store.Get(ctx, l.backup.Container, e.Name, off, -1)
	since(&m.source, start)
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrNoContainer) {
		return nil, l.cut(e, reasonMissing, e.Offset)
	}
	if errors.Is(err, objectstore.ErrDamaged) {
		return nil, l.cut(e, err.Error(), e.Offset)
	}
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", e.Name, storeError(err))
	}
	return &extentReader{layer: l, extent: e, stored: stored, source: &watched{Reader: timedReader{stored, &m.source}}, most: d.cfg.decodedAtOnce()}, nil
}

// decode begins to decode what is stored.
func (x *extentReader) decode() (err error) {
	x.buffer = readBuffers.Get().(*bufio.Reader)
	x.buffer.Reset(x.source)
	if x.plain, err = newDecoder(x.extent.Compression, x.buffer, x.most); err != nil {
		err = x.fault(err)
		x.close()
	}
	return err
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
	e := x.extent
	switch {
	case errors.Is(x.source.err, objectstore.ErrDamaged) && e.Compression == CompressionNone:
		return x.layer.damaged(e, x.source.err.Error(), e.Offset+x.pos, 1) // at least; behind it, it can be read
	case errors.Is(x.source.err, objectstore.ErrDamaged):
		return x.layer.cut(e, x.source.err.Error(), e.Offset+x.pos)
	case x.source.err != nil:
		return fmt.Errorf("object %s: %w", e.Name, storeError(x.source.err))
	}
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

// openRaw opens an object that is stored as it is from pos on.
func (d *Driver) openRaw(ctx context.Context, m *meter, l *layer, e *Extent, pos int64) (*extentReader, error) {
	x, err := d.openStored(ctx, m, l, e, pos)
	if err != nil {
		return nil, err
	}
	x.pos = pos
	if err := x.decode(); err != nil {
		return nil, err
	}
	return x, nil
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
