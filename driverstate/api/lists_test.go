package api_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

// tenant is a caller who is not admin.
type tenant struct{}

func (tenant) Authenticate(http.ResponseWriter, *http.Request) (driverstate.Caller, bool) {
	return driverstate.Caller{UserID: "u", ProjectID: project}, true
}

func TestListAsksForWhatTheQuerySays(t *testing.T) {
	own := driverstate.BackupFilter{ProjectID: project, Limit: 1000, Columns: map[string]string{}, Like: map[string]string{}}
	for name, c := range map[string]struct {
		query, version string
		change         func(*driverstate.BackupFilter)
	}{
		"nothing":          {"", "3.71", func(*driverstate.BackupFilter) {}},
		"all projects":     {"all_tenants=1", "3.0", func(f *driverstate.BackupFilter) { f.ProjectID = "" }},
		"not all projects": {"all_tenants=False", "3.0", func(*driverstate.BackupFilter) {}},
		"page":             {"limit=5&offset=2&marker=m", "3.0", func(f *driverstate.BackupFilter) { f.Limit, f.Offset, f.Marker = 5, 2, "m" }},
		"limit over most":  {"limit=99999999999999999999", "3.0", func(*driverstate.BackupFilter) {}},
		"columns": {"parent_id=p&name=n", "3.0", func(f *driverstate.BackupFilter) {
			f.Columns = map[string]string{"parent_id": "p", "display_name": "n"}
		}},
		"the last of a key": {"status=a&status=b", "3.0", func(f *driverstate.BackupFilter) { f.Columns["status"] = "b" }},
		"like":              {"name~=p-&host~=h", "3.31", func(f *driverstate.BackupFilter) { f.Like = map[string]string{"display_name": "p-", "host": "h"} }},
		"like, early":       {"name~=p-", "3.30", func(f *driverstate.BackupFilter) { f.Like["display_name"] = "p-" }},
		"sort": {"sort=size:asc,display_name", "3.0", func(f *driverstate.BackupFilter) {
			f.Sort = []driverstate.SortKey{{Column: "size", Ascending: true}, {Column: "display_name"}}
		}},
		"sort by name": {"sort=name", "3.37", func(f *driverstate.BackupFilter) {
			f.Sort = []driverstate.SortKey{{Column: "display_name"}}
		}},
		"old sort": {"sort_key=id&sort_dir=asc", "3.0", func(f *driverstate.BackupFilter) {
			f.Sort = []driverstate.SortKey{{Column: "id", Ascending: true}}
		}},
		"old direction alone": {"sort_dir=asc", "3.0", func(f *driverstate.BackupFilter) {
			f.Sort = []driverstate.SortKey{{Column: "created_at", Ascending: true}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := own
			want.Columns, want.Like = map[string]string{}, map[string]string{}
			c.change(&want)
			f := &fake{}
			r := send(t, serve(f), ask{path: v3 + "/backups/detail?" + c.query, version: c.version})
			require.Equal(t, http.StatusOK, r.StatusCode, read(t, r))
			assert.Equal(t, want, f.filter)
		})
	}
}

func TestListRefuses(t *testing.T) {
	for query, message := range map[string]string{
		"limit=x":               "limit param must be an integer",
		"limit=-1":              "limit param must be positive",
		"offset=x":              "offset must be an integer",
		"offset=-1":             "offset must be >= 0",
		"offset=2147483648":     "offset must be <= 2147483647",
		"sort=id&sort_key=id":   "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
		"sort=id:up":            "Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.",
		"sort=":                 "Invalid input received: Invalid sort key",
		"sort_key=":             "Invalid input received: Invalid sort key",
		"sort_key=id&sort_dir=": "Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.",
		"all_tenants=maybe":     "all_tenants must be a boolean, got 'maybe'.",
		"with_count=maybe":      "Value 'maybe' for 'with_count' is not a boolean.",
		url.QueryEscape("ключ"): "Filter keys can only contain ASCII characters.",
	} {
		f := &fake{}
		name, got := fault(t, send(t, serve(f), ask{path: v3 + "/backups?" + query, version: "3.71"}))
		assert.Equal(t, "badRequest", name)
		assert.Equal(t, message, got)
		assert.Empty(t, f.called)
	}
	_, got := fault(t, send(t, serve(&fake{}), ask{path: v3 + "/backups?sort=name", version: "3.36"}))
	assert.Equal(t, "Invalid input received: Invalid sort key", got)
}

func TestTenantFiltersByThreeColumns(t *testing.T) {
	f := &fake{}
	h := api.New(f, api.Config{Auth: tenant{}})
	send(t, h, ask{path: v3 + "/backups?name=n&host=h&all_tenants=whatever", version: "3.30"})
	assert.Equal(t, map[string]string{"display_name": "n"}, f.filter.Columns, "others are dropped")
	assert.Equal(t, project, f.filter.ProjectID)
	_, message := fault(t, send(t, h, ask{path: v3 + "/backups?name=n&parent_id=p&host=h&all_tenants=1", version: "3.31"}))
	assert.Equal(t, "Invalid filters parent_id,host are found in query options.", message)
	_, message = fault(t, send(t, h, ask{path: v3 + "/backups?name~=n", version: "3.34"}))
	assert.Equal(t, "Invalid filters name~ are found in query options.", message)
}

// TestAnUnknownFilterIsRefused also to an admin, whom Cinder tells that there is
// nothing; what filters its tables is taken.
func TestAnUnknownFilterIsRefused(t *testing.T) {
	for list, column := range map[string]string{
		"backups": "temp_volume_id", "volumes": "cluster_name", "snapshots": "host", "attachments": "connector",
		"messages": "detail_id", "types": "qos_specs_id", "os-volume-transfer": "expires_at",
	} {
		for _, version := range []string{"3.27", "3.71"} { // attachments are of 3.27
			_, message := fault(t, send(t, serve(&fake{}), ask{path: v3 + "/" + list + "?awry~=x&" + column + "=1&nonsense=1", version: version}))
			assert.Equal(t, "Invalid filters awry~,nonsense are found in query options.", message, "%s at %s", list, version)
			r := send(t, serve(&fake{}), ask{path: v3 + "/" + list + "?all_tenants=1&limit=2&offset=0&sort=id:asc&" + column + "~=1&" + column + "=1", version: version})
			assert.Equal(t, http.StatusOK, r.StatusCode, "%s at %s: %s", list, version, read(t, r))
		}
	}
	_, message := fault(t, send(t, serve(&fake{}), ask{path: v3 + "/backups?with_count=true&is_incremental=true&metadata=x", version: "3.44"}))
	assert.Equal(t, "Invalid filters with_count,is_incremental,metadata are found in query options.", message)
}

func TestNextLinkStandsOnAFullPage(t *testing.T) {
	two := []*driverstate.Backup{{ID: backupID}, {ID: anotherID}}
	for name, c := range map[string]struct {
		query string
		rows  []*driverstate.Backup
		count int
		next  string
	}{
		"full page":             {"limit=2&marker=old&name=a%20b", two, 0, "limit=2&name=a+b&marker=" + anotherID},
		"page not full":         {"limit=3", two, 0, ""},
		"no limit":              {"", two, 0, ""},
		"empty page":            {"limit=1", nil, 0, ""},
		"count, limit at total": {"limit=3&with_count=1", two, 3, "limit=3&with_count=1&marker=" + anotherID},
		"count, limit above it": {"limit=4&with_count=1", two, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{backups: c.rows, count: c.count}
			doc := decode(t, send(t, serve(f), ask{path: v3 + "/backups/detail?" + c.query, version: "3.45"}))
			if c.next == "" {
				assert.NotContains(t, doc, "backups_links")
				return
			}
			link := doc["backups_links"].([]any)[0].(map[string]any)
			assert.Equal(t, "next", link["rel"])
			assert.Equal(t, "http://"+serverHost+v3+"/backups/detail?"+c.next, link["href"])
		})
	}
}

