package chunked

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

// All that reads digests does so of a list that is not held, too.
func TestARestoreAVerificationAndASampleReadLongLists(t *testing.T) {
	one := patchwork(5<<20, 4)
	two := bytes.Clone(one)
	copy(two[3<<20:], "changed")
	d, _, chain := oneChunk(t, CompressionZlib, one, two)
	d.held = 0
	target := &slate{t: t}
	_, err := d.Restore(t.Context(), chain, target, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(two, target.content))
	report, err := d.Verify(t.Context(), chain, driverstate.DepthData, nil)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
	report, err = d.VerifyObjects(t.Context(), chain, newNotes(), nil)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
	old := &readableSlate{slate{t: t}, one}
	_, err = d.Restore(t.Context(), chain, old, driverstate.RestoreOptions{Resume: true}, nil)
	require.NoError(t, err)
	assert.Equal(t, "changed", string(old.content[3<<20:][:7]))
	assert.False(t, old.touched[0], "what the target holds is not written again")
	image, err := d.OpenImage(t.Context(), chain)
	require.NoError(t, err)
	got := make([]byte, len(two))
	require.NoError(t, image.ReadAt(t.Context(), got, 0))
	assert.True(t, bytes.Equal(two, got))
	for off := 0; off < len(two); off += 32768 {
		end := min(off+32768, len(two))
		zero, _ := image.Zeros(int64(off), int64(end))
		assert.Equal(t, isZero(two[off:end]), zero, off)
	}
	require.NoError(t, image.Close())
}

// readableSlate holds an older state.
type readableSlate struct {
	slate
	before []byte
}

func (s *readableSlate) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(s.before).ReadAt(b, off)
}

// tebibyte is a store of one backup of 1 TiB of zeros in objects of 50 MiB.
// Its documents are Cinder's in form and length; the hash list has 2.4 GB.
type tebibyte struct {
	*storetest.Memory
	list  []byte // 1024 digests of it, as they are repeated
	head  string
	tail  string
	chunk map[int64][]byte // by plain length
	mu    sync.Mutex
	most  uint64 // bytes of heap in use when something was asked
}

const (
	tebiBlocks = 1 << 40 / 32768
	tebiChunk  = 50 << 20
)

func newTebibyte(t *testing.T) *tebibyte {
	s := &tebibyte{Memory: storetest.NewMemory(), chunk: map[int64][]byte{}}
	sum := fmt.Sprintf("%x", sha256.Sum256(zeroPage[:32768]))
	s.list = bytes.Repeat([]byte("\n    \""+sum+"\","), 1024)
	whole := hashDocument(sum, sum, sum)
	at := strings.Index(whole, "\n    \""+sum)
	// The last has no comma.
	s.head, s.tail = whole[:at], whole[at+3*digestStride-1:]
	var entries []string
	for off := int64(0); off < 1<<40; off += tebiChunk {
		n := min(tebiChunk, 1<<40-off)
		if s.chunk[n] == nil {
			s.chunk[n] = packed(t, CompressionZlib, make([]byte, n))
		}
		entries = append(entries, entry(chunkName(fileP, len(entries)+1), int(off), int(n), "zlib"))
	}
	s.Set(ownDir, metadataName(fileP), document(strings.Join(entries, ",")))
	return s
}

func (s *tebibyte) listSize() int64 {
	return int64(len(s.head)+len(s.tail)) + tebiBlocks*digestStride - 1
}

// ReadAt reads of the hash list.
func (s *tebibyte) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < s.listSize() {
		head, body := int64(len(s.head)), int64(tebiBlocks*digestStride-1)
		var m int
		switch {
		case off < head:
			m = copy(p[n:], s.head[off:])
		case off < head+body:
			end := min(int64(len(s.list)), (off-head)%int64(len(s.list))+head+body-off)
			m = copy(p[n:], s.list[(off-head)%int64(len(s.list)):end])
		default:
			m = copy(p[n:], s.tail[off-head-body:])
		}
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *tebibyte) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.mu.Lock()
	s.most = max(s.most, m.HeapInuse+m.StackInuse)
	s.mu.Unlock()
	if name == hashesName(fileP) {
		if n < 0 {
			n = s.listSize()
		}
		return io.NopCloser(io.NewSectionReader(s, off, n)), nil
	}
	if _, kind, i, _ := splitName(name); kind == kindChunk {
		return io.NopCloser(bytes.NewReader(s.chunk[min(tebiChunk, 1<<40-int64(i-1)*tebiChunk)])), nil
	}
	return s.Memory.Get(ctx, container, name, off, n)
}

func (s *tebibyte) List(_ context.Context, _, prefix string) iter.Seq2[objectstore.Info, error] {
	return func(yield func(objectstore.Info, error) bool) {
		for i := int64(0); i*tebiChunk < 1<<40; i++ {
			size := len(s.chunk[min(tebiChunk, 1<<40-i*tebiChunk)])
			if !yield(objectstore.Info{Name: chunkName(prefix, int(i)+1), Size: int64(size)}, nil) {
				return
			}
		}
		_ = yield(objectstore.Info{Name: hashesName(prefix), Size: s.listSize()}, nil) &&
			yield(objectstore.Info{Name: metadataName(prefix), Size: 1}, nil)
	}
}

// blank is a target that is never written to: all of it is zeros.
type blank struct{ t *testing.T }

func (b blank) Begin(int64) error { return nil }
func (b blank) WriteAt(p []byte, off int64) (int, error) {
	b.t.Errorf("%d bytes are written at %d", len(p), off)
	return len(p), nil
}
func (b blank) ZeroRange(int64, int64) error { return nil }
func (b blank) Sequential() bool             { return false }
func (b blank) Depth() int                   { return 4 }
func (b blank) Blank() bool                  { return true }
func (b blank) Sync() error                  { return nil }

// The end of the volume is restored, for which all of its documents are read;
// the memory is that of the whole.
func TestAVolumeOf1TiBIsRestoredInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a hash list of 2.4 GB")
	}
	store := newTebibyte(t)
	d, _ := newDriver(t, FileLayout{})
	d.store = store
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done, err := d.Restore(t.Context(), driverstate.Chain{row(ownDir, fileP)}, blank{t}, driverstate.RestoreOptions{Offset: 1<<40 - 60<<20}, nil)
	require.NoError(t, err)
	assert.Equal(t, "sha256", done.Method)
	assert.Equal(t, 2, done.ObjectsRead)
	assert.EqualValues(t, 60<<20, done.Length)
	assert.Zero(t, done.BytesWritten)
	image, err := d.OpenImage(t.Context(), driverstate.Chain{row(ownDir, fileP)})
	require.NoError(t, err)
	got := bytes.Repeat([]byte{1}, 100_000)
	require.NoError(t, image.ReadAt(t.Context(), got, 1<<39+1))
	assert.True(t, isZero(got))
	zero, until := image.Zeros(1<<39, 1<<39+1<<33)
	assert.True(t, zero)
	assert.EqualValues(t, 1<<39+1<<33, until)
	require.NoError(t, image.Close())
	used := int64(store.most) - int64(before.HeapInuse+before.StackInuse)
	t.Logf("%d MiB", used>>20)
	assert.Less(t, used, int64(48<<20))
}
