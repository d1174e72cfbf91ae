package manager_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestRestoresOfManyVolumesSpreadOverTheHosts(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		atOne, atTwo := a.driver.hold(atRestore), b.driver.hold(atRestore)
		var backups []*driverstate.Backup
		for n := range 6 {
			backups = append(backups, a.managed(nil, image(64<<10, uint64(n))))
		}
		for _, row := range backups {
			_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{})
			require.NoError(t, err)
		}
		atOne.wait(t)
		atTwo.wait(t)
		a.driver.open(atRestore)
		b.driver.open(atRestore)
		hosts := map[string]int{}
		for _, row := range backups {
			done := a.until(row.ID, driverstate.StatusAvailable)
			hosts[done.Host]++
			assert.Equal(t, driverstate.VolumeAvailable, a.volume(done.RestoreVolumeID).Status)
			ended := len(a.notified("backup.restore.end", row.ID)) + len(b.notified("backup.restore.end", row.ID))
			assert.LessOrEqual(t, ended, 1, "none is restored twice")
		}
		assert.Positive(t, hosts["h1"])
		assert.Positive(t, hosts["h2"])
		f.noEntry()
	})
}

// running has a backup under way and returns who runs it, and another member.
func (f *fleet) running(a, b *member) (row *driverstate.Backup, v *driverstate.Volume, who, other *member) {
	f.t.Helper()
	v = a.newVolume()
	require.NoError(f.t, fillVolume(v, image(256<<10, 9)))
	holds := map[*member]*hold{a: a.driver.hold(atBackup), b: b.driver.hold(atBackup)}
	row, err := a.CreateBackup(f.t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(f.t, err)
	who, other = runner(f.t, holds), a
	if who == a {
		other = b
	}
	return row, v, who, other
}

func TestForceDeleteStopsTheWorkOfAnotherMember(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		row, v, who, other := f.running(a, b)
		require.Eventually(t, func() bool { return len(a.stored(row.ID)) > 0 }, wait, tick)
		assert.Equal(t, who.conf.Host, a.row(row.ID).Host, "the row is the runner's")
		require.NoError(t, other.DeleteBackup(t.Context(), admin, row.ID, true))
		assert.Equal(t, driverstate.VolumeAvailable, a.volume(v.ID).Status)
		a.untilGone(row.ID)
		assert.Empty(t, a.objects(row.ID))
		f.noEntry()
	})
}

func TestResetStopsTheWorkOfAnotherMember(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		row, v, _, other := f.running(a, b)
		require.NoError(t, other.ResetBackupStatus(t.Context(), admin, row.ID, driverstate.StatusError))
		assert.Equal(t, driverstate.VolumeAvailable, a.volume(v.ID).Status)
		f.noEntry()
		require.Eventually(t, func() bool { return a.Running()+b.Running() == 0 }, wait, tick)
		assert.Equal(t, driverstate.StatusError, a.row(row.ID).Status)
		assert.Empty(t, append(a.notified("backup.create.end", row.ID), b.notified("backup.create.end", row.ID)...))
	})
}

func TestForceDeleteOfAVolumeStopsTheRestoreOfAnotherMember(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		row, v := a.managed(nil, image(64<<10, 1)), a.newVolume()
		holds := map[*member]*hold{a: a.driver.hold(atRestore), b: b.driver.hold(atRestore)}
		_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID})
		require.NoError(t, err)
		other := a
		if runner(t, holds) == a {
			other = b
		}
		require.NoError(t, other.ForceDeleteVolume(t.Context(), admin, v.ID))
		assert.NoFileExists(t, v.Path)
		assert.Equal(t, "stopped: its volume was deleted", a.until(row.ID, driverstate.StatusAvailable).FailReason)
		f.noEntry()
	})
}

