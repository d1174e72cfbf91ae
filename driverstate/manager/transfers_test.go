package manager_test

import (
	"net/http"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// offer makes a transfer by a route and returns its id and key.
func (l *lab) offer(route, body string) (id, key string) {
	l.t.Helper()
	code, answer := l.ask("tenant", "POST", route, `{"transfer":`+body+`}`)
	require.Equal(l.t, http.StatusAccepted, code, answer)
	return idOf(l.t, answer), answer["transfer"].(map[string]any)["auth_key"].(string)
}

func TestATransferGivesAVolumeAndItsSnapshotsToAnotherProject(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	s := l.snapshotOf(v)
	id, key := l.offer("volume-transfers", `{"volume_id":"`+v.ID+`","name":" gift "}`)
	assert.Regexp(t, regexp.MustCompile(`^[0-9a-f]{16}$`), key)
	assert.EqualValues(t, "awaiting-transfer", l.volume(v.ID).Status)
	row, err := l.db.TransferGet(t.Context(), id)
	require.NoError(t, err)
	assert.Len(t, row.Salt, 8)
	assert.Len(t, row.CryptHash, 40)
	assert.NotContains(t, row.CryptHash, key)

	_, answer := l.ask("tenant", "GET", "volume-transfers/"+id, "")
	shown := answer["transfer"].(map[string]any)
	assert.ElementsMatch(t, []string{"id", "created_at", "name", "volume_id", "links", "no_snapshots", "destination_project_id", "source_project_id", "accepted"}, keys(shown))
	assert.Equal(t, []any{"gift", v.ID, project, nil, false, false},
		[]any{shown["name"], shown["volume_id"], shown["source_project_id"], shown["destination_project_id"], shown["accepted"], shown["no_snapshots"]})
	_, answer = l.askAt("3.0", "tenant", "GET", "os-volume-transfer/"+id, "")
	assert.ElementsMatch(t, []string{"id", "created_at", "name", "volume_id", "links"}, keys(answer["transfer"]))
	for _, path := range []string{"os-volume-transfer", "os-volume-transfer/detail", "volume-transfers?name=gift", "volume-transfers/detail"} {
		_, answer = l.ask("tenant", "GET", path, "")
		assert.Equal(t, []string{id}, ids(answer, "transfers"), path)
		_, answer = l.ask("stranger", "GET", path, "")
		assert.Empty(t, ids(answer, "transfers"), path)
	}
	code, answer := l.ask("stranger", "GET", "volume-transfers/"+id, "")
	assert.Equal(t, http.StatusNotFound, code)
	assert.Equal(t, "Transfer "+id+" could not be found.", message(answer))
	code, answer = l.ask("tenant", "DELETE", "volumes/"+v.ID, "")
	assert.Equal(t, http.StatusBadRequest, code, answer)

	accept := func(who, key string) (int, map[string]any) {
		return l.ask(who, "POST", "volume-transfers/"+id+"/accept", `{"accept":{"auth_key":`+key+`}}`)
	}
	for _, wrong := range []string{`"wrong"`, `1234567890123456`} {
		code, answer = accept("stranger", wrong)
		assert.Equal(t, http.StatusBadRequest, code)
		assert.Equal(t, "Invalid auth key: Attempt to transfer "+id+" with invalid auth key.", message(answer))
	}
	code, answer = l.ask("admin", "PUT", "os-quota-sets/"+other, `{"quota_set":{"gigabytes":1}}`)
	require.Equal(t, http.StatusOK, code, answer)
	code, answer = accept("stranger", `"`+key+`"`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, code)
	assert.Contains(t, message(answer), "exceeds allowed gigabytes quota. Requested")
	assert.Equal(t, []any{project, driverstate.VolumeStatus("awaiting-transfer")}, []any{l.volume(v.ID).ProjectID, l.volume(v.ID).Status}, "all or nothing")
	code, answer = l.ask("admin", "PUT", "os-quota-sets/"+other, `{"quota_set":{"gigabytes":2}}`)
	require.Equal(t, http.StatusOK, code, answer)

	code, answer = accept("stranger", `"`+key+`"`)
	require.Equal(t, http.StatusAccepted, code, answer)
	assert.ElementsMatch(t, []string{"id", "volume_id", "name", "links"}, keys(answer["transfer"]))
	now := l.volume(v.ID)
	assert.Equal(t, []any{other, stranger.UserID, driverstate.VolumeAvailable}, []any{now.ProjectID, now.UserID, now.Status})
	assert.Equal(t, []string{other, stranger.UserID}, []string{l.snapshotRow(s.ID).ProjectID, l.snapshotRow(s.ID).UserID})
	for path, want := range map[string]float64{project: 0, other: 1} {
		_, answer = l.ask("admin", "GET", "os-quota-sets/"+path+"?usage=true", "")
		set := answer["quota_set"].(map[string]any)
		for _, resource := range []string{"volumes", "snapshots", "volumes___DEFAULT__"} {
			assert.Equal(t, want, set[resource].(map[string]any)["in_use"], "%s %s", path, resource)
		}
	}
	code, _ = accept("stranger", `"`+key+`"`)
	assert.Equal(t, http.StatusNotFound, code, "it is over")
}

func TestATransferLeavesSnapshotsOutAndCanBeWithdrawn(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	s := l.snapshotOf(v)
	body := `{"volume_id":"` + v.ID + `","no_snapshots":true}`
	code, answer := l.ask("tenant", "POST", "os-volume-transfer", `{"transfer":`+body+`}`)
	assert.Equal(t, http.StatusBadRequest, code, "the old route cannot: %v", answer)
	require.NoError(t, l.ResetSnapshotStatus(t.Context(), admin, s.ID, driverstate.SnapshotError))
	code, answer = l.ask("tenant", "POST", "volume-transfers", `{"transfer":{"volume_id":"`+v.ID+`"}}`)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Equal(t, "Invalid snapshot: snapshot: "+s.ID+" status must be available", message(answer))
	id, _ := l.offer("volume-transfers", body)
	code, answer = l.ask("tenant", "POST", "volume-transfers", `{"transfer":`+body+`}`)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Equal(t, "Invalid volume: status must be available", message(answer))
	code, _ = l.ask("stranger", "DELETE", "volume-transfers/"+id, "")
	assert.Equal(t, http.StatusNotFound, code)
	code, _ = l.ask("tenant", "DELETE", "volume-transfers/"+id, "")
	assert.Equal(t, http.StatusAccepted, code)
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)

	id, key := l.offer("volume-transfers", body)
	accept := `{"accept":{"auth_key":"` + key + `"}}`
	require.NoError(t, l.ResetVolumeStatus(t.Context(), admin, v.ID, driverstate.VolumeError))
	code, answer = l.ask("stranger", "POST", "volume-transfers/"+id+"/accept", accept)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Equal(t, "Invalid volume: Transfer "+id+": Volume id "+v.ID+" expected in awaiting-transfer state.", message(answer))
	require.NoError(t, l.ResetVolumeStatus(t.Context(), admin, v.ID, "awaiting-transfer"))
	code, answer = l.ask("stranger", "POST", "volume-transfers/"+id+"/accept", accept)
	require.Equal(t, http.StatusAccepted, code, answer)
	assert.Equal(t, other, l.volume(v.ID).ProjectID)
	assert.Equal(t, project, l.snapshotRow(s.ID).ProjectID)
}

func TestOfManyWhoAcceptATransferOneGetsIt(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	id, key := l.offer("os-volume-transfer", `{"volume_id":"`+v.ID+`"}`)
	var all sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		all.Go(func() {
			codes[i], _ = l.ask("stranger", "POST", "os-volume-transfer/"+id+"/accept", `{"accept":{"auth_key":"`+key+`"}}`)
		})
	}
	all.Wait()
	got := map[int]int{}
	for _, code := range codes {
		got[code]++
	}
	assert.Equal(t, map[int]int{http.StatusAccepted: 1, http.StatusNotFound: 7}, got)
}

func TestAVolumeThatIsForceDeletedLeavesNoTransfer(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	id, _ := l.offer("os-volume-transfer", `{"volume_id":"`+v.ID+`"}`)
	require.NoError(t, l.ForceDeleteVolume(t.Context(), admin, v.ID))
	_, err := l.db.TransferGet(t.Context(), id)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}
