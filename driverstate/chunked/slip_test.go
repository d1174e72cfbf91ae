package chunked

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// slip is a store of which one read of one byte goes wrong.
type slip struct {
	objectstore.Store
	mu   sync.Mutex
	name string
	at   int64 // of the object
	with byte
	left int // how often it still goes wrong
}

func (s *slip) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, container, name, off, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || name != s.name || s.left == 0 || s.at < off || n >= 0 && s.at >= off+n {
		return r, err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	content[s.at-off] = s.with
	s.left--
	return io.NopCloser(bytes.NewReader(content)), nil
}

func textOf(t *testing.T, s objectstore.Store, container, name string) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), container, name, 0, -1)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	return content
}

// slips calls see for each every-th byte of a document in turn, which the next
// read that comes by it gets wrong.
func slips(t *testing.T, store *slip, container, name string, every int, see func(where string)) {
	t.Helper()
	text := textOf(t, store.Store, container, name)
	for at := 0; at < len(text); at += every {
		store.name, store.at, store.with = name, int64(at), text[at]^1
		line := strings.Split(string(text), "\n")[bytes.Count(text[:at], []byte("\n"))]
		see(fmt.Sprintf("byte %d of %s, %q", at, name, line[:min(len(line), 60)]))
	}
	store.left = 0
}

// looks are all ways to read a chain, each with one bad read.
func looks(t *testing.T, d *Driver, store *slip, c driverstate.Chain, want []byte, warned bool) func(where string) {
	path := filepath.Join(t.TempDir(), "disk")
	whole := func(where string, condition driverstate.Condition, reason string, warnings []string) {
		require.Equal(t, driverstate.ConditionWhole, condition, "%s: %s", where, reason)
		require.Equal(t, warned, len(warnings) > 0, "%s: %s", where, warnings)
	}
	restore := func(where string, o driverstate.RestoreOptions) {
		store.left = 1
		got, done, err := restoredTo(t, d, c, path, o)
		require.NoError(t, err, where)
		require.True(t, bytes.Equal(want, got), "%s: other bytes were restored", where)
		require.Equal(t, warned, len(done.Warnings) > 0, "%s: %s", where, done.Warnings)
		require.Empty(t, done.Holes, where)
	}
	return func(where string) {
		store.left = 1
		for f, err := range d.Scan(t.Context(), "") {
			require.NoError(t, err, where)
			whole(where, f.Condition, f.Reason, f.Warnings)
		}
		for _, depth := range []driverstate.Depth{driverstate.DepthStructure, driverstate.DepthData} {
			store.left = 1
			report, err := d.Verify(t.Context(), c, depth, nil)
			require.NoError(t, err, where)
			whole(where, report.Condition, report.Reason, report.Warnings)
		}
		store.left = 1
		ledger := newNotes()
		report, err := d.VerifyObjects(t.Context(), c, ledger, nil)
		require.NoError(t, err, where)
		whole(where, report.Condition, report.Reason, report.Warnings)
		require.Empty(t, ledger.faulty, where)
		restore(where, driverstate.RestoreOptions{})
		restore(where, driverstate.RestoreOptions{Salvage: true})

		store.left = 1
		image, err := d.OpenImage(t.Context(), c)
		require.NoError(t, err, where)
		defer image.Close()
		got := make([]byte, len(want))
		require.NoError(t, image.ReadAt(t.Context(), got, 0), where)
		require.True(t, bytes.Equal(want, got), "%s: other bytes were read", where)
	}
}

