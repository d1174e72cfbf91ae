package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

func sampleVolume() *driverstate.Volume {
	return &driverstate.Volume{
		ID: volumeID, ProjectID: project, UserID: "u", Host: "h@file#file", Name: "v", Size: 2,
		Status: driverstate.VolumeAvailable, AvailabilityZone: "nova", Path: "/secret/path",
		CreatedAt: time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC),
	}
}

func TestKeysOfAVolumeByMicroversion(t *testing.T) {
	base := []string{
		"id", "status", "size", "availability_zone", "created_at", "updated_at", "name", "description", "volume_type",
		"snapshot_id", "source_volid", "metadata", "links", "user_id", "bootable", "encrypted", "replication_status",
		"consistencygroup_id", "multiattach", "attachments", "migration_status",
	}
	shown := []string{
		"os-vol-tenant-attr:tenant_id", "os-vol-host-attr:host", "os-vol-mig-status-attr:migstat", "os-vol-mig-status-attr:name_id",
	}
	later := []string{"group_id", "provider_id", "shared_targets", "service_uuid", "cluster_name", "volume_type_id", "consumes_quota"}
	join := func(lists ...[]string) (all []string) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	f := &fake{volumes: []*driverstate.Volume{sampleVolume()}}
	h := serve(f)
	show := func(version string) map[string]any {
		return decode(t, send(t, h, ask{path: v3 + "/volumes/" + volumeID, version: version}))["volume"].(map[string]any)
	}
	assert.ElementsMatch(t, join(base, shown), keysOf(show("3.0")))
	assert.ElementsMatch(t, join(base, shown, later[:1]), keysOf(show("3.13")))
	assert.ElementsMatch(t, join(base, shown, later[:4]), keysOf(show("3.48")))
	assert.ElementsMatch(t, join(base, shown, later), keysOf(show("3.71")))
	assert.Equal(t, "false", show("3.0")["bootable"])

	r := send(t, h, ask{method: "POST", path: v3 + "/volumes", version: "3.71", body: `{"volume":{"size":2}}`})
	assert.Equal(t, http.StatusAccepted, r.StatusCode)
	assert.ElementsMatch(t, join(base, later), keysOf(decode(t, r)["volume"].(map[string]any)))

	h = api.New(f, api.Config{Auth: tenant{}})
	assert.NotContains(t, keysOf(show("3.71")), "os-vol-host-attr:host")
	assert.NotContains(t, read(t, send(t, h, ask{path: v3 + "/volumes/detail", version: "3.71"})), "/secret/path")
}

func TestVolumeCreate(t *testing.T) {
	f := &fake{volumes: []*driverstate.Volume{sampleVolume()}}
	body := `{"volume":{"size":"3","name":" n ","description":"d","metadata":{"k":"v"},"availability_zone":null,"x":1},"OS-SCH-HNT:scheduler_hints":{}}`
	r := send(t, serve(f), ask{method: "POST", path: v3 + "/volumes", body: body})
	require.Equal(t, http.StatusAccepted, r.StatusCode)
	assert.Equal(t, driverstate.VolumeRequest{Size: 3, Name: "n", Description: "d", Metadata: map[string]string{"k": "v"}}, f.volume)

	for body, message := range map[string]string{
		`{"volume":{}}`:                                                   "The server could not comply with the request since it is either malformed or otherwise incorrect.",
		`{"volume":{"size":0}}`:                                           "0 is less than the minimum of 1",
		`{"volume":{"size":1.5}}`:                                         "1.5 is not of type 'integer', 'string'",
		`{"volume":{"size":1,"x":1}}`:                                     "Additional properties are not allowed ('x' was unexpected)",
		`{"volume":{"size":1,"multiattach":true}}`:                        "multiattach parameter has been removed.",
		`{"volume":{"size":1,"imageRef":"` + backupID + `"}}`:             "Invalid image identifier or unable to access requested image.",
		`{"volume":{"size":1,"group_id":"` + backupID + `"}}`:             "Group " + backupID + " could not be found.",
		`{"volume":{"size":"x"}}`:                                         "Invalid input for field/attribute size. Value: x. 'x' does not match '^[0-9]+$'",
		`{"volume":{"size":1,"description":"a\nb"}}`:                      `'a\nb' does not match the pattern`,
		`{"volume":{"size":1,"metadata":{"ключ":"v"}}}`:                   "'ключ' does not match any of the regexes",
		`{"volume":{"size":1,"metadata":{"k":null}}}`:                     "None is not of type 'string'",
		`{"volume":{"size":1,"name":"` + strings.Repeat("n", 256) + `"}}`: "is too long",
		`{}`: "'volume' is a required property",
	} {
		f := &fake{}
		_, got := fault(t, send(t, serve(f), ask{method: "POST", path: v3 + "/volumes", version: "3.53", body: body}))
		assert.Contains(t, got, message)
		assert.Less(t, len(got), 1200, "a message does not repeat a long value")
		assert.Empty(t, f.called)
	}
}

