package commands

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clientLine is what somebody types with a client of OpenStack's own.
type clientLine struct {
	typed string // words beginning with $ are objects of the side
	user  string // admin when empty, or demo
	// changes: what came before has ended when it begins, and what follows waits for it.
	changes bool
	until   string // "backups/$NEW available" or gone: what is waited for then
	keep    string // "NEW=id": a value of the table that it prints
	// shape: the two clouds hold other things; the names of columns and
	// properties are compared alone.
	shape bool
	// codes: not even they are there when there is nothing to list.
	codes bool
	// without are the properties that differ for that reason; the rest is the
	// same.
	without []string
	// better says why the engine answers otherwise on purpose, differs why it
	// does otherwise.
	better, differs string
}

// clientEnd is how a line ended, without what differs from run to run.
type clientEnd struct {
	code     int
	out, err string
}

// TestCloudRealClients types the commands of python-cinderclient and
// openstackclient at a real Cinder and at the engine behind the same Keystone:
// they print the same and exit with the same codes. CINDER_GO_UPDATE=1 writes
// docs/compatibility.md.
func TestCloudRealClients(t *testing.T) {
	c := needCloud(t)
	lab := newClientLab(t, c)
	lines := clientLines()
	ends := lab.play(t, lines)
	for i, line := range lines {
		real, ours := ends[0][i], ends[1][i]
		name := line.typed + " as " + cmp.Or(line.user, "admin")
		if line.better+line.differs == "" {
			assert.Equal(t, real, ours, name)
			continue
		}
		assert.NotEqual(t, real, ours, "%s: it is no other", name)
		if line.without != nil {
			real.out, ours.out = without(real.out, line.without), without(ours.out, line.without)
			assert.Equal(t, real, ours, name)
		}
	}
	page := string(compatibilityPage(t, lines, ends))
	const file = "../docs/compatibility.md"
	if updating() {
		if !t.Failed() {
			require.NoError(t, os.WriteFile(file, []byte(page), 0o644))
		}
		return
	}
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(written), page, "CINDER_GO_UPDATE=1 writes it anew")
}

// clientLab is two sides with the same in them, and the process that runs
// clients.
type clientLab struct {
	sides   [2]*clientSide
	runner  *clientRunner
	project string // the admin's
}

// clientSide is one that answers, in a region of its own.
type clientSide struct {
	*side
	env  map[string]map[string]string // by user
	vars map[string]string
}

func newClientLab(t *testing.T, c *cloud) *clientLab {
	t.Helper()
	admins, demos := c.createProject(t), c.createProject(t)
	c.grant(t, "admin", "admin", admins)
	c.grant(t, "admin", "admin", demos)
	c.grant(t, "demo", "member", demos)
	c.vars["CLIENTS_ADMIN"], c.vars["CLIENTS_DEMO"] = admins, demos
	t.Cleanup(func() {
		_, err := c.sql(`UPDATE services SET disabled=0, disabled_reason=NULL WHERE host="solo@file"`) // Cinder keeps a reason
		assert.NoError(t, err)
		for _, project := range []string{admins, demos} {
			c.emptyProject(t, project)
			_ = c.api("admin", project, "DELETE", "/os-quota-sets/"+project, nil, nil) // which may have none
			c.keystone(t, "DELETE", "/projects/"+project, nil, nil)
		}
	})
	state := t.TempDir()
	base, _ := startServer(t, "--store", "posix://"+t.TempDir(), "--state-dir", state, "--auth", "keystone",
		"--os-auth-url", c.vars["CLOUD_AUTH_URL"], "--os-username", "cinder", "--os-password", "cinder", "--os-project-name", "service")
	lab := &clientLab{runner: newClientRunner(t, c), project: admins}
	lab.sides[0] = &clientSide{side: &side{t: t, c: c, base: c.vars["CLOUD_API"]}}
	lab.sides[1] = &clientSide{side: &side{t: t, c: c, base: base}}
	regions := [2]string{"RegionOne", c.region(t, base)}
	hosts := [2][2]string{{"bak-posix", "solo@file"}, {"", ""}}
	hosts[1] = lab.sides[1].hosts()
	lab.sides[1].seed()
	login := newLoginDesk(t, c)
	var prepared sync.WaitGroup
	for i, s := range lab.sides {
		s.vars = map[string]string{"P": admins, "D": demos, "ABSENT": "11111111-2222-4333-8444-555555555555",
			"BACKUP_HOST": hosts[i][0], "VOLUME_HOST": hosts[i][1]}
		s.env = map[string]map[string]string{}
		for user, project := range map[string]string{"admin": admins, "demo": demos} {
			s.env[user] = map[string]string{
				"OS_AUTH_URL": login, "OS_USERNAME": user, "OS_PASSWORD": user, "OS_PROJECT_ID": project,
				"OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_IDENTITY_API_VERSION": "3",
				"OS_REGION_NAME": regions[i], "OS_VOLUME_API_VERSION": "3.70", "HOME": t.TempDir(), "PATH": os.Getenv("PATH"), "LANG": "C.UTF-8", "COLUMNS": "400",
			}
		}
		files := func(id string) string { return c.volumeFile(id) }
		if i == 1 {
			files = func(id string) string { return filepath.Join(state, "volumes", "volume-"+id) }
		}
		prepared.Go(func() { s.prepare(files) })
	}
	prepared.Wait()
	return lab
}

