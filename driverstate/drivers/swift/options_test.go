package swift_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

func TestCindersDefaults(t *testing.T) {
	c, err := swift.NewConfig(nil)
	require.NoError(t, err)
	assert.Equal(t, swift.Config{
		Catalog: "object-store:swift:publicURL", KeystoneCatalog: "identity:Identity Service:publicURL",
		Credentials: swift.Credentials{Version: "3"}, Container: "volumebackups", Zone: "nova",
		ObjectSize: 52428800, BlockSize: 32768, Compression: "zlib", RetryAttempts: 3, RetryBackoff: 2 * time.Second,
	}, c)
	assert.ErrorIs(t, c.Validate(), driverstate.ErrInvalidInput, "nobody is named")
}

func TestSingleUserIsWhatSwiftclientMakesOfIt(t *testing.T) {
	single := oslo.Values{"backup_swift_auth": "single_user", "backup_swift_user": "me", "backup_swift_key": "key", "os_auth_url": "http://k/v3"}
	for name, c := range map[string]struct {
		values oslo.Values
		want   swift.Credentials
	}{
		"Swift's own":                     {oslo.Values{"backup_swift_user": "project:me"}, swift.Credentials{Version: "1", AuthURL: "http://k/v3", User: "project:me", Key: "key"}},
		"version 2":                       {oslo.Values{"backup_swift_auth_version": "2.0", "backup_swift_tenant": "t"}, swift.Credentials{Version: "2", AuthURL: "http://k/v3", User: "me", Key: "key", Project: "t"}},
		"a user with its project":         {oslo.Values{"backup_swift_auth_version": "2", "backup_swift_user": "t:me"}, swift.Credentials{Version: "2", AuthURL: "http://k/v3", User: "me", Key: "key", Project: "t"}},
		"version 3":                       {oslo.Values{"backup_swift_auth_version": "3", "backup_swift_project": "p", "backup_swift_user_domain": "u", "backup_swift_project_domain": "d"}, swift.Credentials{Version: "3", AuthURL: "http://k/v3", User: "me", Key: "key", UserDomain: "u", Project: "p", ProjectDomain: "d"}},
		"a URL of its own to log in at":   {oslo.Values{"backup_swift_auth_url": "http://s/auth/v1.0"}, swift.Credentials{Version: "1", AuthURL: "http://s/auth/v1.0", User: "me", Key: "key"}},
		"the project before the tenant's": {oslo.Values{"backup_swift_auth_version": "3", "backup_swift_project": "p", "backup_swift_tenant": "t"}, swift.Credentials{Version: "3", AuthURL: "http://k/v3", User: "me", Key: "key", Project: "p"}},
	} {
		for option, value := range single {
			if _, own := c.values[option]; !own {
				c.values[option] = value
			}
		}
		got, err := swift.NewConfig(c.values)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got.Credentials, name)
		assert.NoError(t, got.Validate(), name)
	}
}

// keystone2 answers as version 2.0 of Keystone did, which no release that can
// be had still has; its token is one that Swift itself has given.
func keystone2(t *testing.T, c swift.Config) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Auth struct {
				TenantName          string
				PasswordCredentials struct{ Username, Password string }
			}
		}
		if r.URL.Path != "/v2.0/tokens" || json.NewDecoder(r.Body).Decode(&asked) != nil ||
			asked.Auth.TenantName != "project" || asked.Auth.PasswordCredentials.Username != "cinder" || asked.Auth.PasswordCredentials.Password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		own := c.Credentials
		own.User, own.Key = "project:cinder", "cinder"
		endpoint := func(region, host string) map[string]string {
			return map[string]string{"region": region, "publicURL": host + "/v1/AUTH_project", "internalURL": "http://127.0.0.1:1", "adminURL": "http://127.0.0.1:1"}
		}
		w.Header().Set("Content-Type", "application/json")
		assert.NoError(t, json.NewEncoder(w).Encode(map[string]any{"access": map[string]any{
			"token": map[string]any{"id": token(t, own), "expires": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "tenant": map[string]string{"id": "project", "name": "project"}},
			"serviceCatalog": []any{
				map[string]any{"type": "identity", "name": "keystone", "endpoints": []any{endpoint("two", "http://127.0.0.1:1")}},
				map[string]any{"type": "object-store", "name": "swift", "endpoints": []any{
					endpoint("one", "http://127.0.0.1:1"), endpoint("two", strings.TrimSuffix(c.URL, "/v1/AUTH_"))}},
			},
		}}))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestVersion2OfKeystone(t *testing.T) {
	server := config(t)
	k := keystone2(t, server)
	values := oslo.Values{
		"backup_swift_auth": "single_user", "backup_swift_auth_version": "2", "backup_swift_auth_url": k.URL,
		"backup_swift_user": "cinder", "backup_swift_key": "secret", "backup_swift_tenant": "project",
		"backup_swift_container": "v2" + project(t), "os_region_name": "two",
	}
	d := open(t, fromValues(t, values))
	require.NoError(t, d.CheckForSetupError(t.Context()))
	b := write(t, d, imageSource("image"), "dddddddd-0000-4000-8000-000000000001", "")
	found, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionWhole, found.Condition)
	require.NoError(t, d.Delete(t.Context(), b))

	values["backup_swift_key"] = "hush"
	err = open(t, fromValues(t, values)).CheckForSetupError(t.Context())
	require.ErrorIs(t, err, driverstate.ErrForbidden)
	assert.ErrorContains(t, err, fmt.Sprintf("logging in at %s: user cinder is refused", k.URL))
	assert.NotContains(t, err.Error(), "hush")
}
