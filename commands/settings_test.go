package commands

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client/clouds"
)

// cloudOf is what the global flags and the environment come to.
func cloudOf(t *testing.T, env map[string]string, args ...string) clouds.Options {
	t.Helper()
	return factoryOf(t, env, append([]string{"version"}, args...)...).g.cloud
}

// horizon is an rc file as a dashboard writes it, with an older one's lines.
var horizon = map[string]string{
	"OS_AUTH_URL": "https://k:5000/v3", "OS_PROJECT_ID": "24b1", "OS_PROJECT_NAME": "admin", "OS_USER_DOMAIN_NAME": "Default",
	"OS_PROJECT_DOMAIN_ID": "default", "OS_TENANT_ID": "", "OS_TENANT_NAME": "old", "OS_USERNAME": "admin", "OS_PASSWORD": "pw",
	"OS_REGION_NAME": "RegionOne", "OS_ENDPOINT_TYPE": "internalURL", "OS_INTERFACE": "public", "OS_IDENTITY_API_VERSION": "3",
	"OS_VOLUME_API_VERSION": "2", "OS_IMAGE_API_VERSION": "2", "OS_CACERT": "/ca.pem", "OS_INSECURE": "true", "PYTHONHTTPSVERIFY": "0",
}

func TestARunbooksEnvironmentIsUnderstood(t *testing.T) {
	assert.Equal(t, clouds.Options{
		AuthURL: "https://k:5000/v3", IdentityVersion: "3", Username: "admin", Password: "pw", UserDomainName: "Default",
		ProjectID: "24b1", ProjectName: "admin", ProjectDomainID: "default", Region: "RegionOne", Interface: "public", CACert: "/ca.pem",
	}, cloudOf(t, horizon))
	old := cloudOf(t, map[string]string{
		"OS_TENANT_NAME": "t", "OS_TENANT_ID": "i", "OS_ENDPOINT_TYPE": "adminURL", "OS_AUTH_PLUGIN": "v3password", "OS_URL": "http://c/v3",
		"OS_DEFAULT_DOMAIN": "d", "OS_DEFAULT_DOMAIN_NAME": "n", "OS_DOMAIN_ID": "i2", "OS_DOMAIN_NAME": "n2", "OS_TRUST_ID": "t1",
		"OS_CLIENT_CONFIG_FILE": "/c.yaml", "OS_CLIENT_SECURE_FILE": "/s.yaml",
	})
	assert.Equal(t, clouds.Options{
		ProjectName: "t", ProjectID: "i", Interface: "adminURL", AuthType: "v3password", Endpoint: "http://c/v3", DefaultDomainID: "d",
		DefaultDomainName: "n", DomainID: "i2", DomainName: "n2", TrustID: "t1", ConfigFile: "/c.yaml", SecureFile: "/s.yaml",
	}, old)
}

func TestAnOldFlagMeansTodays(t *testing.T) {
	o := cloudOf(t, nil, "--os-tenant-name", "t", "--os-endpoint-type", "internalURL", "--os-url", "http://c/v3", "--os-default-domain-id", "d",
		"--os-identity-api-version", "3", "--os-volume-api-version", "3.70", "--verify")
	assert.Equal(t, clouds.Options{ProjectName: "t", Interface: "internalURL", Endpoint: "http://c/v3", DefaultDomainID: "d", IdentityVersion: "3", Verify: true}, o)
	code, out, errOut := invoke(t, nil, "backup-list", "--help")
	assert.Zero(t, code)
	assert.Contains(t, out+errOut, "os-project-name")
	assert.NotContains(t, out+errOut, "os-tenant-name", "it is not in the help")
	for _, args := range [][]string{{"--os-volume-api-version", "2"}, {"--insecure", "--verify"}} {
		code, _, errOut = invoke(t, nil, append([]string{"backup-list"}, args...)...)
		assert.Equal(t, 2, code)
		assert.Contains(t, errOut, args[0])
	}
}

func TestAFlagBeatsTheVariablesOfItsKind(t *testing.T) {
	env := map[string]string{
		"OS_AUTH_URL": "http://k/v3", "OS_USERNAME": "ann", "OS_USER_DOMAIN_NAME": "people", "OS_PASSWORD": "pw", "OS_AUTH_TYPE": "password",
		"OS_PROJECT_ID": "24b1", "OS_PROJECT_NAME": "admin", "OS_REGION_NAME": "one", "OS_CACERT": "/ca.pem",
	}
	for _, c := range []struct {
		name   string
		args   []string
		change func(*clouds.Options)
	}{
		{"a project, not the id of another", []string{"--os-project-name", "demo"}, func(o *clouds.Options) { o.ProjectID, o.ProjectName = "", "demo" }},
		{"the system, not a project", []string{"--os-system-scope", "all"}, func(o *clouds.Options) { o.ProjectID, o.ProjectName, o.SystemScope = "", "", "all" }},
		{"a token, not a password", []string{"--os-token", "T"}, func(o *clouds.Options) { o.Password, o.AuthType, o.Token = "", "", "T" }},
		{"a user, in the same domain", []string{"--os-username", "bob"}, func(o *clouds.Options) { o.Username = "bob" }},
		{"a region, with the same authorities", []string{"--os-region-name", "two"}, func(o *clouds.Options) { o.Region = "two" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := cloudOf(t, env)
			c.change(&want)
			assert.Equal(t, want, cloudOf(t, env, c.args...))
		})
	}
}

