package chunked_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/volume"
	"github.com/cinder-go/cinder-go/testdata/corpus"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// salvaged restores c to path with --salvage.
func salvaged(t *testing.T, d driverstate.Driver, c driverstate.Chain, path string) driverstate.Restored {
	t.Helper()
	target, err := volume.OpenTarget(path, volume.TargetOptions{Overwrite: true})
	require.NoError(t, err)
	defer target.Close()
	done, err := d.Restore(t.Context(), c, target, driverstate.RestoreOptions{Salvage: true}, nil)
	require.NoError(t, err)
	require.NoError(t, target.Commit())
	return done
}

// assertHoles compares the file at path with the true image: zeros in the
// holes, and the truth everywhere else.
func assertHoles(t *testing.T, truth, path string, holes []driverstate.Range) {
	t.Helper()
	want, have := open(t, truth), open(t, path)
	info, err := want.Stat()
	require.NoError(t, err)
	same, err := have.Stat()
	require.NoError(t, err)
	require.Equal(t, info.Size(), same.Size())
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < info.Size(); off += int64(len(a)) {
		_, err := want.ReadAt(a, off)
		require.NoError(t, err)
		_, err = have.ReadAt(b, off)
		require.NoError(t, err)
		for _, h := range holes {
			if from, to := max(h.Offset, off), min(h.Offset+h.Length, off+int64(len(a))); from < to {
				clear(a[from-off : to-off])
			}
		}
		require.True(t, bytes.Equal(a, b), "between %d and %d", off, off+int64(len(a)))
	}
}

// dataWithin are the blocks of the first n bytes of a file that are not zeros,
// joined where they touch.
func dataWithin(t *testing.T, path string, n int64) (data []driverstate.Range) {
	t.Helper()
	f := open(t, path)
	block, zeros := make([]byte, cinderBlock), make([]byte, cinderBlock)
	for off := int64(0); off < n; off += cinderBlock {
		_, err := f.ReadAt(block, off)
		require.NoError(t, err)
		if bytes.Equal(block, zeros) {
			continue
		}
		if last := len(data) - 1; last >= 0 && data[last].Offset+data[last].Length == off {
			data[last].Length += cinderBlock
		} else {
			data = append(data, driverstate.Range{Offset: off, Length: cinderBlock})
		}
	}
	return data
}

// holesWithin is what of holes lies in the first n bytes.
func holesWithin(holes []driverstate.Range, n int64) (in []driverstate.Range) {
	for _, h := range holes {
		if h.Offset < n {
			in = append(in, driverstate.Range{Offset: h.Offset, Length: min(h.Length, n-h.Offset)})
		}
	}
	return in
}

// objectsOf are the chunks of a backup below dir, ascending.
func objectsOf(t *testing.T, dir, id string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, id[:2], id[2:4], id, "*-[0-9][0-9][0-9][0-9][0-9]"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	slices.Sort(names)
	return names
}

func TestAllThatIsNotDamagedIsSalvaged(t *testing.T) {
	d, found, dir := drill(t)
	chain := chainTo(found, drillstore.Full)
	work := t.TempDir()
	truth := filepath.Join(work, "truth")
	_, err := restoreTo(t.Context(), d, chain, truth, volume.TargetOptions{})
	require.NoError(t, err)
	require.Equal(t, drillstore.Expected()[drillstore.Full], corpus.SHA256(t, truth))
	objects := objectsOf(t, dir, drillstore.Full)
	require.Greater(t, len(objects), 2)
	size := int64(1<<30) / int64(len(objects))

	// One object is gone, and another is damaged in its middle.
	require.NoError(t, os.Remove(objects[0]))
	raw, err := os.ReadFile(objects[1])
	require.NoError(t, err)
	raw[len(raw)/2] ^= 0x40
	require.NoError(t, os.WriteFile(objects[1], raw, 0o644))

	_, err = restoreTo(t.Context(), d, chain, filepath.Join(work, "refused"), volume.TargetOptions{})
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	for name, dirty := range map[string]bool{"new": false, "dirty": true} {
		path := filepath.Join(work, name)
		if dirty {
			require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("old data"), 1<<20), 0o600))
		}
		done := salvaged(t, d, chain, path)
		require.NotEmpty(t, done.Holes)
		assert.Equal(t, dataWithin(t, truth, size), holesWithin(done.Holes, size), "of the object that is gone all but zeros")
		last := done.Holes[len(done.Holes)-1]
		assert.LessOrEqual(t, last.Offset+last.Length, 2*size, "the others are whole")
		assertHoles(t, truth, path, done.Holes)
	}
}

