package manager_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestAVolumeIsResetAsItIs(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	reset := func(who, status string) (int, string) {
		code, answer := l.ask(who, "POST", "volumes/"+v.ID+"/action", `{"os-reset_status":{"status":"`+status+`"}}`)
		return code, message(answer)
	}
	for _, s := range []string{"backing-up", "error_restoring", "error"} {
		code, text := reset("admin", s)
		assert.Equal(t, http.StatusAccepted, code, text)
		assert.EqualValues(t, s, l.volume(v.ID).Status)
	}
	code, text := reset("admin", "in-use")
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Equal(t, "Cannot reset-state to in-use because volume does not have any attachments.", text)
	code, text = reset("tenant", "available")
	assert.Equal(t, http.StatusForbidden, code)
	assert.Equal(t, "Policy doesn't allow volume_extension:volume_admin_actions:reset_status to be performed.", text)
	code, _ = reset("stranger", "available")
	assert.Equal(t, http.StatusNotFound, code)

	status, _ := l.ask("tenant", "DELETE", "volumes/"+v.ID, "")
	assert.Equal(t, http.StatusAccepted, status, "one in error is deleted")
	assert.NoFileExists(t, v.Path)
}

func TestAResetVolumeKeepsItsStatusWhenTheBackupEnds(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	running := l.driver.hold(atBackup)
	b, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	running.wait(t)
	require.NoError(t, l.ResetVolumeStatus(t.Context(), admin, v.ID, driverstate.VolumeError))
	l.driver.open(atBackup)
	l.until(b.ID, driverstate.StatusAvailable)
	assert.Equal(t, driverstate.VolumeError, l.volume(v.ID).Status)
}

func TestForceDeleteOfAVolumeStopsItsWork(t *testing.T) {
	l := newLab(t, nil)
	source, target := l.tenantVolume(), l.tenantVolume()
	good := l.backedUp("tenant", `{"backup":{"volume_id":"`+source.ID+`"}}`)
	force := func(who, id string) int {
		code, _ := l.ask(who, "POST", "volumes/"+id+"/action", `{"os-force_delete":{}}`)
		return code
	}

	copying, restoring := l.driver.hold(atBackup), l.driver.hold(atRestore)
	b, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: source.ID})
	require.NoError(t, err)
	_, err = l.RestoreBackup(t.Context(), tenant, good, driverstate.RestoreRequest{VolumeID: target.ID})
	require.NoError(t, err)
	copying.wait(t)
	restoring.wait(t)
	status, answer := l.ask("tenant", "DELETE", "volumes/"+source.ID, "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, message(answer), "Invalid volume: Volume status must be available or error")
	assert.Equal(t, http.StatusForbidden, force("tenant", source.ID))
	assert.Equal(t, http.StatusNotFound, force("stranger", source.ID))

	assert.Equal(t, http.StatusAccepted, force("admin", source.ID))
	assert.Equal(t, http.StatusAccepted, force("admin", target.ID))
	assert.NoFileExists(t, source.Path)
	assert.NoFileExists(t, target.Path)
	failed := l.until(b.ID, driverstate.StatusError)
	assert.Equal(t, "stopped: its volume was deleted", failed.FailReason)
	assert.Empty(t, l.objects(b.ID))
	restored := l.until(good, driverstate.StatusAvailable)
	assert.Equal(t, "stopped: its volume was deleted", restored.FailReason)
	assert.Equal(t, http.StatusNotFound, force("admin", source.ID))
	left, err := l.db.WorkerGetAll(t.Context(), 0)
	require.NoError(t, err)
	assert.Empty(t, left)
}
