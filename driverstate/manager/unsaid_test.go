package manager_test

import (
	"errors"
	"sync"
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

// A network that is away takes the database and the store. A backup of which it
// could not be told that it is done is not judged before the store can be seen.
func TestWhatWasLeftUnsaidOfABackupWaitsForTheStore(t *testing.T) {
	var armed atomic.Bool
	l := newLab(t, func(c *manager.Config) {
		c.DB, c.CheckInterval = wrap.DB(awayOnce{c.DB, &armed}), 10*time.Millisecond
	})
	v := l.newVolume()
	require.NoError(t, fillVolume(v, image(256<<10, 1)))
	away := errors.New("the store does not answer")
	var once sync.Once
	defer fault.Hook(func(name string) {
		if name == "tx.begin:finishCreate" {
			once.Do(func() {
				for _, point := range []string{atSetup, atInspect, atDelete} {
					l.driver.fail(point, away)
				}
				assert.Eventually(t, func() bool { return !l.SetUp() }, wait, tick)
				armed.Store(true)
			})
		}
	})()
	b, err := l.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !l.SetUp() && !armed.Load() && l.Running() == 0 }, wait, tick)
	last := l.service(driverstate.BinaryBackup).UpdatedAt
	for range 3 { // heartbeats look for what is left
		require.Eventually(t, func() bool { return l.service(driverstate.BinaryBackup).UpdatedAt.After(last) }, wait, tick)
		last = l.service(driverstate.BinaryBackup).UpdatedAt
	}
	assert.Equal(t, driverstate.StatusCreating, l.row(b.ID).Status)
	for _, point := range []string{atSetup, atInspect, atDelete} {
		l.driver.fail(point, nil)
	}
	require.Eventually(t, func() bool { return l.row(b.ID).Status.Resting() }, wait, tick)
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status, l.row(b.ID).FailReason)
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)
}
