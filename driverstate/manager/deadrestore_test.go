package manager_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/fault/wrap"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// A path under management is on the disk of the host that took it. On that of
// who cleans up, the file of that name is another restore's.
func TestCleanupRemovesNoPartOnAnotherHost(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var mu sync.Mutex
		dropped := map[string][]string{}
		f.change = func(c *manager.Config) {
			host := c.Host
			c.DropTarget = func(path string) error {
				mu.Lock()
				defer mu.Unlock()
				dropped[host] = append(dropped[host], path)
				return nil
			}
		}
		var row *driverstate.Backup
		var v *driverstate.Volume
		_, b, _ := f.firstAlone(atRestore, func(a *member) func() {
			row = a.managed(nil, image(64<<10, 1))
			var err error
			v, err = a.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: filepath.Join(t.TempDir(), "disk.raw"), Size: 1})
			require.NoError(t, err)
			return func() {
				_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID})
				require.NoError(t, err)
			}
		})
		b.cleanup()
		f.noEntry()
		assert.Equal(t, "incomplete restore reset on manager restart", b.row(row.ID).FailReason)
		assert.Equal(t, driverstate.VolumeErrorRestoring, b.volume(v.ID).Status)
		mu.Lock()
		defer mu.Unlock()
		assert.Empty(t, dropped)
	})
}

// The mount of a target may hang.
func TestThePartOfADeadRestoreIsRemovedWhileOthersCanWrite(t *testing.T) {
	var l *lab
	var writing error
	l = openLab(t, t.TempDir(), func(c *manager.Config) {
		c.DropTarget = func(path string) error {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			writing = l.db.Update(ctx, func(db.Tx) error { return nil })
			return volume.DropPartial(path)
		}
	})
	require.NoError(t, l.Start(t.Context()))
	b := l.managed(nil, image(64<<10, 1))
	v, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: filepath.Join(t.TempDir(), "disk.raw"), Size: 1})
	require.NoError(t, err)
	service := l.service(driverstate.BinaryBackup).ID
	require.NoError(t, l.Stop(t.Context()))

	l.set(b.ID, driverstate.StatusRestoring, func(b *driverstate.Backup) { b.RestoreVolumeID = v.ID })
	l.worker("Backup", b.ID, "restoring", service)
	v.Status = driverstate.VolumeRestoring
	require.NoError(t, l.db.VolumeUpdate(t.Context(), v))
	require.NoError(t, os.WriteFile(v.Path+".partial", []byte("half"), 0o600))

	l.start()
	assert.NoError(t, writing)
	assert.NoFileExists(t, v.Path+".partial")
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status)
	assert.Equal(t, driverstate.VolumeErrorRestoring, l.volume(v.ID).Status)
	_, err = l.db.WorkerGet(t.Context(), "Backup", b.ID)
	assert.ErrorIs(t, err, driverstate.ErrNotFound)
}

// awayOnce is a database that fails one transaction that asks whose work it is,
// when it is armed.
type awayOnce struct {
	db.DB
	armed *atomic.Bool
}

func (a awayOnce) Update(ctx context.Context, f func(db.Tx) error) error {
	return a.DB.Update(ctx, func(tx db.Tx) error {
		asked := false
		if err := f(asks{tx, &asked}); err != nil || !asked || !a.armed.Swap(false) {
			return err
		}
		return driverstate.Fail(driverstate.ErrUnavailable, "the database does not answer")
	})
}

// asks notes that its transaction asks whose work it is.
type asks struct {
	db.Tx
	seen *bool
}

func (a asks) WorkerGet(ctx context.Context, resource, id string) (*driverstate.Worker, error) {
	*a.seen = true
	return a.Tx.WorkerGet(ctx, resource, id)
}

// What a member has taken from a dead one is its own, also if it could not end
// it: no other cleanup finds it. It does so later, unless another process may
// have become its host meanwhile, whose work would look like its own.
func TestWhatACleanupCouldNotEndIsEndedLater(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var armed, doubt atomic.Bool
		var asked atomic.Int32
		doubt.Store(true)
		f.change = func(c *manager.Config) {
			if c.Host == "h2" {
				c.DB = wrap.DB(awayOnce{c.DB, &armed})
				c.KeepHost = func(context.Context) error {
					asked.Add(1)
					if doubt.Load() {
						return driverstate.Fail(driverstate.ErrUnavailable, "who is h2 is not known")
					}
					return nil
				}
			}
		}
		var once sync.Once
		defer fault.Hook(func(name string) {
			if name == "tx.begin:recoverRestore" {
				once.Do(func() { armed.Store(true) })
			}
		})()
		var row *driverstate.Backup
		var v *driverstate.Volume
		_, b, _ := f.firstAlone(atRestore, func(a *member) func() {
			row, v = a.managed(nil, image(64<<10, 1)), a.newVolume()
			return func() {
				_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID})
				require.NoError(t, err)
			}
		})
		b.cleanup()
		require.Eventually(t, func() bool { return asked.Load() > 1 }, wait, tick, "heartbeats look for what is left")
		assert.Equal(t, driverstate.StatusRestoring, b.row(row.ID).Status)
		doubt.Store(false)
		f.noEntry()
		assert.Equal(t, driverstate.StatusAvailable, b.row(row.ID).Status)
		assert.Equal(t, driverstate.VolumeErrorRestoring, b.volume(v.ID).Status)
	})
}
