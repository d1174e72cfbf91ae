package chunked

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// changes is a volume, and what it is after a change to every third block.
func changes(n int, seed uint64) (before, after []byte) {
	before = patchwork(n, seed)
	after = bytes.Clone(before)
	for at := 10_000; at < n; at += 3 * 32768 {
		copy(after[at:], "changed")
	}
	return before, after
}

func TestSmallObjectsAreReadOnceWhoeverDecodesThem(t *testing.T) {
	before, after := changes(9<<20, 4)
	d, store, chain := oneChunk(t, CompressionZlib, before, after)
	for _, workers := range []int{1, 2, 4} {
		d.cfg.Workers = workers
		calls := len(store.Calls())
		target := &slate{t: t}
		r, err := assisted(t, d, chain, target, nil)
		require.NoError(t, err)
		require.True(t, bytes.Equal(after, target.content))
		assert.EqualValues(t, len(after), r.watch.event.BytesDone)
		reads := map[string]int{}
		for _, call := range store.Calls()[calls:] {
			if name, ok := strings.CutPrefix(call, "get "); ok && strings.Contains(name, chain[1].ServiceMetadata+"-") {
				reads[name]++
			}
		}
		assert.Greater(t, len(reads), 90)
		for name, n := range reads {
			assert.Equal(t, 1, n, name)
		}
	}
}

func TestWhatIsDecodedBeforeItsTurnIsProvenInItsTurn(t *testing.T) {
	before, after := changes(9<<20, 5)
	for _, fault := range []string{"damaged", "cut", "missing"} {
		d, store, chain := oneChunk(t, CompressionNone, before, after)
		name := chunkName(chain[1].ServiceMetadata, 50)
		content := contentOf(t, store, chain[1].Container, name)
		switch fault {
		case "damaged":
			content[100] ^= 1
			store.Set(chain[1].Container, name, string(content))
		case "cut":
			store.Set(chain[1].Container, name, string(content[:len(content)/2]))
		case "missing":
			require.NoError(t, store.Delete(t.Context(), chain[1].Container, name))
		}
		for _, workers := range []int{1, 2, 4} {
			d.cfg.Workers = workers
			target := &slate{t: t}
			_, err := assisted(t, d, chain, target, nil)
			require.ErrorIs(t, err, driverstate.ErrCorrupt, fault)
			require.ErrorContains(t, err, name)
			for at := range target.content {
				if target.content[at] != 0 && target.content[at] != after[at] {
					t.Fatalf("byte %d of the target is wrong", at)
				}
			}
			var told []string
			_, err = assisted(t, d, chain, nil, func(f *damage) { told = append(told, f.Object) })
			require.NoError(t, err)
			require.NotEmpty(t, told, fault)
			for _, object := range told {
				assert.Equal(t, name, object)
			}
		}
	}
}

func TestAnObjectThatIsDecodedIsNotOpenedAgain(t *testing.T) {
	before, after := changes(1<<20, 6)
	d, store, chain := oneChunk(t, CompressionZlib, before, after)
	p, err := d.load(t.Context(), chain)
	require.NoError(t, err)
	defer p.close()
	w := newWorker(d.newRun("test", p, nil), nil)
	var u *unit
	for _, candidate := range p.units {
		if candidate.layer == p.tip() {
			u = candidate
		}
	}
	e := &early{unit: u, done: make(chan struct{})}
	w.asked[u] = e
	w.prepare(t.Context(), e)
	calls := len(store.Calls())
	x, err := w.openUnit(t.Context(), u)
	require.NoError(t, err)
	assert.Len(t, store.Calls(), calls)
	got := make([]byte, u.extent.Length)
	require.NoError(t, x.read(got))
	require.NoError(t, x.finish())
	assert.True(t, bytes.Equal(after[u.extent.Offset:u.extent.Offset+u.extent.Length], got))
	x.close()
	assert.Empty(t, w.asked)
}
