package api_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/loglevel"
)

// The texts and key sets here are those of Cinder 21, as a cloud answered them.

func TestCollectionsThatTheEngineHasNot(t *testing.T) {
	admins, tenants := serve(&fake{}), api.New(&fake{}, api.Config{Auth: tenant{}})
	for _, c := range []struct {
		path, key, version, before string
		missing                    string
		forbidden                  string
	}{
		{"groups", "groups", "3.13", "3.12", "Group " + anotherID + " could not be found.", ""},
		{"group_types", "group_types", "3.11", "3.10", "Group type " + anotherID + " could not be found.", ""},
		{"group_snapshots", "group_snapshots", "3.14", "3.13", "GroupSnapshot " + anotherID + " could not be found.", ""},
		{"consistencygroups", "consistencygroups", "3.0", "", "Group " + anotherID + " could not be found.", ""},
		{"cgsnapshots", "cgsnapshots", "3.0", "", "GroupSnapshot " + anotherID + " could not be found.", ""},
		{"qos-specs", "qos_specs", "3.0", "", "No such QoS spec " + anotherID + ".", "volume_extension:qos_specs_manage:get_all"},
		{"attachments", "attachments", "3.27", "3.26", "Volume attachment could not be found with filter: attachment_id = " + anotherID + ".", ""},
		{"default-types", "default_types", "3.62", "3.61", "Project with id " + anotherID + " not found.", "volume_extension:default_get_all"},
	} {
		r := send(t, admins, ask{path: v3 + "/" + c.path, version: c.version})
		require.Equal(t, http.StatusOK, r.StatusCode, c.path)
		assert.Equal(t, map[string]any{c.key: []any{}}, decode(t, r))
		name, text := fault(t, send(t, admins, ask{path: v3 + "/" + c.path + "/" + anotherID, version: c.version}))
		assert.Equal(t, "itemNotFound", name)
		assert.Equal(t, c.missing, text)
		if c.before != "" {
			_, text := fault(t, send(t, admins, ask{path: v3 + "/" + c.path, version: c.before}))
			assert.Equal(t, "The resource could not be found.", text, c.path)
		}
		r = send(t, tenants, ask{path: v3 + "/" + c.path, version: c.version})
		if c.forbidden == "" {
			assert.Equal(t, http.StatusOK, r.StatusCode, c.path)
			name, text = fault(t, send(t, admins, ask{method: "POST", path: v3 + "/" + c.path, version: c.version, body: `{"x":{}}`}))
			assert.Equal(t, "notImplemented", name)
			assert.True(t, strings.HasPrefix(text, "The engine of cinder-go has no "), text)
		} else {
			_, text = fault(t, r)
			assert.Equal(t, "Policy doesn't allow "+c.forbidden+" to be performed.", text)
		}
	}
}

func TestResourceFilters(t *testing.T) {
	h := api.New(&fake{}, api.Config{Auth: tenant{}})
	all := decode(t, send(t, h, ask{path: v3 + "/resource_filters?foo=bar", version: "3.33"}))["resource_filters"].([]any)
	assert.Len(t, all, 9)
	one := decode(t, send(t, h, ask{path: v3 + "/resource_filters?resource=backup", version: "3.71"}))
	assert.Equal(t, map[string]any{"resource_filters": []any{
		map[string]any{"resource": "backup", "filters": []any{"name", "status", "volume_id"}},
	}}, one)
	none := decode(t, send(t, h, ask{path: v3 + "/resource_filters?resource=nope", version: "3.71"}))
	assert.Equal(t, map[string]any{"resource_filters": []any{}}, none)
	assert.Equal(t, http.StatusNotFound, send(t, h, ask{path: v3 + "/resource_filters", version: "3.32"}).StatusCode)
}