// region puts an engine into the catalogue, in a region of its own.
func (c *cloud) region(t *testing.T, base string) string {
	t.Helper()
	region := "engine-" + c.vars["CLIENTS_ADMIN"][:8]
	c.keystone(t, http.MethodPut, "/regions/"+region, map[string]any{"region": map[string]any{}}, nil)
	t.Cleanup(func() { c.keystone(t, http.MethodDelete, "/regions/"+region, nil, nil) })
	var known struct{ Services []struct{ ID, Type string } }
	c.keystone(t, http.MethodGet, "/services", nil, &known)
	for _, service := range known.Services {
		url := map[string]string{"volumev3": base + "/v3/$(project_id)s", "block-storage": base + "/v3/$(project_id)s", "identity": c.vars["CLOUD_AUTH_URL"]}[service.Type]
		if url == "" {
			continue
		}
		for _, face := range []string{"public", "admin", "internal"} {
			var made struct{ Endpoint struct{ ID string } }
			c.keystone(t, http.MethodPost, "/endpoints", map[string]any{"endpoint": map[string]any{
				"service_id": service.ID, "region_id": region, "interface": face, "url": url}}, &made)
			t.Cleanup(func() { c.keystone(t, http.MethodDelete, "/endpoints/"+made.Endpoint.ID, nil, nil) })
		}
	}
	return region
}

// seed gives the engine the volume types and the default quotas that
// testdata/cloud/seed.py gives the cloud.
func (s *clientSide) seed() {
	s.t.Helper()
	send := func(method, path, body string) (id string) {
		status, text := s.ask("admin", "CLIENTS_ADMIN", method, path, body)
		require.Equal(s.t, http.StatusOK, status, text)
		var made map[string]cloudObject
		_ = json.Unmarshal([]byte(text), &made) // of a type; the others have no id
		return made["volume_type"].ID
	}
	solo := send("POST", "types", `{"volume_type":{"name":"solo"}}`)
	send("POST", "types/"+solo+"/extra_specs", `{"extra_specs":{"volume_backend_name":"solo"}}`)
	send("PUT", "os-quota-class-sets/default", `{"quota_class_set":{"volumes":-1,"snapshots":-1,"gigabytes":-1,"backups":-1,"backup_gigabytes":-1}}`)
}

// hosts are those of the first cinder-backup and cinder-volume.
func (s *clientSide) hosts() (found [2]string) {
	s.t.Helper()
	status, text := s.ask("admin", "CLIENTS_ADMIN", "GET", "os-services", "")
	require.Equal(s.t, http.StatusOK, status, text)
	var list struct {
		Services []struct{ Binary, Host string }
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &list))
	for _, service := range list.Services {
		for i, binary := range []string{"cinder-backup", "cinder-volume"} {
			if service.Binary == binary {
				found[i] = service.Host
			}
		}
	}
	return found
}

