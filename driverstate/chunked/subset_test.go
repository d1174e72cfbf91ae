package chunked

import (
	"bytes"
	"context"
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

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// weak is a store whose reads of one object go wrong.
type weak struct {
	objectstore.Store
	object string
	times  int   // how often; -1 for always
	at     int64 // byte of the object whose bit 0 is flipped, or where it fails
	err    error // nil for a flipped bit
	mu     sync.Mutex
	read   atomic.Int64 // stored bytes of objects
	lists  []string     // hash lists that were read through
}

func (s *weak) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, container, name, off, n)
	if strings.HasSuffix(name, hashesSuffix) && off == 0 && n < 0 {
		s.lists = append(s.lists, name)
	}
	if err != nil || strings.HasSuffix(name, metadataSuffix) || strings.HasSuffix(name, hashesSuffix) {
		return r, err
	}
	defer r.Close()
	stored, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	s.read.Add(int64(len(stored)))
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.at - off
	if s.at < 0 {
		at = s.at + int64(len(stored))
	}
	if name != s.object || s.times == 0 || at < 0 {
		return io.NopCloser(bytes.NewReader(stored)), nil
	}
	s.times--
	if s.err != nil {
		return io.NopCloser(io.MultiReader(bytes.NewReader(stored[:at]), failing{s.err})), nil
	}
	stored[at] ^= 1
	return io.NopCloser(bytes.NewReader(stored)), nil
}

type ram struct{ content []byte }

func (r ram) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(r.content).ReadAt(p, off)
}
func (r ram) Size() int64               { return int64(len(r.content)) }
func (r ram) Metadata() ([]byte, error) { return nil, nil }

// notes is a ledger that remembers: what it was told was proven is not read
// again.
type notes struct {
	mu     sync.Mutex
	all    bool // reads all the same
	needed map[string][]int
	proven map[string]int // by backup and object
	faulty map[string]string
	agreed map[string]bool
}

func newNotes() *notes {
	return &notes{needed: map[string][]int{}, proven: map[string]int{}, faulty: map[string]string{}, agreed: map[string]bool{}}
}

func noteOf(l driverstate.Layout, object int) string { return fmt.Sprintf("%s %d", l.BackupID, object) }

func (n *notes) Choose(l driverstate.Layout, needed []int) (read []int) {
	n.needed[l.BackupID] = needed
	for _, i := range needed {
		if n.all || n.proven[noteOf(l, i)] == 0 {
			read = append(read, i)
		}
	}
	return read
}

func (n *notes) Agreed(id string) bool { return n.agreed[id] }
func (n *notes) Agree(id string)       { n.agreed[id] = true }

func (n *notes) Proven(l driverstate.Layout, object int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proven[noteOf(l, object)]++
}

func (n *notes) Faulty(l driverstate.Layout, object int, reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faulty[noteOf(l, object)] = reason
}

const sampleObject, sampleBlock = 256 << 10, 32 << 10

// chainOf backs up a volume of n objects, and then increments that each write
// over two blocks of it.
func chainOf(t *testing.T, c Compression, objects, increments int) (*Driver, *weak, driverstate.Chain) {
	t.Helper()
	d, memory := newDriver(t, FileLayout{})
	d.cfg.ObjectSize, d.cfg.BlockSize, d.cfg.Compression = sampleObject, sampleBlock, c
	store := &weak{Store: memory}
	d.store = store
	random := rand.New(rand.NewPCG(1, 2))
	image := make([]byte, objects*sampleObject)
	for i := range image {
		image[i] = byte(random.Uint32() & 0x3f)
	}
	var chain driverstate.Chain
	var parent *driverstate.Backup
	for i := range increments + 1 {
		b := &driverstate.Backup{ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i+1), VolumeID: "11111111-1111-4111-8111-111111111111", Size: 1, CreatedAt: time.Unix(int64(i), 0).UTC()}
		if parent != nil {
			b.ParentID = parent.ID
			for range 2 {
				image[random.IntN(len(image)/sampleBlock)*sampleBlock]++
			}
		}
		var err error
		b.Container, b.ServiceMetadata, err = d.Place(b, parent, time.Unix(int64(i), 0))
		require.NoError(t, err)
		_, err = d.Backup(t.Context(), b, parent, ram{image}, driverstate.Discard)
		require.NoError(t, err)
		chain, parent = append(chain, b), b
	}
	store.read.Store(0)
	return d, store, chain
}

