package manager_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/volume"
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
	require.NoError(t, os.RemoveAll(filepath.Dir(l.object(orphan.ParentID, "_metadata"))))
	err = restore(orphan.ID, "")
	require.ErrorIs(t, err, driverstate.ErrInvalidStatus)
	assert.ErrorContains(t, err, orphan.ParentID+", which has no record, and the store has nothing whole of it")
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

// salvages is a lab that can salvage, with a backup, and an operator's file that
// is to be made.
func salvages(t *testing.T, change func(*manager.Config)) (l *lab, b *driverstate.Backup, v *driverstate.Volume, content []byte) {
	l = newLab(t, func(c *manager.Config) {
		c.CheckMap, c.WriteMap = volume.CheckMap, volume.WriteMap
		if change != nil {
			change(c)
		}
	})
	content = image(200<<10, 1)
	b = l.managed(nil, content)
	v, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: filepath.Join(t.TempDir(), "disk.raw"), Size: 1})
	require.NoError(t, err)
	return l, b, v, content
}

// Hours of reading must not be lost for a map that could not have been written.
func TestSalvagingWithoutAPlaceForTheMapReadsNothing(t *testing.T) {
	l, b, v, _ := salvages(t, nil)
	l.driver.fail(atRestore, errors.New("the store was read"))
	require.NoError(t, os.WriteFile(v.Path+".map", []byte("precious"), 0o600))
	for path, kind := range map[string]error{
		"":                                      driverstate.ErrConflict,
		t.TempDir():                             driverstate.ErrConflict,
		filepath.Join(t.TempDir(), "no", "map"): driverstate.ErrInvalidInput,
		v.Path + ".partial":                     driverstate.ErrInvalidInput,
	} {
		_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{
			VolumeID: v.ID, Options: driverstate.RestoreOptions{Salvage: true}, Map: path})
		require.ErrorIs(t, err, kind, path)
	}
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status)
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)

	// What came up between the request and its turn is found before the target is opened.
	require.NoError(t, os.Remove(v.Path+".map"))
	checked := 0
	l, b, v, _ = salvages(t, func(c *manager.Config) {
		c.CheckMap = func(path string) error {
			if checked++; checked == 2 {
				require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
			}
			return volume.CheckMap(path)
		}
	})
	l.driver.fail(atRestore, errors.New("the store was read"))
	_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID, Options: driverstate.RestoreOptions{Salvage: true}})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	assert.Contains(t, l.volume(v.ID).Metadata["restore_error"], "is no map file")
	assert.NoFileExists(t, v.Path+".partial")
}

// A disk that fills up, say: what was salvaged stays, and a resumed restore has
// nothing to read.
func TestWhatWasSalvagedOutlivesItsMap(t *testing.T) {
	full := errors.New("no space left on device")
	l, b, v, content := salvages(t, func(c *manager.Config) {
		c.WriteMap = func(string, int64, []driverstate.Range) error { return full }
	})
	restore := func(o driverstate.RestoreOptions) *driverstate.Volume {
		_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID, Options: o})
		require.NoError(t, err)
		l.until(b.ID, driverstate.StatusAvailable)
		return l.volume(v.ID)
	}
	failed := restore(driverstate.RestoreOptions{Salvage: true})
	assert.Equal(t, driverstate.VolumeErrorRestoring, failed.Status)
	assert.Equal(t, "no space left on device; what was salvaged is kept in "+v.Path+".partial, and a restore that resumes goes on from it",
		failed.Metadata["restore_error"])
	assert.NoFileExists(t, v.Path)
	begins(t, v.Path+".partial", content)

	failed.Status = driverstate.VolumeAvailable
	require.NoError(t, l.db.VolumeUpdate(t.Context(), failed))
	done := restore(driverstate.RestoreOptions{Resume: true})
	assert.Equal(t, driverstate.VolumeAvailable, done.Status, done.Metadata)
	assert.Equal(t, "0", done.Metadata["restore_bytes_written"])
	begins(t, v.Path, content)
}