func TestLimitZeroIsAnEmptyPageWithItsCount(t *testing.T) {
	f := &fake{backups: []*driverstate.Backup{sampleBackup()}, count: 7}
	doc := decode(t, send(t, serve(f), ask{path: v3 + "/backups?limit=0&with_count=true", version: "3.45"}))
	assert.Equal(t, map[string]any{"backups": []any{}, "count": 7.0}, doc)
}

func TestKeysOfABackupByMicroversion(t *testing.T) {
	b := sampleBackup()
	b.EncryptionKeyID = "5f0f0d6e-0000-4000-8000-000000000001"
	base := []string{
		"id", "status", "size", "object_count", "availability_zone", "container", "created_at", "updated_at", "name",
		"description", "fail_reason", "volume_id", "links", "is_incremental", "has_dependent_backups", "snapshot_id", "data_timestamp",
	}
	for version, more := range map[string][]string{
		"3.17": nil,
		"3.18": {"os-backup-project-attr:project_id"},
		"3.43": {"os-backup-project-attr:project_id", "metadata"},
		"3.56": {"os-backup-project-attr:project_id", "metadata", "user_id"},
		"3.64": {"os-backup-project-attr:project_id", "metadata", "user_id", "encryption_key_id"},
	} {
		f := &fake{backups: []*driverstate.Backup{b}}
		got := decode(t, send(t, serve(f), ask{path: v3 + "/backups/" + b.ID, version: version}))["backup"].(map[string]any)
		assert.ElementsMatch(t, append(append([]string(nil), base...), more...), keysOf(got), version)
		assert.Equal(t, "2026-11-21T06:24:58.000000", got["created_at"])
		assert.Nil(t, got["updated_at"])
	}
	b.EncryptionKeyID = "00000000-0000-0000-0000-000000000000"
	h := api.New(&fake{backups: []*driverstate.Backup{b}}, api.Config{Auth: tenant{}})
	got := decode(t, send(t, h, ask{path: v3 + "/backups/" + b.ID, version: "3.71"}))["backup"].(map[string]any)
	assert.ElementsMatch(t, append([]string{"metadata"}, base...), keysOf(got), "a tenant sees neither owner nor the fixed key")
}