func (s *weak) spoil(l *layer, object, times int, at int64, err error) {
	s.object, s.times, s.at, s.err = l.meta.Extents[object].Name, times, at, err
}

func layersOf(t *testing.T, d *Driver, c driverstate.Chain) []*layer {
	t.Helper()
	p, err := d.load(t.Context(), c)
	require.NoError(t, err)
	for _, l := range p.layers {
		require.NoError(t, d.loadProof(t.Context(), l, p))
	}
	return p.layers
}

// A look at every backup of a chain that remembers reads each object once,
// where looks by themselves read the full backup for every increment.
func TestALedgerHasEachObjectOfAChainReadOnce(t *testing.T) {
	const increments = 20
	d, store, chain := chainOf(t, CompressionZlib, 8, increments)
	for i := range chain {
		report, err := d.Verify(t.Context(), chain[:i+1], driverstate.DepthData, nil)
		require.NoError(t, err)
		require.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
	}
	before := store.read.Swap(0)

	ledger := newNotes()
	var proven int64
	for i := range chain {
		report, err := d.VerifyObjects(t.Context(), chain[:i+1], ledger, nil)
		require.NoError(t, err)
		require.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
		assert.Empty(t, report.Warnings)
		proven += report.BytesRead
	}
	after := store.read.Load()
	var stored, plain int64
	objects := 0
	for _, l := range layersOf(t, d, chain) {
		for _, e := range l.meta.Extents {
			objects, plain = objects+1, plain+e.Length
			r, err := store.Store.Get(t.Context(), l.backup.Container, e.Name, 0, -1)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, r)
			require.NoError(t, err)
			stored += n
		}
	}
	assert.Equal(t, stored, after, "stored bytes, each once")
	assert.Equal(t, plain, proven)
	assert.Len(t, ledger.proven, objects)
	for what, times := range ledger.proven {
		assert.Equal(t, 1, times, what)
	}
	assert.Greater(t, before, 10*after)
	t.Logf("a chain of %d: %d stored bytes read before, %d with a ledger (1/%.1f)", len(chain), before, after, float64(before)/float64(after))
}

func TestATipIsMadeOfWhatItNeedsOfEachLayer(t *testing.T) {
	d, _, chain := chainOf(t, CompressionNone, 4, 6)
	ledger := newNotes()
	_, err := d.VerifyObjects(t.Context(), chain, ledger, nil)
	require.NoError(t, err)
	p, err := d.load(t.Context(), chain)
	require.NoError(t, err)
	total := 0
	for _, needed := range ledger.needed {
		total += len(needed)
	}
	assert.Equal(t, len(p.units), total)
	assert.Len(t, ledger.needed, len(chain), "every layer is asked about")
	layout, err := d.Layout(t.Context(), chain[0])
	require.NoError(t, err)
	assert.Equal(t, []int64{sampleObject, sampleObject, sampleObject, sampleObject}, layout.Lengths)
	other, err := d.Layout(t.Context(), chain[1])
	require.NoError(t, err)
	assert.NotEqual(t, layout.Identity, other.Identity)
}

func TestOneBadReadDoesNotCondemn(t *testing.T) {
	eio := errors.New("input/output error")
	for name, c := range map[string]struct {
		codec Compression
		at    int64
		err   error
	}{
		"a bit of the data":              {CompressionNone, 100_000, nil},
		"a bit of the compressed data":   {CompressionZlib, 100_000, nil},
		"a bit of the checksum":          {CompressionZlib, -1, nil},
		"a read that fails":              {CompressionNone, 100_000, eio},
		"a read that fails at the begin": {CompressionZlib, 0, eio},
	} {
		t.Run(name, func(t *testing.T) {
			d, store, chain := chainOf(t, c.codec, 3, 1)
			full := layersOf(t, d, chain)[0]
			for _, ledger := range []*notes{nil, newNotes()} {
				look := func() (driverstate.Report, error) {
					if ledger == nil {
						return d.Verify(t.Context(), chain[:1], driverstate.DepthData, nil)
					}
					return d.VerifyObjects(t.Context(), chain[:1], ledger, nil)
				}
				store.spoil(full, 1, 1, c.at, c.err)
				report, err := look()
				require.NoError(t, err)
				assert.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
				assert.Zero(t, store.times)
				if ledger != nil {
					assert.Len(t, ledger.proven, 3)
					assert.Empty(t, ledger.faulty)
					ledger.all = true
				}

				store.spoil(full, 1, -1, c.at, c.err)
				report, err = look()
				if c.err != nil {
					require.ErrorIs(t, err, eio, "that it cannot be read does not make it damaged")
					assert.NotErrorIs(t, err, driverstate.ErrCorrupt)
					continue
				}
				require.NoError(t, err)
				assert.Equal(t, driverstate.ConditionDamaged, report.Condition)
				require.NotEmpty(t, report.Problems)
				assert.Equal(t, full.meta.Extents[1].Name, report.Problems[0].Object)
				if ledger != nil {
					assert.Len(t, ledger.faulty, 1)
					assert.Equal(t, 1, ledger.proven[noteOf(layoutOf(full.meta), 1)], "and not proven a second time")
				}
			}
		})
	}
}

