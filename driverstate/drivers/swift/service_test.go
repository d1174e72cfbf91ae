package swift_test

import (
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// asTheServiceUser is a configuration whose login and whose service user are
// in two Keystones; that of the service user speaks TLS, and ca is the file of
// its authority. tokens are the service tokens that came to Swift, which knows
// no object.
func asTheServiceUser(t *testing.T, more oslo.Values) (cfg swift.Config, service *identity, ca string, tokens map[string]bool) {
	t.Helper()
	tokens = map[string]bool{}
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			tokens[r.Header.Get("X-Service-Token")] = true
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(store.Close)
	service = &identity{t: t, token: "of-service"}
	second := httptest.NewUnstartedServer(service)
	second.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that goes is what is tested
	second.StartTLS()
	t.Cleanup(second.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: second.Certificate().Raw}), 0o600))
	first := keystone3(t, "of-user", store.URL)
	v := oslo.Values{
		"os_auth_url": first.Credentials.AuthURL, "os_username": "cinder", "os_password": "hush", "os_project_name": "project",
		"backup_swift_service_auth": "true", "service_user.send_service_user_token": "true", "service_user.auth_url": second.URL,
		"service_user.password": "hush", "backup_swift_retry_attempts": "0",
	}
	for name, value := range more {
		v[name] = strings.ReplaceAll(value, "CA", ca)
	}
	return fromValues(t, v), service, ca, tokens
}

func TestTheServiceUserLogsInAsKeystoneauthHasIt(t *testing.T) {
	domain := func(key, value string) map[string]any { return map[string]any{key: value} }
	for name, c := range map[string]struct {
		values  oslo.Values
		user    map[string]any
		project map[string]any
	}{
		"by id":                          {oslo.Values{"service_user.user_id": "1", "service_user.username": "other", "service_user.project_id": "2", "service_user.default_domain_id": "d"}, map[string]any{"id": "1"}, map[string]any{"id": "2"}},
		"the domain of both":             {oslo.Values{"service_user.username": "cinder", "service_user.project_name": "service", "service_user.default_domain_id": "d"}, map[string]any{"name": "cinder", "domain": domain("id", "d")}, map[string]any{"name": "service", "domain": domain("id", "d")}},
		"the name of it":                 {oslo.Values{"service_user.username": "cinder", "service_user.project_name": "service", "service_user.default_domain_name": "D"}, map[string]any{"name": "cinder", "domain": domain("name", "D")}, map[string]any{"name": "service", "domain": domain("name", "D")}},
		"domains of their own":           {oslo.Values{"service_user.username": "cinder", "service_user.project_name": "service", "service_user.default_domain_name": "D", "service_user.user_domain_name": "U", "service_user.project_domain_id": "p"}, map[string]any{"name": "cinder", "domain": domain("name", "U")}, map[string]any{"name": "service", "domain": domain("id", "p")}},
		"an id before a name, as theirs": {oslo.Values{"service_user.username": "cinder", "service_user.project_id": "2", "service_user.default_domain_id": "d", "service_user.user_domain_name": "U"}, map[string]any{"name": "cinder", "domain": domain("id", "d")}, map[string]any{"id": "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.values["service_user.cafile"] = "CA"
			cfg, service, _, tokens := asTheServiceUser(t, c.values)
			require.Error(t, open(t, cfg).CheckForSetupError(t.Context()), "nothing is there")
			assert.Equal(t, map[string]bool{"of-service": true}, tokens)
			auth := service.asked["auth"].(map[string]any)
			user := auth["identity"].(map[string]any)["password"].(map[string]any)["user"].(map[string]any)
			assert.Equal(t, "hush", user["password"])
			delete(user, "password")
			assert.Equal(t, c.user, user)
			assert.Equal(t, map[string]any{"project": c.project}, auth["scope"])
		})
	}
}

func TestTheKeystoneOfTheServiceUserIsTrustedByItsOwnOptions(t *testing.T) {
	who := oslo.Values{"service_user.username": "cinder", "service_user.project_id": "2"}
	cfg, _, ca, tokens := asTheServiceUser(t, who)
	names, steps := examined(t, cfg, driverstate.ExamineOptions{})
	assert.Equal(t, []string{"configuration", "name resolution", "connection", "TLS"}, names)
	assert.ErrorContains(t, steps[3].Err, "unknown authority")
	assert.Empty(t, tokens)
	cfg.CAFile = ca // Swift's counts while the service user has none
	require.ErrorContains(t, open(t, cfg).CheckForSetupError(t.Context()), "404")
	assert.Equal(t, map[string]bool{"of-service": true}, tokens)

	for _, own := range []oslo.Values{{"service_user.cafile": "CA"}, {"service_user.insecure": "true"}} {
		for name, value := range who {
			own[name] = value
		}
		cfg, _, _, tokens := asTheServiceUser(t, own)
		require.ErrorContains(t, open(t, cfg).CheckForSetupError(t.Context()), "404")
		assert.Equal(t, map[string]bool{"of-service": true}, tokens)
	}

	who["service_user.cafile"] = filepath.Join(t.TempDir(), "none.pem")
	cfg, _, _, _ = asTheServiceUser(t, who)
	_, steps = examined(t, cfg, driverstate.ExamineOptions{})
	require.NoError(t, steps[0].Err)
	assert.Regexp(t, `no service token is sent: file of authorities \(\[service_user\] cafile\): open .*none.pem: no such file`, steps[0].Detail)
}

func TestAServiceUserThatIsNotWholeSendsNoToken(t *testing.T) {
	cfg, _, _, tokens := asTheServiceUser(t, oslo.Values{"service_user.auth_url": "", "service_user.username": "cinder"})
	var told strings.Builder
	cfg.Logger = slog.New(slog.NewTextHandler(&told, nil))
	const want = "backup_swift_service_auth is on, but no service token is sent: [service_user], or the section that its auth_section names, has no auth_url"
	names, steps := examined(t, cfg, driverstate.ExamineOptions{})
	assert.Equal(t, []string{"configuration", "name resolution", "connection", "credentials", "connection", "container"}, names)
	assert.Contains(t, steps[0].Detail, want)
	assert.Contains(t, told.String(), want)
	assert.Equal(t, map[string]bool{"": true}, tokens)
}