func keysOf(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func TestActionsReachTheManager(t *testing.T) {
	f := &fake{}
	path := v3 + "/backups/" + backupID
	for _, value := range []string{"{}", "null"} { // python-cinderclient sends null
		f.force = false
		r := send(t, serve(f), ask{method: "POST", path: path + "/action", body: `{"os-force_delete":` + value + `}`})
		assert.Equal(t, http.StatusAccepted, r.StatusCode)
		assert.True(t, f.force)
	}
	send(t, serve(f), ask{method: "DELETE", path: path})
	assert.False(t, f.force)
	send(t, serve(f), ask{method: "POST", path: path + "/action", body: `{"os-reset_status":{"status":"ERROR"}}`})
	assert.Equal(t, driverstate.StatusError, f.status)
	send(t, serve(f), ask{method: "POST", path: path + "/restore", body: `{"restore":{"volume_id":null,"name":" n "}}`})
	assert.Equal(t, driverstate.RestoreRequest{Name: "n"}, f.restore)
	assert.Equal(t, backupID, f.id)
	assert.Equal(t, []string{"DeleteBackup", "DeleteBackup", "DeleteBackup", "ResetBackupStatus", "RestoreBackup"}, f.called)
}

func TestForceDeleteWantsAnObject(t *testing.T) {
	for value, shown := range map[string]string{`"x"`: "x", "[]": "[]", "true": "True"} {
		f := &fake{}
		_, message := fault(t, send(t, serve(f), ask{method: "POST", path: v3 + "/backups/" + backupID + "/action", body: `{"os-force_delete":` + value + `}`}))
		assert.Contains(t, message, "Invalid input for field/attribute os-force_delete. Value: "+shown)
		assert.Equal(t, []string{"Backup"}, f.called, "it is looked for, and left")
	}
}

func TestWrongBase64IsRefusedBeforeItIsRead(t *testing.T) {
	for _, url := range []string{"YWI", "ключ", "a"} {
		f := &fake{}
		body := `{"backup-record":{"backup_service":"s","backup_url":"` + url + `"}}`
		_, message := fault(t, send(t, serve(f), ask{method: "POST", path: v3 + "/backups/import_record", body: body}))
		assert.Equal(t, "Invalid input for field/attribute backup_url. Value: "+url+". '"+url+"' is not a 'base64'", message)
		assert.Empty(t, f.called)
	}
}
