package chunked

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// No backup of Cinder's has a list that ends before its objects do. Cinder restores
// what they hold, and so do we: by their md5s.
func TestAListThatEndsBeforeTheObjectsCutsNothingOff(t *testing.T) {
	for name, lost := range map[string]int{"a block": 1, "an object": 8, "more than an object": 9} {
		t.Run(name, func(t *testing.T) {
			full := words(4 * sampleObject)
			d, store, chain := chainOfImages(t, false, sampleBlock, full)
			b := chain[0]
			list, err := d.loadHashes(t.Context(), b.Container, b.ServiceMetadata)
			require.NoError(t, err)
			list.Sums = list.Sums[:len(list.Sums)-lost*sha256.Size]
			var short strings.Builder
			require.NoError(t, writeHashes(&short, list, nil, nil, b.CreatedAt))
			store.Set(b.Container, hashesName(b.ServiceMetadata), short.String())
			got, done, err := restoredTo(t, d, chain, filepath.Join(t.TempDir(), "disk"), driverstate.RestoreOptions{})
			require.NoError(t, err)
			assert.True(t, bytes.Equal(full, got))
			assert.Equal(t, "md5", done.Method)
			require.Len(t, done.Warnings, 1)
			assert.Contains(t, done.Warnings[0], fmt.Sprintf("covers %d bytes, and object %s reaches beyond", len(full)-lost*sampleBlock, chunkName(b.ServiceMetadata, 4)))
			report, err := d.Verify(t.Context(), chain, driverstate.DepthData, nil)
			require.NoError(t, err)
			assert.Equal(t, driverstate.ConditionWhole, report.Condition)
			assert.EqualValues(t, len(full), report.BytesRead)
		})
	}
}
