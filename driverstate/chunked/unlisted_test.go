package chunked

import (
	"bytes"
	"context"
	"iter"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

// lagging is a store whose listings lack some objects, as Swift's do that wait
// for its container updater.
type lagging struct {
	*storetest.Memory
	lacks func(name string) bool
}

func (l lagging) List(ctx context.Context, container, prefix string) iter.Seq2[objectstore.Info, error] {
	return func(yield func(objectstore.Info, error) bool) {
		for info, err := range l.Memory.List(ctx, container, prefix) {
			if (err != nil || !l.lacks(info.Name)) && !yield(info, err) {
				return
			}
		}
	}
}

func TestAnObjectThatTheListingLacksIsThere(t *testing.T) {
	image := words(4 * sampleObject)
	for suffix, warning := range map[string]string{
		"-00001":      "1 of its objects are there, and the listing",
		"-00003":      "1 of its objects are there, and the listing",
		"":            "4 of its objects are there, and the listing",
		"-0000":       "4 of its objects are there, and the listing",
		"_metadata":   "its metadata document is there, and the listing",
		"_sha256file": "",
	} {
		t.Run(suffix, func(t *testing.T) {
			memory, store, chain := chainOfImages(t, false, sampleBlock, image)
			b := chain[0]
			lacks := func(name string) bool { return strings.HasPrefix(name, b.ServiceMetadata+suffix) }
			d, err := New(lagging{store, lacks}, memory.layout, memory.cfg)
			require.NoError(t, err)

			f, err := d.Inspect(t.Context(), b)
			require.NoError(t, err)
			if suffix != "" { // else no scan can know of it
				found := scanned(t, d)[b.ID]
				assert.Equal(t, f.Warnings, found.Warnings)
				assert.Equal(t, f.Condition, found.Condition)
			}
			assert.Equal(t, driverstate.ConditionWhole, f.Condition, f.Reason)
			assert.Equal(t, 4, f.Backup.ObjectCount)
			if warning == "" { // Cinder asks for it by its name, too
				assert.Empty(t, f.Warnings)
			}
			assert.Contains(t, strings.Join(f.Warnings, "\n"), warning)
			report, err := d.Verify(t.Context(), chain, driverstate.DepthData, nil)
			require.NoError(t, err)
			assert.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
			got, _, err := restoredTo(t, d, chain, filepath.Join(t.TempDir(), "disk"), driverstate.RestoreOptions{})
			require.NoError(t, err)
			assert.True(t, bytes.Equal(image, got))
		})
	}
}

// segmented is a store with a large object of Swift's kind DLO: a listing has
// that of the manifest, which is empty.
type segmented struct {
	*storetest.Memory
	large string
}

func (s segmented) List(ctx context.Context, container, prefix string) iter.Seq2[objectstore.Info, error] {
	return func(yield func(objectstore.Info, error) bool) {
		for info, err := range s.Memory.List(ctx, container, prefix) {
			if strings.HasSuffix(info.Name, s.large) {
				info.Size = 0
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func TestAnObjectInSegmentsIsNotEmpty(t *testing.T) {
	image := words(4 * sampleObject)
	memory, store, chain := chainOfImages(t, false, sampleBlock, image)
	d, err := New(segmented{store, "-00002"}, memory.layout, memory.cfg)
	require.NoError(t, err)
	f := scanned(t, d)[chain[0].ID]
	assert.Equal(t, driverstate.ConditionWhole, f.Condition, f.Reason)
	assert.Empty(t, f.Warnings, "Cinder restores it, too")
	got, _, err := restoredTo(t, d, chain, filepath.Join(t.TempDir(), "disk"), driverstate.RestoreOptions{})
	require.NoError(t, err)
	assert.True(t, bytes.Equal(image, got))
}

// A backup of thousands of objects that is half deleted must not be asked for
// each of them.
func TestWhatIsGoneIsAskedForOnce(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	require.NoError(t, store.Delete(t.Context(), ownDir, chunkName(fileP, 1)))
	require.NoError(t, store.Delete(t.Context(), ownDir, chunkName(fileP, 2)))
	gr, err := d.collect(t.Context(), ownDir, fileP, "")
	require.NoError(t, err)
	f, err := d.look(t.Context(), gr[fileP])
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionDamaged, f.Condition)
	assert.Len(t, f.Problems, 2)
	assert.Contains(t, store.Calls(), "get "+ownDir+" "+chunkName(fileP, 1))
	assert.NotContains(t, store.Calls(), "get "+ownDir+" "+chunkName(fileP, 2))
}