// One bad read of a document condemns no backup, and has no other bytes restored:
// whichever byte of it is wrong.
func TestOneBadReadOfADocumentDoesNotCondemn(t *testing.T) {
	const block = 4096
	every := 3
	if testing.Short() {
		every = 13
	}
	full := words(24 * block)
	tip := bytes.Clone(full)
	copy(tip[block:], "changed")
	copy(tip[9*block:], "changed as well")
	for name, see := range map[string]func(*testing.T, *Driver, *slip, driverstate.Chain){
		"metadata of an increment": func(t *testing.T, d *Driver, store *slip, c driverstate.Chain) {
			slips(t, store, c[1].Container, metadataName(c[1].ServiceMetadata), every, looks(t, d, store, c, tip, false))
		},
		"metadata of a full backup": func(t *testing.T, d *Driver, store *slip, c driverstate.Chain) {
			slips(t, store, c[0].Container, metadataName(c[0].ServiceMetadata), 2*every, looks(t, d, store, c, tip, false))
		},
		"metadata without a hash list": func(t *testing.T, d *Driver, store *slip, c driverstate.Chain) {
			for _, b := range c {
				require.NoError(t, store.Delete(t.Context(), b.Container, hashesName(b.ServiceMetadata)))
			}
			slips(t, store, c[1].Container, metadataName(c[1].ServiceMetadata), every, looks(t, d, store, c, tip, true))
		},
		"hash list": func(t *testing.T, d *Driver, store *slip, c driverstate.Chain) {
			slips(t, store, c[1].Container, hashesName(c[1].ServiceMetadata), 3*every, looks(t, d, store, c, tip, false))
		},
		"long hash list": func(t *testing.T, d *Driver, store *slip, c driverstate.Chain) {
			d.held = 1
			slips(t, store, c[1].Container, hashesName(c[1].ServiceMetadata), 3*every, looks(t, d, store, c, tip, false))
		},
		"hash list of another program": func(t *testing.T, d *Driver, store *slip, c driverstate.Chain) {
			name := hashesName(c[1].ServiceMetadata)
			text := bytes.ReplaceAll(textOf(t, store, c[1].Container, name), []byte("\n    "), nil)
			require.NoError(t, store.Put(t.Context(), c[1].Container, name, bytes.NewReader(text), int64(len(text))))
			for _, d.held = range []int{heldDigests, 1} {
				slips(t, store, c[1].Container, name, 7*every, looks(t, d, store, c, tip, false))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, memory, chain := chainOfImages(t, false, block, full, tip)
			store := &slip{Store: memory}
			d.store = store
			see(t, d, store, chain)
		})
	}
}

// What stays wrong is told, and how the data was proven without it.
func TestAVerificationTellsOfAListThatItCannotUse(t *testing.T) {
	d, store, chain := chainOfImages(t, false, 4096, words(24*4096))
	b := chain[0]
	text := textOf(t, store, b.Container, hashesName(b.ServiceMetadata))
	store.Set(b.Container, hashesName(b.ServiceMetadata), strings.Replace(string(text), `"sha256s"`, `"sha257s"`, 1))
	report, err := d.Verify(t.Context(), chain, driverstate.DepthData, nil)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionWhole, report.Condition)
	assert.Equal(t, "md5", report.Method)
	assert.Contains(t, report.Warnings, fmt.Sprintf("backup %s has no usable hash list: hash list: has no sha256s", b.ID))
}

// A digest that is wrong on the store condemns the block, as often as it is read.
func TestADigestThatStaysWrongCondemns(t *testing.T) {
	for name, held := range map[string]int{"a list that is held": heldDigests, "a long list": 1} {
		t.Run(name, func(t *testing.T) {
			d, store, chain := chainOfImages(t, false, 4096, words(24*4096))
			d.held = held
			b := chain[0]
			text := textOf(t, store, b.Container, hashesName(b.ServiceMetadata))
			at := bytes.Index(text, []byte("[\n")) + 2 + 9*digestStride + 20 // of the tenth
			text[at] ^= 1
			store.Set(b.Container, hashesName(b.ServiceMetadata), string(text))
			report, err := d.Verify(t.Context(), chain, driverstate.DepthData, nil)
			require.NoError(t, err)
			assert.Equal(t, driverstate.ConditionDamaged, report.Condition)
			require.Len(t, report.Problems, 1)
			assert.Equal(t, []int64{9 * 4096, 4096}, []int64{report.Problems[0].Offset, report.Problems[0].Length})
		})
	}
}

// An object that a document has within a block is proven by itself alone: that it
// belongs there nothing says.
func TestAnObjectThatNoListProvesToBelongIsToldOf(t *testing.T) {
	full := words(24 * 4096)
	tip := bytes.Clone(full)
	copy(tip[9*4096:], "changed")
	d, store, chain := chainOfImages(t, false, 4096, full, tip)
	b := chain[1]
	text := textOf(t, store, b.Container, metadataName(b.ServiceMetadata))
	require.Contains(t, string(text), `"offset": 36864`)
	store.Set(b.Container, metadataName(b.ServiceMetadata), strings.Replace(string(text), `"offset": 36864`, `"offset": 37888`, 1))
	warning := fmt.Sprintf("object %s does not begin and end with blocks of the hash list, which proves nothing of where it belongs", chunkName(b.ServiceMetadata, 1))
	report, err := d.Verify(t.Context(), chain, driverstate.DepthData, nil)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(report.Warnings, "\n"), warning)
	_, done, err := restoredTo(t, d, chain, filepath.Join(t.TempDir(), "disk"), driverstate.RestoreOptions{})
	require.NoError(t, err)
	assert.Contains(t, strings.Join(done.Warnings, "\n"), warning)
}
