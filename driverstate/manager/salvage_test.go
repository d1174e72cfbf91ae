package manager_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// salvaging begins to salvage a backup in error to v, and is back when the
// driver is at it.
func (l *lab) salvaging(id string, v *driverstate.Volume) {
	l.t.Helper()
	l.set(id, driverstate.StatusError, nil)
	held := l.driver.hold(atRestore)
	_, err := l.RestoreBackup(l.t.Context(), admin, id, driverstate.RestoreRequest{VolumeID: v.ID, Options: driverstate.RestoreOptions{Salvage: true}})
	require.NoError(l.t, err)
	held.wait(l.t)
}

func TestResetToAvailableDuringASalvageProvesTheData(t *testing.T) {
	t.Run("damaged", func(t *testing.T) {
		l, b, v, _ := salvages(t, nil)
		require.NoError(t, os.Remove(l.object(b.ID, "-00002")))
		l.salvaging(b.ID, v)
		looking := l.driver.hold(atInspect)
		require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
		looking.wait(t)
		assert.Equal(t, driverstate.VolumeError, l.volume(v.ID).Status)
		taken := l.volume(v.ID) // for a restore of another backup
		taken.Status = driverstate.VolumeRestoring
		require.NoError(t, l.db.VolumeUpdate(t.Context(), taken))
		require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable), "asked once more while it looks")
		assert.Equal(t, driverstate.StatusRestoring, l.row(b.ID).Status)
		assert.Equal(t, driverstate.VolumeRestoring, l.volume(v.ID).Status)
		l.driver.open(atInspect)
		assert.Contains(t, l.until(b.ID, driverstate.StatusError).FailReason, "-00002")
	})
	t.Run("whole", func(t *testing.T) {
		l, b, v, _ := salvages(t, nil)
		l.salvaging(b.ID, v)
		require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
		assert.Empty(t, l.until(b.ID, driverstate.StatusAvailable).FailReason)
		assert.Equal(t, driverstate.VolumeError, l.volume(v.ID).Status)
	})
}

// What the salvaged backup was is not told by its volume, which may be gone.
func TestASalvageThatDiesLeavesItsBackupInError(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		f.change = func(c *manager.Config) { c.CheckMap, c.WriteMap = volume.CheckMap, volume.WriteMap }
		var row *driverstate.Backup
		var v *driverstate.Volume
		_, b, _ := f.firstAlone(atRestore, func(a *member) func() {
			row = a.managed(nil, image(64<<10, 1))
			a.set(row.ID, driverstate.StatusError, nil)
			var err error
			v, err = a.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: filepath.Join(t.TempDir(), "disk.raw"), Size: 1})
			require.NoError(t, err)
			return func() {
				_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID, Options: driverstate.RestoreOptions{Salvage: true}})
				require.NoError(t, err)
			}
		})
		require.NoError(t, b.db.VolumeDestroy(t.Context(), v.ID))
		b.cleanup()
		f.noEntry()
		got := b.row(row.ID)
		assert.Equal(t, driverstate.StatusError, got.Status)
		assert.Equal(t, "incomplete restore reset on manager restart", got.FailReason)
	})
}

func TestUsersCannotChangeWhatARestoreHasNotedOnItsVolume(t *testing.T) {
	l := newLab(t, nil)
	v := l.newVolume()
	v.Metadata = map[string]string{"restore_resume": "true", "restore_of_error": "true", "mine": "1"}
	require.NoError(t, l.db.VolumeUpdate(t.Context(), v))
	got, err := l.UpdateVolume(t.Context(), tenant, v.ID, driverstate.VolumeUpdate{Metadata: map[string]string{"a": "b"}})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"restore_resume": "true", "restore_of_error": "true", "a": "b"}, got.Metadata)
	for _, key := range []string{"restore_resume", "restore_of_error"} {
		_, err = l.ChangeVolumeMetadata(t.Context(), tenant, v.ID, driverstate.MetadataChange{Set: map[string]string{key: "x"}})
		requireText(t, err, driverstate.ErrInvalidInput, "metadata key "+key+" is reserved")
		_, err = l.ChangeVolumeMetadata(t.Context(), tenant, v.ID, driverstate.MetadataChange{Remove: key})
		require.ErrorIs(t, err, driverstate.ErrNotFound)
	}
}
