package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

func TestVolumeTypes(t *testing.T) {
	one := []string{"id", "name", "is_public", "description", "extra_specs"}
	const public = "os-volume-type-access:is_public"
	for who, h := range map[string]struct {
		http.Handler
		more []string
	}{
		"admin":  {serve(&fake{}), []string{"qos_specs_id"}},
		"tenant": {api.New(&fake{}, api.Config{Auth: tenant{}}), nil},
	} {
		list := decode(t, send(t, h, ask{path: v3 + "/types"}))["volume_types"].([]any)
		require.Len(t, list, 1)
		shown := list[0].(map[string]any)
		assert.ElementsMatch(t, append(append([]string{public}, one...), h.more...), keysOf(shown), who)
		byID := decode(t, send(t, h, ask{path: v3 + "/types/" + shown["id"].(string)}))["volume_type"]
		assert.Equal(t, shown, byID)
		byDefault := decode(t, send(t, h, ask{path: v3 + "/types/default"}))["volume_type"].(map[string]any)
		assert.ElementsMatch(t, append(append([]string(nil), one...), h.more...), keysOf(byDefault), who)
		assert.Equal(t, "__DEFAULT__", byDefault["name"])
	}
}

func TestMessagesAreFilteredAndPagedFrom35(t *testing.T) {
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	msg := func(id, resource string, detail driverstate.MessageDetail, n int) *driverstate.Message {
		return &driverstate.Message{ID: id, ProjectID: project, RequestID: "req-" + id, ResourceType: driverstate.MessageOfBackup, ResourceID: resource,
			Action: driverstate.MessageBackupCreate, Detail: detail, Level: "ERROR", CreatedAt: at.Add(time.Duration(n) * time.Second)}
	}
	f := &fake{messages: []*driverstate.Message{
		msg("c", backupID, driverstate.MessageCreateFailed, 2), msg("b", anotherID, driverstate.MessageServiceDown, 1), msg("a", backupID, driverstate.MessageServiceDown, 0),
	}}
	list := func(version, query string) (ids string) {
		doc := decode(t, send(t, serve(f), ask{path: v3 + "/messages?" + query, version: version}))
		for _, m := range doc["messages"].([]any) {
			ids += m.(map[string]any)["id"].(string)
		}
		return ids
	}
	for query, want := range map[string]string{
		"": "cba", "resource_uuid=" + backupID: "ca", "resource_type=VOLUME_BACKUP": "cba", "resource_type=VOLUME": "", "message_level=ERROR&limit=2": "cb",
		"request_id=req-b": "b", "event_id=VOLUME_VOLUME_BACKUP_013_018": "ba", "sort=created_at:asc": "abc", "marker=c": "ba",
	} {
		assert.Equal(t, want, list("3.71", query), query)
	}
	assert.Equal(t, "cba", list("3.4", "limit=1&nonsense=1"))
	r := send(t, serve(f), ask{path: v3 + "/messages/c", version: "3.3"})
	assert.Equal(t, "create backup:Backup driver failed to create backup.", decode(t, r)["message"].(map[string]any)["user_message"])
	r = send(t, serve(f), ask{method: "DELETE", path: v3 + "/messages/c", version: "3.3"})
	assert.Equal(t, http.StatusNoContent, r.StatusCode)
	assert.Empty(t, read(t, r))
	assert.Equal(t, "c", f.id)
}

func TestOnlyTheStatusOfAVolumeIsReset(t *testing.T) {
	path := v3 + "/volumes/" + volumeID + "/action"
	f := &fake{volumes: []*driverstate.Volume{sampleVolume()}}
	post := func(body string) *http.Response {
		f.reset, f.called = "", nil
		return send(t, serve(f), ask{method: "POST", path: path, body: body})
	}
	assert.Equal(t, http.StatusAccepted, post(`{"os-reset_status":{"status":"Error_Restoring"}}`).StatusCode)
	assert.Equal(t, driverstate.VolumeErrorRestoring, f.reset)
	assert.Equal(t, http.StatusAccepted, post(`{"os-reset_status":{"attach_status":"detached"}}`).StatusCode)
	assert.Equal(t, []string{"Volume"}, f.called, "that is what it is")
	_, message := fault(t, post(`{"os-reset_status":{"status":"available","attach_status":"attached"}}`))
	assert.Equal(t, "Volume attach status cannot be attached: nobody has told the engine who has the volume.", message)
	_, message = fault(t, post(`{"os-reset_status":{"migration_status":"migrating"}}`))
	assert.Contains(t, message, "are not migrated")
	f.volumes[0].Attachments = []driverstate.Attachment{{AttachmentID: anotherID}}
	assert.Equal(t, http.StatusAccepted, post(`{"os-reset_status":{"attach_status":"detached"}}`).StatusCode)
	assert.Equal(t, []string{"Volume", "ForgetAttachments"}, f.called)
	for _, value := range []string{"null", "{}"} { // cinderclient sends null
		assert.Equal(t, http.StatusAccepted, post(`{"os-force_delete":`+value+`}`).StatusCode)
		assert.True(t, f.force)
	}
}

func TestAClusterIsSetByNameAndBinary(t *testing.T) {
	f := &fake{clusters: []driverstate.ClusterState{{Cluster: driverstate.Cluster{Name: "c@file", Binary: driverstate.BinaryVolume}}}}
	put := func(action, body string) {
		r := send(t, serve(f), ask{method: "PUT", path: v3 + "/clusters/" + action, version: "3.7", body: body})
		require.Equal(t, http.StatusOK, r.StatusCode, read(t, r))
	}
	put("disable", `{"name":"c@file","disabled_reason":" why "}`)
	assert.Equal(t, driverstate.ClusterSetting{Name: "c@file", Binary: driverstate.BinaryVolume, Disabled: true, Reason: "why"}, f.cluster)
	put("enable", `{"name":"c@file","binary":"cinder-backup"}`)
	assert.Equal(t, driverstate.ClusterSetting{Name: "c@file", Binary: driverstate.BinaryBackup}, f.cluster)
	put("enable", `{"name":"c@file","binary":null}`)
	assert.Empty(t, f.cluster.Binary, "any")
}
