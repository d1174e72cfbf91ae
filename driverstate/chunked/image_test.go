package chunked

import (
	"bytes"
	"container/list"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

// bytesSource is a volume in memory.
type bytesSource struct{ *bytes.Reader }

func (bytesSource) Metadata() ([]byte, error) { return nil, nil }

// volumeBytes is what a volume holds: text that compresses to half, noise, and
// zeros, in runs of up to 300 KiB.
func volumeBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for at := 0; at < n; {
		run := b[at:min(n, at+1+r.IntN(300<<10))]
		kind := r.IntN(3)
		for i := 0; i < len(run) && kind < 2; i += 8 {
			v := r.Uint64()
			if kind == 0 {
				v = v&0x0707070707070707 | 0x6060606060606060
			}
			copy(run[i:], binary.LittleEndian.AppendUint64(nil, v))
		}
		at += len(run)
	}
	return b
}

// ranged counts what is read of a store, and can spoil it.
type ranged struct {
	*storetest.Memory
	bytes atomic.Int64
	opens atomic.Int64
	mu    sync.Mutex
	spoil func(name string, off int64, p []byte)
}

func (s *ranged) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	r, err := s.Memory.Get(ctx, container, name, off, n)
	if err != nil {
		return nil, err
	}
	s.opens.Add(1)
	return &rangedReader{ReadCloser: r, s: s, name: name, off: off}, nil
}

type rangedReader struct {
	io.ReadCloser
	s    *ranged
	name string
	off  int64
}

func (r *rangedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.s.bytes.Add(int64(n))
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.s.spoil != nil {
		r.s.spoil(r.name, r.off, p[:n])
	}
	r.off += int64(n)
	return n, err
}

// imageLab is a chain in a store in memory, and what its volume held.
type imageLab struct {
	d     *Driver
	store *ranged
	chain driverstate.Chain
	want  []byte
}

func newImageLab(t *testing.T, c Compression, object int64, n int) *imageLab {
	t.Helper()
	store := &ranged{Memory: storetest.NewMemory()}
	d, err := New(store, FileLayout{}, Config{
		Service: "cinder.backup.drivers.posix.PosixBackupDriver", ObjectSize: object, BlockSize: 32768, Compression: c, Workers: 2,
	})
	require.NoError(t, err)
	l := &imageLab{d: d, store: store, want: volumeBytes(uint64(object), n)}
	l.backup(t)
	return l
}

// backup adds what the volume holds now to the chain.
func (l *imageLab) backup(t *testing.T) {
	t.Helper()
	b := &driverstate.Backup{ID: fmt.Sprintf("%08d-aaaa-bbbb-cccc-dddddddddddd", len(l.chain)), VolumeID: "11111111-2222-3333-4444-555555555555", Size: 1}
	var parent *driverstate.Backup
	if len(l.chain) > 0 {
		parent = l.chain.Tip()
		b.ParentID = parent.ID
	}
	b.CreatedAt = time.Date(2026, 11, 21, 5, 54, len(l.chain), 0, time.UTC)
	var err error
	b.Container, b.ServiceMetadata, err = l.d.Place(b, parent, b.CreatedAt)
	require.NoError(t, err)
	_, err = l.d.Backup(t.Context(), b, parent, bytesSource{bytes.NewReader(l.want)}, nil)
	require.NoError(t, err)
	l.chain = append(l.chain, b)
}

func (l *imageLab) open(t *testing.T) *image {
	t.Helper()
	opened, err := l.d.OpenImage(t.Context(), l.chain)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, opened.Close()) })
	return opened.(*image)
}

// requireAt reads n bytes at off and compares them.
func (l *imageLab) requireAt(t *testing.T, m *image, off, n int64) {
	t.Helper()
	got := make([]byte, n)
	require.NoError(t, m.ReadAt(t.Context(), got, off), "%d bytes at %d", n, off)
	require.True(t, bytes.Equal(l.want[off:off+n], got), "%d bytes at %d", n, off)
}

