package swift_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// examined are the steps of an examination, as "name" or "name: error".
func examined(t *testing.T, c swift.Config, o driverstate.ExamineOptions) ([]string, []driverstate.Step) {
	t.Helper()
	var names []string
	var steps []driverstate.Step
	for s := range open(t, c).(driverstate.Examiner).Examine(t.Context(), o) {
		names = append(names, s.Name)
		steps = append(steps, s)
		if s.Err != nil {
			assert.NotEmpty(t, s.Advice, s.Name)
		} else {
			assert.NotEmpty(t, s.Detail, s.Name)
		}
	}
	return names, steps
}

func TestSwiftIsExaminedStepByStep(t *testing.T) {
	a := newAccount(t, config(t))
	names, steps := examined(t, a.cfg, driverstate.ExamineOptions{})
	assert.Equal(t, []string{"configuration", "name resolution", "connection", "credentials", "container"}, names)
	assert.ErrorIs(t, steps[4].Err, driverstate.ErrNotFound)
	assert.Contains(t, steps[4].Advice, "the first backup makes a container that is not there")
	names, steps = examined(t, a.cfg, driverstate.ExamineOptions{Write: true})
	assert.Equal(t, []string{"configuration", "name resolution", "connection", "credentials", "container", "list", "read", "write", "clock", "space"}, names)
	assert.NoError(t, steps[9].Err)
	assert.Empty(t, a.Names(t, a.cfg.Container))

	d := open(t, a.cfg)
	b := write(t, d, imageSource("image"), "cccccccc-0000-4000-8000-000000000001", a.cfg.Credentials.ProjectID)
	names, steps = examined(t, a.cfg, driverstate.ExamineOptions{Write: true})
	assert.Equal(t, []string{"configuration", "name resolution", "connection", "credentials", "container", "list", "read", "write", "clock", "space"}, names)
	assert.Equal(t, "volumebackups is there", steps[4].Detail)
	assert.Equal(t, "3 objects, 1 backups", steps[5].Detail)
	assert.Contains(t, steps[6].Detail, b.ID)
	assert.Len(t, a.Names(t, a.cfg.Container), 3, "what was written is gone")

	readOnly := a.cfg
	readOnly.ReadOnly = true
	names, steps = examined(t, readOnly, driverstate.ExamineOptions{Write: true})
	assert.Equal(t, "write", names[len(names)-1])
	assert.ErrorIs(t, steps[len(steps)-1].Err, driverstate.ErrReadOnly)
}

func TestAnExaminationEndsAtWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*swift.Config)
		step   string
		kind   error
	}{
		"key":       {func(c *swift.Config) { c.Credentials.Key = "wrong" }, "credentials", driverstate.ErrForbidden},
		"host":      {func(c *swift.Config) { c.Credentials.AuthURL = "http://no-such-host.invalid/v1.0" }, "name resolution", driverstate.ErrUnavailable},
		"port":      {func(c *swift.Config) { c.Credentials.AuthURL = "http://127.0.0.1:1/v1.0" }, "connection", driverstate.ErrUnavailable},
		"no rights": {func(c *swift.Config) { c.Credentials.User, c.Credentials.Key = "project:reader", "reader" }, "container", driverstate.ErrForbidden},
	} {
		cfg := config(t)
		c.change(&cfg)
		_, steps := examined(t, cfg, driverstate.ExamineOptions{})
		last := steps[len(steps)-1]
		assert.Equal(t, c.step, last.Name, name)
		assert.ErrorIs(t, last.Err, c.kind, name)
		err := open(t, cfg).CheckForSetupError(t.Context())
		assert.ErrorIs(t, err, c.kind, name)
		assert.NotContains(t, err.Error(), "wrong")
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	c := config(t)
	server := strings.TrimSuffix(c.URL, "/v1/AUTH_")
	to, err := url.Parse(server)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
	defer s.Close()
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that goes is what is tested
	s.StartTLS()
	c.URL = s.URL + "/v1/AUTH_"
	c.Credentials.AuthURL = s.URL + "/auth/v1.0"

	err = open(t, c).CheckForSetupError(t.Context())
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "certificate signed by unknown authority")
	assert.NotContains(t, err.Error(), "attempts", "it will not be trusted later")
	_, steps := examined(t, c, driverstate.ExamineOptions{})
	assert.Equal(t, "TLS", steps[len(steps)-1].Name)
	assert.Equal(t, "set backup_swift_ca_cert_file, or OS_CACERT, to the authority of the server's certificate", steps[len(steps)-1].Advice)

	insecure := c
	insecure.Insecure = true
	require.NoError(t, open(t, insecure).CheckForSetupError(t.Context()))

	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	require.NoError(t, os.WriteFile(c.CAFile, ca, 0o600))
	require.NoError(t, open(t, c).CheckForSetupError(t.Context()))
	names, steps := examined(t, c, driverstate.ExamineOptions{Write: true})
	assert.Contains(t, names, "TLS")
	assert.NoError(t, steps[len(steps)-1].Err)
}

func TestAContainerIsMadeWithItsPolicy(t *testing.T) {
	a := newAccount(t, config(t))
	a.cfg.StoragePolicy = "No-such-policy"
	s := openStore(t, a.cfg, a.cfg.Credentials.ProjectID)
	defer s.Close()
	err := s.PutContainer(t.Context(), "box")
	assert.ErrorContains(t, err, "400", "Swift knows its policies")
	a.cfg.StoragePolicy = "Policy-0"
	s = openStore(t, a.cfg, a.cfg.Credentials.ProjectID)
	defer s.Close()
	require.NoError(t, s.PutContainer(t.Context(), "box"))
	a.cfg.StoragePolicy = "No-such-policy"
	s = openStore(t, a.cfg, a.cfg.Credentials.ProjectID)
	defer s.Close()
	assert.NoError(t, s.PutContainer(t.Context(), "box"), "one that is there keeps its own")
}