// prepare makes VOL with the backup FULL, the increment INC on it, BAD in error
// and the snapshot SNAP, VOL2 to restore to, and demo's THEIRVOL with THEIRS.
func (s *clientSide) prepare(file func(id string) string) {
	for _, v := range [][3]string{{"VOL", "admin", "CLIENTS_ADMIN"}, {"VOL2", "admin", "CLIENTS_ADMIN"}, {"THEIRVOL", "demo", "CLIENTS_DEMO"}} {
		s.create(v[1], v[2], "volumes", v[0], `{"volume":{"size":1,"name":"`+strings.ToLower(v[0])+`"}}`)
		// Little, and the same on both sides.
		assert.NoError(s.t, os.WriteFile(file(s.vars[v[0]]), bytes.Repeat([]byte(v[0]), 1<<18), 0o644))
	}
	for _, b := range [][4]string{{"FULL", "VOL", "false"}, {"INC", "VOL", "true"}, {"BAD", "VOL2", "false"}, {"OTHER", "VOL2", "false"}} {
		s.create("admin", "CLIENTS_ADMIN", "backups", b[0], `{"backup":{"volume_id":"`+s.vars[b[1]]+`","name":"`+strings.ToLower(b[0])+`","incremental":`+b[2]+`}}`)
	}
	s.create("demo", "CLIENTS_DEMO", "backups", "THEIRS", `{"backup":{"volume_id":"`+s.vars["THEIRVOL"]+`","name":"theirs"}}`)
	s.create("admin", "CLIENTS_ADMIN", "snapshots", "SNAP", `{"snapshot":{"volume_id":"`+s.vars["VOL"]+`","name":"snap"}}`)
	status, text := s.ask("admin", "CLIENTS_ADMIN", "POST", "backups/"+s.vars["BAD"]+"/action", `{"os-reset_status":{"status":"error"}}`)
	assert.Equal(s.t, http.StatusAccepted, status, text)
	status, text = s.ask("admin", "CLIENTS_ADMIN", "GET", "backups/"+s.vars["FULL"]+"/export_record", "")
	assert.Equal(s.t, http.StatusOK, status, text)
	var exported map[string]map[string]string
	assert.NoError(s.t, json.Unmarshal([]byte(text), &exported))
	s.vars["RECORD"] = exported["backup-record"]["backup_url"]
	s.vars["SERVICE"] = exported["backup-record"]["backup_service"]
}

// create has something made, and keeps its id under a name.
func (s *clientSide) create(user, project, collection, name, body string) {
	status, text := s.ask(user, project, "POST", collection, body)
	if !assert.Equal(s.t, http.StatusAccepted, status, text) {
		return
	}
	var made map[string]cloudObject
	assert.NoError(s.t, json.Unmarshal([]byte(text), &made))
	s.vars[name] = made[strings.TrimSuffix(collection, "s")].ID
	s.await(collection + "/$" + name + " available")
}

// await waits for "backups/$NEW available", or gone.
func (s *clientSide) await(until string) {
	path, want, _ := strings.Cut(s.expand(until), " ")
	project := "CLIENTS_ADMIN"
	if strings.Contains(until, "$THEIR") {
		project = "CLIENTS_DEMO"
	}
	var now string
	arrived := eventually(3*time.Minute, func() bool {
		status, text := s.ask("admin", project, "GET", path, "")
		if status == http.StatusNotFound {
			now = "gone"
			return want == now
		}
		var seen map[string]cloudObject
		_ = json.Unmarshal([]byte(text), &seen) // else it is not there yet
		for _, object := range seen {
			now = object.Status
		}
		return now == want
	})
	assert.True(s.t, arrived, "%s at %s: it is %s", until, s.base, now)
}

func (s *clientSide) expand(text string) string {
	return os.Expand(text, func(name string) string { return s.vars[name] })
}

// play types every line at both sides: those that only look side by side.
func (lab *clientLab) play(t *testing.T, lines []clientLine) (ends [2][]clientEnd) {
	t.Helper()
	var looking sync.WaitGroup
	for i := range ends {
		ends[i] = make([]clientEnd, len(lines))
	}
	for n, line := range lines {
		if line.changes {
			looking.Wait()
		}
		for i, s := range lab.sides {
			looking.Go(func() { ends[i][n] = lab.typeLine(s, line) })
		}
		if line.changes {
			looking.Wait()
		}
	}
	looking.Wait()
	return ends
}

func (lab *clientLab) typeLine(s *clientSide, line clientLine) clientEnd {
	words := strings.Fields(line.typed)
	for i, w := range words {
		words[i] = s.expand(w)
	}
	began := time.Now()
	end := lab.runner.run(words, s.env[cmp.Or(line.user, "admin")])
	s.t.Logf("%s at %s: %d after %s\n%s%s", strings.Join(words, " "), s.base, end.code, time.Since(began).Round(time.Millisecond), end.out, end.err)
	if name, column, ok := strings.Cut(line.keep, "="); ok && end.code == 0 {
		s.vars[name] = propertyOf(end.out, column)
		assert.NotEmpty(s.t, s.vars[name], "%s prints no %s:\n%s", line.typed, column, end.out)
	}
	if line.until != "" && end.code == 0 || strings.HasSuffix(line.until, " gone") { // of two, one may go
		s.await(line.until)
	}
	end.out, end.err = s.plain(end.out), s.plain(end.err)
	switch {
	case line.shape:
		end.out = headingsOf(end.out)
	case line.codes:
		end.out = ""
	}
	return end
}
