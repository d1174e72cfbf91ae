package clouds

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func connect(t *testing.T, o Options) *gophercloud.ServiceClient {
	t.Helper()
	sc, err := Connect(t.Context(), o)
	require.NoError(t, err)
	return sc
}

func settings(t *testing.T, o Options) *SettingsError {
	t.Helper()
	_, err := Connect(t.Context(), o)
	var s *SettingsError
	require.ErrorAs(t, err, &s)
	return s
}

func TestEveryWayToLogIn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		auth   string
	}{
		"password, default domains": {func(o *Options) {}, `{
			"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "secret", "domain": {"id": "default"}}}},
			"scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}`},
		"password, own domains": {func(o *Options) { o.UserDomainName, o.ProjectDomainID = "people", "d1" }, `{
			"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "secret", "domain": {"name": "people"}}}},
			"scope": {"project": {"name": "demo", "domain": {"id": "d1"}}}}`},
		"both name and id of a domain": {func(o *Options) {
			o.UserDomainName, o.UserDomainID, o.ProjectDomainName, o.ProjectDomainID = "Default", "default", "Default", "default"
		}, `{
			"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "secret", "domain": {"id": "default"}}}},
			"scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}`},
		"ids": {func(o *Options) { o.Username, o.UserID, o.ProjectID = "", "u1", projectID }, `{
			"identity": {"methods": ["password"], "password": {"user": {"id": "u1", "password": "secret"}}},
			"scope": {"project": {"id": "` + projectID + `"}}}`},
		"whole system": {func(o *Options) { o.ProjectName, o.SystemScope = "", "all" }, `{
			"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "secret", "domain": {"id": "default"}}}},
			"scope": {"system": {"all": true}}}`},
		"application credential, its project is its own": {func(o *Options) {
			o.Password, o.ApplicationCredentialID, o.ApplicationCredentialSecret = "", "c1", "hush"
		}, `{"identity": {"methods": ["application_credential"], "application_credential": {"id": "c1", "secret": "hush"}}}`},
		"application credential by name": {func(o *Options) {
			o.Password, o.ApplicationCredentialName, o.ApplicationCredentialSecret = "", "robot", "hush"
		}, `{"identity": {"methods": ["application_credential"], "application_credential":
			{"name": "robot", "secret": "hush", "user": {"name": "ann", "domain": {"id": "default"}}}}}`},
		"token": {func(o *Options) { o.Password, o.Token = "", "given" }, `{
			"identity": {"methods": ["token"], "token": {"id": "given"}},
			"scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t)
			k := newKeystone(t, httptest.NewServer)
			o := k.password()
			c.change(&o)
			sc := connect(t, o)
			assert.Equal(t, k.url+"/v3/"+projectID+"/", sc.Endpoint)
			assert.Equal(t, "token-1", sc.Token())
			require.Len(t, k.logins, 1)
			sent, err := json.Marshal(k.logins[0])
			require.NoError(t, err)
			assert.JSONEq(t, c.auth, string(sent))
		})
	}
}

func TestATokenWithItsOwnScopeIsUsedAsItIs(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	sc := connect(t, Options{AuthURL: k.url, Token: "given", Username: "ignored", Region: "one"})
	assert.Equal(t, "given", sc.Token())
	assert.Empty(t, k.logins)
	assert.Equal(t, k.url+"/v3/"+projectID+"/", sc.Endpoint)
}

func TestAnExpiredTokenIsRenewed(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	sc := connect(t, k.password())
	k.expire()
	_, err := sc.Get(t.Context(), sc.ServiceURL("backups"), &struct{}{}, nil)
	require.NoError(t, err)
	assert.Equal(t, "token-3", sc.Token())
	assert.Len(t, k.logins, 2)
}

func TestTheEndpointIsThatOfRegionAndInterface(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	short := []any{service("block-storage", endpoint{"public", "one", "one", k.url + "/volume"})}
	old := []any{service("volume", endpoint{"public", "one", "one", k.url + "/v1/" + projectID})}
	for name, c := range map[string]struct {
		catalog []any
		change  func(*Options)
		want    string
	}{
		"public":                   {k.catalog, func(o *Options) {}, "/v3/" + projectID + "/"},
		"internal":                 {k.catalog, func(o *Options) { o.Interface = "internal" }, "/inner/v3/" + projectID + "/"},
		"internal, long":           {k.catalog, func(o *Options) { o.Interface = "internalURL" }, "/inner/v3/" + projectID + "/"},
		"another region":           {k.catalog, func(o *Options) { o.Region = "two" }, "/two/v3/" + projectID + "/"},
		"any region":               {k.catalog, func(o *Options) { o.Region = "" }, "/v3/" + projectID + "/"},
		"without version":          {short, func(o *Options) {}, "/volume/v3/"},
		"the new name":             {append(short, k.catalog...), func(o *Options) {}, "/volume/v3/"},
		"an old volume":            {append(old, k.catalog...), func(o *Options) {}, "/v3/" + projectID + "/"},
		"overridden":               {nil, func(o *Options) { o.Endpoint = k.url + "/mine/v3/" }, "/mine/v3/" + projectID + "/"},
		"overridden, bare":         {nil, func(o *Options) { o.Endpoint = k.url }, "/v3/" + projectID + "/"},
		"overridden whole":         {nil, func(o *Options) { o.Endpoint = k.url + "/v3/abc" }, "/v3/abc/"},
		"overridden by a template": {nil, func(o *Options) { o.Endpoint = k.url + "/v3/%(project_id)s" }, "/v3/" + projectID + "/"},
	} {
		t.Run(name, func(t *testing.T) {
			k.catalog = c.catalog
			o := k.password()
			c.change(&o)
			assert.Equal(t, k.url+c.want, connect(t, o).Endpoint)
		})
	}
}

func TestAMissingEndpointSaysWhatThereIs(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	o := k.password()
	o.Region, o.Interface = "three", "admin"
	err := settings(t, o)
	assert.Equal(t, "the catalogue has no block storage API v3 with admin interface in region three; "+
		"it has volumev2 public in region one, volumev3 internal in region one, volumev3 public in region one, volumev3 public in region two", err.Text)
	assert.Contains(t, err.Hint, "OS_REGION_NAME")
	k.catalog = nil
	assert.Contains(t, settings(t, o).Error(), "--os-endpoint")
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	alone(t)
	good := Options{AuthURL: "http://k/v3", Username: "ann", Password: "secret", ProjectName: "demo"}
	for name, c := range map[string]struct {
		change func(*Options)
		names  string
	}{
		"everything":    {func(o *Options) { *o = Options{} }, "OS_AUTH_URL"},
		"no user":       {func(o *Options) { o.Username = "" }, "OS_USERNAME"},
		"no password":   {func(o *Options) { o.Password = "" }, "OS_PASSWORD"},
		"no project":    {func(o *Options) { o.ProjectName = "" }, "OS_PROJECT_NAME"},
		"nobody":        {func(o *Options) { o.Username, o.Password = "", "" }, "OS_TOKEN"},
		"no secret":     {func(o *Options) { o.Password, o.ApplicationCredentialID = "", "c" }, "OS_APPLICATION_CREDENTIAL_SECRET"},
		"only a secret": {func(o *Options) { o.Password, o.ApplicationCredentialSecret = "", "c" }, "OS_APPLICATION_CREDENTIAL_ID"},
		"whose credential": {func(o *Options) {
			o.Password, o.Username, o.ApplicationCredentialName, o.ApplicationCredentialSecret = "", "", "c", "s"
		}, "OS_USERNAME"},
		"interface":          {func(o *Options) { o.Interface = "outer" }, "OS_INTERFACE"},
		"system":             {func(o *Options) { o.SystemScope = "half" }, "half"},
		"authorities":        {func(o *Options) { o.CACert = "absent.pem" }, "absent.pem"},
		"certificate's key":  {func(o *Options) { o.Cert = "c.pem" }, "OS_KEY"},
		"key's certificate":  {func(o *Options) { o.Key = "k.pem" }, "OS_CERT"},
		"absent certificate": {func(o *Options) { o.Cert, o.Key = "c.pem", "k.pem" }, "c.pem"},
		"no clouds.yaml":     {func(o *Options) { o.Cloud = "prod" }, "OS_CLIENT_CONFIG_FILE"},
		"no such file":       {func(o *Options) { o.Cloud, o.ConfigFile = "prod", "absent.yaml" }, "absent.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			c.change(&o)
			err := settings(t, o)
			assert.Contains(t, err.Error(), c.names)
			assert.NotContains(t, err.Error(), "secret;")
		})
	}
}

func TestACloudComesFromTheFileAndItsSecretsFromTheOther(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	text := `
clouds:
  prod:
    region_name: one
    interface: internal
    auth:
      auth_url: ` + k.url + `/v3
      username: ann
      user_domain_name: people
      project_name: demo
      project_domain_name: projects
  bare:
    region_name: one
`
	for name, c := range map[string]struct{ dir, file string }{
		"here": {".", "clouds.yaml"}, "the other spelling": {".", "clouds.yml"}, "the user's": {"config/openstack", "clouds.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, filepath.Join("home", c.dir, c.file), text)
			write(t, filepath.Join("home", c.dir, "secure.yaml"), "clouds: {prod: {auth: {password: hush}}}")
			t.Chdir("home")
			t.Setenv("XDG_CONFIG_HOME", "config")
			sc := connect(t, Options{Cloud: "prod"})
			assert.Equal(t, k.url+"/inner/v3/"+projectID+"/", sc.Endpoint)
			sent, err := json.Marshal(k.logins[len(k.logins)-1])
			require.NoError(t, err)
			assert.JSONEq(t, `{
				"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "hush", "domain": {"name": "people"}}}},
				"scope": {"project": {"name": "demo", "domain": {"name": "projects"}}}}`, string(sent))
		})
	}
	file := write(t, "elsewhere.yaml", text)
	t.Setenv("OS_CLIENT_CONFIG_FILE", file)
	assert.Contains(t, settings(t, Options{Cloud: "bare"}).Error(), "OS_AUTH_URL")
	assert.Contains(t, settings(t, Options{Cloud: "prod"}).Error(), "OS_PASSWORD")
	assert.Contains(t, settings(t, Options{Cloud: "absent"}).Error(), file)
}

func TestFlagsBeatTheFile(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	write(t, "clouds.yaml", `
clouds:
  prod:
    region_name: one
    interface: internal
    auth:
      auth_url: `+k.url+`/v3
      application_credential_id: c1
      application_credential_secret: hush
`)
	sc := connect(t, Options{Cloud: "prod", Interface: "public", Region: "two", Username: "bob", Password: "pw", ProjectID: projectID})
	assert.Equal(t, k.url+"/two/v3/"+projectID+"/", sc.Endpoint)
	sent, err := json.Marshal(k.logins[0])
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"identity": {"methods": ["password"], "password": {"user": {"name": "bob", "password": "pw", "domain": {"id": "default"}}}},
		"scope": {"project": {"id": "`+projectID+`"}}}`, string(sent), "the credential of the file is not mixed in")
}

