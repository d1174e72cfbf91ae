package chunked

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

// slate is a target in memory. In order, it takes only what follows.
type slate struct {
	t       testing.TB
	ordered bool
	mu      sync.Mutex
	content []byte
	touched []bool // by 512 bytes
	next    int64
}

func (s *slate) Begin(n int64) error {
	s.content, s.touched = make([]byte, n), make([]bool, (n+511)/512)
	return nil
}

func (s *slate) WriteAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ordered {
		assert.Equal(s.t, s.next, off)
	}
	s.next = off + int64(len(b))
	for i := off / 512; i < (s.next+511)/512; i++ {
		assert.False(s.t, s.touched[i], "byte %d is written twice", i*512)
		s.touched[i] = true
	}
	return copy(s.content[off:], b), nil
}

func (s *slate) ZeroRange(off, n int64) error {
	_, err := s.WriteAt(make([]byte, n), off)
	return err
}

func (s *slate) Sequential() bool { return s.ordered }
func (s *slate) Depth() int {
	if s.ordered {
		return 1
	}
	return 2
}
func (s *slate) Blank() bool { return false }
func (s *slate) Sync() error { return nil }

// patchwork is a volume of zeros, text and noise.
func patchwork(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	image := make([]byte, n)
	for at := 0; at < n; {
		m := min(n-at, 1+rng.IntN(300_000))
		switch piece := image[at : at+m]; rng.IntN(3) {
		case 0:
			for i := range piece {
				piece[i] = byte(rng.Uint32())
			}
		case 1:
			copy(piece, bytes.Repeat(fmt.Appendf(nil, "%d words ", rng.IntN(99)), m/8+1))
		}
		at += m
	}
	return image
}

// oneChunk makes a driver whose objects hold any volume of the tests, and on it
// a full backup with increments on it, each of an image.
func oneChunk(t *testing.T, c Compression, images ...[]byte) (*Driver, *storetest.Memory, driverstate.Chain) {
	d, store := newDriver(t, FileLayout{})
	d.cfg.ObjectSize, d.cfg.Compression = 16<<20, c
	var chain driverstate.Chain
	for i, image := range images {
		b := &driverstate.Backup{ID: fmt.Sprintf("%08d%s", i, backupID[8:]), VolumeID: volumeID, Size: 1, CreatedAt: time.Unix(1700000000, 0)}
		var parent *driverstate.Backup
		if i > 0 {
			parent = chain[i-1]
			b.ParentID = parent.ID
		}
		var err error
		b.Container, b.ServiceMetadata, err = d.Place(b, parent, b.CreatedAt)
		require.NoError(t, err)
		_, err = d.Backup(t.Context(), b, parent, ram{image}, nil)
		require.NoError(t, err)
		chain = append(chain, b)
	}
	return d, store, chain
}

func contentOf(t *testing.T, store *storetest.Memory, container, name string) []byte {
	r, err := store.Get(t.Context(), container, name, 0, -1)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	return content
}

// assisted carries out a plan of which every piece that can be proven later is:
// as if a worker without anything to do were always there. With helping, one
// is.
func assisted(t *testing.T, d *Driver, chain driverstate.Chain, target driverstate.Target, report func(*damage)) (*run, error) {
	p, err := d.load(t.Context(), chain)
	require.NoError(t, err)
	defer p.close()
	r := d.newRun("test", p, nil)
	r.target, r.report = target, report
	r.idle.Add(1)
	if target != nil {
		require.NoError(t, target.Begin(p.length))
	}
	return r, r.execute(t.Context())
}

func TestAVolumeOfOneObjectIsProvenByOthersThanItsDecoder(t *testing.T) {
	one := patchwork(9<<20+77, 1)
	two := bytes.Clone(one)
	for at := 40_000; at < len(two); at += 700_000 {
		copy(two[at:], "changed")
	}
	codecs, workers := codecs, []int{1, 2, 5}
	if testing.Short() {
		codecs, workers = []Compression{CompressionZlib}, []int{2}
	}
	for _, c := range codecs {
		d, _, chain := oneChunk(t, c, one, two)
		for _, workers := range workers {
			d.cfg.Workers = workers
			for _, ordered := range []bool{false, true} {
				target := &slate{t: t, ordered: ordered}
				r, err := assisted(t, d, chain, target, nil)
				require.NoError(t, err)
				require.True(t, bytes.Equal(two, target.content), "%s, %d workers, ordered: %v", c, workers, ordered)
				assert.EqualValues(t, len(two), r.proven.Load())
				assert.EqualValues(t, len(two), r.watch.event.BytesDone)
			}
			r, err := assisted(t, d, chain, nil, func(fault *damage) { t.Error(fault) })
			require.NoError(t, err)
			assert.EqualValues(t, len(two), r.proven.Load())
		}
	}
}

func TestDamageIsTheSameWhoeverFindsIt(t *testing.T) {
	image := patchwork(9<<20, 2)
	for _, c := range []Compression{CompressionNone, CompressionZlib} {
		for _, flips := range [][]int{{3 << 20}, {10, 3 << 20, 3<<20 + 40_000, 8 << 20}} {
			d, store, chain := oneChunk(t, c, image)
			name := chunkName(chain[0].ServiceMetadata, 1)
			stored := contentOf(t, store, chain[0].Container, name)
			for _, at := range flips {
				stored[at*len(stored)/len(image)] ^= 0x10
			}
			store.Set(chain[0].Container, name, string(stored))

			verify := func(workers int, look func() error, report *[]string) {
				d.cfg.Workers, *report = workers, nil
				require.NoError(t, look())
			}
			var alone, shared []string
			verify(1, func() error {
				p, err := d.load(t.Context(), chain)
				require.NoError(t, err)
				r := d.newRun("test", p, nil)
				r.report = func(fault *damage) { alone = append(alone, fmt.Sprint(fault.Problem)) }
				return r.execute(t.Context())
			}, &alone)
			require.NotEmpty(t, alone)
			for _, workers := range []int{1, 3} {
				verify(workers, func() error {
					r, err := assisted(t, d, chain, nil, func(fault *damage) { shared = append(shared, fmt.Sprint(fault.Problem)) })
					assert.Equal(t, int64(len(image)), r.watch.event.BytesDone)
					return err
				}, &shared)
				assert.ElementsMatch(t, alone, shared, "in whatever order they find it")
			}

			target := &slate{t: t}
			_, err := assisted(t, d, chain, target, nil)
			require.ErrorIs(t, err, driverstate.ErrCorrupt)
			require.ErrorContains(t, err, name)
			for at := range target.content {
				if target.content[at] != 0 && target.content[at] != image[at] {
					t.Fatalf("byte %d of the target is wrong", at)
				}
			}
		}
	}
}

// A read that went wrong once is no damage, and is not written.
func TestABlockThatWasReadWrongOnceIsReadAgain(t *testing.T) {
	image := patchwork(9<<20, 3)
	d, store, chain := oneChunk(t, CompressionNone, image)
	name := chunkName(chain[0].ServiceMetadata, 1)
	good := contentOf(t, store, chain[0].Container, name)
	bad := bytes.Clone(good)
	bad[5<<20] ^= 1
	store.Set(chain[0].Container, name, string(bad))
	reads := 0
	store.Fail = func(op, _, object string) error {
		if op == "get" && object == name {
			if reads++; reads == 2 {
				store.Set(chain[0].Container, name, string(good))
			}
		}
		return nil
	}
	target := &slate{t: t, ordered: true}
	_, err := assisted(t, d, chain, target, nil)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(image, target.content))
	assert.GreaterOrEqual(t, reads, 2)
}
