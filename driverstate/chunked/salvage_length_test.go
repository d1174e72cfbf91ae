package chunked

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Where the document of the full backup is lost, and no hash list of the tip tells
// how long the volume was, what an increment wrote is not all of it: the rest are
// holes, and read as zeros on a target that held other data.
func TestAnIncrementIsNotTheWholeVolume(t *testing.T) {
	full := words(4 * sampleObject)
	tip := changed(full, 0, 1)
	d, store, chain := chainOfImages(t, false, sampleBlock, full, tip)
	require.NoError(t, store.Delete(t.Context(), chain[0].Container, metadataName(chain[0].ServiceMetadata)))
	require.NoError(t, store.Delete(t.Context(), chain[1].Container, hashesName(chain[1].ServiceMetadata)))
	path := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("old data"), sampleObject), 0o600))
	got, done, err := restoredTo(t, d, chain, path, driverstate.RestoreOptions{Salvage: true})
	require.NoError(t, err)
	assert.EqualValues(t, 1<<30, done.Length)
	assert.Equal(t, []driverstate.Range{{Offset: 2 * sampleBlock, Length: 1<<30 - 2*sampleBlock}}, done.Holes)
	assert.True(t, bytes.Equal(tip[:2*sampleBlock], got[:2*sampleBlock]))
}
