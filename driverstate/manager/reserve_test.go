package manager_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestAVolumeIsReservedForOne(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	act := func(who, action string) (int, string) {
		code, answer := l.ask(who, "POST", "volumes/"+v.ID+"/action", `{"`+action+`":{}}`)
		return code, message(answer)
	}
	code, text := act("tenant", "os-reserve")
	assert.Equal(t, http.StatusAccepted, code, text)
	assert.EqualValues(t, "attaching", l.volume(v.ID).Status)
	code, text = act("tenant", "os-reserve")
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Equal(t, "Invalid volume: Volume status must be available to reserve, but the status is attaching.", text)
	for _, action := range []string{"os-reserve", "os-unreserve"} {
		code, _ = act("stranger", action)
		assert.Equal(t, http.StatusNotFound, code)
	}
	for range 2 { // the second finds nothing to do
		code, text = act("tenant", "os-unreserve")
		assert.Equal(t, http.StatusAccepted, code, text)
		assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)
	}
	require.NoError(t, l.ReserveVolume(t.Context(), tenant, v.ID))
	require.NoError(t, l.AttachVolume(t.Context(), tenant, v.ID, driverstate.AttachRequest{HostName: "h", Device: "/dev/vdb"}))
	require.NoError(t, l.ResetVolumeStatus(t.Context(), admin, v.ID, "attaching"))
	code, _ = act("tenant", "os-unreserve")
	assert.Equal(t, http.StatusAccepted, code)
	assert.Equal(t, driverstate.VolumeInUse, l.volume(v.ID).Status, "somebody else still has it")
}

func TestTheStatusOfASnapshotIsToldAsFarAsCinderLets(t *testing.T) {
	l := newLab(t, nil)
	s := l.snapshotOf(l.ownVolume())
	tell := func(who, doc string) (int, string) {
		code, answer := l.ask(who, "POST", "snapshots/"+s.ID+"/action", `{"os-update_snapshot_status":`+doc+`}`)
		return code, message(answer)
	}
	code, text := tell("tenant", `{"status":"error"}`)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Equal(t, "Snapshot status available not allowed for update_snapshot_status", text)

	require.NoError(t, l.ResetSnapshotStatus(t.Context(), admin, s.ID, driverstate.SnapshotCreating))
	code, text = tell("tenant", `{"status":"error_deleting"}`)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Equal(t, "Provided snapshot status error_deleting not allowed for snapshot with status creating.", text)
	for progress, want := range map[string]string{
		`"x"`: "Invalid input received: progress must be an integer percentage", `"50"`: "Invalid input received: progress must be an integer percentage between 0 and 100",
		`"200%"`: "Invalid input received: progress must be an integer percentage between 0 and 100", `5`: "Invalid input received: progress must be an integer percentage",
	} {
		code, text = tell("tenant", `{"status":"available","progress":`+progress+`}`)
		assert.Equal(t, http.StatusBadRequest, code, progress)
		assert.Equal(t, want, text, progress)
	}
	code, _ = tell("stranger", `{"status":"available"}`)
	assert.Equal(t, http.StatusNotFound, code)
	code, text = tell("tenant", `{"status":"available","progress":"100%"}`)
	assert.Equal(t, http.StatusAccepted, code, text)
	assert.Equal(t, driverstate.SnapshotAvailable, l.snapshotRow(s.ID).Status)

	require.NoError(t, l.ResetSnapshotStatus(t.Context(), admin, s.ID, driverstate.SnapshotDeleting))
	code, text = tell("tenant", `{"status":"error_deleting"}`)
	assert.Equal(t, http.StatusAccepted, code, text)
	assert.Equal(t, driverstate.SnapshotErrorDeleting, l.snapshotRow(s.ID).Status)
}
