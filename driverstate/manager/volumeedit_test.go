package manager_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

const server = "63bb3f2c-e7a9-4b4c-8d8a-3b9b0a3d9c55"

// act sends an action to a volume.
func (l *lab) act(who, id, body string) (int, string) {
	l.t.Helper()
	status, answer := l.ask(who, "POST", "volumes/"+id+"/action", body)
	return status, message(answer)
}

func TestVolumesAreMadeFromSnapshotsVolumesAndBackups(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	s := l.snapshotOf(v)
	status, text := l.act("tenant", v.ID, `{"os-set_bootable":{"bootable":"true"}}`)
	require.Equal(t, http.StatusOK, status, text)

	create := func(body string) (int, map[string]any) {
		return l.ask("tenant", "POST", "volumes", `{"volume":`+body+`}`)
	}
	status, answer := create(`{"snapshot_id":"` + s.ID + `","name":"a"}`)
	require.Equal(t, http.StatusAccepted, status, answer)
	doc := answer["volume"].(map[string]any)
	assert.Equal(t, "creating", doc["status"])
	assert.Equal(t, s.ID, doc["snapshot_id"])
	assert.Equal(t, "true", doc["bootable"])
	made := l.untilVolume(idOf(t, answer), driverstate.VolumeAvailable)
	sameImage(t, v.Path, made.Path, 1<<30)

	status, answer = create(`{"source_volid":"` + v.ID + `","size":2}`)
	require.Equal(t, http.StatusAccepted, status, answer)
	assert.Equal(t, v.ID, answer["volume"].(map[string]any)["source_volid"])
	clone := l.untilVolume(idOf(t, answer), driverstate.VolumeAvailable)
	assert.EqualValues(t, 2, clone.Size)
	sameImage(t, v.Path, clone.Path, 2<<30)

	b := l.managed(nil, image(64<<10, 1))
	status, answer = create(`{"backup_id":"` + b.ID + `"}`)
	require.Equal(t, http.StatusAccepted, status, answer)
	restored := l.untilVolume(idOf(t, answer), driverstate.VolumeAvailable)
	l.until(b.ID, driverstate.StatusAvailable)
	assert.Equal(t, b.ID, restored.Metadata["src_backup_id"])
	assert.Equal(t, image(64<<10, 1), readAt(t, restored.Path, 0))

	l.limit(`{"volumes":-1}`)
	grown := l.volume(v.ID)
	grown.Size = 2
	require.NoError(t, l.db.VolumeUpdate(t.Context(), grown))
	for body, c := range map[string]struct {
		status int
		text   string
	}{
		`{"snapshot_id":"` + server + `"}`:                  {404, "Snapshot " + server + " could not be found."},
		`{"snapshot_id":"x"}`:                               {400, "Invalid input for field/attribute snapshot_id. Value: x. 'x' is not valid under any of the given schemas"},
		`{"source_volid":"` + server + `"}`:                 {404, "Volume " + server + " could not be found."},
		`{"backup_id":"` + server + `"}`:                    {404, "Backup " + server + " could not be found."},
		`{"source_volid":"` + v.ID + `","size":1}`:          {400, "Invalid input received: Volume size '1'GB cannot be smaller than original volume size  2GB. They must be >= original volume size."},
		`{"name":"x"}`:                                      {400, "The server could not comply with the request since it is either malformed or otherwise incorrect."},
		`{"size":1,"availability_zone":"nope"}`:             {400, "Availability zone 'nope' is invalid."},
		`{"size":1,"volume_type":"nope"}`:                   {404, "Volume type with name nope could not be found."},
		`{"size":1,"consistencygroup_id":"` + server + `"}`: {404, "Group " + server + " could not be found."},
	} {
		status, answer := create(body)
		assert.Equal(t, c.status, status, body)
		assert.Equal(t, c.text, message(answer), body)
	}
	status, answer = l.ask("stranger", "POST", "volumes", `{"volume":{"snapshot_id":"`+s.ID+`"}}`)
	assert.Equal(t, http.StatusNotFound, status, answer)
	status, answer = l.ask("stranger", "POST", "volumes", `{"volume":{"source_volid":"`+v.ID+`"}}`)
	assert.Equal(t, http.StatusNotFound, status, answer)

	status, _ = l.ask("admin", "POST", "snapshots/"+s.ID+"/action", `{"os-reset_status":{"status":"error"}}`)
	require.Equal(t, http.StatusAccepted, status)
	_, answer = create(`{"snapshot_id":"` + s.ID + `"}`)
	assert.Equal(t, "Invalid snapshot: Originating snapshot status must be one of 'available' values", message(answer))
	status, text = l.act("admin", v.ID, `{"os-reset_status":{"status":"error"}}`)
	require.Equal(t, http.StatusAccepted, status, text)
	_, answer = create(`{"source_volid":"` + v.ID + `"}`)
	assert.Equal(t, "Invalid volume: Originating source volume status must be one of 'available, in-use' values", message(answer))
}