func TestARefusedLoginIsToldWithoutItsAnswer(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	k.refuse = http.StatusUnauthorized
	_, err := Connect(t.Context(), k.password())
	assert.EqualError(t, err, "login of ann at "+k.url+"/v3: refused; check the password or secret, the project, and the domains of both")
	assert.True(t, gophercloud.ResponseCodeIs(err, http.StatusUnauthorized), "for who wants to tell kinds apart")
	var s *SettingsError
	assert.False(t, errors.As(err, &s))
}

func TestACredentialThatKeystoneDoesNotKnowIsRefused(t *testing.T) {
	alone(t)
	body := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	at := s.URL + "/v3"
	token := Options{AuthURL: at, Token: "old"}
	credential := Options{AuthURL: at, ApplicationCredentialID: "0123", ApplicationCredentialSecret: "x"}
	for _, c := range []struct {
		name, body string
		o          Options
		want       string
	}{
		{"token", `{"error":{"code":404,"message":"Could not recognize Fernet token","title":"Not Found"}}`, token,
			"login of the token given at " + at + ": refused; it may have expired: get another"},
		{"application credential", `{"error":{"code":404,"message":"Could not find Application Credential: 0123.","title":"Not Found"}}`, credential,
			"login of application credential 0123 at " + at + ": refused; it may have expired or been deleted: make another"},
		{"not Keystone", "<!doctype html>\n<title>404 Not Found</title>", token,
			"login of the token given at " + at + ": not found; does the authentication URL lead to Keystone, such as https://cloud:5000/v3?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body = c.body
			_, err := Connect(t.Context(), c.o)
			assert.EqualError(t, err, c.want)
		})
	}
}