// Damage in bytes that a later backup wrote over is the older one's alone.
func TestDamageThatTheTipDoesNotNeedIsAWarning(t *testing.T) {
	d, store, chain := chainOf(t, CompressionNone, 2, 1)
	layers := layersOf(t, d, chain)
	over := layers[1].meta.Extents[0]
	hit := int(over.Offset / sampleObject)
	store.spoil(layers[0], hit, -1, over.Offset%sampleObject, nil)
	ledger := newNotes()
	report, err := d.VerifyObjects(t.Context(), chain, ledger, nil)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
	require.Len(t, report.Warnings, 1)
	assert.Contains(t, report.Warnings[0], "nothing is needed of what is lost")
	assert.Len(t, ledger.faulty, 1, "the object is not proven for the others")

	report, err = d.VerifyObjects(t.Context(), chain[:1], ledger, nil)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionDamaged, report.Condition)
	require.Len(t, report.Problems, 1)
	assert.Equal(t, []int64{over.Offset, sampleBlock}, []int64{report.Problems[0].Offset, report.Problems[0].Length})
}

// That an object is what its own list says proves nothing for a tip whose list
// says otherwise.
func TestAListThatDisagreesIsNotBelievedOnThatOfAnother(t *testing.T) {
	d, store, chain := chainOf(t, CompressionNone, 2, 1)
	layers := layersOf(t, d, chain)
	ledger := newNotes()
	report, err := d.VerifyObjects(t.Context(), chain[:1], ledger, nil)
	require.NoError(t, err)
	require.Equal(t, driverstate.ConditionWhole, report.Condition)

	// The increment's list, with another digest for a block of the full backup.
	list := layers[1].hashes
	block := 0
	for int64(block)*sampleBlock == layers[1].meta.Extents[0].Offset {
		block++
	}
	list.Sums[32*block] ^= 1
	var text bytes.Buffer
	require.NoError(t, writeHashes(&text, list, nil, nil, time.Unix(1, 0)))
	require.NoError(t, store.Put(t.Context(), chain[1].Container, hashesName(chain[1].ServiceMetadata), bytes.NewReader(text.Bytes()), int64(text.Len())))
	report, err = d.VerifyObjects(t.Context(), chain, ledger, nil)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionDamaged, report.Condition)
	require.Len(t, report.Problems, 1)
	assert.EqualValues(t, block*sampleBlock, report.Problems[0].Offset)
	assert.Empty(t, ledger.faulty, "the object itself is proven")
	assert.Equal(t, map[string]bool{chain[0].ID: true}, ledger.agreed)

	// Nor on one that is not there.
	require.NoError(t, store.Delete(t.Context(), chain[0].Container, hashesName(chain[0].ServiceMetadata)))
	report, err = d.VerifyObjects(t.Context(), chain, ledger, nil)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionDamaged, report.Condition)
	assert.EqualValues(t, 2, report.ObjectsRead, "all of what is below the tip")
}

// Lists are compared by pages as well, and each once in a run.
func TestListsOfAChainAreComparedOnce(t *testing.T) {
	d, store, chain := chainOf(t, CompressionNone, 150, 3)
	d.held = 0
	ledger := newNotes()
	for i := range chain {
		store.lists = nil
		report, err := d.VerifyObjects(t.Context(), chain[:i+1], ledger, nil)
		require.NoError(t, err)
		require.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
		assert.Len(t, store.lists, min(i+1, 2), "its own and that of its parent")
	}
	assert.Len(t, ledger.agreed, len(chain))
}
