package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

// tokens are what Keystone would say, by token.
type tokens map[string]*api.Token

func (k tokens) Validate(_ context.Context, token string, expired bool) (*api.Token, error) {
	if token == "down" {
		return nil, driverstate.Fail(driverstate.ErrUnavailable, "connection refused")
	}
	t := k[token]
	if t == nil || !expired && !time.Now().Before(t.ExpiresAt) {
		return nil, driverstate.Fail(driverstate.ErrForbidden, "no such token")
	}
	return t, nil
}

const demoProject = "0d3f0d3f0d3f0d3f0d3f0d3f0d3f0d3f"

func keystoneTokens() tokens {
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	of := func(until time.Time, project string, roles ...string) *api.Token {
		return &api.Token{UserID: "u", ProjectID: project, Roles: roles, ExpiresAt: until}
	}
	limited := of(later, demoProject, "member")
	limited.Restricted = true
	limited.Rules = []api.AccessRule{
		{Method: "GET", Path: "/v3/" + demoProject + "/backups/{id}", Service: "volumev3"},
		{Method: "GET", Path: "/v3/types/**", Service: "block-storage"},
		{Method: "GET", Path: "/v3/limits", Service: "compute"},
	}
	nobody := of(later, demoProject, "admin")
	nobody.UserID = ""
	return tokens{
		"admin": of(later, demoProject, "reader", "Admin"), "operator": of(later, demoProject, "operator"),
		"member": of(later, demoProject, "member", "reader"), "reader": of(later, demoProject, "reader"), "other": of(later, demoProject, "swift"),
		"unscoped": of(later, ""), "domain admin": of(later, "", "admin"), "nobody": nobody,
		"old": of(before, demoProject, "member"), "service": of(later, "5e", "service"), "old service": of(before, "5e", "service"),
		"limited": limited, "no rules": {UserID: "u", ProjectID: demoProject, Roles: []string{"admin"}, ExpiresAt: later, Restricted: true},
	}
}

// answerOf asks with headers, given as names and values in turn.
func answerOf(t *testing.T, k *api.Keystone, ops api.Operations, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	api.New(ops, api.Config{Auth: k}).ServeHTTP(w, r)
	return w
}

// The answer of keystonemiddleware 10.1.0, seen on a cinder-api of Zed.
func TestWithoutASoundTokenTheAnswerIsKeystonemiddlewares(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		ok      bool
	}{
		{"none", nil, false},
		{"empty", []string{"X-Auth-Token", ""}, false},
		{"unknown", []string{"X-Auth-Token", "x"}, false},
		{"expired", []string{"X-Auth-Token", "old"}, false},
		{"of no user", []string{"X-Auth-Token", "nobody"}, false},
		{"that noauth would take", []string{"X-Auth-Token", "admin:" + demoProject}, false},
		{"only identity headers", []string{"X-Identity-Status", "Confirmed", "X-User-Id", "u", "X-Project-Id", demoProject, "X-Roles", "admin"}, false},
		{"sound", []string{"X-Auth-Token", "member"}, true},
		{"sound, with spaces", []string{"X-Auth-Token", " member "}, true},
		{"by its old name", []string{"X-Storage-Token", "member"}, true},
		{"an empty one before it", []string{"X-Auth-Token", "", "X-Storage-Token", "member"}, false},
		{"a wrong service token beside it", []string{"X-Auth-Token", "member", "X-Service-Token", "x"}, false},
		{"an expired service token", []string{"X-Auth-Token", "member", "X-Service-Token", "old service"}, false},
		{"a service token", []string{"X-Auth-Token", "member", "X-Service-Token", "service"}, true},
		{"a service token of a user", []string{"X-Auth-Token", "member", "X-Service-Token", "admin"}, true},
		{"a service token alone", []string{"X-Service-Token", "service"}, false},
		{"expired, with a service", []string{"X-Auth-Token", "old", "X-Service-Token", "service"}, true},
		{"expired, with a user as service", []string{"X-Auth-Token", "old", "X-Service-Token", "admin"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := answerOf(t, &api.Keystone{Tokens: keystoneTokens(), URI: "http://cloud:5000"}, &fake{}, "GET", "/v3/backups", "", c.headers...)
			assert.Contains(t, w.Header().Get("X-Openstack-Request-Id"), "req-")
			if c.ok {
				assert.Equal(t, http.StatusOK, w.Code, w.Body)
				return
			}
			assert.Equal(t, http.StatusUnauthorized, w.Code)
			assert.Equal(t, `Keystone uri="http://cloud:5000"`, w.Header().Get("WWW-Authenticate"))
			assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
			assert.Equal(t, `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`, w.Body.String())
			assert.Empty(t, w.Header().Get("X-Compute-Request-Id"))
		})
	}
}