func TestAServersCertificateIsVerified(t *testing.T) {
	alone(t)
	var cert []byte
	k := newKeystone(t, func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		cert = s.Certificate().Raw
		return s
	})
	o := k.password()
	_, err := Connect(t.Context(), o)
	require.ErrorContains(t, err, "certificate")
	o.Insecure = true
	connect(t, o)
	o.Insecure, o.CACert = false, write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	connect(t, o)
	o.CACert = write(t, "empty.pem", "nothing")
	assert.Contains(t, settings(t, o).Error(), "no PEM certificate")
}

func TestTheUserAgentIsTold(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	o := k.password()
	o.UserAgent = "cinder-go/1"
	sc := connect(t, o)
	_, err := sc.Get(t.Context(), sc.ServiceURL("x"), &struct{}{}, nil)
	require.NoError(t, err)
	assert.Regexp(t, "^cinder-go/1 gophercloud/", k.seen[0].Header.Get("User-Agent"))
}

func TestATokenNeverFollowsARedirectToAnotherHost(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the token went away") }))
	t.Cleanup(away.Close)
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.Path)
		switch r.URL.Path {
		case "/v3/away":
			http.Redirect(w, r, away.URL, http.StatusFound)
		case "/v3/here":
			http.Redirect(w, r, "/v3/there", http.StatusFound)
		default:
			w.Write([]byte("{}"))
		}
	}))
	t.Cleanup(s.Close)
	sc, err := NoAuth(s.URL, "", "admin", nil)
	require.NoError(t, err)
	_, err = sc.Get(t.Context(), sc.ServiceURL("away"), &struct{}{}, nil)
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusFound))
	_, err = sc.Get(t.Context(), sc.ServiceURL("here"), &struct{}{}, nil)
	require.NoError(t, err)
	_, err = sc.Post(t.Context(), sc.ServiceURL("here"), map[string]any{}, nil, nil)
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusFound), "a write is not made another request")
	assert.Equal(t, []string{"GET /v3/away", "GET /v3/here", "GET /v3/there", "POST /v3/here"}, paths)
}