func TestExtensionsTypesAndZones(t *testing.T) {
	h := serve(&fake{})
	one := decode(t, send(t, h, ask{path: v3 + "/extensions/backups"}))
	assert.Equal(t, map[string]any{"extension": map[string]any{
		"name": "Backups", "alias": "backups", "description": "Backups support.", "updated": "2012-12-12T00:00:00+00:00", "links": []any{},
	}}, one)
	all := decode(t, send(t, h, ask{path: v3 + "/extensions"}))["extensions"].([]any)
	assert.Contains(t, all, one["extension"])
	for path, text := range map[string]string{
		"extensions/nope":             "The resource could not be found.",
		"os-availability-zone/detail": "The resource could not be found.",
		"types/nope":                  "Volume type nope could not be found.",
		"types/nope/extra_specs":      "Volume type nope could not be found.",
	} {
		_, got := fault(t, send(t, h, ask{path: v3 + "/" + path}))
		assert.Equal(t, text, got)
	}
	types := decode(t, send(t, h, ask{path: v3 + "/types?limit=1"}))
	id := types["volume_types"].([]any)[0].(map[string]any)["id"].(string)
	assert.Equal(t, "http://"+serverHost+v3+"/types?limit=1&marker="+id, types["volume_type_links"].([]any)[0].(map[string]any)["href"])
	assert.Equal(t, map[string]any{"extra_specs": map[string]any{}}, decode(t, send(t, h, ask{path: v3 + "/types/" + id + "/extra_specs"})))
	assert.Equal(t, map[string]any{}, decode(t, send(t, h, ask{path: v3 + "/types/" + id + "/encryption"})))
	_, text := fault(t, send(t, h, ask{path: v3 + "/types/" + id + "/extra_specs/nope"}))
	assert.Equal(t, "Volume Type "+id+" has no extra specs with key nope.", text)
	_, text = fault(t, send(t, h, ask{path: v3 + "/types/" + id + "/os-volume-type-access"}))
	assert.Equal(t, "Access list not available for public volume types.", text)
	_, text = fault(t, send(t, api.New(&fake{}, api.Config{Auth: tenant{}}), ask{method: "POST", path: v3 + "/types", body: `{"volume_type":{"name":"x"}}`}))
	assert.Equal(t, "Policy doesn't allow volume_extension:type_create to be performed.", text)
}

func TestHosts(t *testing.T) {
	f := &fake{
		services: []driverstate.ServiceState{
			{Service: driverstate.Service{Binary: driverstate.BinaryBackup, Host: "h", AvailabilityZone: "nova"}, Up: true},
			{Service: driverstate.Service{Binary: driverstate.BinaryVolume, Host: "h@file", AvailabilityZone: "z", Disabled: true}},
		},
		volumes: []*driverstate.Volume{{ID: "v", Host: "h@file#file", ProjectID: project, Size: 3}, {ID: "w", Host: "other@file#file", Size: 9}},
	}
	f.snapshots = []*driverstate.Snapshot{{VolumeID: "v", ProjectID: project, Size: 2}, {VolumeID: "w", Size: 9}}
	hosts := decode(t, send(t, serve(f), ask{path: v3 + "/os-hosts"}))["hosts"].([]any)
	require.Len(t, hosts, 2)
	assert.Equal(t, map[string]any{
		"host_name": "h@file", "service": "cinder-volume", "zone": "z", "service-status": "unavailable", "service-state": "disabled", "last-update": nil,
	}, hosts[1])
	assert.Len(t, decode(t, send(t, serve(f), ask{path: v3 + "/os-hosts?zone=nova"}))["hosts"], 1)
	row := func(of string) map[string]any {
		return map[string]any{"resource": map[string]any{
			"host": "h@file", "project": of, "volume_count": "1", "total_volume_gb": "3", "snapshot_count": "1", "total_snapshot_gb": "2",
		}}
	}
	assert.Equal(t, map[string]any{"host": []any{row("(total)"), row(project)}}, decode(t, send(t, serve(f), ask{path: v3 + "/os-hosts/h@file"})))
	_, text := fault(t, send(t, serve(f), ask{path: v3 + "/os-hosts/nope"}))
	assert.Equal(t, "Service cinder-volume could not be found on host nope.", text)
	_, text = fault(t, send(t, api.New(f, api.Config{Auth: tenant{}}), ask{path: v3 + "/os-hosts"}))
	assert.Equal(t, "Policy doesn't allow volume_extension:hosts to be performed.", text)
}

