package ship

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/cinder-go/cinder-go/driverstate"
)

// image passes what one driver restores to another that backs it up, in order
// and without keeping it: it is the target of the one and the source of the
// other.
type image struct {
	r   *io.PipeReader
	w   *io.PipeWriter
	out io.Writer // takes what is restored: w, a hash, or both

	begun  chan struct{} // closed when length is known
	length int64
	next   int64 // to be written
	at     int64 // to be read

	restored   chan struct{} // closed when the restore has ended well
	volumeMeta []byte
	warnings   []string
}

func newImage() *image {
	return &image{begun: make(chan struct{}), restored: make(chan struct{})}
}

// digest is the SHA-256 of an image.
type digest = [sha256.Size]byte

// relay restores chain from source into the backup b of target, based on parent
// if not nil. What is restored goes through sum, if not nil. The warnings are
// those of the restore.
func relay(ctx context.Context, source driverstate.Driver, chain driverstate.Chain, target driverstate.Driver, b, parent *driverstate.Backup, sum hash.Hash, obs driverstate.Observer) (driverstate.Stored, []string, error) {
	m := newImage()
	m.r, m.w = io.Pipe()
	m.out = m.w
	if sum != nil {
		m.out = io.MultiWriter(sum, m.w)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		done, err := source.Restore(ctx, chain, restoring{m}, driverstate.RestoreOptions{}, driverstate.Discard)
		if err == nil {
			m.volumeMeta, m.warnings = done.VolumeMeta, done.Warnings
			close(m.restored)
		} else {
			cancel(err)
		}
		m.w.CloseWithError(err)
		ended <- err
	}()
	stored, err := m.backup(ctx, target, b, parent, obs)
	m.r.CloseWithError(errUnread)
	// Of the two errors one is the cause and the other its echo.
	if restored := <-ended; restored != nil && !errors.Is(restored, errUnread) {
		return stored, nil, restored
	}
	return stored, m.warnings, err
}

func (m *image) backup(ctx context.Context, target driverstate.Driver, b, parent *driverstate.Backup, obs driverstate.Observer) (driverstate.Stored, error) {
	select {
	case <-m.begun:
	case <-ctx.Done():
		return driverstate.Stored{}, context.Cause(ctx)
	}
	return target.Backup(ctx, b, parent, reading{ctx, m}, obs)
}

var errUnread = errors.New("the copy of the image was given up")

// restoring is the image as a Target.
type restoring struct{ *image }

// Begin implements driverstate.Target.
func (m restoring) Begin(length int64) error {
	m.length = length
	close(m.begun)
	return nil
}

// Sequential implements driverstate.Target.
func (m restoring) Sequential() bool { return true }

// Blank is false: every zero must be passed on.
func (m restoring) Blank() bool { return false }

// Depth implements driverstate.Target.
func (m restoring) Depth() int { return 1 }

// WriteAt implements driverstate.Target.
func (m restoring) WriteAt(b []byte, off int64) (int, error) {
	if off != m.next {
		return 0, fmt.Errorf("byte %d of an image cannot be passed on after %d bytes", off, m.next)
	}
	n, err := m.out.Write(b)
	m.next += int64(n)
	return n, err
}

var zeros [64 << 10]byte

// ZeroRange implements driverstate.Target.
func (m restoring) ZeroRange(off, n int64) error {
	for n > 0 {
		w, err := m.WriteAt(zeros[:min(n, int64(len(zeros)))], off)
		if err != nil {
			return err
		}
		off, n = off+int64(w), n-int64(w)
	}
	return nil
}

// Sync answers an error if not every byte was passed on.
func (m restoring) Sync() error {
	if m.next != m.length {
		return fmt.Errorf("%d of %d bytes of the image were passed on", m.next, m.length)
	}
	return nil
}

// reading is the image as a Source, to be read from its beginning to its end.
type reading struct {
	ctx context.Context // of the relay, whose end this source is
	*image
}

// Size implements driverstate.Source.
func (m reading) Size() int64 { return m.length }

// Sequential says that it can be read once, in order.
func (m reading) Sequential() bool { return true }

// ReadAt implements io.ReaderAt for one reader that goes from the beginning to
// the end.
func (m reading) ReadAt(b []byte, off int64) (int, error) {
	if off != m.at {
		return 0, fmt.Errorf("byte %d of an image cannot be read after %d bytes", off, m.at)
	}
	n, err := io.ReadFull(m.r, b)
	m.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// Metadata is that of the backup that is restored, known when all of it is.
func (m reading) Metadata() ([]byte, error) {
	if m.at != m.length {
		return nil, errors.New("the metadata of an image is known when all of it was read")
	}
	select {
	case <-m.restored:
		return m.volumeMeta, nil
	case <-m.ctx.Done():
		return nil, context.Cause(m.ctx)
	}
}

// imageSum reads a backup whole, and is the SHA-256 of its image.
func imageSum(ctx context.Context, d driverstate.Driver, chain driverstate.Chain) (digest, error) {
	m, sum := newImage(), sha256.New()
	m.out = sum
	_, err := d.Restore(ctx, chain, restoring{m}, driverstate.RestoreOptions{}, driverstate.Discard)
	return digest(sum.Sum(nil)), err
}