func TestNoAuthBuildsTokenAndURL(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint, user, project string
		url, token              string
	}{
		"nothing said":     {"http://c:8776", "", "", "http://c:8776/v3/" + noProject + "/", "admin:" + noProject},
		"short URL":        {"http://c:8776/v3", "ann", "admin", "http://c:8776/v3/", "ann:admin"},
		"hexadecimal":      {"http://c:8776/v3/", "ann", projectID, "http://c:8776/v3/" + projectID + "/", "ann:" + projectID},
		"in the URL":       {"http://c:8776/v3/" + projectID, "ann", "admin", "http://c:8776/v3/" + projectID + "/", "ann:" + projectID},
		"in the URL alone": {"http://c:8776/v3/" + projectID + "/", "", "", "http://c:8776/v3/" + projectID + "/", "admin:" + projectID},
		"both":             {"http://c:8776/v3/" + projectID, "", projectID, "http://c:8776/v3/" + projectID + "/", "admin:" + projectID},
		"behind a prefix":  {"https://c/volume", "", "admin", "https://c/volume/v3/", "admin:admin"},
		"old proposals":    {"http://c/v2/" + projectID, "", "", "http://c/v2/" + projectID + "/", "admin:" + projectID},
	} {
		t.Run(name, func(t *testing.T) {
			sc, err := NoAuth(c.endpoint, c.user, c.project, nil)
			require.NoError(t, err)
			assert.Equal(t, c.url, sc.Endpoint)
			assert.Equal(t, c.token, sc.Token())
			assert.Equal(t, "block-storage", sc.Type)
		})
	}
}

func TestNoAuthRefusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string][3]string{
		"empty":            {"", "", ""},
		"no URL":           {"http://[", "", ""},
		"no scheme":        {"cloud:8776/v3", "", ""},
		"a file":           {"file:///v3", "", ""},
		"a query":          {"http://c/v3?x=y", "", ""},
		"too deep":         {"http://c/v3/" + projectID + "/backups", "", ""},
		"two projects":     {"http://c/v3/" + projectID, "", "abc"},
		"colon in user":    {"http://c/v3", "a:b", ""},
		"colon in project": {"http://c/v3", "a", "b:c"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NoAuth(c[0], c[1], c[2], nil)
			var s *SettingsError
			require.ErrorAs(t, err, &s)
		})
	}
}
