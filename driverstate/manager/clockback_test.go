package manager_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/fault/wrap"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// A machine that lost its power may start with a clock that is behind: what it
// left is then written in the future.
func TestAStartEndsWhatWasLeftThoughTheClockIsBehind(t *testing.T) {
	dir := t.TempDir()
	l := openLab(t, dir, nil)
	require.NoError(t, l.Start(t.Context()))
	restoring, creating := l.managed(nil, image(64<<10, 1)), l.managed(nil, image(64<<10, 2))
	target, made := l.newVolume(), l.newVolume()
	backups, volumes := l.service(driverstate.BinaryBackup).ID, l.service(driverstate.BinaryVolume).ID
	require.NoError(t, l.Stop(t.Context()))

	l.set(restoring.ID, driverstate.StatusRestoring, func(b *driverstate.Backup) { b.RestoreVolumeID = target.ID })
	l.set(creating.ID, driverstate.StatusCreating, nil)
	target.Status, made.Status = driverstate.VolumeRestoring, driverstate.VolumeCreating
	require.NoError(t, l.db.VolumeUpdate(t.Context(), target))
	require.NoError(t, l.db.VolumeUpdate(t.Context(), made))
	now := l.db
	l.db = openDBAt(t, filepath.Join(dir, "db"), func() time.Time { return time.Now().Add(time.Hour) })
	l.worker("Backup", restoring.ID, "restoring", backups)
	l.worker("Backup", creating.ID, "creating", backups)
	l.worker("Volume", made.ID, "creating", volumes)
	l.db = now

	l.start()
	assert.Equal(t, driverstate.StatusAvailable, l.row(restoring.ID).Status)
	assert.Equal(t, driverstate.VolumeErrorRestoring, l.volume(target.ID).Status)
	assert.Equal(t, driverstate.StatusAvailable, l.row(creating.ID).Status, "it is whole on the store")
	assert.Equal(t, driverstate.VolumeError, l.volume(made.ID).Status)
	left, err := l.db.WorkerGetAll(t.Context(), 0)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// The same of a clock that is set back while the process lives, and the database
// fails what a job has to tell.
func TestWhatWasLeftUnsaidIsEndedThoughTheClockWasSetBack(t *testing.T) {
	var armed atomic.Bool
	var back atomic.Int64
	clock := func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
	dir := t.TempDir()
	l := openLab(t, dir, func(c *manager.Config) {
		c.DB = wrap.DB(awayOnce{openDBAt(t, filepath.Join(dir, "db"), clock), &armed})
		c.Now = clock
	})
	defer fault.Hook(func(name string) {
		if name == "tx.begin:finishRestore" && back.CompareAndSwap(0, int64(time.Hour)) {
			armed.Store(true)
		}
	})()
	l.start()
	b, v := l.managed(nil, image(64<<10, 1)), l.newVolume()
	_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	assert.Equal(t, driverstate.VolumeErrorRestoring, l.volume(v.ID).Status)
}