func TestServiceTokensMayBeAskedForAServicesRole(t *testing.T) {
	k := &api.Keystone{Tokens: keystoneTokens(), ServiceRolesRequired: true, ServiceRoles: []string{"nova", "Operator"}}
	for service, want := range map[string]int{"service": 401, "admin": 401, "operator": 200} {
		w := answerOf(t, k, &fake{}, "GET", "/v3/backups", "", "X-Auth-Token", "old", "X-Service-Token", service)
		assert.Equal(t, want, w.Code, service)
	}
}

// The answers of keystonemiddleware 10.1.0 to a Keystone that refuses the
// connection.
func TestKeystoneAwayIs503(t *testing.T) {
	for accept, want := range map[string]string{
		"": "503 Service Unavailable\n\nThe server is currently unavailable. Please try again at a later time.\n\n The Keystone service is temporarily unavailable.  ",
		"application/json": `{"message": "The server is currently unavailable. Please try again at a later time.<br /><br />\nThe Keystone service is temporarily unavailable.\n\n", ` +
			`"code": "503 Service Unavailable", "title": "Service Unavailable"}`,
		"*/*": "<html>\n <head>\n  <title>503 Service Unavailable</title>\n </head>\n <body>\n  <h1>503 Service Unavailable</h1>\n" +
			"  The server is currently unavailable. Please try again at a later time.<br /><br />\nThe Keystone service is temporarily unavailable.\n\n\n </body>\n</html>",
	} {
		headers := []string{"X-Auth-Token", "down"}
		if accept != "" {
			headers = append(headers, "Accept", accept)
		}
		w := answerOf(t, &api.Keystone{Tokens: keystoneTokens()}, &fake{}, "GET", "/v3/backups", "", headers...)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, want, w.Body.String())
	}
}

func TestWhatAClientSaysOfItselfIsNotBelieved(t *testing.T) {
	ops := &fake{}
	w := answerOf(t, &api.Keystone{Tokens: keystoneTokens()}, ops, "GET", "/v3/backups", "", "X-Auth-Token", "member",
		"X-Roles", "admin", "X-Role", "admin", "X-Is-Admin-Project", "True", "X-User-Id", "root", "X-User", "root", "X-Project-Id", "f00d", "X-Tenant-Id", "f00d",
		"X-Identity-Status", "Confirmed", "X-Service-Identity-Status", "Confirmed", "X-Service-Roles", "service", "X-System-Scope", "all")
	require.Equal(t, http.StatusOK, w.Code)
	ops.caller.RequestID = ""
	assert.Equal(t, driverstate.Caller{UserID: "u", ProjectID: demoProject}, ops.caller)
}

func TestRolesMakeTheCaller(t *testing.T) {
	for _, c := range []struct {
		token    string
		keystone api.Keystone
		want     driverstate.Caller
	}{
		{"admin", api.Keystone{}, driverstate.Caller{UserID: "u", ProjectID: demoProject, Admin: true}},
		{"operator", api.Keystone{}, driverstate.Caller{UserID: "u", ProjectID: demoProject}},
		{"operator", api.Keystone{AdminRoles: []string{"root", "operator"}}, driverstate.Caller{UserID: "u", ProjectID: demoProject, Admin: true}},
		{"admin", api.Keystone{AdminRoles: []string{"operator"}}, driverstate.Caller{UserID: "u", ProjectID: demoProject}},
		{"domain admin", api.Keystone{}, driverstate.Caller{UserID: "u", Admin: true}},
		{"unscoped", api.Keystone{}, driverstate.Caller{UserID: "u", Limit: driverstate.NotAllowed}},
		{"reader", api.Keystone{}, driverstate.Caller{UserID: "u", ProjectID: demoProject}},
		{"member", api.Keystone{NewDefaults: true}, driverstate.Caller{UserID: "u", ProjectID: demoProject}},
		{"reader", api.Keystone{NewDefaults: true}, driverstate.Caller{UserID: "u", ProjectID: demoProject, Limit: driverstate.ReadOnly}},
		{"other", api.Keystone{NewDefaults: true}, driverstate.Caller{UserID: "u", ProjectID: demoProject, Limit: driverstate.NoRole}},
	} {
		c.keystone.Tokens = keystoneTokens()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v3/backups", nil)
		r.Header.Set("X-Auth-Token", c.token)
		got, ok := c.keystone.Authenticate(httptest.NewRecorder(), r)
		assert.True(t, ok)
		assert.Equal(t, c.want, got, c.token)
	}
}