func TestABackupOfASnapshotHasItsBytesAndItsTime(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	_, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`"}}`)
	full := l.until(idOf(t, answer), driverstate.StatusAvailable)
	s := l.snapshotOf(v)
	l.write(v.Path, image(64<<10, 99), 0)
	_, answer = l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`"}}`)
	l.until(idOf(t, answer), driverstate.StatusAvailable)

	status, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`","snapshot_id":"`+s.ID+`","incremental":true}}`)
	require.Equal(t, http.StatusAccepted, status, answer)
	id := idOf(t, answer)
	b := l.until(id, driverstate.StatusAvailable)
	assert.Equal(t, full.ID, b.ParentID, "the newest that is older than the snapshot")
	assert.Equal(t, s.CreatedAt, b.DataTimestamp)
	_, answer = l.ask("tenant", "GET", "backups/"+id, "")
	assert.Equal(t, s.ID, answer["backup"].(map[string]any)["snapshot_id"])
	l.untilSnapshot(s.ID, driverstate.SnapshotAvailable)
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status, "the volume has no part in it")

	_, answer = l.ask("tenant", "POST", "volumes", `{"volume":{"backup_id":"`+id+`"}}`)
	restored := l.untilVolume(idOf(t, answer), driverstate.VolumeAvailable)
	assert.Equal(t, image(64<<10, 7), readAt(t, restored.Path, 0))

	another := l.ownVolume()
	for body, c := range map[string]struct {
		status int
		text   string
	}{
		`{"volume_id":"` + v.ID + `","snapshot_id":"` + server + `"}`:     {404, "Snapshot " + server + " could not be found."},
		`{"volume_id":"` + another.ID + `","snapshot_id":"` + s.ID + `"}`: {400, "Invalid volume: Volume " + another.ID + " does not match with snapshot.volume_id " + v.ID + "."},
	} {
		status, answer := l.ask("tenant", "POST", "backups", `{"backup":`+body+`}`)
		assert.Equal(t, c.status, status)
		assert.Equal(t, c.text, message(answer))
	}
	l.ask("admin", "POST", "snapshots/"+s.ID+"/action", `{"os-reset_status":{"status":"error"}}`)
	status, answer = l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`","snapshot_id":"`+s.ID+`"}}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, `Invalid snapshot: Snapshot to be backed up must be available, but the current status is "error".`, message(answer))
}

func TestAVolumeWithSnapshotsGoesWithThemOnly(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	l.snapshotOf(v)
	l.snapshotOf(v)
	status, answer := l.ask("tenant", "DELETE", "volumes/"+v.ID, "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.", message(answer))
	status, _ = l.ask("stranger", "DELETE", "volumes/"+v.ID+"?cascade=true", "")
	assert.Equal(t, http.StatusNotFound, status)
	status, _ = l.ask("tenant", "DELETE", "volumes/"+v.ID+"?cascade=true", "")
	assert.Equal(t, http.StatusAccepted, status)
	assert.Empty(t, l.files())
	_, answer = l.ask("tenant", "GET", "snapshots", "")
	assert.Empty(t, ids(answer, "snapshots"))
}

func TestAVolumeIsExtendedAttachedAndMarked(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	show := func() map[string]any {
		_, answer := l.ask("tenant", "GET", "volumes/"+v.ID, "")
		return answer["volume"].(map[string]any)
	}
	for _, c := range []struct {
		body   string
		status int
		text   string
	}{
		{`{"os-extend":{"new_size":1}}`, 400, "Invalid input received: New size for extend must be greater than current size. (current: 1, extended: 1)."},
		{`{"os-extend":{"new_size":0}}`, 400, "Invalid input for field/attribute new_size. Value: 0. 0 is less than the minimum of 1"},
		{`{"os-extend":{"new_size":"x"}}`, 400, "Invalid input for field/attribute new_size. Value: x. 'x' does not match '^[0-9]+$'"},
		{`{"os-extend":{}}`, 400, "Invalid input for field/attribute os-extend. Value: {}. 'new_size' is a required property"},
		{`{"os-extend":{"new_size":"2"}}`, 202, ""},
		{`{"os-set_bootable":{}}`, 400, "Invalid input for field/attribute os-set_bootable. Value: {}. 'bootable' is a required property"},
		{`{"os-set_bootable":{"bootable":true}}`, 200, ""},
		{`{"os-update_readonly_flag":{"readonly":false}}`, 202, ""},
		{`{"os-detach":{}}`, 202, ""},
		{`{"os-attach":{"mountpoint":"/dev/vdb"}}`, 400, "Invalid input for field/attribute os-attach. Value: {'mountpoint': '/dev/vdb'}. {'mountpoint': '/dev/vdb'} is not valid under any of the given schemas"},
		{`{"os-attach":{"instance_uuid":"x","mountpoint":"/dev/vdb"}}`, 400, "Invalid input for field/attribute instance_uuid. Value: x. 'x' is not a 'uuid'"},
		{`{"os-attach":{"instance_uuid":"` + server + `","mountpoint":"/dev/vdb","mode":"xx"}}`, 400, "Invalid input for field/attribute mode. Value: xx. 'xx' is not one of ['rw', 'ro']"},
		{`{"os-attach":{"instance_uuid":"` + server + `","mountpoint":"/dev/vdb","mode":"rw"}}`, 202, ""},
		{`{"os-attach":{"instance_uuid":"` + server + `","mountpoint":"/dev/vdb","mode":"rw"}}`, 202, ""},
		{`{"os-retype":{"new_type":"x"}}`, 501, "The engine of cinder-go has no action os-retype: nothing was done."},
		{`{"os-nonsense":{}}`, 400, "There is no such action: os-nonsense. Verify the request body and Content-Type header and try again."},
	} {
		status, text := l.act("tenant", v.ID, c.body)
		assert.Equal(t, c.status, status, c.body)
		assert.Equal(t, c.text, text)
	}
	info, err := os.Stat(v.Path)
	require.NoError(t, err)
	assert.EqualValues(t, 2<<30, info.Size())
	doc := show()
	assert.Equal(t, 2.0, doc["size"])
	assert.Equal(t, "true", doc["bootable"])
	assert.Equal(t, "in-use", doc["status"])
	assert.Equal(t, map[string]any{"readonly": "False", "attached_mode": "rw"}, doc["metadata"])
	attachment := doc["attachments"].([]any)[0].(map[string]any)
	assert.Equal(t, []string{"attached_at", "attachment_id", "device", "host_name", "id", "server_id", "volume_id"}, keys(attachment))
	assert.Equal(t, server, attachment["server_id"])
	assert.Equal(t, v.ID, attachment["id"])
	assert.Nil(t, attachment["host_name"])
	_, answer := l.ask("tenant", "GET", "attachments/detail", "")
	assert.Equal(t, []string{attachment["attachment_id"].(string)}, ids(answer, "attachments"))
	assert.Equal(t, []string{"attach_mode", "attached_at", "connection_info", "detached_at", "id", "instance", "status", "volume_id"}, keys(answer["attachments"].([]any)[0]))

	status, answer := l.askAt("3.41", "tenant", "POST", "volumes/"+v.ID+"/action", `{"os-extend":{"new_size":3}}`)
	assert.Equal(t, http.StatusBadRequest, status, "in use only from 3.42")
	assert.Contains(t, message(answer), "to extend, currently in-use.")
	status, _ = l.askAt("3.42", "tenant", "POST", "volumes/"+v.ID+"/action", `{"os-extend":{"new_size":3}}`)
	assert.Equal(t, http.StatusAccepted, status)
	status, _ = l.ask("tenant", "DELETE", "volumes/"+v.ID, "")
	assert.Equal(t, http.StatusBadRequest, status, "attached")

	status, text := l.act("admin", v.ID, `{"os-reset_status":{"status":"error"}}`)
	assert.Equal(t, http.StatusAccepted, status, text)
	status, text = l.act("admin", v.ID, `{"os-reset_status":{"status":"in-use"}}`)
	assert.Equal(t, http.StatusAccepted, status, text)
	status, text = l.act("tenant", v.ID, `{"os-detach":{"attachment_id":"`+server+`"}}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Error detaching volume - VolumeAttachmentNotFound: Volume attachment could not be found with filter: attachment_id = "+server+".", text)
	status, _ = l.act("tenant", v.ID, `{"os-detach":{"attachment_id":"`+attachment["attachment_id"].(string)+`"}}`)
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, "available", show()["status"])
	assert.Equal(t, map[string]any{"readonly": "False"}, show()["metadata"])
	_, text = l.act("admin", v.ID, `{"os-reset_status":{"status":"in-use"}}`)
	assert.Equal(t, "Cannot reset-state to in-use because volume does not have any attachments.", text)
	for _, body := range []string{`{"os-extend":{"new_size":9}}`, `{"os-detach":{}}`, `{"os-set_bootable":{"bootable":true}}`, `{"os-retype":{}}`} {
		status, _ = l.act("stranger", v.ID, body)
		assert.Equal(t, http.StatusNotFound, status, body)
	}
}

