package commands

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// loginDesk stands before Keystone and answers for it what it was asked before:
// clients log in with a password for every command, which Keystone takes half a
// second of processor time to check, and always gives the same answer to. What
// comes with a token is passed on.
type loginDesk struct {
	t        *testing.T
	keystone string // without /v3
	base     string

	mu   sync.Mutex
	told map[string]*deskAnswer // by request; those that succeeded
}

type deskAnswer struct {
	status int
	header http.Header
	body   []byte
}

// newLoginDesk returns the OS_AUTH_URL of a desk before the cloud's Keystone.
func newLoginDesk(t *testing.T, c *cloud) string {
	t.Helper()
	keystone, version, _ := strings.Cut(c.vars["CLOUD_AUTH_URL"], "/v3")
	d := &loginDesk{t: t, keystone: keystone, told: map[string]*deskAnswer{}}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.base = server.URL
	return server.URL + "/v3" + version
}

func (d *loginDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(d.t, err)
	answer, err := d.answer(r, body)
	if err != nil {
		if r.Context().Err() == nil { // else the client has gone
			assert.NoError(d.t, err)
		}
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body) // to a client that may have gone
}

func (d *loginDesk) answer(r *http.Request, body []byte) (*deskAnswer, error) {
	if r.Header.Get("X-Auth-Token") != "" {
		return d.pass(r, body)
	}
	key := strings.Join([]string{r.Method, r.URL.RequestURI(), r.Header.Get("Accept"), string(body)}, "\n")
	d.mu.Lock() // while it is asked too: of those who ask the same at once, one does
	defer d.mu.Unlock()
	if known := d.told[key]; known != nil {
		return known, nil
	}
	answer, err := d.pass(r, body)
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodGet { // of the versions: their links lead here
		answer.body = bytes.ReplaceAll(answer.body, []byte(d.keystone), []byte(d.base))
	}
	if answer.status < http.StatusBadRequest {
		d.told[key] = answer
	}
	return answer, nil
}

// pass asks Keystone.
func (d *loginDesk) pass(r *http.Request, body []byte) (*deskAnswer, error) {
	asked, err := http.NewRequestWithContext(r.Context(), r.Method, d.keystone+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	asked.Header = r.Header.Clone()
	asked.Header.Del("Accept-Encoding") // or the body could not be read
	resp, err := http.DefaultTransport.RoundTrip(asked)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer := &deskAnswer{status: resp.StatusCode, header: resp.Header.Clone()}
	answer.header.Del("Content-Length")
	answer.body, err = io.ReadAll(resp.Body)
	return answer, err
}
