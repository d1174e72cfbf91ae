package chunked

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

// words is text that compresses by half at most, so that no buffer stays empty.
func words(n int) []byte {
	random := rand.New(rand.NewPCG(7, 11))
	b := make([]byte, 0, n+64)
	for len(b) < n {
		b = fmt.Appendf(b, "%x %x the chunk is stored; ", random.Uint64(), random.Uint64())
	}
	return b[:n]
}

// scales weighs the memory that is in use whenever it is told to, above what
// was in use at first.
type scales struct {
	mu          sync.Mutex
	first, most uint64
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (s *scales) weigh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := inUse(); now > s.first {
		s.most = max(s.most, now-s.first)
	}
}

// weighing is a store that weighs as it is written and read. It keeps nothing
// but documents.
type weighing struct {
	objectstore.Store
	scales *scales
}

func (w weighing) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	w.scales.weigh()
	if strings.HasSuffix(name, metadataSuffix) || strings.HasSuffix(name, hashesSuffix) {
		return w.Store.Put(ctx, container, name, r, size)
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

func (w weighing) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	w.scales.weigh()
	return w.Store.Get(ctx, container, name, off, n)
}

// tuned is a driver with objects of 8 MiB, as many workers as would take more
// memory than a test allows, and a row to back up to.
func tuned(t *testing.T, c Compression, tuning Tuning) (*Driver, *driverstate.Backup) {
	d, _ := newDriver(t, FileLayout{})
	d.cfg.ObjectSize, d.cfg.Compression, d.cfg.Workers, d.cfg.Tuning = 8<<20, c, 8, tuning
	b := row(ownDir, fileP)
	b.Size, b.CreatedAt = 1, time.Unix(1700000000, 0)
	return d, b
}

func TestAnOperationKeepsToItsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("weighs the heap, to which the race detector adds")
	}
	image := words(40 << 20)
	for _, c := range []Compression{CompressionZlib, CompressionZstd, CompressionNone} {
		for _, memory := range []int64{0, 32 << 20} {
			if memory == 0 && c != CompressionZlib {
				continue // one that shows that the bound does something is enough
			}
			t.Run(fmt.Sprintf("%s in %d MiB", c, memory>>20), func(t *testing.T) {
				d, b := tuned(t, c, Tuning{Memory: memory})
				plain := d.store
				most := map[string]uint64{}
				measure := func(op string, run func() error) {
					s := &scales{first: inUse()}
					d.store = weighing{plain, s}
					require.NoError(t, run())
					most[op] = s.most
				}
				measure("backup", func() error { _, err := d.Backup(t.Context(), b, nil, ram{image}, nil); return err })
				d.store = plain
				_, err := d.Backup(t.Context(), b, nil, ram{image}, nil)
				require.NoError(t, err)
				measure("verify", func() error {
					report, err := d.Verify(t.Context(), driverstate.Chain{b}, driverstate.DepthData, nil)
					assert.Equal(t, driverstate.ConditionWhole, report.Condition)
					return err
				})
				if memory == 0 {
					assert.Greater(t, most["backup"], uint64(32<<20))
					return
				}
				for op, n := range most {
					assert.LessOrEqual(t, n, uint64(memory), op)
				}
			})
		}
	}
}

// While what it gave is written, a decoder holds no more than is counted for it.
func TestADecoderKeepsToWhatIsCountedForIt(t *testing.T) {
	if testing.Short() {
		t.Skip("weighs the heap, to which the race detector adds")
	}
	const block, length = 900_000, 2_700_000 // of streams in a row, which are as good as one
	d, store := newDriver(t, FileLayout{})
	d.cfg.Memory = 64 << 20
	e := &Extent{Name: chunkName(fileP, 1), Length: length, Compression: CompressionBz2}
	random := rand.NewChaCha8([32]byte{})
	plain := make([]byte, block)
	_, _ = random.Read(plain)
	for i := range plain {
		plain[i] &= 15
	}
	store.Set(ownDir, e.Name, strings.Repeat(string(packed(t, e.Compression, plain)), length/block))
	scratch := make([]byte, 500_000)
	runtime.GC() // and once more by the scales: what pools hold is given up by two
	s := &scales{first: inUse()}
	x, err := d.open(t.Context(), newMeter(1), &layer{backup: row(ownDir, fileP)}, e)
	require.NoError(t, err)
	defer x.close()
	for x.pos < length {
		require.NoError(t, x.read(scratch[:min(length-x.pos, int64(len(scratch)))]))
		runtime.GC()
		s.weigh()
	}
	require.NoError(t, x.finish())
	assert.LessOrEqual(t, s.most, uint64(decoderCost[e.Compression]+readAhead))
}