func TestVolumeList(t *testing.T) {
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	f := &fake{volumes: []*driverstate.Volume{
		{ID: "a", Name: "one", Size: 10, Status: "available", CreatedAt: at},
		{ID: "b", Name: "two", Size: 9, Status: "error", Bootable: true, CreatedAt: at.Add(time.Second)},
		{ID: "c", Name: "one", Size: 8, Status: "available", CreatedAt: at.Add(time.Second)},
	}}
	for query, want := range map[string]string{
		"":                      "cba",
		"all_tenants=1":         "cba",
		"name=one":              "ca",
		"name~=w":               "b",
		"status=error&name=one": "",
		"service_uuid=1":        "",
		"volume_type_id=1":      "",
		"volume_type_id=" + driverstate.DefaultType: "cba",
		"multiattach=false":                         "cba",
		"bootable=True":                             "b", // as python-cinderclient's --bootable sends it
		"bootable=0":                                "ca",
		"size=9":                                    "b",
		"sort=size:asc":                             "cba",
		"sort=name:asc,created_at":                  "cab",
		"limit=1":                                   "c",
		"limit=1&marker=c":                          "b",
		"status=available&marker=b":                 "a", // it was available when its page was read
		"name~=W":                                   "b", // as Cinder's MySQL compares
		"name~=o_e":                                 "ca",
		"offset=1&limit=5":                          "ba",
		"limit=0":                                   "",
	} {
		doc := decode(t, send(t, serve(f), ask{path: v3 + "/volumes?" + query, version: "3.71"}))
		got := ""
		for _, v := range doc["volumes"].([]any) {
			got += v.(map[string]any)["id"].(string)
		}
		assert.Equal(t, want, got, query)
		assert.Equal(t, strings.Contains(query, "all_tenants=1"), f.all)
		assert.Equal(t, strings.HasPrefix(query, "limit=1"), doc["volumes_links"] != nil, query)
	}
	assert.Equal(t, "a", f.volumes[0].ID, "the manager's list is left alone")
	r := send(t, serve(f), ask{path: v3 + "/volumes?marker=x"})
	assert.Equal(t, http.StatusNotFound, r.StatusCode)
	_, message := fault(t, send(t, serve(f), ask{path: v3 + "/volumes?sort=path"}))
	assert.Equal(t, "Invalid input received: Invalid sort key", message)
	for path, status := range map[string]int{
		"/volumes?bootable=maybe @3.2":   http.StatusBadRequest,
		"/volumes?bootable=maybe @3.1":   http.StatusOK,
		"/volumes?sort=name @3.0":        http.StatusOK, // that only a list of backups waits for 3.37
		"/volumes?sort_key=name @3.36":   http.StatusOK,
		"/snapshots?sort=name:asc @3.30": http.StatusOK,
		"/snapshots?sort=name:asc @3.29": http.StatusBadRequest,
		"/types?sort=name @3.0":          http.StatusOK,
		"/types?sort=name:asc @3.71":     http.StatusOK,
	} {
		path, version, _ := strings.Cut(path, " @")
		r := send(t, serve(f), ask{path: v3 + path, version: version})
		assert.Equal(t, status, r.StatusCode, "%s in %s", path, version)
	}
	r = send(t, serve(f), ask{method: "DELETE", path: v3 + "/volumes/a"})
	assert.Equal(t, http.StatusAccepted, r.StatusCode)
}