func TestOtherServiceActions(t *testing.T) {
	f := &fake{services: []driverstate.ServiceState{
		{Service: driverstate.Service{Binary: driverstate.BinaryBackup, Host: "h"}}, {Service: driverstate.Service{Binary: driverstate.BinaryVolume, Host: "h@file"}},
		{Service: driverstate.Service{Binary: driverstate.BinaryBackup, Host: "far"}},
	}}
	path := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	levels := loglevel.New(t.Context(), slog.New(slog.NewTextHandler(file, nil)))
	part := levels.Logger("cinder_go.api")
	h := api.New(f, api.Config{Host: "h", LogLevels: levels})
	put := func(version, action, body string) *http.Response {
		return send(t, h, ask{method: "PUT", path: v3 + "/os-services/" + action, version: version, body: body})
	}
	assert.Equal(t, http.StatusAccepted, put("3.32", "set-log", `{"binary":"cinder-api","level":"debug","prefix":"cinder_go.a"}`).StatusCode)
	part.Debug("heard")
	said, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(said), "heard")
	level := map[string]any{"cinder_go.api": "DEBUG"}
	assert.Equal(t, map[string]any{"log_levels": []any{
		map[string]any{"host": "h", "binary": "cinder-api", "levels": level},
		map[string]any{"host": "h", "binary": "cinder-backup", "levels": level},
		map[string]any{"host": "h@file", "binary": "cinder-volume", "levels": level},
	}}, decode(t, put("3.32", "get-log", `{"binary":"*"}`)))
	assert.Equal(t, map[string]any{"log_levels": []any{}}, decode(t, put("3.32", "get-log", `{"binary":"cinder-backup","server":"nope"}`)))
	assert.Equal(t, map[string]any{"log_levels": []any{map[string]any{"host": "h", "binary": "cinder-api", "levels": map[string]any{}}}},
		decode(t, put("3.32", "get-log", `{"binary":"cinder-api","prefix":"x"}`)))
	for _, c := range []struct{ version, action, body, text string }{
		{"3.32", "set-log", `{"binary":"cinder-api"}`, "Invalid input received:  is not a valid log level."},
		{"3.32", "set-log", `{"binary":"cinder-api","level":"bad"}`, "Invalid input received: bad is not a valid log level."},
		{"3.32", "set-log", `{"binary":"nope","level":"info"}`, "Invalid input for field/attribute binary. Value: nope. 'nope' is not one of ['cinder-scheduler', 'cinder-volume', 'cinder-backup', 'cinder-api', '', '*']"},
		{"3.32", "get-log", `{"foo":1}`, "Additional properties are not allowed ('foo' was unexpected)"},
		{"3.31", "get-log", `{}`, "Invalid input received: Unknown action"},
		{"3.25", "failover", `{"host":"h@file"}`, "Invalid input received: Unknown action"},
		{"3.26", "freeze", `{"host":"a","cluster":"b"}`, "Invalid input received: One and only one of cluster and host must be set."},
		{"3.26", "thaw", `{}`, "Invalid input received: One and only one of cluster and host must be set."},
		{"3.25", "freeze", `{"cluster":"x"}`, "Invalid input received: Host field is missing."},
		{"3.0", "disable-log-reason", `{"host":"h","binary":"cinder-backup","disabled_reason":" \t"}`,
			`Invalid input for field/attribute disabled_reason. Value:  	. ' \t' is not a 'disabled_reason'`},
	} {
		r := put(c.version, c.action, c.body)
		assert.Equal(t, http.StatusBadRequest, r.StatusCode)
		_, text := fault(t, r)
		assert.Equal(t, c.text, text)
	}
	r := put("3.26", "freeze", `{"host":"h@nfs#[fd00::1]:/share"}`)
	assert.Equal(t, http.StatusOK, r.StatusCode)
	assert.Equal(t, driverstate.FreezeSetting{Host: "h@nfs#[fd00::1]:/share", Frozen: true}, f.freeze)
	r = put("3.26", "freeze", `{"cluster":"c"}`)
	assert.Equal(t, http.StatusOK, r.StatusCode)
	assert.Empty(t, read(t, r))
	assert.Equal(t, driverstate.FreezeSetting{Cluster: "c", Frozen: true}, f.freeze)
	h = api.New(f, api.Config{Auth: tenant{}})
	for _, action := range []string{"get-log", "freeze", "failover_host"} {
		_, text := fault(t, put("3.71", action, `{"host":"x"}`))
		assert.Equal(t, "Policy doesn't allow volume_extension:services:update to be performed.", text)
	}
}