func TestMetadataOfVolumesAndSnapshots(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	s := l.snapshotOf(v)
	status, _ := l.act("tenant", v.ID, `{"os-update_readonly_flag":{"readonly":true}}`)
	require.Equal(t, http.StatusAccepted, status)
	for kind, path := range map[string]string{"Volume " + v.ID: "volumes/" + v.ID + "/metadata", "Snapshot " + s.ID: "snapshots/" + s.ID + "/metadata"} {
		all := func(pairs ...any) map[string]any {
			m := map[string]any{}
			for i := 0; i < len(pairs); i += 2 {
				m[pairs[i].(string)] = pairs[i+1]
			}
			return map[string]any{"metadata": m}
		}
		for _, c := range []struct {
			method, key, body string
			status            int
			want              any
		}{
			{"PUT", "", `{"metadata":{"a":"b"}}`, 200, all("a", "b")},
			{"PUT", "/a", `{"meta":{"b":"c"}}`, 400, "Request body and URI mismatch"},
			{"PUT", "/a", `{"meta":{"a":"c","b":"d"}}`, 400, "Invalid input for field/attribute meta. Value: {'a': 'c', 'b': 'd'}. {'a': 'c', 'b': 'd'} has too many properties"},
			{"PUT", "/a", `{"meta":{"a":"c"}}`, 200, map[string]any{"meta": map[string]any{"a": "c"}}},
			{"POST", "", `{"metadata":{"q":"r"}}`, 200, all("a", "c", "q", "r")},
			{"GET", "", "", 200, all("a", "c", "q", "r")},
			{"GET", "/q", "", 200, map[string]any{"meta": map[string]any{"q": "r"}}},
			{"PUT", "", `{"metadata":{"only":"r"}}`, 200, all("only", "r")},
			{"GET", "/none", "", 404, kind + " has no metadata with key none."},
			{"DELETE", "/only", "", 200, nil},
			{"DELETE", "/only", "", 404, kind + " has no metadata with key only."},
			{"POST", "", `{"metadata":{"q":1}}`, 400, "Invalid input for field/attribute q. Value: 1. 1 is not of type 'string'"},
			{"POST", "", `{"metadata":{"":"1"}}`, 400, "Invalid input for field/attribute metadata. Value: {'': '1'}. '' does not match any of the regexes: '^[a-zA-Z0-9-_:. /]{1,255}$'"},
			{"POST", "", `{"metadata":null}`, 400, "Invalid input for field/attribute metadata. Value: None. None is not of type 'object'"},
			{"POST", "", `{"meta":{}}`, 400, "'metadata' is a required property"},
			{"GET", "", "", 200, all()},
		} {
			status, answer := l.ask("tenant", c.method, path+c.key, c.body)
			assert.Equal(t, c.status, status, c.body)
			switch want := c.want.(type) {
			case string:
				assert.Equal(t, want, message(answer))
			case nil:
				assert.Empty(t, answer)
			default:
				assert.Equal(t, want, answer, "%s %s", c.method, path+c.key)
			}
		}
	}
	assert.Equal(t, map[string]string{"readonly": "True"}, l.volume(v.ID).Metadata, "what is the engine's stays")
	status, answer := l.ask("tenant", "PUT", "volumes/"+v.ID, `{"volume":{"name":" n ","metadata":{"k":"v"}}}`)
	assert.Equal(t, http.StatusOK, status)
	doc := answer["volume"].(map[string]any)
	assert.Equal(t, "n", doc["name"])
	assert.Equal(t, map[string]any{"k": "v", "readonly": "True"}, doc["metadata"])
	assert.NotContains(t, doc, "os-vol-tenant-attr:tenant_id")
	for body, text := range map[string]string{
		`{"volume":{}}`:                                "Invalid input for field/attribute volume. Value: {}. {} is not valid under any of the given schemas",
		`{"volume":{"name":"n","foo":1}}`:              "Additional properties are not allowed ('foo' was unexpected)",
		`{"volume":{"metadata":{"k":1}}}`:              "Invalid input for field/attribute k. Value: 1. 1 is not of type 'string'",
		`{"volume":{"metadata":"x"}}`:                  "Invalid input for field/attribute metadata. Value: x. 'x' is not of type 'object'",
		`{"volume":null}`:                              "Invalid input for field/attribute volume. Value: None. None is not of type 'object'",
		`{"volume":{"metadata":{"readonly":"False"}}}`: "Invalid input received: metadata key readonly is reserved",
	} {
		status, answer := l.ask("tenant", "PUT", "volumes/"+v.ID, body)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, message(answer), text)
	}
	status, answer = l.askAt("3.36", "tenant", "GET", "volumes/summary", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, map[string]any{"volume-summary": map[string]any{"total_count": 1.0, "total_size": 1.0, "metadata": map[string]any{"k": []any{"v"}, "readonly": []any{"True"}}}}, answer)
	_, answer = l.askAt("3.12", "stranger", "GET", "volumes/summary?all_tenants=1", "")
	assert.Equal(t, map[string]any{"volume-summary": map[string]any{"total_count": 0.0, "total_size": 0.0}}, answer)
	status, _ = l.askAt("3.11", "tenant", "GET", "volumes/summary", "")
	assert.Equal(t, http.StatusNotFound, status, "a volume of that id")
}