func TestManageVolume(t *testing.T) {
	f := &fake{volumes: []*driverstate.Volume{sampleVolume()}}
	r := send(t, serve(f), ask{method: "POST", path: v3 + "/manageable_volumes",
		body: `{"volume":{"host":"h@b#p","ref":{"source-name":"/dev/sdb "},"size":4,"overwrite":true,"name":"n"}}`})
	require.Equal(t, http.StatusAccepted, r.StatusCode)
	assert.Equal(t, driverstate.VolumeRequest{
		Size: 4, Name: "n", SourceName: "/dev/sdb ", Overwrite: true, Metadata: map[string]string{},
	}, f.volume)
	for body, message := range map[string]string{
		`{"volume":{}}`:                                        "'ref' is a required property",
		`{"volume":{"ref":{}}}`:                                "'source-name' is a required property",
		`{"volume":{"ref":{"source-name":""}}}`:                "is too short",
		`{"volume":{"ref":{"source-id":"1"}}}`:                 "'source-name' is a required property",
		`{"volume":{"ref":"x"}}`:                               "'x' is not of type 'object'",
		`{"volume":{"ref":{"source-name":"a"},"overwrite":1}}`: "1 is not of type 'boolean', 'string'",
	} {
		_, got := fault(t, send(t, serve(&fake{}), ask{method: "POST", path: v3 + "/manageable_volumes", body: body}))
		assert.Contains(t, got, message)
	}
}

func TestManageableBackups(t *testing.T) {
	name := "nm"
	found := driverstate.Manageable{Host: "h@s", Found: driverstate.Found{
		Backup:    driverstate.Backup{ID: backupID, VolumeID: volumeID, Name: &name, Size: 1, Container: "c", ServiceMetadata: "p", ObjectCount: 3},
		Condition: driverstate.ConditionDamaged, Reason: "object p-00001 is missing", Bytes: 5,
		Problems: []driverstate.Problem{{BackupID: backupID, Object: "p-00001", Reason: "missing", Offset: 1, Length: 2}},
	}}
	f := &fake{manageable: []driverstate.Manageable{found}, backups: []*driverstate.Backup{sampleBackup()}}
	doc := decode(t, send(t, serve(f), ask{path: v3 + "/manageable_backups?container=c&container=d&container=&host=h@s"}))
	assert.Equal(t, "c d h@s", f.id)
	assert.Equal(t, map[string]any{"manageable_backups": []any{map[string]any{
		"id": backupID, "volume_id": volumeID, "parent_id": nil, "name": "nm", "description": nil, "created_at": nil,
		"size": 1.0, "container": "c", "object_prefix": "p", "object_count": 3.0, "bytes": 5.0, "project_id": nil,
		"condition": "damaged", "reason": "object p-00001 is missing", "warnings": []any{}, "managed": false, "host": "h@s",
		"problems": []any{map[string]any{"backup_id": backupID, "object": "p-00001", "reason": "missing", "offset": 1.0, "length": 2.0}},
	}}}, doc)
	// They are written one by one.
	f.manageable = slices.Repeat(f.manageable, 1000)
	assert.Len(t, decode(t, send(t, serve(f), ask{path: v3 + "/manageable_backups"}))["manageable_backups"], 1000)
	f.manageable = nil
	assert.Equal(t, map[string]any{"manageable_backups": []any{}}, decode(t, send(t, serve(f), ask{path: v3 + "/manageable_backups"})))

	r := send(t, serve(f), ask{method: "POST", path: "/v3/manageable_backups", body: `{"backup":{"id":"` + backupID + `","host":"h@s","allow_damaged":"yes"}}`})
	assert.Equal(t, http.StatusAccepted, r.StatusCode)
	assert.Equal(t, driverstate.ManageRequest{BackupID: backupID, Host: "h@s", AllowDamaged: true}, f.manage)
	assert.Equal(t, backupID, decode(t, r)["backup"].(map[string]any)["id"])
	_, message := fault(t, send(t, serve(f), ask{method: "POST", path: "/v3/manageable_backups", body: `{"backup":{"id":"../x"}}`}))
	assert.Contains(t, message, "'../x' is not a 'uuid'")
}

