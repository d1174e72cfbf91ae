package chunked

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ids "github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// Two full backups of one volume, which differ in one block: what is damaged in
// the one is had from the other, but for that block.
func TestADamagedBlockIsHadFromAnotherBackup(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	content := pattern(5<<20 + 100)
	b := stored(t, d, content)
	other := bytes.Clone(content)
	other[2<<20+70_000] ^= 1
	sibling := *b
	sibling.ID = ids.NewString()
	var err error
	sibling.Container, sibling.ServiceMetadata, err = d.Place(&sibling, nil, b.CreatedAt)
	require.NoError(t, err)
	_, err = d.Backup(t.Context(), &sibling, nil, plain{bytes.NewReader(other)}, nil)
	require.NoError(t, err)
	require.NoError(t, store.Delete(t.Context(), b.Container, chunkName(b.ServiceMetadata, 3)))

	for _, held := range []int{1, heldDigests} {
		d.held = held
		path := filepath.Join(t.TempDir(), "disk")
		target, err := volume.OpenTarget(path, volume.TargetOptions{})
		require.NoError(t, err)
		defer target.Close()
		done, err := d.Restore(t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{Salvage: true}, nil)
		require.NoError(t, err)
		require.NoError(t, target.Commit())
		hole := driverstate.Range{Offset: 2<<20 + 65536, Length: 32768}
		assert.Equal(t, []driverstate.Range{hole}, done.Holes)
		assert.EqualValues(t, 1<<20-32768, done.BytesFilled)
		want := bytes.Clone(content)
		clear(want[hole.Offset : hole.Offset+hole.Length])
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got))
	}
}

func TestWhatOfSegmentsIsInOthers(t *testing.T) {
	a := merged([]segment{{50, 60}, {0, 10}, {8, 20}, {20, 30}})
	assert.Equal(t, []segment{{0, 30}, {50, 60}}, a)
	assert.Equal(t, []segment{{0, 5}, {6, 25}, {55, 60}}, minus(a, []segment{{5, 6}, {25, 55}, {70, 80}}))
	assert.Empty(t, minus(a, []segment{{0, 100}}))
	assert.Equal(t, a, minus(a, nil))
	assert.EqualValues(t, 40, total(a))
}

// An object of which every block is bad is not read again for each of them.
func TestAnObjectOfBadBlocksIsNotReadForEachOfThem(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	b := stored(t, d, pattern(2<<20))
	name := chunkName(b.ServiceMetadata, 2)
	store.Set(b.Container, name, string(packed(t, CompressionZlib, bytes.Repeat([]byte("not it"), 1<<20)[:1<<20])))
	gets := func() (n int) {
		for _, c := range store.Calls() {
			if strings.HasPrefix(c, "get ") && strings.HasSuffix(c, name) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct{ workers, most int }{
		{1, 3}, // to see the fault, to confirm it, and to go on behind it
		{2, 5}, // the same again for the half that the other worker proved
	} {
		d.cfg.Workers = c.workers
		before := gets()
		target, err := volume.OpenTarget(filepath.Join(t.TempDir(), "disk"), volume.TargetOptions{})
		require.NoError(t, err)
		defer target.Close()
		done, err := d.Restore(t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{Salvage: true}, nil)
		require.NoError(t, err)
		assert.Equal(t, []driverstate.Range{{Offset: 1 << 20, Length: 1 << 20}}, done.Holes)
		require.NotZero(t, gets()-before, "%v", store.Calls()[0])
		assert.LessOrEqual(t, gets()-before, 2*c.most, "%d workers; and as often again when it is looked through for other blocks", c.workers)
	}
}

// With others idle, bytes are proven after they are read; that there are no more
// is noticed all the same.
func TestAnObjectThatEndsEarlyEndsTheRestore(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	d.cfg.ObjectSize = 8 << 20
	b := stored(t, d, pattern(8<<20))
	name := chunkName(b.ServiceMetadata, 1)
	raw, ok := store.Get(t.Context(), b.Container, name, 0, -1)
	require.NoError(t, ok)
	whole, err := io.ReadAll(raw)
	require.NoError(t, err)
	store.Set(b.Container, name, string(whole[:len(whole)*2/3]))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 5 {
		target, err := volume.OpenTarget(filepath.Join(t.TempDir(), "disk"), volume.TargetOptions{})
		require.NoError(t, err)
		_, err = d.Restore(ctx, driverstate.Chain{b}, target, driverstate.RestoreOptions{}, nil)
		require.ErrorIs(t, err, driverstate.ErrCorrupt)
		require.NoError(t, target.Close())
	}
}

// sectors is a store on a disk of which some bytes of one object cannot be read.
type sectors struct {
	objectstore.Store
	name string
	bad  []int64
	why  error
}

func (s sectors) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, container, name, off, n)
	if err != nil || name != s.name {
		return r, err
	}
	return &badSectors{r, s.bad, s.why, off}, nil
}