func TestWorkOnAFileOfOneHostIsDoneThere(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		path := filepath.Join(t.TempDir(), "disk.raw")
		v, err := b.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: path, Size: 1})
		require.NoError(t, err)
		for n := range 4 {
			row := a.managed(nil, image(64<<10, uint64(n)))
			_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID})
			require.NoError(t, err)
			assert.Equal(t, "h2", a.until(row.ID, driverstate.StatusAvailable).Host)
			require.NoError(t, removeFile(path))
		}
		row := a.managed(nil, image(64<<10, 9))
		f.only(a)
		require.Eventually(t, func() bool {
			_, err = a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID})
			return err != nil
		}, wait, tick)
		requireText(t, err, driverstate.ErrServiceDown, "Service cinder-backup could not be found on host h2.")
		assert.Equal(t, driverstate.StatusAvailable, a.row(row.ID).Status)
	})
}

// A volume that a host made before it shared a directory with the others, at a
// path that each of them may have.
func TestWorkOnAVolumeThatIsNotInTheSharedDirectoryIsDoneOnItsHost(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		v, content := b.newVolume(), image(256<<10, 1)
		was := v.Path
		v.Path = filepath.Join(t.TempDir(), filepath.Base(was))
		require.NoError(t, os.Rename(was, v.Path))
		require.NoError(t, b.db.VolumeUpdate(t.Context(), v))
		row := a.managed(nil, content)
		for range 4 {
			_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID})
			require.NoError(t, err)
			assert.Equal(t, "h2", a.until(row.ID, driverstate.StatusAvailable).Host)
			made, err := a.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
			require.NoError(t, err)
			assert.Equal(t, "h2", a.until(made.ID, driverstate.StatusAvailable).Host)
		}
		f.only(a)
		require.Eventually(t, func() bool {
			_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID})
			return errors.Is(err, driverstate.ErrServiceDown)
		}, wait, tick)
	})
}

func TestAMemberWhoseStoreIsGoneLeavesTheWorkToTheOthers(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		row := a.managed(nil, image(64<<10, 1))
		f.only(b)
		for n := range 4 {
			made := b.managed(nil, image(64<<10, uint64(10+n)))
			require.NoError(t, a.DeleteBackup(t.Context(), admin, made.ID, false), "another member is up")
			a.untilGone(made.ID)
			assert.Empty(t, a.objects(made.ID))
		}
		assert.Empty(t, a.notified("backup.delete.end", row.ID))
		status, answer := a.ask("admin", "DELETE", "backups/"+row.ID, "")
		require.Equal(t, http.StatusAccepted, status, answer)
		a.untilGone(row.ID)
		b.announced("backup.delete.end", row.ID)
		assert.Len(t, b.notified("backup.delete.end", row.ID), 1)
	})
}

func TestAMemberThatStopsLeavesItsDeletesToTheOthers(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		row := a.managed(nil, image(64<<10, 1))
		holds := map[*member]*hold{a: a.driver.hold(atDelete), b: b.driver.hold(atDelete)}
		require.NoError(t, a.DeleteBackup(t.Context(), admin, row.ID, false))
		who := runner(t, holds)
		for m := range holds {
			if m != who {
				m.driver.open(atDelete)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		require.NoError(t, who.Stop(ctx))
		a.untilGone(row.ID)
		assert.Empty(t, a.objects(row.ID))
		f.noEntry()
	})
}

func TestServicesAndClustersOfAFleet(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a := f.start("h1", blue)
		f.start("h2", blue)
		f.start("h3", "")
		_, answer := a.ask("admin", "GET", "os-services?binary=cinder-backup", "")
		clusters := map[string]any{}
		for _, s := range answer["services"].([]any) {
			clusters[s.(map[string]any)["host"].(string)] = s.(map[string]any)["cluster"]
		}
		assert.Equal(t, map[string]any{"h1": blue, "h2": blue, "h3": nil}, clusters)
		_, answer = a.ask("admin", "GET", "clusters/blue?binary=cinder-backup", "")
		assert.EqualValues(t, 2, answer["cluster"].(map[string]any)["num_hosts"])
	})
}
