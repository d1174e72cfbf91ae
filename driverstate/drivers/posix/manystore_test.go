package posix_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// manyStore has testdata/bench/manystore write a store of n backups.
func manyStore(t testing.TB, n string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "store")
	out, err := exec.CommandContext(t.Context(), "go", "run", "../../../testdata/bench/manystore", root, n).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return root
}

// TestManystoreWritesWholeChains: what the benchmark of scanning looks through
// are backups, in every respect.
func TestManystoreWritesWholeChains(t *testing.T) {
	d, err := posix.New(t.Context(), posix.Config{Path: manyStore(t, "25")})
	require.NoError(t, err)
	defer d.Close()
	var found []driverstate.Found
	for f, err := range d.(driverstate.Scanner).Scan(t.Context(), "") {
		require.NoError(t, err)
		assert.Equal(t, driverstate.ConditionWhole, f.Condition, f.Reason)
		assert.Empty(t, f.Warnings)
		assert.Equal(t, 2, f.Backup.ObjectCount)
		found = append(found, f)
	}
	require.Len(t, found, 25)
	for i := range found {
		if i%10 == 0 {
			assert.Empty(t, found[i].Backup.ParentID)
		} else {
			assert.Equal(t, found[i-1].Backup.ID, found[i].Backup.ParentID)
		}
	}

	path := filepath.Join(t.TempDir(), "image")
	target, err := volume.OpenTarget(path, volume.TargetOptions{})
	require.NoError(t, err)
	defer target.Close()
	chain := driverstate.Chain{&found[10].Backup, &found[11].Backup, &found[12].Backup}
	_, err = d.Restore(t.Context(), chain, target, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	require.NoError(t, target.Commit())
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "block 0 of a volume\nblock 0", string(image[:27]))
	assert.Equal(t, "block 1 of a volume\nblock 1", string(image[32<<10:32<<10+27]))
}