// keystone3 answers to any login as version 3 of Keystone does, with a token
// and a catalogue in which Swift is at endpoint.
func keystone3(t *testing.T, token, endpoint string) swift.Config {
	t.Helper()
	s := httptest.NewServer(&identity{t: t, token: token, endpoint: endpoint})
	t.Cleanup(s.Close)
	return fromValues(t, oslo.Values{"os_auth_url": s.URL + "/v3", "os_username": "cinder", "os_password": "hush", "os_project_name": "project"})
}

// identity is the server of keystone3.
type identity struct {
	t               *testing.T
	token, endpoint string
	asked           map[string]any // in the last login
}

func (k *identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v3/auth/tokens" {
		http.NotFound(w, r)
		return
	}
	assert.NoError(k.t, json.NewDecoder(r.Body).Decode(&k.asked))
	catalog := []any{}
	if k.endpoint != "" {
		catalog = append(catalog, map[string]any{"type": "object-store", "name": "swift", "endpoints": []any{
			map[string]string{"interface": "public", "region": "one", "region_id": "one", "url": k.endpoint + "/v1/AUTH_project"}}})
	}
	w.Header().Set("X-Subject-Token", k.token)
	w.WriteHeader(http.StatusCreated)
	assert.NoError(k.t, json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{
		"expires_at": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z"), "project": map[string]string{"id": "project"},
		"catalog": catalog,
	}}))
}

func TestTheServerOfTheCatalogueIsExaminedToo(t *testing.T) {
	server := config(t)
	own := server.Credentials
	own.User, own.Key = "project:cinder", "cinder"
	c := keystone3(t, token(t, own), strings.TrimSuffix(server.URL, "/v1/AUTH_"))
	c.Container = "examined" + project(t)
	names, steps := examined(t, c, driverstate.ExamineOptions{Write: true})
	assert.Equal(t, []string{"configuration", "name resolution", "connection", "credentials", "connection", "container", "list", "read", "write", "clock", "space"}, names)
	assert.NoError(t, steps[len(steps)-1].Err)
	assert.Contains(t, steps[2].Detail, strings.TrimSuffix(c.Credentials.AuthURL, "/v3")+": the server answers")
	assert.Contains(t, steps[4].Detail, strings.TrimSuffix(server.URL, "/v1/AUTH_")+": the server answers")
}

func TestAServerThatCannotBeReachedIsNotTheUsersFault(t *testing.T) {
	strange := httptest.NewUnstartedServer(http.NotFoundHandler())
	strange.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that goes is what is tested
	strange.StartTLS()
	defer strange.Close()
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer mute.Close()
	const catalogue = "the catalogue's public endpoint (openstack endpoint list --service object-store)"
	at := func(authURL string) swift.Config {
		c := keystone3(t, "token", "http://127.0.0.1:1")
		c.Credentials.AuthURL = authURL
		return c
	}
	outside := keystone3(t, "token", "http://127.0.0.1:1")
	outside.URL = "http://no-such-host.invalid/v1/AUTH_"
	for name, c := range map[string]struct {
		cfg    swift.Config
		steps  []string
		want   string
		advice string
	}{
		"Keystone's port":         {at("http://127.0.0.1:1/v3"), []string{"name resolution", "connection"}, "connection refused", "check the host and the port in OS_AUTH_URL"},
		"Keystone's name":         {at("http://no-such-host.invalid/v3"), []string{"name resolution"}, "no-such-host.invalid", "check the name in OS_AUTH_URL"},
		"Keystone's certificate":  {at(strange.URL + "/v3"), []string{"name resolution", "TLS"}, "unknown authority", "set backup_swift_ca_cert_file"},
		"Keystone is silent":      {at(mute.URL + "/v3"), []string{"name resolution", "connection"}, "no answer for 2s", "check OS_AUTH_URL and that no firewall"},
		"backup_swift_url's name": {outside, []string{"name resolution", "connection", "name resolution"}, "no-such-host.invalid", "check the name in backup_swift_url"},
		"Swift's port":            {keystone3(t, "token", "http://127.0.0.1:1"), []string{"name resolution", "connection", "credentials", "connection"}, "http://127.0.0.1:1: dial tcp", "check the host and the port in " + catalogue},
		"Swift's name":            {keystone3(t, "token", "http://no-such-host.invalid"), []string{"name resolution", "connection", "credentials", "name resolution"}, "no-such-host.invalid", "check the name in " + catalogue},
		"Swift's certificate":     {keystone3(t, "token", strange.URL), []string{"name resolution", "connection", "credentials", "TLS"}, "unknown authority", "set backup_swift_ca_cert_file"},
		"Swift is silent":         {keystone3(t, "token", mute.URL), []string{"name resolution", "connection", "credentials", "connection"}, "no answer for 2s", "check " + catalogue},
	} {
		if strings.HasSuffix(name, "is silent") {
			c.cfg.Stall = 2 * time.Second
		}
		names, steps := examined(t, c.cfg, driverstate.ExamineOptions{})
		assert.Equal(t, append([]string{"configuration"}, c.steps...), names, name)
		last := steps[len(steps)-1]
		require.ErrorIs(t, last.Err, driverstate.ErrUnavailable, name)
		assert.ErrorContains(t, last.Err, c.want, name)
		assert.Contains(t, last.Advice, c.advice, name)
		assert.NotContains(t, last.Advice, "password", name)
	}
}
