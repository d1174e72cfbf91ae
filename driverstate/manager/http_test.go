package manager_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

// callers is an identity service that knows the callers of the tests.
type callers map[string]driverstate.Caller

func (c callers) Authenticate(_ http.ResponseWriter, r *http.Request) (driverstate.Caller, bool) {
	who, ok := c[r.Header.Get("X-Auth-Token")]
	return who, ok
}

// stranger is an ordinary user of another project.
var stranger = driverstate.Caller{UserID: "2a1b2c3d4e5f60718293a4b5c6d7e8f9", ProjectID: other}

// ask sends a request to the API over the manager, in the newest version, and
// returns the answer; body may be empty.
func (l *lab) ask(who, method, path, body string) (status int, answer map[string]any) {
	l.t.Helper()
	return l.askAt("latest", who, method, path, body)
}

// askAt is ask in a version.
func (l *lab) askAt(version, who, method, path, body string) (status int, answer map[string]any) {
	l.t.Helper()
	h := api.New(l.Manager, api.Config{Auth: callers{"admin": admin, "tenant": tenant, "stranger": stranger, "system": {UserID: admin.UserID, Admin: true}}})
	r := httptest.NewRequestWithContext(l.t.Context(), method, "/v3/"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", who)
	r.Header.Set("OpenStack-API-Version", "volume "+version)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	raw, err := io.ReadAll(w.Result().Body)
	require.NoError(l.t, err)
	if len(raw) > 0 {
		require.NoError(l.t, json.Unmarshal(raw, &answer), string(raw))
	}
	return w.Code, answer
}

// message is the text of a fault.
func message(answer map[string]any) string {
	for _, inner := range answer {
		if doc, ok := inner.(map[string]any); ok {
			text, _ := doc["message"].(string)
			return text
		}
	}
	return ""
}

// ids are those of the items of a list.
func ids(answer map[string]any, key string) []string {
	out := []string{}
	list, _ := answer[key].([]any)
	for _, item := range list {
		out = append(out, item.(map[string]any)["id"].(string))
	}
	return out
}

func TestAnAdminFiltersBackupsByAnyColumn(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(64<<10, 1))
	child := l.managed(full, image(64<<10, 2))
	never := l.managed(nil, image(64<<10, 3))
	name := "nightly 1"
	l.set(child.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.ProjectID, b.Name = other, &name })
	l.set(never.ID, driverstate.StatusError, func(b *driverstate.Backup) { b.Service, b.Host, b.FailReason = "", "gone", "why" })
	all := []string{full.ID, child.ID, never.ID}

	for query, want := range map[string][]string{
		"all_tenants=1":                                        all,
		"all_tenants=1&parent_id=" + full.ID:                   {child.ID},
		"all_tenants=1&parent_id=" + never.ID:                  nil,
		"all_tenants=1&host=" + host:                           {full.ID, child.ID},
		"all_tenants=1&host=gone":                              {never.ID},
		"all_tenants=1&service=" + full.Service:                {full.ID, child.ID},
		"all_tenants=1&service~=":                              {full.ID, child.ID},
		"all_tenants=1&service~=&id=" + never.ID:               nil,
		"all_tenants=1&id=" + child.ID:                         {child.ID},
		"all_tenants=1&id=" + child.ID + "&host=" + host:       {child.ID},
		"all_tenants=1&id=" + child.ID + "&host=gone":          nil,
		"all_tenants=1&status=error":                           {never.ID},
		"all_tenants=1&name=nightly+1":                         {child.ID},
		"all_tenants=1&name~=night":                            {child.ID},
		"all_tenants=1&project_id=" + other:                    {child.ID},
		"all_tenants=1&volume_id=" + full.VolumeID:             {full.ID, child.ID},
		"all_tenants=1&fail_reason=why":                        {never.ID},
		"all_tenants=1&size=1":                                 all,
		"all_tenants=1&num_dependent_backups=1":                {full.ID},
		"parent_id=" + full.ID:                                 nil, // it is in another project
		"project_id=" + other:                                  {full.ID, never.ID},
		"all_tenants=1&limit=1&sort=id:asc&status=error":       {never.ID},
		"all_tenants=1&host=" + host + "&parent_id=" + full.ID: {child.ID},
	} {
		status, answer := l.ask("admin", "GET", "backups/detail?"+query, "")
		assert.Equal(t, http.StatusOK, status, query)
		assert.ElementsMatch(t, want, ids(answer, "backups"), query)
	}

	status, answer := l.ask("admin", "GET", "backups/detail?all_tenants=1&nonsense=1&is_incremental=true", "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Invalid filters nonsense,is_incremental are found in query options.", message(answer))
	status, answer = l.ask("stranger", "GET", "backups?all_tenants=1", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, []string{child.ID}, ids(answer, "backups"), "a tenant sees their own")
	status, answer = l.ask("stranger", "GET", "backups?all_tenants=1&parent_id="+full.ID, "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Invalid filters parent_id are found in query options.", message(answer))
}

func TestATokenForTheSystemListsAllProjectsOnlyWhenItAsksForThem(t *testing.T) {
	l := newLab(t, nil)
	b, v := l.managed(nil, image(64<<10, 1)), l.newVolume()
	for key, id := range map[string]string{"backups": b.ID, "volumes": v.ID} {
		for query, want := range map[string][]string{"?all_tenants=1": {id}, "": {}, "?all_tenants=0": {}, "?project_id=" + project: {}} {
			status, answer := l.ask("system", "GET", key+"/detail"+query, "")
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, want, ids(answer, key), "%s%s", key, query)
		}
	}
	_, answer := l.ask("system", "GET", "backups?with_count=1", "")
	assert.EqualValues(t, 0, answer["count"])
	_, answer = l.ask("system", "GET", "snapshots", "")
	assert.Empty(t, ids(answer, "snapshots"))
}
