package volume_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

func TestTheMapOfHolesIsDdrescues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.map")
	holes := []driverstate.Range{{Offset: 0, Length: 32768}, {Offset: 1 << 20, Length: 65536}}
	require.NoError(t, volume.WriteMap(path, 1<<33, holes))
	assert.Equal(t, `# Mapfile. Created by cinder-go
# current_pos  current_status  current_pass
0x200000000     +               1
#      pos        size  status
0x00000000  0x00008000  -
0x00008000  0x000F8000  +
0x00100000  0x00010000  -
0x00110000  0x1FFEF0000  +
`, string(content(t, path)))

	program, err := exec.LookPath("ddrescuelog")
	if err != nil {
		if os.Getenv("CINDER_GO_REQUIRE_DDRESCUE") != "" {
			require.NoError(t, err)
		}
		t.Skip("NOT TESTED: that ddrescuelog reads the map: it is not installed (package gddrescue)")
	}
	out, err := exec.Command(program, "-t", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "8589 MB", "all of the image is in it")
	listed, err := exec.Command(program, "--list-blocks=-", "-b", "32768", path).CombinedOutput()
	require.NoError(t, err, "%s", listed)
	assert.Equal(t, []string{"0", "32", "33"}, strings.Fields(string(listed)))
	// -D ends well for a map without holes alone.
	require.Error(t, exec.Command(program, "-D", path).Run())
	require.NoError(t, volume.WriteMap(path, 1<<20, nil))
	require.NoError(t, exec.Command(program, "-D", path).Run())
}

func TestAMapReplacesAMapAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.map")
	require.NoError(t, volume.WriteMap(path, 100, nil))
	require.NoError(t, volume.WriteMap(path, 200, nil))
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	require.ErrorIs(t, volume.WriteMap(path, 100, nil), driverstate.ErrConflict)
	assert.Equal(t, "precious", string(content(t, path)))
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, files, 1)
}

func TestAMapThatCannotBeWrittenIsRefusedBeforehand(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.map")
	require.NoError(t, volume.CheckMap(path))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files, "nothing is left behind")

	require.NoError(t, volume.WriteMap(path, 200, nil))
	before := content(t, path)
	require.NoError(t, volume.CheckMap(path))
	assert.Equal(t, before, content(t, path))
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	require.ErrorIs(t, volume.CheckMap(path), driverstate.ErrConflict)
	require.ErrorIs(t, volume.CheckMap(dir), driverstate.ErrConflict, "a directory")
	require.ErrorIs(t, volume.CheckMap(filepath.Join(dir, "no", "disk.map")), driverstate.ErrInvalidInput)
	if os.Geteuid() != 0 {
		closed := filepath.Join(dir, "closed")
		require.NoError(t, os.Mkdir(closed, 0o500))
		require.ErrorIs(t, volume.CheckMap(filepath.Join(closed, "disk.map")), driverstate.ErrForbidden)
	}
}