func TestPoolsTellTheRoom(t *testing.T) {
	l := newLab(t, nil)
	l.ownVolume()
	status, answer := l.ask("tenant", "GET", "scheduler-stats/get_pools", "")
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, "Policy doesn't allow scheduler_extension:scheduler_stats:get_pools to be performed.", message(answer))
	_, answer = l.ask("admin", "GET", "scheduler-stats/get_pools", "")
	name := host + "@file#file"
	assert.Equal(t, map[string]any{"pools": []any{map[string]any{"name": name}}}, answer)
	_, answer = l.ask("admin", "GET", "scheduler-stats/get_pools?detail=true&name="+filepath.Base(host)+"@file%23file", "")
	capabilities := answer["pools"].([]any)[0].(map[string]any)["capabilities"].(map[string]any)
	assert.Equal(t, 1.0, capabilities["allocated_capacity_gb"])
	assert.Equal(t, "up", capabilities["backend_state"])
	assert.Positive(t, capabilities["free_capacity_gb"])
	assert.GreaterOrEqual(t, capabilities["total_capacity_gb"], capabilities["free_capacity_gb"], "of an empty file system all is free, but for less than is shown")
	_, answer = l.ask("admin", "GET", "scheduler-stats/get_pools?name=x", "")
	assert.Equal(t, map[string]any{"pools": []any{}}, answer)
	_, answer = l.askAt("3.27", "admin", "GET", "scheduler-stats/get_pools?name=x", "")
	assert.Len(t, answer["pools"], 1, "filters came with 3.28")
	for query, text := range map[string]string{"foo=x": "Invalid filters foo are found in query options.", "detail=x": "Value 'x' for 'detail' is not a boolean."} {
		status, answer = l.ask("admin", "GET", "scheduler-stats/get_pools?"+query, "")
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, text, message(answer))
	}
}