func TestLimitsOfARole(t *testing.T) {
	const id = "11111111-2222-3333-4444-555555555555"
	for _, c := range []struct {
		method, path, body string
		reader, other      string // the rule that refuses; empty when it lets through
	}{
		{"GET", "backups", "", "", "backup:get_all"},
		{"GET", "volumes/" + id, "", "", "volume:get"},
		{"GET", "extensions", "", "", ""},
		{"POST", "backups", `{"backup":{"volume_id":"` + id + `"}}`, "backup:create", "backup:create"},
		{"DELETE", "backups/" + id, "", "backup:delete", "backup:delete"},
		{"POST", "backups/" + id + "/restore", `{"restore":{}}`, "backup:restore", "backup:restore"},
		{"POST", "volumes/" + id + "/action", `{"os-extend":{}}`, "volume:extend", "volume:extend"},
	} {
		for token, rule := range map[string]string{"reader": c.reader, "other": c.other} {
			k := &api.Keystone{Tokens: keystoneTokens(), NewDefaults: true}
			ops := &fake{backups: []*driverstate.Backup{{ID: id}}, volumes: []*driverstate.Volume{{ID: id}}}
			w := answerOf(t, k, ops, c.method, "/v3/"+c.path, c.body, "X-Auth-Token", token)
			if rule == "" {
				assert.Equal(t, http.StatusOK, w.Code, "%s %s: %s", c.method, c.path, w.Body)
				continue
			}
			assert.Equal(t, http.StatusForbidden, w.Code)
			assert.Contains(t, w.Body.String(), "Policy doesn't allow "+rule+" to be performed.")
			assert.Empty(t, ops.called)
		}
		ops := &fake{}
		w := answerOf(t, &api.Keystone{Tokens: keystoneTokens()}, ops, c.method, "/v3/"+c.path, c.body, "X-Auth-Token", "unscoped")
		assert.Equal(t, http.StatusForbidden, w.Code)
		assert.Contains(t, w.Body.String(), `"Not authorized."`)
		assert.Empty(t, ops.called)
	}
}

func TestAccessRulesOfAnApplicationCredential(t *testing.T) {
	for _, c := range []struct {
		name, token, method, path, service string
		want                               int
	}{
		{"allowed", "limited", "GET", "/v3/" + demoProject + "/backups/11111111-2222-3333-4444-555555555555", "", 200},
		{"another method", "limited", "DELETE", "/v3/" + demoProject + "/backups/11111111-2222-3333-4444-555555555555", "", 401},
		{"more segments", "limited", "GET", "/v3/" + demoProject + "/backups/x/export_record", "", 401},
		{"anything below", "limited", "GET", "/v3/types/default", "", 200},
		{"the rule is another service's", "limited", "GET", "/v3/limits", "", 401},
		{"for a service", "limited", "GET", "/v3/limits", "service", 200},
		{"no rules at all", "no rules", "GET", "/v3/limits", "", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{"X-Auth-Token", c.token}
			if c.service != "" {
				headers = append(headers, "X-Service-Token", c.service)
			}
			ops := &fake{backups: []*driverstate.Backup{{}}}
			w := answerOf(t, &api.Keystone{Tokens: keystoneTokens()}, ops, c.method, c.path, "", headers...)
			assert.Equal(t, c.want, w.Code, w.Body)
		})
	}
}

// waits is an Operations whose list says when it is asked, and waits.
type waits struct {
	fake
	asked  chan struct{}
	resume chan struct{}
}

func (f *waits) Backups(context.Context, driverstate.Caller, driverstate.BackupFilter) ([]*driverstate.Backup, error) {
	f.asked <- struct{}{}
	<-f.resume
	return nil, nil
}

func TestOneRequestMoreThanTheLimitWaitsForItsTurn(t *testing.T) {
	ops := &waits{asked: make(chan struct{}), resume: make(chan struct{})}
	h := api.New(ops, api.Config{MaxRequests: 1})
	done := make(chan int, 2)
	ask := func(ctx context.Context) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, "GET", "/v3/backups", nil)
		r.Header.Set("X-Auth-Token", "a:b")
		h.ServeHTTP(w, r)
		if w.Code == http.StatusServiceUnavailable {
			assert.Equal(t, "1", w.Header().Get("Retry-After"))
			assert.JSONEq(t, `{"serviceUnavailable":{"code":503,"message":"Too many requests are worked on at once. Try again later."}}`, w.Body.String())
		}
		return w.Code
	}
	go func() { done <- ask(t.Context()) }()
	<-ops.asked
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, http.StatusServiceUnavailable, ask(gone), "there is no slot")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/healthcheck", nil))
	assert.Equal(t, http.StatusOK, w.Code, "health is told all the same")
	go func() { done <- ask(t.Context()) }()
	ops.resume <- struct{}{}
	<-ops.asked // the second has its turn
	ops.resume <- struct{}{}
	assert.Equal(t, []int{200, 200}, []int{<-done, <-done})
}