func TestMemoryThatIsTooLittleIsRefusedAndTheLeastWorks(t *testing.T) {
	image := words(9 << 20)
	all := []Compression{CompressionZlib, CompressionBz2, CompressionZstd, CompressionNone}
	if testing.Short() {
		all = all[:1]
	}
	for _, c := range all {
		t.Run(string(c), func(t *testing.T) {
			d, b := tuned(t, c, Tuning{Memory: 1 << 20})
			require.NoError(t, d.cfg.Validate(), "it may do to read")
			_, err := d.Backup(t.Context(), b, nil, ram{image}, nil)
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			assert.Empty(t, d.store.(*storetest.Memory).Names(ownDir), "nothing was written")
			err = d.CheckBackup()
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			var least int64
			_, text, _ := strings.Cut(err.Error(), "it takes ")
			_, err = fmt.Sscanf(text, "%d MiB at least", &least)
			require.NoError(t, err)
			d.cfg.Memory = (least - 1) << 20
			require.ErrorIs(t, d.CheckBackup(), driverstate.ErrInvalidInput)
			d.cfg.Memory = least << 20
			require.NoError(t, d.CheckBackup())
			_, err = d.Backup(t.Context(), b, nil, ram{image}, nil)
			require.NoError(t, err)
			v := &kept{content: make([]byte, len(image))}
			_, err = d.Restore(t.Context(), driverstate.Chain{b}, v, driverstate.RestoreOptions{}, nil)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(image, v.content))

			d.cfg.Memory, v.begun = 1<<20, 0
			_, err = d.Restore(t.Context(), driverstate.Chain{b}, v, driverstate.RestoreOptions{}, nil)
			assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
			assert.Zero(t, v.begun, "the target was not touched")
		})
	}
}

// kept is a target in memory.
type kept struct {
	slowVolume
	content []byte
	begun   int
}

func (k *kept) Begin(n int64) error {
	k.begun++
	return k.slowVolume.Begin(n)
}

func (k *kept) WriteAt(p []byte, off int64) (int, error) { return copy(k.content[off:], p), nil }

func TestLevelsPackDifferentlyAndStayReadable(t *testing.T) {
	image := words(4 << 20)
	sizes := map[Compression]map[Level]int64{}
	for _, c := range []Compression{CompressionZlib, CompressionZstd} {
		sizes[c] = map[Level]int64{}
		for _, l := range []Level{LevelCinder, LevelFast, LevelFastest} {
			d, b := tuned(t, c, Tuning{Level: l})
			out, err := d.Backup(t.Context(), b, nil, ram{image}, nil)
			require.NoError(t, err)
			sizes[c][l] = out.Bytes
			v := &kept{content: make([]byte, len(image))}
			_, err = d.Restore(t.Context(), driverstate.Chain{b}, v, driverstate.RestoreOptions{}, nil)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(image, v.content))
			stored, err := d.store.Get(t.Context(), ownDir, chunkName(fileP, 1), 0, -1)
			require.NoError(t, err)
			packed, err := io.ReadAll(stored)
			require.NoError(t, err)
			if c == CompressionZlib {
				assert.Equal(t, []byte{0x78, 0x9c}, packed[:2])
				z, err := zlib.NewReader(bytes.NewReader(packed))
				require.NoError(t, err)
				plain, err := io.ReadAll(z)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(image, plain))
			}
		}
		assert.NotEqual(t, sizes[c][LevelCinder], sizes[c][LevelFastest], c)
	}
	z := sizes[CompressionZlib]
	assert.NotEqual(t, z[LevelFast], z[LevelFastest])
	assert.NotEqual(t, z[LevelFast], z[LevelCinder])
	_, err := ParseLevel("slow")
	assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
}