func TestVerifications(t *testing.T) {
	f := &fake{look: &driverstate.Verification{
		ID: "v", BackupID: backupID, Depth: driverstate.DepthData, Status: driverstate.VerificationDone,
		Report:  driverstate.Report{Condition: driverstate.ConditionWhole, BytesRead: 10, ObjectsRead: 2, Method: "sha256"},
		Request: driverstate.VerifyRequest{BackupIDs: []string{backupID}, Subset: "5%"},
		Results: []driverstate.VerifyResult{{BackupID: backupID, Bytes: 40, Share: 0.25, VerifiedAt: time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC),
			Report: driverstate.Report{Condition: driverstate.ConditionWhole}}},
		BytesDone: 10, BytesTotal: 10, CreatedAt: time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC),
	}}
	path := v3 + "/verifications"
	r := send(t, serve(f), ask{method: "POST", path: path, body: `{"verification":{"backup_id":"` + backupID + `","depth":"data"}}`})
	assert.Equal(t, http.StatusAccepted, r.StatusCode)
	assert.Equal(t, driverstate.VerifyRequest{BackupIDs: []string{backupID}, Depth: driverstate.DepthData}, f.verify)
	assert.Equal(t, backupID, f.id)
	want := map[string]any{"verification": map[string]any{
		"id": "v", "backup_id": backupID, "depth": "data", "status": "done", "condition": "whole", "reason": nil,
		"problems": []any{}, "warnings": []any{}, "bytes_done": 10.0, "bytes_total": 10.0, "bytes_read": 10.0, "objects_read": 2.0,
		"method": "sha256", "error": nil, "created_at": "2026-11-21T06:00:00.000000", "finished_at": nil, "subset": "5%",
		"results": []any{map[string]any{"backup_id": backupID, "bytes": 40.0, "share": 0.25, "verified_at": "2026-11-20T06:00:00.000000", "skipped": false,
			"condition": "whole", "reason": nil, "problems": []any{}, "warnings": []any{}, "bytes_read": 0.0, "objects_read": 0.0, "method": nil,
			"error": nil, "fault": nil}},
	}}
	assert.Equal(t, want, decode(t, r))
	assert.Equal(t, want, decode(t, send(t, serve(f), ask{path: path + "/v"})))
	send(t, serve(f), ask{method: "POST", path: path, body: `{"verification":{"backup_id":"` + backupID + `"}}`})
	assert.Equal(t, driverstate.DepthStructure, f.verify.Depth)
	send(t, serve(f), ask{method: "POST", path: path, body: `{"verification":{"backup_ids":["` + backupID + `","` + volumeID + `"],"depth":"data","subset":"1/7","not_verified_since":"2026-11-01T00:00:00Z"}}`})
	assert.Equal(t, driverstate.VerifyRequest{BackupIDs: []string{backupID, volumeID}, Depth: driverstate.DepthData, Subset: "1/7",
		NotSince: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}, f.verify)
	send(t, serve(f), ask{method: "POST", path: path, body: `{"verification":{"all":true,"depth":"data","subset":"20G"}}`})
	assert.Equal(t, driverstate.VerifyRequest{All: true, Depth: driverstate.DepthData, Subset: "20G"}, f.verify)
	for body, want := range map[string]string{
		`{"verification":{}}`: "name the backups, or say all",
		`{"verification":{"all":true,"backup_id":"` + backupID + `"}}`:                  "name the backups, or say all",
		`{"verification":{"all":true,"subset":"5%"}}`:                                   "depth structure reads none",
		`{"verification":{"all":true,"depth":"data","subset":"5"}}`:                     "neither a group such as 2/7",
		`{"verification":{"backup_ids":["x"]}}`:                                         "'x' is not a 'uuid'",
		`{"verification":{"backup_ids":"x"}}`:                                           "'x' is not of type 'array'",
		`{"verification":{"all":true,"depth":"data","not_verified_since":"yesterday"}}`: "'yesterday' is not a 'date-time'",
	} {
		status, message := fault(t, send(t, serve(f), ask{method: "POST", path: path, body: body}))
		assert.Contains(t, message, want, status)
	}
	_, message := fault(t, send(t, serve(f), ask{method: "POST", path: path, body: `{"verification":{"backup_id":"` + backupID + `","depth":"deep"}}`}))
	assert.Contains(t, message, "'deep' is not one of ['structure', 'data']")
}