func TestACloudThatIsNamedIsNotMixedWithTheEnvironments(t *testing.T) {
	env := map[string]string{"OS_ENDPOINT": "http://127.0.0.1:8776/v3", "OS_CLOUD": "other"}
	for name, v := range horizon {
		env[name] = v
	}
	assert.Equal(t, clouds.Options{Cloud: "prod", Region: "RegionOne", Interface: "public", CACert: "/ca.pem", PasswordIfNone: "pw"},
		cloudOf(t, env, "--os-cloud", "prod"), "a password may be kept out of the file")
	assert.Equal(t, clouds.Options{Cloud: "prod", Username: "bob", Password: "p2", Region: "RegionOne", Interface: "public", CACert: "/ca.pem"},
		cloudOf(t, env, "--os-cloud", "prod", "--os-username", "bob", "--os-password", "p2"))
	mixed := cloudOf(t, env)
	assert.Equal(t, "other", mixed.Cloud)
	assert.Equal(t, "admin", mixed.Username, "as openstackclient does, when both are variables")
}

func TestAnOverrideOfTheEndpointStillLogsIn(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		args []string
	}{
		{map[string]string{"OS_VOLUME_ENDPOINT_OVERRIDE": "http://c/v3"}, nil},
		{map[string]string{"OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE": "http://c/v3"}, nil},
		{map[string]string{"OS_ENDPOINT_OVERRIDE": "http://c/v3"}, nil},
		{map[string]string{"CINDER_ENDPOINT": "http://c/v3"}, nil},
		{nil, []string{"--os-volume-endpoint-override", "http://c/v3"}},
		{nil, []string{"--os-block-storage-endpoint-override", "http://c/v3"}},
		{map[string]string{"OS_ENDPOINT": "http://other"}, []string{"--os-endpoint-override", "http://c/v3"}},
	} {
		f := factoryOf(t, c.env, append([]string{"version"}, c.args...)...)
		assert.Equal(t, "http://c/v3", f.g.cloud.Endpoint)
		assert.False(t, f.g.isNoAuth(), "%v %v", c.env, c.args)
	}
	code, _, errOut := invoke(t, map[string]string{"CINDER_ENDPOINT": "http://c/v3"}, "backup-list")
	assert.Equal(t, 2, code)
	assert.Contains(t, errOut, "authentication URL is missing\nhint: set OS_AUTH_URL")
}

func TestTheAuthenticationPageHasEveryFlagAndVariable(t *testing.T) {
	page, err := os.ReadFile("../docs/authentication.md")
	require.NoError(t, err)
	for _, s := range new(globalFlags).cloudSettings() {
		for _, flag := range s.flags() {
			assert.Contains(t, string(page), "`--"+flag+"`")
		}
		for _, name := range append([]string{s.env}, s.oldEnv...) {
			assert.Contains(t, string(page), "`"+name+"`")
		}
	}
}

func TestACertificateThatIsNotTrustedSaysWhatToType(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"backups": []}`)) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	code, _, errOut := invoke(t, nil, "backup-list", "--os-endpoint", s.URL)
	assert.Equal(t, 8, code)
	assert.Contains(t, errOut, "the certificate of "+strings.TrimPrefix(s.URL, "https://")+" is signed by an authority that is not trusted")
	assert.Contains(t, errOut, "hint: name the file of the authority's certificate with --os-cacert FILE or OS_CACERT, or do without the check: --insecure")
	code, _, errOut = invoke(t, nil, "backup-list", "--os-endpoint", s.URL, "--insecure")
	assert.Zero(t, code, errOut)
}

func TestALoginThatIsRefusedAsksForOtherCredentials(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		w.Write([]byte(`{"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}`))
	}))
	t.Cleanup(s.Close)
	env := map[string]string{"OS_AUTH_URL": s.URL, "OS_USERNAME": "ann", "OS_PASSWORD": "pw", "OS_PROJECT_NAME": "demo"}
	for _, args := range [][]string{nil, {"--os-token", "T", "--os-endpoint", s.URL, "--os-auth-type", "admin_token"}} {
		code, _, errOut := invoke(t, env, append([]string{"backup-list"}, args...)...)
		require.Equal(t, 7, code)
		assert.Contains(t, errOut, "hint: check the credentials (--os-cloud, OS_*)")
	}
}
