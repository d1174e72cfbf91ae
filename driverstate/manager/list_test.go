package manager_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

func TestBackupsAreSeenByTheirProjectAndByAdmins(t *testing.T) {
	l := newLab(t, nil)
	own, foreign := l.managed(nil, image(64<<10, 1)), l.managed(nil, image(64<<10, 2))
	l.set(foreign.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.ProjectID = other })
	for _, c := range []struct {
		caller driverstate.Caller
		want   []string
	}{
		{admin, []string{own.ID, foreign.ID}},
		{tenant, []string{own.ID}},
		{driverstate.Caller{ProjectID: other}, []string{foreign.ID}},
	} {
		rows, err := l.Backups(t.Context(), c.caller, driverstate.BackupFilter{})
		require.NoError(t, err)
		var got []string
		for _, b := range rows {
			got = append(got, b.ID)
			_, err := l.Backup(t.Context(), c.caller, b.ID)
			require.NoError(t, err)
		}
		assert.ElementsMatch(t, c.want, got)
		n, err := l.BackupCount(t.Context(), c.caller, driverstate.BackupFilter{})
		require.NoError(t, err)
		assert.Equal(t, len(c.want), n)
	}
	rows, err := l.Backups(t.Context(), tenant, driverstate.BackupFilter{ProjectID: other})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.Equal(t, own.ID, rows[0].ID, "a tenant cannot ask for another project")
	_, err = l.Backups(t.Context(), tenant, driverstate.BackupFilter{Marker: foreign.ID})
	requireText(t, err, driverstate.ErrNotFound, "Backup "+foreign.ID+" could not be found.")
	_, err = l.Backups(t.Context(), tenant, driverstate.BackupFilter{Marker: own.ID})
	require.NoError(t, err)
	_, err = l.Backups(t.Context(), admin, driverstate.BackupFilter{Marker: foreign.ID, ProjectID: project})
	require.NoError(t, err, "an admin may begin after any")
	_, err = l.Backups(t.Context(), admin, driverstate.BackupFilter{Marker: "nothing"})
	requireText(t, err, driverstate.ErrNotFound, "Backup nothing could not be found.")
}

func TestVerificationTellsItsProgressAndIsStoppedByAForceDelete(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	looking := l.driver.hold(atVerify)
	v, err := l.CreateVerification(t.Context(), admin, driverstate.VerifyRequest{BackupIDs: []string{b.ID}, Depth: driverstate.DepthData})
	require.NoError(t, err)
	looking.wait(t)
	require.Eventually(t, func() bool {
		v, err = l.Verification(t.Context(), admin, v.ID)
		require.NoError(t, err)
		return v.BytesDone == 1 && v.BytesTotal == 2
	}, wait, tick)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, true))
	require.Eventually(t, func() bool {
		v, err = l.Verification(t.Context(), admin, v.ID)
		require.NoError(t, err)
		return v.Status == driverstate.VerificationFailed
	}, wait, tick)
	assert.Contains(t, v.Error, "deleted")
	l.untilGone(b.ID)
}

func TestNewRefusesAConfigurationThatCannotWork(t *testing.T) {
	l := newLab(t, nil)
	c := l.conf
	c.Host = ""
	_, err := manager.New(c)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	c = l.conf
	c.DB = nil
	_, err = manager.New(c)
	require.Error(t, err)
	idle, err := manager.New(l.conf)
	require.NoError(t, err)
	require.NoError(t, idle.Stop(t.Context()), "one that never started has nothing to stop")
	require.ErrorIs(t, idle.DeleteBackup(t.Context(), admin, l.managed(nil, image(64<<10, 1)).ID, false), driverstate.ErrServiceDown)
}

func TestNotificationsCarryThePublisherAndTheRow(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(64<<10, 1))
	l.set(b.ID, driverstate.StatusError, nil)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
	require.Eventually(t, func() bool { return len(l.notified("backup.reset_status.end", b.ID)) == 1 }, wait, tick)
	n := l.announced("backup.reset_status.end", b.ID)
	assert.Equal(t, "backup."+host, n.Publisher)
	assert.Equal(t, "available", n.Payload.Status)
	assert.Equal(t, project, n.Payload.TenantID)
	assert.Nil(t, n.Payload.Force)
	created, err := time.Parse("2006-01-02T15:04:05-07:00", n.Payload.CreatedAt)
	require.NoError(t, err)
	assert.True(t, created.Equal(b.CreatedAt))
}