func TestShipments(t *testing.T) {
	f := &fake{shipment: &driverstate.Shipment{
		ID: "s", Request: driverstate.ShipRequest{Mode: driverstate.ShipCopy, BackupID: backupID, To: "posix:///b"}, Status: driverstate.ShipmentFailed,
		Result: driverstate.ShipResult{
			Landed: []driverstate.Landed{{BackupID: backupID, Container: "c", ServiceMetadata: "p", Objects: 3, Bytes: 9, Kept: 1,
				Record: driverstate.ExportedRecord{BackupService: "x", BackupURL: "eA=="}}},
			Differences: []driverstate.Difference{{BackupID: backupID, Store: "first", Reason: "missing"}},
		},
		Error: "no answer", Fault: "unavailable", BytesDone: 5, BytesTotal: 10, CreatedAt: time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC),
	}}
	path := v3 + "/shipments"
	r := send(t, serve(f), ask{method: "POST", path: path, body: `{"shipment":{"mode":"ship","backup_id":"` + backupID + `","to":"posix:///b","chain":true,
		"compression":"zstd","bytes_per_sec":1000,"volume_size":4194304,"verify":"full"}}`})
	assert.Equal(t, http.StatusAccepted, r.StatusCode)
	assert.Equal(t, driverstate.ShipRequest{Mode: driverstate.ShipCopy, BackupID: backupID, To: "posix:///b", Chain: true, Compression: "zstd",
		BytesPerSec: 1000, VolumeSize: 4 << 20, Verify: driverstate.ShipVerifyFull}, f.ship)
	want := map[string]any{"shipment": map[string]any{
		"id": "s", "mode": "ship", "backup_id": backupID, "from": nil, "to": "posix:///b", "status": "failed",
		"landed": []any{map[string]any{"backup_id": backupID, "container": "c", "service_metadata": "p", "objects": 3.0, "bytes": 9.0,
			"objects_kept": 1.0, "was_there": false, "backup-record": map[string]any{"backup_service": "x", "backup_url": "eA=="}}},
		"differences": []any{map[string]any{"backup_id": backupID, "store": "first", "reason": "missing"}},
		"compared":    0.0, "equal": 0.0, "warnings": []any{}, "bytes_done": 5.0, "bytes_total": 10.0, "error": "no answer", "fault": "unavailable",
		"created_at": "2026-11-21T06:00:00.000000", "finished_at": nil,
	}}
	assert.Equal(t, want, decode(t, r))
	assert.Equal(t, want, decode(t, send(t, serve(f), ask{path: path + "/s"})))
	assert.Equal(t, http.StatusAccepted, send(t, serve(f), ask{method: "DELETE", path: path + "/s"}).StatusCode)
	assert.Equal(t, "s", f.id)
	for body, wrong := range map[string]string{
		`{"mode":"ship"}`:                                     "'to' is a required property",
		`{"mode":"move","to":"posix:///b"}`:                   "'move' is not one of ['ship', 'compare']",
		`{"mode":"ship","to":"posix:///b","volume_size":-1}`:  "is not a number of bytes",
		`{"mode":"ship","to":"posix:///b","volume_size":"4"}`: "is not of type 'integer'",
		`{"mode":"ship","to":""}`:                             "'' is too short",
	} {
		_, message := fault(t, send(t, serve(f), ask{method: "POST", path: path, body: `{"shipment":` + body + `}`}))
		assert.Contains(t, message, wrong, body)
	}
}

func TestServicesAreFilteredByHostAndBinary(t *testing.T) {
	f := &fake{services: []driverstate.ServiceState{
		{Service: driverstate.Service{Binary: driverstate.BinaryBackup, Host: "a"}},
		{Service: driverstate.Service{Binary: driverstate.BinaryVolume, Host: "a@file"}},
		{Service: driverstate.Service{Binary: driverstate.BinaryVolume, Host: "ab"}},
	}}
	for query, want := range map[string]int{"": 3, "host=a": 2, "binary=cinder-volume": 2, "host=a&binary=cinder-backup": 1, "host=x": 0} {
		doc := decode(t, send(t, serve(f), ask{path: v3 + "/os-services?" + query}))
		assert.Len(t, doc["services"], want, query)
	}
	keys := func(version string, row int) []string {
		return keysOf(decode(t, send(t, serve(f), ask{path: v3 + "/os-services", version: version}))["services"].([]any)[row].(map[string]any))
	}
	base := []string{"binary", "host", "zone", "status", "state", "updated_at", "disabled_reason"}
	assert.ElementsMatch(t, base, keys("3.0", 0))
	assert.ElementsMatch(t, append([]string{"cluster"}, base...), keys("3.71", 0), "no backend_state for cinder-backup")
	assert.ElementsMatch(t, append([]string{"replication_status", "active_backend_id", "frozen"}, base...), keys("3.0", 1))
	assert.Contains(t, keys("3.49", 1), "backend_state")
}

func TestAServiceSaysWhyItIsDown(t *testing.T) {
	reason := func(s driverstate.Service) any {
		doc := decode(t, send(t, serve(&fake{services: []driverstate.ServiceState{{Service: s}}}), ask{path: v3 + "/os-services"}))
		return doc["services"].([]any)[0].(map[string]any)["disabled_reason"]
	}
	s := driverstate.Service{Binary: driverstate.BinaryBackup, Host: "a"}
	assert.Nil(t, reason(s))
	s.Reason = "store /mnt: no such directory; is the share mounted?"
	assert.Equal(t, s.Reason, reason(s))
	s.Disabled, s.DisabledReason = true, "maintenance"
	assert.Equal(t, "maintenance; "+s.Reason, reason(s))
	s.Reason = ""
	assert.Equal(t, "maintenance", reason(s))
}