type badSectors struct {
	io.ReadCloser
	bad []int64
	why error
	pos int64
}

func (f *badSectors) Read(p []byte) (int, error) {
	for _, at := range f.bad {
		if at == f.pos {
			return 0, fmt.Errorf("input/output error: %w", f.why)
		}
		if at > f.pos && at < f.pos+int64(len(p)) {
			p = p[:at-f.pos]
		}
	}
	n, err := f.ReadCloser.Read(p)
	f.pos += int64(n)
	return n, err
}

// Of an object that is stored as it is, a sector that cannot be read takes the
// block that it lies in; of a compressed one all that follows.
func TestASectorThatCannotBeReadTakesNoMoreThanItMust(t *testing.T) {
	const block, piece = 32768, 1 << 20
	for _, c := range []Compression{CompressionNone, CompressionZlib} {
		t.Run(string(c), func(t *testing.T) {
			d, store := newDriver(t, FileLayout{})
			d.cfg.Compression = c
			content := words(3*piece + 100)
			b := stored(t, d, content)
			d.store = sectors{store, chunkName(b.ServiceMetadata, 2), []int64{2*block + 5000, 9*block + 1, piece - 1}, objectstore.ErrDamaged}
			holes := []driverstate.Range{{Offset: piece + 2*block, Length: block}, {Offset: piece + 9*block, Length: block}, {Offset: 2*piece - block, Length: block}}
			if c == CompressionZlib {
				d.store = sectors{store, chunkName(b.ServiceMetadata, 2), []int64{100_000}, objectstore.ErrDamaged}
			}

			report, err := d.Verify(t.Context(), driverstate.Chain{b}, driverstate.DepthData, nil)
			require.NoError(t, err)
			assert.Equal(t, driverstate.ConditionDamaged, report.Condition)
			path := filepath.Join(t.TempDir(), "disk")
			target, err := volume.OpenTarget(path, volume.TargetOptions{})
			require.NoError(t, err)
			defer target.Close()
			done, err := d.Restore(t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{Salvage: true}, nil)
			require.NoError(t, err)
			require.NoError(t, target.Commit())
			if c == CompressionZlib {
				require.Len(t, done.Holes, 1)
				assert.Greater(t, done.Holes[0].Offset, int64(piece), "what comes before it is there")
				assert.EqualValues(t, 2*piece, done.Holes[0].Offset+done.Holes[0].Length)
				holes = done.Holes
			}
			assert.Equal(t, holes, done.Holes)
			var told []driverstate.Range
			for _, p := range report.Problems {
				told = append(told, driverstate.Range{Offset: p.Offset, Length: p.Length})
				assert.Contains(t, p.Reason, "input/output error")
			}
			if c == CompressionNone {
				assert.Equal(t, holes, told)
			}
			for _, h := range holes {
				clear(content[h.Offset : h.Offset+h.Length])
			}
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content, got))
		})
	}
}
