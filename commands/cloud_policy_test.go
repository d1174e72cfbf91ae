package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// side is one of the two that answer: the cloud's Cinder, or the engine behind
// the same Keystone.
type side struct {
	t    *testing.T
	c    *cloud
	base string
	ids  *strings.Replacer // of {name} in paths and bodies
	back *strings.Replacer // the other way round, in answers
}

// ask sends a request as a user of a project, and returns the status and the
// body.
func (s *side) ask(user, project, method, path, body string) (int, string) {
	s.t.Helper()
	token, err := s.c.tokenOf(user, s.c.vars[project])
	require.NoError(s.t, err)
	if s.ids != nil {
		path, body = s.ids.Replace(path), s.ids.Replace(body)
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), method, s.base+"/v3/"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	for key, value := range map[string]string{"X-Auth-Token": token, "OpenStack-API-Version": "volume 3.70", "Accept": "application/json",
		"X-Roles": "admin", "X-Is-Admin-Project": "True"} { // which nobody is to believe
		req.Header.Set(key, value)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, string(text)
}

// verdict is the status, and of a refusal what it says.
func (s *side) verdict(method, path, body string) string {
	s.t.Helper()
	status, text := s.ask("demo", "CLOUD_DEMO_PROJECT", method, path, body)
	if status < 400 {
		return fmt.Sprint(status)
	}
	var faults map[string]struct{ Message string }
	if json.Unmarshal([]byte(text), &faults) != nil {
		return fmt.Sprint(status)
	}
	for name, fault := range faults {
		return fmt.Sprintf("%d %s: %s", status, name, s.back.Replace(fault.Message))
	}
	return fmt.Sprint(status)
}

// clean removes something from the cloud at the end; an engine goes with all
// that it has.
func (s *side) clean(remove func()) {
	if s.base == s.c.vars["CLOUD_API"] {
		s.t.Cleanup(remove)
	}
}

// make has a volume and a backup of it made, and returns their ids.
func (s *side) make(user, project string) (volume, backup string) {
	s.t.Helper()
	create := func(collection, kind, body, until string) string {
		status, text := s.ask(user, project, "POST", collection, body)
		require.Equal(s.t, http.StatusAccepted, status, text)
		var made map[string]cloudObject
		require.NoError(s.t, json.Unmarshal([]byte(text), &made))
		id := made[kind].ID
		require.True(s.t, eventually(time.Minute, func() bool {
			_, text := s.ask(user, project, "GET", collection+"/"+id, "")
			return json.Unmarshal([]byte(text), &made) == nil && made[kind].Status == until
		}), "%s %s: %+v", kind, id, made[kind])
		return id
	}
	volume = create("volumes", "volume", `{"volume":{"size":1,"name":"policy"}}`, "available")
	backup = create("backups", "backup", `{"backup":{"volume_id":"`+volume+`","name":"policy"}}`, "available")
	s.clean(func() {
		s.ask("admin", project, "DELETE", "backups/"+backup, "")
		eventually(time.Minute, func() bool {
			status, _ := s.ask("admin", project, "GET", "backups/"+backup, "")
			return status == http.StatusNotFound
		})
		s.ask("admin", project, "DELETE", "volumes/"+volume, "")
	})
	return volume, backup
}

// snapshot has a snapshot of the admin's volume made, and returns its id.
func (s *side) snapshot(volume string) string {
	s.t.Helper()
	status, text := s.ask("admin", "CLOUD_ADMIN_PROJECT", "POST", "snapshots", `{"snapshot":{"volume_id":"`+volume+`","name":"policy"}}`)
	require.Equal(s.t, http.StatusAccepted, status, text)
	var made map[string]cloudObject
	require.NoError(s.t, json.Unmarshal([]byte(text), &made))
	path := "snapshots/" + made["snapshot"].ID
	s.clean(func() {
		eventually(time.Minute, func() bool { // it may still be made
			status, _ := s.ask("admin", "CLOUD_ADMIN_PROJECT", "DELETE", path, "")
			return status == http.StatusNotFound
		})
	})
	return made["snapshot"].ID
}

// prepare makes what the requests are about: of demo, and of somebody else.
func (s *side) prepare() {
	s.t.Helper()
	volume, backup := s.make("demo", "CLOUD_DEMO_PROJECT")
	otherVolume, otherBackup := s.make("admin", "CLOUD_ADMIN_PROJECT")
	otherSnapshot := s.snapshot(otherVolume)
	pairs := []string{"{volume}", volume, "{backup}", backup, "{other volume}", otherVolume, "{other backup}", otherBackup, "{other snapshot}", otherSnapshot,
		"{demo}", s.c.vars["CLOUD_DEMO_PROJECT"], "{admin}", s.c.vars["CLOUD_ADMIN_PROJECT"], "{absent}", "11111111-2222-4333-8444-555555555555"}
	s.ids = strings.NewReplacer(pairs...)
	for i := 0; i < len(pairs); i += 2 {
		pairs[i], pairs[i+1] = pairs[i+1], pairs[i]
	}
	s.back = strings.NewReplacer(pairs...)
}

// tenantRequests are a request for every route and action of the API, as an
// ordinary user may send it. Those that change something allowed come last.
var tenantRequests = []struct{ method, path, body string }{
	{"GET", "backups", ""},
	{"GET", "backups/detail", ""},
	{"GET", "backups/detail?all_tenants=1", ""},
	{"GET", "backups/{backup}", ""},
	{"GET", "backups/{other backup}", ""},
	{"GET", "backups/{absent}", ""},
	{"GET", "backups/{backup}/export_record", ""},
	{"GET", "backups/{other backup}/export_record", ""},
	{"POST", "backups/import_record", `{"backup-record":{"backup_service":"cinder.backup.drivers.posix.PosixBackupDriver","backup_url":"e30="}}`},
	{"POST", "backups", `{"backup":{"volume_id":"{other volume}"}}`},
	{"PUT", "backups/{other backup}", `{"backup":{"name":"x"}}`},
	{"DELETE", "backups/{other backup}", ""},
	{"POST", "backups/{other backup}/restore", `{"restore":{}}`},
	{"POST", "backups/{backup}/restore", `{"restore":{"volume_id":"{other volume}"}}`},
	{"POST", "backups/{backup}/action", `{"os-reset_status":{"status":"error"}}`},
	{"POST", "backups/{other backup}/action", `{"os-reset_status":{"status":"error"}}`},
	{"POST", "backups/{absent}/action", `{"os-reset_status":{"status":"error"}}`},
	{"POST", "backups/{backup}/action", `{"os-force_delete":{}}`},
	{"POST", "backups/{other backup}/action", `{"os-force_delete":{}}`},
	{"POST", "backups/{backup}/action", `{"os-nothing":{}}`},

	{"GET", "os-services", ""},
	{"POST", "os-services", ""},
	{"PUT", "os-services/disable", `{"host":"x","binary":"cinder-backup"}`},
	{"PUT", "os-services/enable", `{"host":"x","binary":"cinder-backup"}`},
	{"PUT", "os-services/disable-log-reason", `{"host":"x","binary":"cinder-backup","disabled_reason":"y"}`},
	{"GET", "clusters", ""},
	{"GET", "clusters/detail", ""},
	{"GET", "clusters/x", ""},
	{"PUT", "clusters/disable", `{"name":"x"}`},
	{"POST", "workers/cleanup", `{}`},

	{"GET", "volumes", ""},
	{"GET", "volumes/detail", ""},
	{"GET", "volumes/detail?all_tenants=1", ""},
	{"GET", "volumes/{volume}", ""},
	{"GET", "volumes/{other volume}", ""},
	{"DELETE", "volumes/{other volume}", ""},
	{"POST", "volumes/{volume}/action", `{"os-reset_status":{"status":"error"}}`},
	{"POST", "volumes/{other volume}/action", `{"os-reset_status":{"status":"error"}}`},
	{"POST", "volumes/{volume}/action", `{"os-force_delete":{}}`},
	{"POST", "volumes/{other volume}/action", `{"os-force_delete":{}}`},
	{"POST", "manageable_volumes", `{"volume":{"host":"x@y","ref":{"source-name":"z"}}}`},

	{"GET", "messages", ""},
	{"GET", "messages/{absent}", ""},
	{"DELETE", "messages/{absent}", ""},
	{"GET", "snapshots", ""},
	{"GET", "snapshots/detail", ""},
	{"GET", "snapshots/{absent}", ""},
	{"GET", "types", ""},
	{"GET", "types/default", ""},
	{"GET", "os-quota-sets/{demo}", ""},
	{"GET", "os-quota-sets/{demo}?usage=True", ""},
	{"GET", "os-quota-sets/{admin}", ""},
	{"GET", "limits", ""},
	{"GET", "limits?project_id={admin}", ""},
	{"GET", "extensions", ""},
	{"GET", "os-availability-zone", ""},
	{"GET", "{admin}/backups", ""},

	{"GET", "volumes/summary", ""},
	{"PUT", "volumes/{other volume}", `{"volume":{"name":"x"}}`},
	{"GET", "volumes/{volume}/metadata", ""},
	{"GET", "volumes/{other volume}/metadata", ""},
	{"PUT", "volumes/{other volume}/metadata", `{"metadata":{"a":"b"}}`},
	{"POST", "volumes/{other volume}/metadata", `{"metadata":{"a":"b"}}`},
	{"GET", "volumes/{other volume}/metadata/a", ""},
	{"DELETE", "volumes/{other volume}/metadata/a", ""},
	{"POST", "volumes/{other volume}/action", `{"os-extend":{"new_size":2}}`},
	{"POST", "volumes/{other volume}/action", `{"os-update_readonly_flag":{"readonly":true}}`},
	{"POST", "snapshots", `{"snapshot":{"volume_id":"{other volume}"}}`},
	{"GET", "snapshots/{other snapshot}", ""},
	{"PUT", "snapshots/{other snapshot}", `{"snapshot":{"name":"x"}}`},
	{"DELETE", "snapshots/{other snapshot}", ""},
	{"GET", "snapshots/{other snapshot}/metadata", ""},
	{"PUT", "snapshots/{other snapshot}/metadata", `{"metadata":{"a":"b"}}`},
	{"POST", "snapshots/{other snapshot}/metadata", `{"metadata":{"a":"b"}}`},
	{"POST", "snapshots/{other snapshot}/action", `{"os-reset_status":{"status":"error"}}`},
	{"POST", "snapshots/{other snapshot}/action", `{"os-force_delete":{}}`},
	{"POST", "backups", `{"backup":{"volume_id":"{volume}","snapshot_id":"{other snapshot}"}}`},
	{"PUT", "os-quota-sets/{demo}", `{"quota_set":{"volumes":1000}}`},
	{"PUT", "os-quota-sets/{admin}", `{"quota_set":{"volumes":1}}`},
	{"DELETE", "os-quota-sets/{demo}", ""},
	{"GET", "os-quota-sets/{demo}/defaults", ""},
	{"GET", "os-quota-sets/{admin}/defaults", ""},
	{"GET", "os-quota-class-sets/default", ""},
	{"PUT", "os-quota-class-sets/default", `{"quota_class_set":{"volumes":1}}`},
	{"GET", "scheduler-stats/get_pools", ""},
	{"GET", "os-hosts", ""},
	{"GET", "os-hosts/x", ""},
	{"POST", "types", `{"volume_type":{"name":"x"}}`},
	{"GET", "types/{absent}/encryption", ""},
	{"GET", "qos-specs", ""},
	{"POST", "qos-specs", `{"qos_specs":{"name":"x"}}`},
	{"GET", "group_types", ""},
	{"POST", "group_types", `{"group_type":{"name":"x"}}`},
	{"GET", "groups", ""},
	{"GET", "group_snapshots", ""},
	{"GET", "os-volume-transfer", ""},
	{"GET", "volume-transfers/detail", ""},
	{"GET", "volume-transfers/{absent}", ""},
	{"GET", "attachments", ""},
	{"GET", "attachments/{absent}", ""},
	{"GET", "resource_filters", ""},
	{"GET", "extensions/backups", ""},
	{"GET", "os-availability-zone/detail", ""},

	{"POST", "volumes", `{"volume":{"size":1,"name":"policy-two"}}`},
	{"PUT", "backups/{backup}", `{"backup":{"name":"policy-renamed"}}`},
	{"DELETE", "backups/{backup}", ""},
	{"DELETE", "volumes/{volume}", ""},
}

// engineRequests are what only an engine has: for admins.
var engineRequests = []struct{ method, path, body, rule string }{
	{"GET", "manageable_backups", "", "backup:manageable"},
	{"POST", "manageable_backups", `{"backup":{"id":"{absent}"}}`, "backup:manage"},
	{"POST", "verifications", `{"verification":{"backup_id":"{backup}"}}`, "backup:verify"},
	{"GET", "verifications/{absent}", "", "backup:verify"},
}

func TestCloudPolicyOfATenantIsTheEngines(t *testing.T) {
	c := needCloud(t)
	base, _ := startServer(t, "--store", "posix://"+t.TempDir(), "--state-dir", t.TempDir(), "--auth", "keystone",
		"--os-auth-url", c.vars["CLOUD_AUTH_URL"], "--os-username", "cinder", "--os-password", "cinder", "--os-project-name", "service")
	real, ours := &side{t: t, c: c, base: c.vars["CLOUD_API"]}, &side{t: t, c: c, base: base}
	real.prepare()
	ours.prepare()
	for _, r := range engineRequests {
		assert.Equal(t, "403 forbidden: Policy doesn't allow "+r.rule+" to be performed.", ours.verdict(r.method, r.path, r.body), "%s %s", r.method, r.path)
	}
	refused := 0
	for _, r := range tenantRequests {
		want := real.verdict(r.method, r.path, r.body)
		assert.Equal(t, want, ours.verdict(r.method, r.path, r.body), "%s %s %s", r.method, r.path, r.body)
		if strings.HasPrefix(want, "403") {
			refused++
		}
	}
	t.Logf("%d requests, %d of them refused by policy", len(tenantRequests), refused)
	for _, s := range []*side{real, ours} {
		_, text := s.ask("demo", "CLOUD_DEMO_PROJECT", "GET", "backups/detail?all_tenants=1", "")
		assert.NotContains(t, text, s.c.vars["CLOUD_ADMIN_PROJECT"])
		assert.NotContains(t, text, s.ids.Replace("{other backup}"))
		_, text = s.ask("demo", "CLOUD_DEMO_PROJECT", "GET", "volumes/detail", "")
		var list struct{ Volumes []struct{ ID, Name string } }
		require.NoError(t, json.Unmarshal([]byte(text), &list))
		for _, v := range list.Volumes {
			assert.NotEqual(t, s.ids.Replace("{other volume}"), v.ID)
			if v.Name == "policy-two" {
				s.ask("demo", "CLOUD_DEMO_PROJECT", "DELETE", "volumes/"+v.ID, "")
			}
		}
	}
}