// TestStateOfABackEnd is what Cinder's scheduler, which passes over services
// that are disabled, silent or one of a cluster, knows of it.
func TestStateOfABackEnd(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*driverstate.ServiceState)
		want   any
	}{
		"up":       {func(*driverstate.ServiceState) {}, "up"},
		"disabled": {func(s *driverstate.ServiceState) { s.Disabled = true }, nil},
		"silent":   {func(s *driverstate.ServiceState) { s.Up = false }, nil},
		"cluster":  {func(s *driverstate.ServiceState) { s.Cluster = "c" }, nil},
	} {
		row := driverstate.ServiceState{Service: driverstate.Service{Binary: driverstate.BinaryVolume, Host: "a@file"}, Up: true}
		c.change(&row)
		doc := decode(t, send(t, serve(&fake{services: []driverstate.ServiceState{row}}), ask{path: v3 + "/os-services", version: "3.49"}))
		assert.Equal(t, c.want, doc["services"].([]any)[0].(map[string]any)["backend_state"], name)
	}
}

func TestCleanupFilter(t *testing.T) {
	str := func(s string) *string { return &s }
	id, disabled, binary := int64(7), true, driverstate.BinaryVolume
	for body, want := range map[string]driverstate.CleanupFilter{
		`{}`:                  {},
		`{"is_up":"yes"}`:     {IsUp: true},
		`{"service_id":7}`:    {ServiceID: &id},
		`{"service_id":"7"}`:  {ServiceID: &id},
		`{"service_id":null}`: {},
		`{"disabled":"t"}`:    {Disabled: &disabled},
		`{"host":"h@b","cluster_name":"c","binary":"cinder-volume"}`:    {Host: str("h@b"), ClusterName: str("c"), Binary: &binary},
		`{"resource_type":"backup"}`:                                    {ResourceType: str("Backup")},
		`{"resource_type":"snapShot","resource_id":"` + volumeID + `"}`: {ResourceType: str("Snapshot"), ResourceID: str(volumeID)},
	} {
		f := &fake{}
		r := send(t, serve(f), ask{method: "POST", path: v3 + "/workers/cleanup", version: "3.24", body: body})
		require.Equal(t, http.StatusAccepted, r.StatusCode, body)
		assert.Equal(t, want, f.cleaned, body)
		assert.Equal(t, map[string]any{"cleaning": []any{}, "unavailable": []any{}}, decode(t, r))
	}
	for _, body := range []string{
		`{"is_up":null}`, `{"is_up":1}`, `{"binary":null}`, `{"host":""}`, `{"host":"a b"}`, `{"service_id":"x"}`, `{"service_id":1.5}`,
		`{"service_id":"123456789012"}`, `{"resource_id":"x"}`, `{"resource_type":"Share"}`, `{"disabled":"T"}`, `[]`, `null`,
	} {
		r := send(t, serve(&fake{}), ask{method: "POST", path: v3 + "/workers/cleanup", version: "3.24", body: body})
		assert.Equal(t, http.StatusBadRequest, r.StatusCode, body)
	}
}

func TestSmallCollections(t *testing.T) {
	f := &fake{
		services: []driverstate.ServiceState{
			{Service: driverstate.Service{Binary: driverstate.BinaryVolume, AvailabilityZone: "nova"}, Up: true},
			{Service: driverstate.Service{Binary: driverstate.BinaryBackup, AvailabilityZone: "elsewhere"}, Up: true},
		},
	}
	zones := decode(t, send(t, serve(f), ask{path: v3 + "/os-availability-zone"}))
	assert.Equal(t, map[string]any{"availabilityZoneInfo": []any{
		map[string]any{"zoneName": "nova", "zoneState": map[string]any{"available": true}},
	}}, zones)

	var aliases []any
	for _, e := range decode(t, send(t, serve(f), ask{path: v3 + "/extensions"}))["extensions"].([]any) {
		aliases = append(aliases, e.(map[string]any)["alias"])
	}
	assert.Subset(t, aliases, []any{"backups", "os-services", "os-admin-actions", "os-vol-host-attr", "os-vol-tenant-attr"})
}
