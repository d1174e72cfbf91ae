package clouds

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConnectionsAreKept(t *testing.T) {
	alone(t)
	var mu sync.Mutex
	opened := 0
	k := newKeystone(t, func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			if state == http.StateNew {
				opened++
			}
		}
		s.Start()
		return s
	})
	sc := connect(t, k.password())
	for range 5 {
		_, err := sc.Get(t.Context(), sc.ServiceURL("backups"), &struct{}{}, nil)
		require.NoError(t, err)
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, 1, opened, "the login's connection serves the rest")
}

// proxied is set in the process that the next test starts: Go reads the proxies
// of the environment once.
const proxied = "CINDER_GO_TEST_PROXIED"

func TestTheProxyOfTheEnvironmentIsUsed(t *testing.T) {
	if os.Getenv(proxied) != "" {
		sc, err := Connect(t.Context(), Options{AuthType: "noauth", Endpoint: "http://cloud.invalid:8776/v3", ProjectID: projectID})
		require.NoError(t, err)
		_, err = sc.Get(t.Context(), sc.ServiceURL("backups"), &struct{}{}, nil)
		require.NoError(t, err)
		return
	}
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		io.WriteString(w, "{}")
	}))
	defer proxy.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestTheProxyOfTheEnvironmentIsUsed$")
	cmd.Env = append(os.Environ(), proxied+"=1", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, []string{"GET http://cloud.invalid:8776/v3/" + projectID + "/backups"}, asked)
}

func TestNoAuthTellsTheUserAgentToo(t *testing.T) {
	alone(t)
	var agent string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent = r.Header.Get("User-Agent")
		io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	require.NoError(t, reach(t, Options{AuthType: "noauth", Endpoint: s.URL, UserAgent: "cinder-go/1"}))
	assert.Regexp(t, "^cinder-go/1 gophercloud/", agent)
}