func TestAnImageReadsAnywhereFromManyAtOnce(t *testing.T) {
	for _, c := range codecs {
		size := 12 << 20
		if c == CompressionBz2 {
			size = 3 << 20
		}
		l := newImageLab(t, c, 4<<20, size+777)
		for i := range 2 {
			copy(l.want[(i+1)<<20:], volumeBytes(uint64(i), 300<<10))
			clear(l.want[i<<19:][:100<<10])
			l.backup(t)
		}
		m := l.open(t)
		var group errgroup.Group
		for seed := range 6 {
			group.Go(func() error {
				r := rand.New(rand.NewPCG(uint64(seed), 1))
				for range 30 {
					off := r.IntN(len(l.want))
					got := make([]byte, r.IntN(min(700_000, len(l.want)-off))+1)
					if err := m.ReadAt(t.Context(), got, int64(off)); err != nil {
						return err
					}
					if !bytes.Equal(l.want[off:off+len(got)], got) {
						return fmt.Errorf("%s: bytes differ at %d", c, off)
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		for off := int64(0); off < m.Size(); off += 1 << 20 {
			l.requireAt(t, m, off, min(1<<20, m.Size()-off))
		}
		m.calls.Wait() // what is read ahead
		assert.Zero(t, m.busy)
		assert.LessOrEqual(t, len(m.cursors), maxIdle)
		assert.LessOrEqual(t, m.size, cacheBytes)
	}
}

// What a random read costs does not depend on where in the object it is, once
// the object was decoded.
func TestARandomReadBeginsAtARestartPoint(t *testing.T) {
	l := newImageLab(t, CompressionZlib, 24<<20, 24<<20)
	m := l.open(t)
	for off := int64(0); off < m.Size(); off += 4 << 20 {
		l.requireAt(t, m, off, 4<<20)
	}
	require.Greater(t, m.points, 10, "points of 24 MiB")
	r := rand.New(rand.NewPCG(5, 1))
	for range 40 {
		m.mu.Lock()
		m.frames, m.size = map[frameKey]*list.Element{}, 0
		m.order.Init()
		for len(m.cursors) > 0 {
			m.drop(m.cursors[0])
		}
		m.mu.Unlock()
		before := l.store.bytes.Load()
		l.requireAt(t, m, r.Int64N(m.Size()-4096), 4096)
		assert.LessOrEqual(t, l.store.bytes.Load()-before, int64(4<<20), "stored bytes that were read")
	}
}

func TestRestartPointsAreBounded(t *testing.T) {
	l := newImageLab(t, CompressionZlib, 4<<20, 16<<20)
	m := l.open(t)
	m.points = maxPoints - 5 // as if other objects had those
	for off := int64(0); off < m.Size(); off += 1 << 20 {
		l.requireAt(t, m, off, 1<<20)
	}
	assert.LessOrEqual(t, m.points, maxPoints)
	kept := 0
	for _, o := range m.objects {
		kept += len(o.points)
	}
	assert.Equal(t, m.points-(maxPoints-5), kept)
	l.requireAt(t, m, 3<<20, 8<<20)
}

func TestOneAfterTheOtherDecodesEveryObjectOnce(t *testing.T) {
	for _, c := range []Compression{CompressionNone, CompressionZlib, CompressionZstd} {
		l := newImageLab(t, c, 8<<20, 16<<20)
		var stored int64
		for _, name := range l.store.Names(l.chain[0].Container) {
			r, err := l.store.Memory.Get(t.Context(), l.chain[0].Container, name, 0, -1)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, r)
			require.NoError(t, err)
			stored += n
		}
		m := l.open(t)
		l.store.bytes.Store(0)
		for off := int64(0); off < m.Size(); off += 64 << 10 {
			l.requireAt(t, m, off, 64<<10)
		}
		assert.LessOrEqual(t, l.store.bytes.Load(), stored+stored/4, c)
	}
}

func TestABadReadDoesNotCondemn(t *testing.T) {
	for _, c := range codecs {
		l := newImageLab(t, c, 2<<20, 4<<20)
		m := l.open(t)
		left := 1
		l.store.spoil = func(name string, _ int64, p []byte) {
			if left > 0 && strings.HasSuffix(name, "-00002") && len(p) > 1000 {
				left--
				p[len(p)/2] ^= 1
			}
		}
		for off := int64(0); off < m.Size(); off += 512 << 10 {
			l.requireAt(t, m, off, 512<<10)
		}
		assert.Zero(t, left, "it was read badly once, %s", c)
		for _, o := range m.objects {
			assert.False(t, o.condemned)
		}
	}
}

// damaged is what of the image cannot be read, in blocks of 32 KiB; everything
// else must be right.
func (l *imageLab) damaged(t *testing.T, m *image) (bad []int64) {
	t.Helper()
	got := make([]byte, 32<<10)
	for off := int64(0); off < m.Size(); off += int64(len(got)) {
		err := m.ReadAt(t.Context(), got, off)
		if err == nil {
			require.True(t, bytes.Equal(l.want[off:off+int64(len(got))], got), "at %d", off)
			continue
		}
		require.ErrorIs(t, err, driverstate.ErrCorrupt)
		var fault driverstate.Damaged
		require.ErrorAs(t, err, &fault)
		require.LessOrEqual(t, fault.Damage().Offset, off+32<<10-1)
		bad = append(bad, off)
	}
	return bad
}

func TestDamageIsOfItsOwnRangeOnly(t *testing.T) {
	l := newImageLab(t, CompressionNone, 2<<20, 6<<20)
	name := l.chain[0].ServiceMetadata + "-00002"
	l.store.spoil = func(object string, off int64, p []byte) {
		if i := int64(700<<10) - off; object == name && i >= 0 && i < int64(len(p)) {
			p[i] ^= 1
		}
	}
	m := l.open(t)
	require.Equal(t, []int64{(2<<20 + 700<<10) >> 15 << 15}, l.damaged(t, m), "one block")
	require.Equal(t, []int64{(2<<20 + 700<<10) >> 15 << 15}, l.damaged(t, m), "and the same one again")
	assert.LessOrEqual(t, l.store.opens.Load(), int64(40), "it is not read again for each request")
}

func TestAMissingObjectIsMissedWhereItIsWanted(t *testing.T) {
	l := newImageLab(t, CompressionZlib, 2<<20, 6<<20)
	require.NoError(t, l.store.Delete(t.Context(), l.chain[0].Container, l.chain[0].ServiceMetadata+"-00002"))
	m := l.open(t)
	bad := l.damaged(t, m)
	require.NotEmpty(t, bad)
	for _, off := range bad {
		assert.True(t, off >= 2<<20 && off < 4<<20, "at %d", off)
	}
	// What the hashes say is zeros needs no object.
	for off := int64(2 << 20); off < 4<<20; off += 32 << 10 {
		zero, _ := m.Zeros(off, off+32<<10)
		assert.Equal(t, bytes.Equal(l.want[off:off+32<<10], make([]byte, 32<<10)), zero)
	}
}

func TestAStoreThatFailsIsNoDamageOfAnImage(t *testing.T) {
	l := newImageLab(t, CompressionZlib, 2<<20, 4<<20)
	m := l.open(t)
	gone := errors.New("connection reset")
	l.store.Fail = func(op, _, _ string) error { return gone }
	err := m.ReadAt(t.Context(), make([]byte, 4<<20), 0)
	require.ErrorIs(t, err, gone)
	assert.NotErrorIs(t, err, driverstate.ErrCorrupt)
	l.store.Fail = nil
	l.requireAt(t, m, 0, 4<<20)
}

func TestAnImageEndsWithItsContextAndWhenClosed(t *testing.T) {
	l := newImageLab(t, CompressionZlib, 2<<20, 4<<20)
	ctx, cancel := context.WithCancel(t.Context())
	m, err := l.d.OpenImage(ctx, l.chain)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, m.ReadAt(t.Context(), make([]byte, 4<<20), 0), context.Canceled)
	require.NoError(t, m.Close())
	require.ErrorContains(t, m.ReadAt(t.Context(), make([]byte, 1), 0), "closed")
	_, err = l.d.OpenImage(t.Context(), l.chain[:0])
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	l.store.Fail = func(op, _, _ string) error { return objectstore.ErrForbidden }
	_, err = l.d.OpenImage(t.Context(), l.chain)
	require.ErrorIs(t, err, driverstate.ErrForbidden)
	assert.ErrorContains(t, err, l.chain[0].ID)
}