// A layer of a chain without its document wrote what nobody knows; what the tip
// has a digest of is taken from wherever it can be proven.
func TestAChainWithoutADocumentIsSalvaged(t *testing.T) {
	d, found, dir := drill(t)
	chain := chainTo(found, drillstore.ChainTip)
	work := t.TempDir()
	truth, path := filepath.Join(work, "truth"), filepath.Join(work, "disk")
	_, err := restoreTo(t.Context(), d, chain, truth, volume.TargetOptions{})
	require.NoError(t, err)
	middle := chain[2]
	objects := objectsOf(t, dir, middle.ID)
	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(objects[0]), filepath.Base(middle.ServiceMetadata)+"_metadata")))

	_, err = restoreTo(t.Context(), d, chain, filepath.Join(work, "refused"), volume.TargetOptions{})
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	done := salvaged(t, d, chain, path)
	require.NotEmpty(t, done.Warnings)
	assert.Contains(t, done.Warnings[0], middle.ID)
	assertHoles(t, truth, path, done.Holes)
	_, err = os.Stat(objects[0])
	require.NoError(t, err)
	var lost int64
	for _, h := range done.Holes {
		lost += h.Length
	}
	assert.Less(t, lost, int64(64<<20), "what the others wrote is there")

	// The tip's hash list gone as well, nothing below the gap can be believed.
	tip := chain.Tip()
	require.NoError(t, os.Remove(filepath.Join(dir, tip.ID[:2], tip.ID[2:4], tip.ID, filepath.Base(tip.ServiceMetadata)+"_sha256file")))
	done = salvaged(t, d, chain, path)
	assertHoles(t, truth, path, done.Holes)
	require.NotEmpty(t, done.Holes)
}

// Without a hash list the md5 of whole objects is a proof.
func TestWithoutAHashListWholeObjectsAreSalvaged(t *testing.T) {
	d, found, dir := drill(t)
	chain := chainTo(found, drillstore.Full)
	work := t.TempDir()
	truth, path := filepath.Join(work, "truth"), filepath.Join(work, "disk")
	_, err := restoreTo(t.Context(), d, chain, truth, volume.TargetOptions{})
	require.NoError(t, err)
	objects := objectsOf(t, dir, drillstore.Full)
	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(objects[0]), filepath.Base(chain[0].ServiceMetadata)+"_sha256file")))
	require.NoError(t, os.Truncate(objects[1], 100))
	done := salvaged(t, d, chain, path)
	require.Len(t, done.Holes, 1)
	assert.Equal(t, "md5", done.Method)
	assertHoles(t, truth, path, done.Holes)
	assert.Less(t, done.Holes[0].Length, int64(1<<30))
}

func TestAPipeCannotBeSalvagedTo(t *testing.T) {
	d, err := drivers.Open("posix://"+t.TempDir(), drivers.Options{ReadOnly: true})
	require.NoError(t, err)
	defer d.Close()
	var out bytes.Buffer
	_, err = d.Restore(t.Context(), driverstate.Chain{{ID: drillstore.Full}}, volume.NewPipe(&out, 0), driverstate.RestoreOptions{Salvage: true}, nil)
	require.ErrorIs(t, err, driverstate.ErrNotSupported)
	assert.Zero(t, out.Len())
}
