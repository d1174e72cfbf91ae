package manager_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

func TestVolumesOfTheEngine(t *testing.T) {
	l := newLab(t, nil)
	v, err := l.CreateVolume(t.Context(), tenant, driverstate.VolumeRequest{Size: 3, Name: "a"})
	require.NoError(t, err)
	info, err := os.Stat(v.Path)
	require.NoError(t, err)
	assert.EqualValues(t, 3<<30, info.Size())
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)

	stranger := driverstate.Caller{ProjectID: other}
	_, err = l.Volume(t.Context(), stranger, v.ID)
	requireText(t, err, driverstate.ErrNotFound, "Volume "+v.ID+" could not be found.")
	list, err := l.Volumes(t.Context(), stranger, true)
	require.NoError(t, err)
	assert.Empty(t, list)
	list, err = l.Volumes(t.Context(), admin, true)
	require.NoError(t, err)
	assert.Len(t, list, 1)

	require.NoError(t, l.DeleteVolume(t.Context(), tenant, v.ID))
	assert.NoFileExists(t, v.Path)
	_, err = l.Volume(t.Context(), tenant, v.ID)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	for _, size := range []int64{0, -1, 1 << 31} {
		_, err = l.CreateVolume(t.Context(), tenant, driverstate.VolumeRequest{Size: size})
		require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	}
}

func TestVolumeInUseIsNotDeleted(t *testing.T) {
	l := newLab(t, nil)
	v := l.newVolume()
	v.Status = driverstate.VolumeRestoring
	require.NoError(t, l.db.VolumeUpdate(t.Context(), v))
	err := l.DeleteVolume(t.Context(), admin, v.ID)
	require.ErrorIs(t, err, driverstate.ErrInvalidStatus)
	assert.ErrorContains(t, err, "Volume status must be available or error")
	assert.FileExists(t, v.Path)
}

func TestManagedVolumesStayInTheTargetDirectories(t *testing.T) {
	allowed, outside := t.TempDir(), t.TempDir()
	l := newLab(t, func(c *manager.Config) { c.TargetDirs = []string{allowed} })
	full := filepath.Join(allowed, "full")
	require.NoError(t, os.WriteFile(full, []byte("data"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(allowed, "door")))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "f"), nil, 0o600))
	require.NoError(t, os.Symlink(filepath.Join(outside, "f"), filepath.Join(allowed, "link")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "absent"), filepath.Join(allowed, "dangling")))
	cases := []struct {
		name, path string
		overwrite  bool
		kind       error
	}{
		{"a new file", filepath.Join(allowed, "new"), false, nil},
		{"the same again", filepath.Join(allowed, "new"), false, driverstate.ErrConflict},
		{"a file with data", full, false, driverstate.ErrConflict},
		{"a file with data, allowed", full, true, nil},
		{"a relative path", "new", false, driverstate.ErrInvalidInput},
		{"a path that is not clean", allowed + "/../x", false, driverstate.ErrInvalidInput},
		{"outside", filepath.Join(outside, "new"), false, driverstate.ErrForbidden},
		{"the directory itself", allowed, false, driverstate.ErrForbidden},
		{"through a linked directory", filepath.Join(allowed, "door", "new"), false, driverstate.ErrForbidden},
		{"a link that leads out", filepath.Join(allowed, "link"), false, driverstate.ErrForbidden},
		{"a link to nothing", filepath.Join(allowed, "dangling"), false, driverstate.ErrInvalidInput},
		{"no such directory", filepath.Join(allowed, "a", "b"), false, driverstate.ErrInvalidInput},
		{"standard output, which there is not", "-", false, driverstate.ErrInvalidInput},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: c.path, Size: 1, Overwrite: c.overwrite})
			if c.kind == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.kind)
		})
	}
	_, err := l.CreateVolume(t.Context(), tenant, driverstate.VolumeRequest{SourceName: filepath.Join(allowed, "x"), Size: 1})
	require.ErrorIs(t, err, driverstate.ErrForbidden)
}

func TestRestoreToStandardOutput(t *testing.T) {
	var out bytes.Buffer
	l := newLab(t, func(c *manager.Config) { c.Stdout = &out })
	content := image(200<<10, 1)
	b := l.managed(nil, content)
	v, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: "-", Size: 1})
	require.NoError(t, err)
	_, err = l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	require.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status, l.volume(v.ID).Metadata)
	assert.True(t, bytes.HasPrefix(out.Bytes(), content))
}

func TestCreateBackup(t *testing.T) {
	l := newLab(t, nil)
	v := l.newVolume()
	content := image(256<<10, 1)
	require.NoError(t, fillVolume(v, content))
	full, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusCreating, full.Status)
	assert.Equal(t, 4, l.until(full.ID, driverstate.StatusAvailable).ObjectCount)
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)

	copy(content[64<<10:], bytes.Repeat([]byte{1}, 32<<10))
	require.NoError(t, fillVolume(v, content))
	child, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: v.ID, Incremental: true})
	require.NoError(t, err)
	assert.Equal(t, 1, l.until(child.ID, driverstate.StatusAvailable).ObjectCount)
	assert.Equal(t, 1, l.row(full.ID).NumDependentBackups)

	answer, err := l.RestoreBackup(t.Context(), tenant, child.ID, driverstate.RestoreRequest{})
	require.NoError(t, err)
	l.until(child.ID, driverstate.StatusAvailable)
	begins(t, l.volume(answer.VolumeID).Path, content)

}

func TestCreateBackupThatFailsLeavesNothingOnTheStore(t *testing.T) {
	l := newLab(t, nil)
	v := l.newVolume()
	require.NoError(t, fillVolume(v, image(256<<10, 1)))
	l.driver.fail(atBackup, os.ErrDeadlineExceeded)
	b, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	assert.NotEmpty(t, l.until(b.ID, driverstate.StatusError).FailReason)
	assert.Empty(t, l.objects(b.ID))
	got := l.volume(v.ID)
	assert.Equal(t, driverstate.VolumeAvailable, got.Status)
	assert.EqualValues(t, "error_backing-up", got.PreviousStatus)
}
