package commands

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCloudReplay asks the scenarios of the real Cinder and wants the answers
// that are recorded; CINDER_GO_UPDATE=1 records them.
func TestCloudReplay(t *testing.T) {
	needCloud(t)
	for _, sc := range readScenarios(t) {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			recording := readRecording(t, sc.name)
			server := needCloud(t).replayServer(t, sc.noauth)
			for i, step := range sc.steps {
				if step.wait != "" {
					server.await(t, step)
					continue
				}
				key := stepKey(i, step)
				got := server.ask(t, step)
				if updating() {
					if recording[key] == nil {
						recording[key] = &replayRecord{Step: key}
					}
					recording[key].Cinder = &got
				}
				if assert.NotNil(t, recording[key], "%s: not recorded", step.name()) {
					assert.Equal(t, *recording[key].Cinder, got, "%s: Cinder does not answer what is recorded", step.name())
				}
			}
			if updating() {
				recording.write(t, sc)
			}
		})
	}
}

// replayServer is the cloud, with two projects of the scenario's own.
func (c *cloud) replayServer(t *testing.T, noauth bool) *replayServer {
	t.Helper()
	projects := [2]string{c.createProject(t), c.createProject(t)}
	c.grant(t, "admin", "admin", projects[0])
	c.grant(t, "admin", "admin", projects[1])
	c.grant(t, "demo", "member", projects[1])
	s := &replayServer{base: c.vars["CLOUD_API"], users: map[string]replayUser{}}
	for name, who := range map[string][2]string{"admin": {"admin", projects[0]}, "demo": {"demo", projects[1]}, "both": {"admin", projects[1]}} {
		token, err := c.tokenOf(who[0], who[1])
		require.NoError(t, err)
		s.users[name] = replayUser{token, who[1]}
	}
	t.Cleanup(func() {
		for _, project := range projects {
			c.emptyProject(t, project)
			c.keystone(t, "DELETE", "/projects/"+project, nil, nil)
		}
	})
	if noauth {
		s.base, _, _ = strings.Cut(c.vars["CLOUD_NOAUTH_URL"], "/v3")
		s.users = noauthUsers(projects[0])
	}
	s.vars = map[string]string{"P": projects[0], "D": projects[1], "backup_host": "bak-posix", "volume_host": "solo@file", "base": s.base}
	return s
}

func (c *cloud) keystone(t *testing.T, method, path string, body, answer any) {
	t.Helper()
	token, err := c.token(c.vars["CLOUD_ADMIN_PROJECT"])
	require.NoError(t, err)
	_, err = c.request(method, c.vars["CLOUD_AUTH_URL"]+path, map[string]string{"X-Auth-Token": token}, body, answer)
	require.NoError(t, err)
}

func (c *cloud) createProject(t *testing.T) string {
	t.Helper()
	random := make([]byte, 4)
	_, _ = rand.Read(random) // which never fails
	var made struct {
		Project struct {
			ID string `json:"id"`
		} `json:"project"`
	}
	c.keystone(t, http.MethodPost, "/projects", map[string]any{"project": map[string]any{"name": "replay-" + hex.EncodeToString(random)}}, &made)
	return made.Project.ID
}

// grant gives a user a role in a project.
func (c *cloud) grant(t *testing.T, user, role, project string) {
	t.Helper()
	find := func(kind, name string) string {
		found := map[string]any{}
		c.keystone(t, http.MethodGet, "/"+kind+"?name="+name, nil, &found)
		list := found[kind].([]any)
		require.Len(t, list, 1, "%s %s", kind, name)
		return list[0].(map[string]any)["id"].(string)
	}
	c.keystone(t, http.MethodPut, "/projects/"+project+"/users/"+find("users", user)+"/roles/"+find("roles", role), nil, nil)
}

// emptyProject deletes the backups, snapshots and volumes of a project, those
// first that others do not stand on.
func (c *cloud) emptyProject(t *testing.T, project string) {
	t.Helper()
	list := func(kind string) []any {
		found := map[string]any{}
		require.NoError(t, c.api("admin", project, "GET", "/"+kind, nil, &found))
		return found[kind].([]any)
	}
	for _, kind := range []string{"backups", "snapshots", "volumes"} {
		gone := eventually(time.Minute, func() bool {
			left := list(kind)
			for _, item := range left {
				id := item.(map[string]any)["id"].(string)
				_ = c.api("admin", project, "POST", "/"+kind+"/"+id+"/action", map[string]any{"os-force_delete": struct{}{}}, nil) // refused while another stands on it
			}
			return len(left) == 0
		})
		assert.True(t, gone, "%s are left in project %s", kind, project)
	}
}
