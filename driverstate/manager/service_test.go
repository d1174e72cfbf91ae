package manager_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

func (l *lab) service(binary driverstate.Binary) driverstate.ServiceState {
	l.t.Helper()
	list, err := l.Services(l.t.Context(), admin)
	require.NoError(l.t, err)
	for _, s := range list {
		if s.Binary == binary {
			return s
		}
	}
	require.Fail(l.t, "no such service", binary)
	return driverstate.ServiceState{}
}

func TestServicesHeartbeat(t *testing.T) {
	l := newLab(t, nil)
	first := l.service(driverstate.BinaryBackup)
	assert.True(t, first.Up)
	assert.Equal(t, host, first.Host)
	assert.Equal(t, host+"@file", l.service(driverstate.BinaryVolume).Host)
	require.Eventually(t, func() bool { return l.service(driverstate.BinaryBackup).UpdatedAt.After(first.UpdatedAt) }, wait, tick)
	_, err := l.Services(t.Context(), tenant)
	require.ErrorIs(t, err, driverstate.ErrForbidden)
}

func TestServiceIsDownWithTheReasonAndComesUpByItself(t *testing.T) {
	dir := t.TempDir()
	before := newLab(t, nil)
	record := before.exported(nil, 1)

	l := openLab(t, dir, nil)
	l.driver.fail(atSetup, errors.New("share is not mounted"))
	l.start()
	s := l.service(driverstate.BinaryBackup)
	assert.False(t, s.Up)
	assert.Equal(t, "share is not mounted", s.Reason)
	assert.True(t, l.service(driverstate.BinaryVolume).Up)

	const down = "Service cinder-backup could not be found."
	v := l.newVolume()
	failed, err := l.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err, "Cinder accepts it")
	assert.Equal(t, driverstate.StatusError, failed.Status)
	assert.Equal(t, "Service not found for creating backup.", failed.FailReason)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, failed.ID, false), "nothing was written, so nothing is needed")
	assert.Nil(t, l.row(failed.ID))

	b := row(driverstate.StatusAvailable)
	require.NoError(t, l.db.BackupCreate(t.Context(), b))
	requireText(t, l.DeleteBackup(t.Context(), admin, b.ID, false), driverstate.ErrServiceDown, down)
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status, "refused means unchanged")
	_, err = l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{})
	requireText(t, err, driverstate.ErrServiceDown, down)
	_, err = l.ExportRecord(t.Context(), admin, b.ID)
	requireText(t, err, driverstate.ErrServiceDown, down)
	_, err = l.ImportRecord(t.Context(), admin, record)
	requireText(t, err, driverstate.ErrServiceDown, "Service cinder.backup.drivers.posix.PosixBackupDriver could not be found.")
	_, err = l.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{})
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "share is not mounted")
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusError), "needs no service")
	requireText(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable), driverstate.ErrServiceDown, down)

	l.driver.fail(atSetup, nil)
	require.Eventually(t, func() bool { return l.service(driverstate.BinaryBackup).Up }, wait, tick)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, false))
	l.untilGone(b.ID)
}

// row is a row whose backup the store never held.
func row(s driverstate.Status) *driverstate.Backup {
	const id = "5c9a1f0e-6f0b-4f8e-9a51-0d3b6a2c7e11"
	const volume = "7d0b2f1e-6f0b-4f8e-9a51-0d3b6a2c7e11"
	return &driverstate.Backup{
		ID: id, VolumeID: volume, ProjectID: project, UserID: admin.UserID, Host: host, Size: 1, Status: s,
		Service: "cinder.backup.drivers.posix.PosixBackupDriver", Container: "5c/9a/" + id,
		ServiceMetadata: "volume_" + volume + "_20261121055423_backup_" + id,
		CreatedAt:       time.Date(2026, 11, 21, 5, 54, 23, 0, time.UTC),
	}
}

func TestDisabledServiceTakesNoWork(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	s := l.service(driverstate.BinaryBackup).Service
	s.Disabled = true
	require.NoError(t, l.db.ServiceUpdate(t.Context(), &s))
	require.ErrorIs(t, l.DeleteBackup(t.Context(), admin, b.ID, false), driverstate.ErrServiceDown)
}

