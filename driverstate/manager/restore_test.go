package manager_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func begins(t *testing.T, path string, want []byte) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	got := make([]byte, len(want))
	_, err = io.ReadFull(file, got)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got), "%s does not hold the image", path)
}

func TestRestoreToANewVolume(t *testing.T) {
	l := newLab(t, nil)
	content := image(200<<10, 1)
	b := l.managed(nil, content)
	answer, err := l.RestoreBackup(t.Context(), tenant, b.ID, driverstate.RestoreRequest{})
	require.NoError(t, err)
	assert.Equal(t, "restore_backup_"+b.ID, answer.VolumeName)
	require.Eventually(t, func() bool { return l.row(b.ID).Status == driverstate.StatusAvailable }, wait, tick)
	v := l.volume(answer.VolumeID)
	assert.Equal(t, driverstate.VolumeAvailable, v.Status)
	assert.Equal(t, b.ID, v.Metadata["src_backup_id"])
	assert.Equal(t, "auto-created_from_restore_from_backup", v.Description)
	begins(t, v.Path, content)
	info, err := os.Stat(v.Path)
	require.NoError(t, err)
	assert.EqualValues(t, 1<<30, info.Size(), "the volume keeps its size")
	require.Eventually(t, func() bool { return len(l.notified("backup.restore.end", b.ID)) == 1 }, wait, tick)
}

func TestRestoreOfAChainToAnOperatorsFile(t *testing.T) {
	l := newLab(t, nil)
	first := image(200<<10, 1)
	second := bytes.Clone(first)
	clear(second[64<<10 : 128<<10])
	full := l.managed(nil, first)
	child := l.managed(full, second)
	path := filepath.Join(t.TempDir(), "disk.raw")
	v, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: path, Size: 1})
	require.NoError(t, err)
	_, err = l.RestoreBackup(t.Context(), admin, child.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	l.until(child.ID, driverstate.StatusAvailable)
	require.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status, l.volume(v.ID).Metadata)
	begins(t, path, second)
	require.NoError(t, l.DeleteVolume(t.Context(), admin, v.ID))
	assert.FileExists(t, path, "a managed volume loses its row only")
}

func TestRestoreTakesOverTheSourceVolumesNameAndMetadata(t *testing.T) {
	l := newLab(t, nil)
	v, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{
		Size: 1, Name: "db01", Description: "ledger", Metadata: map[string]string{"tier": "gold"},
	})
	require.NoError(t, err)
	b, err := l.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	answer, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	restored := l.volume(answer.VolumeID)
	assert.Equal(t, "db01", restored.Name)
	assert.Equal(t, "ledger", restored.Description)
	assert.Equal(t, map[string]string{"tier": "gold", "src_backup_id": b.ID}, restored.Metadata)
}

func TestRestoreIsRefused(t *testing.T) {
	l := newLab(t, nil)
	b, v := l.managed(nil, image(200<<10, 1)), l.newVolume()
	restore := func(id, volume string) error {
		_, err := l.RestoreBackup(t.Context(), admin, id, driverstate.RestoreRequest{VolumeID: volume})
		return err
	}
	const none = "11111111-1111-4111-8111-111111111111"
	requireText(t, restore(none, v.ID), driverstate.ErrNotFound, "Backup "+none+" could not be found.")
	requireText(t, restore(b.ID, none), driverstate.ErrNotFound, "Volume "+none+" could not be found.")
	_, err := l.RestoreBackup(t.Context(), driverstate.Caller{ProjectID: other}, b.ID, driverstate.RestoreRequest{})
	require.ErrorIs(t, err, driverstate.ErrNotFound)

	l.set(b.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.Size = 2 })
	requireText(t, restore(b.ID, v.ID), driverstate.ErrInvalidInput, "volume size 1 is too small to restore backup of size 2.")
	l.set(b.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.Size = 0 })
	requireText(t, restore(b.ID, v.ID), driverstate.ErrInvalidStatus, "Backup to be restored has invalid size")
	l.set(b.ID, driverstate.StatusError, func(b *driverstate.Backup) { b.Size = 1 })
	requireText(t, restore(b.ID, v.ID), driverstate.ErrInvalidStatus, "Backup status must be available")
	l.set(b.ID, driverstate.StatusAvailable, nil)

	v.Status = driverstate.VolumeInUse
	require.NoError(t, l.db.VolumeUpdate(t.Context(), v))
	requireText(t, restore(b.ID, v.ID), driverstate.ErrInvalidStatus, "Volume to be restored to must be available")

	orphan := l.put(l.put(nil, image(200<<10, 1)), image(200<<10, 2))
	_, err = l.ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: orphan.ID})
	require.NoError(t, err, "its parent is in the store")
	err = restore(orphan.ID, "")
	require.ErrorIs(t, err, driverstate.ErrInvalidStatus)
	assert.ErrorContains(t, err, orphan.ParentID)
}

func TestRestoreThatFailsMarksTheVolumeAndKeepsTheBackup(t *testing.T) {
	l := newLab(t, nil)
	b, v := l.managed(nil, image(200<<10, 1)), l.newVolume()
	chunk := l.object(b.ID, "-00002")
	raw, err := os.ReadFile(chunk)
	require.NoError(t, err)
	raw[len(raw)/2] ^= 1
	require.NoError(t, os.WriteFile(chunk, raw, 0o600))
	_, err = l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	got := l.until(b.ID, driverstate.StatusAvailable)
	assert.NotEmpty(t, got.FailReason)
	failed := l.volume(v.ID)
	assert.Equal(t, driverstate.VolumeErrorRestoring, failed.Status)
	assert.Equal(t, "damaged", failed.Metadata["restore_error_kind"])
	assert.NotEmpty(t, failed.Metadata["restore_error"])
	assert.Empty(t, l.notified("backup.restore.end", b.ID))

	path := filepath.Join(t.TempDir(), "disk.raw")
	managed, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: path, Size: 1})
	require.NoError(t, err)
	_, err = l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: managed.ID})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	assert.NoFileExists(t, path, "never a good name on bad bytes")
}

func TestStopEndsARunningRestoreTruly(t *testing.T) {
	dir := t.TempDir()
	l := openLab(t, dir, nil)
	require.NoError(t, l.Start(t.Context()))
	b, v := l.managed(nil, image(200<<10, 1)), l.newVolume()
	running := l.driver.hold(atRestore)
	_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	running.wait(t)
	require.NoError(t, l.Stop(t.Context()))
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status)
	assert.Contains(t, l.row(b.ID).FailReason, "interrupted")
	assert.Equal(t, driverstate.VolumeErrorRestoring, l.volume(v.ID).Status)
}
