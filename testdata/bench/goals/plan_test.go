package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlanLeavesOutWhatIsWrittenAgain(t *testing.T) {
	store := t.TempDir()
	const block = 32768
	write := func(id, objects string) {
		dir := filepath.Join(store, id[:2], id[2:4], id)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "b_metadata"), []byte(`{"objects": [`+objects+`]}`), 0o644))
	}
	object := func(name string, first, blocks int) string {
		return fmt.Sprintf(`{"%s": {"offset": %d, "length": %d, "compression": "zlib"}}`, name, first*block, blocks*block)
	}
	write(id(1), object("base-1", 0, 4)+","+object("base-2", 4, 4))
	write(id(2), object("first-1", 1, 1)+","+object("first-2", 6, 1))
	write(id(3), object("second-1", 1, 2))
	objects, decoded, err := plan(store, id(1), id(2), id(3))
	require.NoError(t, err)
	var names []string
	for _, o := range objects {
		names = append(names, filepath.Base(o.Path))
		assert.Equal(t, "zlib", o.Compression)
	}
	assert.Equal(t, []string{"base-1", "base-2", "first-2", "second-1"}, names)
	assert.EqualValues(t, 11*block, decoded)

	_, _, err = plan(store, id(4))
	assert.ErrorContains(t, err, "0 metadata documents")
}