func TestStartEndsWhatADeadProcessLeft(t *testing.T) {
	dir := t.TempDir()
	l := openLab(t, dir, nil)
	require.NoError(t, l.Start(t.Context()))
	deleting, forced := l.managed(nil, image(200<<10, 1)), l.managed(nil, image(200<<10, 2))
	restoring, v := l.managed(nil, image(200<<10, 3)), l.newVolume()
	imported, lost := l.managed(nil, image(200<<10, 4)), row(driverstate.StatusCreating)
	resetting := l.managed(nil, image(200<<10, 5))
	elsewhere := l.managed(nil, image(200<<10, 6))
	verified := l.verify(restoring.ID, driverstate.DepthStructure)
	whole, written := l.copied()
	partial, source := l.copied()
	require.NoError(t, l.Stop(t.Context()))

	require.NoError(t, l.db.BackupCreate(t.Context(), lost))
	l.set(deleting.ID, driverstate.StatusDeleting, nil)
	l.set(forced.ID, driverstate.StatusDeleting, nil)
	l.worker("Backup", forced.ID, "force deleting", 0)
	l.set(restoring.ID, driverstate.StatusRestoring, func(b *driverstate.Backup) { b.RestoreVolumeID = v.ID })
	v.Status = driverstate.VolumeRestoring
	require.NoError(t, l.db.VolumeUpdate(t.Context(), v))
	l.set(imported.ID, driverstate.StatusCreating, nil)
	l.set(resetting.ID, driverstate.StatusDeleting, nil)
	l.worker("Backup", resetting.ID, "resetting", 0)
	l.set(elsewhere.ID, driverstate.StatusDeleting, func(b *driverstate.Backup) { b.Host = "other" })
	verified.ID, verified.Status = uuid.NewString(), driverstate.VerificationRunning
	require.NoError(t, l.db.VerificationCreate(t.Context(), verified))
	l.worker("Verification", verified.ID, "running", 0)
	for b, v := range map[*driverstate.Backup]*driverstate.Volume{whole: written, partial: source} {
		l.set(b.ID, driverstate.StatusCreating, nil)
		l.worker("Backup", b.ID, "creating", 0)
		v.Status, v.PreviousStatus = driverstate.VolumeBackingUp, driverstate.VolumeAvailable
		require.NoError(t, l.db.VolumeUpdate(t.Context(), v))
	}
	require.NoError(t, removeFile(l.object(partial.ID, "_metadata")))
	stale := db.Job{Kind: db.JobRestore, Queue: host, BackupID: imported.ID, VolumeID: v.ID}
	require.NoError(t, l.db.Update(t.Context(), func(tx db.Tx) error { return tx.JobInsert(t.Context(), &stale) }))
	require.NoError(t, l.db.Close())

	l = openLab(t, dir, nil)
	l.start()
	l.untilGone(deleting.ID)
	assert.Empty(t, l.objects(deleting.ID))
	l.untilGone(forced.ID)
	require.Eventually(t, func() bool { return len(l.notified("backup.delete.end", forced.ID)) == 1 }, wait, tick)
	assert.True(t, *l.announced("backup.delete.end", forced.ID).Payload.Force)
	assert.Equal(t, driverstate.StatusAvailable, l.row(restoring.ID).Status)
	assert.Equal(t, driverstate.VolumeErrorRestoring, l.volume(v.ID).Status)
	l.until(imported.ID, driverstate.StatusAvailable)
	assert.Equal(t, "the store holds nothing of it", l.until(lost.ID, driverstate.StatusError).FailReason)
	l.until(resetting.ID, driverstate.StatusAvailable)
	assert.Equal(t, driverstate.StatusDeleting, l.row(elsewhere.ID).Status, "another host's row")
	got, err := l.Verification(t.Context(), admin, verified.ID)
	require.NoError(t, err)
	assert.Equal(t, driverstate.VerificationFailed, got.Status)

	l.until(whole.ID, driverstate.StatusAvailable)
	assert.Equal(t, "incomplete backup reset on manager restart", l.until(partial.ID, driverstate.StatusError).FailReason)
	assert.Empty(t, l.objects(partial.ID))
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(written.ID).Status)
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(source.ID).Status)
	left, err := l.db.WorkerGetAll(t.Context(), 0)
	require.NoError(t, err)
	assert.Empty(t, left, "no entry is left behind")
}

// copied is a backup that this engine made, and its volume.
func (l *lab) copied() (*driverstate.Backup, *driverstate.Volume) {
	l.t.Helper()
	v := l.newVolume()
	require.NoError(l.t, fillVolume(v, image(256<<10, 9)))
	b, err := l.CreateBackup(l.t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(l.t, err)
	return l.until(b.ID, driverstate.StatusAvailable), v
}

func TestWorkWaitsForADriverThatIsDownAtStart(t *testing.T) {
	dir := t.TempDir()
	l := openLab(t, dir, nil)
	require.NoError(t, l.Start(t.Context()))
	b := l.managed(nil, image(200<<10, 1))
	require.NoError(t, l.Stop(context.Background()))
	l.set(b.ID, driverstate.StatusDeleting, nil)
	require.NoError(t, l.db.Close())

	l = openLab(t, dir, nil)
	l.driver.fail(atSetup, errors.New("share is not mounted"))
	l.start()
	assert.Equal(t, driverstate.StatusDeleting, l.row(b.ID).Status)
	l.driver.fail(atSetup, nil)
	l.untilGone(b.ID)
	assert.Empty(t, l.objects(b.ID))
}
