package clouds

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const projectID = "6579b5ed3baf4f71832361a0ffca7f9b"

// keystone is a server of the calls of Keystone that a login makes, and of a
// Block Storage API that answers only to its newest token.
type keystone struct {
	t       *testing.T
	url     string
	project string // of the token; empty for none
	catalog []any
	refuse  int              // status of every login, if not 0
	cinder  http.HandlerFunc // answers what comes with the newest token; {} if nil

	refuseNext []int // statuses of the next logins
	anyToken   bool  // is good for Block Storage

	mu     sync.Mutex
	logins []map[string]any // bodies of the logins, below auth
	tokens int
	seen   []*http.Request // of the Block Storage API
}

type endpoint struct {
	Interface string `json:"interface"`
	Region    string `json:"region"`
	RegionID  string `json:"region_id"`
	URL       string `json:"url"`
}

func service(kind string, endpoints ...endpoint) any {
	return map[string]any{"type": kind, "name": kind, "endpoints": endpoints}
}

func newKeystone(t *testing.T, start func(http.Handler) *httptest.Server) *keystone {
	t.Helper()
	k := &keystone{t: t, project: projectID}
	s := start(k)
	t.Cleanup(s.Close)
	k.url = s.URL
	k.catalog = []any{
		service("volumev2", endpoint{"public", "one", "one", k.url + "/v2/" + projectID}),
		service("volumev3",
			endpoint{"public", "one", "one", k.url + "/v3/" + projectID},
			endpoint{"internal", "one", "one", k.url + "/inner/v3/" + projectID},
			endpoint{"public", "two", "two", k.url + "/two/v3/" + projectID}),
	}
	return k
}

func (k *keystone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case r.URL.Path != "/v3/auth/tokens":
		k.seen = append(k.seen, r)
		if !k.anyToken && r.Header.Get("X-Auth-Token") != k.token() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if k.cinder != nil {
			k.cinder(w, r)
			return
		}
		fmt.Fprint(w, `{}`)
		return
	case len(k.refuseNext) > 0:
		w.WriteHeader(k.refuseNext[0])
		k.refuseNext = k.refuseNext[1:]
		return
	case k.refuse != 0:
		w.WriteHeader(k.refuse)
		fmt.Fprint(w, `{"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}`)
		return
	case r.Method == http.MethodPost:
		var body struct{ Auth map[string]any }
		if !assert.NoError(k.t, json.NewDecoder(r.Body).Decode(&body)) {
			return
		}
		k.logins = append(k.logins, body.Auth)
		k.tokens++
		w.Header().Set("X-Subject-Token", k.token())
		w.WriteHeader(http.StatusCreated)
	default: // a token that was given is looked up
		w.Header().Set("X-Subject-Token", r.Header.Get("X-Subject-Token"))
	}
	token := map[string]any{"expires_at": "2030-01-01T00:00:00.000000Z", "catalog": k.catalog, "user": map[string]any{"id": "ann"}}
	if k.project != "" {
		token["project"] = map[string]any{"id": k.project, "name": "demo"}
	}
	assert.NoError(k.t, json.NewEncoder(w).Encode(map[string]any{"token": token}))
}

func (k *keystone) token() string { return fmt.Sprintf("token-%d", k.tokens) }

// expire makes the token that was given out worthless.
func (k *keystone) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens++
}

// password is what a login with a password needs.
func (k *keystone) password() Options {
	return Options{AuthURL: k.url + "/v3", Username: "ann", Password: "secret", ProjectName: "demo", Region: "one"}
}

// alone makes a test independent of the settings of who runs it.
func alone(t *testing.T) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "OS_") {
			t.Setenv(name, "")
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	t.Chdir(home)
}

// write writes a file below the home of the test and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
