package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

const project = "6579b5ed3baf4f71832361a0ffca7f9b"

// answer is one answer of a cloud. Those in testdata/client are what Cinder 21.3.1
// (Zed) said.
type answer struct {
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	Status    int             `json:"status"`
	RequestID string          `json:"request_id"`
	Body      json.RawMessage `json:"body"`

	header http.Header
	hangUp bool // the connection breaks instead
}

func readJSON[T any](t *testing.T, name string) T {
	t.Helper()
	var v T
	text, err := os.ReadFile("../testdata/client/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

func recorded(t *testing.T, name string) answer {
	t.Helper()
	a, ok := readJSON[map[string]answer](t, "answers.json")[name]
	require.True(t, ok, name)
	return a
}

func says(status int, body string) answer { return answer{Status: status, Body: json.RawMessage(body)} }

// edit returns a recorded answer with members of its object changed.
func edit(t *testing.T, name, object string, changes map[string]any) answer {
	t.Helper()
	a := recorded(t, name)
	var body map[string]map[string]any
	require.NoError(t, json.Unmarshal(a.Body, &body))
	for k, v := range changes {
		body[object][k] = v
	}
	text, err := json.Marshal(body)
	require.NoError(t, err)
	a.Body = text
	return a
}

// request is what a cloud was asked.
type request struct {
	method, path, version, token string
	query                        map[string][]string
	body                         string
}

// cloud is a server with prepared answers: for "METHOD /path" a list, of which
// the last is given again and again. It knows the versions of Zed.
type cloud struct {
	t        *testing.T
	url      string
	mu       sync.Mutex
	answers  map[string][]answer
	requests []request
	slept    []time.Duration
}

func newCloud(t *testing.T, answers map[string][]answer) *cloud {
	t.Helper()
	c := &cloud{t: t, answers: map[string][]answer{"GET /v3/": {recorded(t, "versions")}}}
	for k, v := range answers {
		c.answers[k] = v
	}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/v3/"+project)
	a := c.next(request{
		method: r.Method, path: path, version: r.Header.Get("OpenStack-API-Version"),
		token: r.Header.Get("X-Auth-Token"), query: r.URL.Query(), body: string(body),
	})
	if a.hangUp {
		conn, _, err := w.(http.Hijacker).Hijack()
		if assert.NoError(c.t, err) {
			conn.Close()
		}
		return
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/json")
	if a.RequestID != "" {
		w.Header().Set("X-Openstack-Request-Id", a.RequestID)
	}
	w.WriteHeader(a.Status)
	w.Write(a.Body)
}

func (c *cloud) next(r request) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r)
	key := r.method + " " + r.path
	list := c.answers[key]
	if len(list) == 0 {
		c.t.Errorf("the cloud was not prepared for %s", key)
		return says(http.StatusTeapot, `{}`)
	}
	if len(list) > 1 {
		c.answers[key] = list[1:]
	}
	return list[0]
}

// client returns a client of c whose pauses are noted, not taken.
func (c *cloud) client(o Options) *Client {
	provider := &gophercloud.ProviderClient{TokenID: "secret"}
	provider.UseTokenLock()
	client := New(&gophercloud.ServiceClient{ProviderClient: provider, Endpoint: c.url + "/v3/" + project + "/"}, o)
	client.sleep = func(ctx context.Context, d time.Duration) error {
		c.slept = append(c.slept, d)
		return ctx.Err()
	}
	return client
}

// asked are the requests made, without those for versions.
func (c *cloud) asked() []request {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []request
	for _, r := range c.requests {
		if r.path != "/v3/" && r.path != "/" {
			out = append(out, r)
		}
	}
	return out
}

// one is the only request made.
func (c *cloud) one() request {
	c.t.Helper()
	list := c.asked()
	require.Len(c.t, list, 1)
	return list[0]
}

func failure(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e
}

// kinds are all that an error may answer to.
var kinds = []error{
	driverstate.ErrNotFound, driverstate.ErrInvalidInput, driverstate.ErrInvalidStatus, driverstate.ErrHasDependents,
	driverstate.ErrConflict, driverstate.ErrOverLimit, driverstate.ErrForbidden, driverstate.ErrUnavailable,
	driverstate.ErrServiceDown, driverstate.ErrCorrupt, driverstate.ErrNotSupported, driverstate.ErrNotApplied,
	driverstate.ErrReadOnly, driverstate.ErrTooSmall,
}

// requireKind holds err to answer to kind and to no other.
func requireKind(t *testing.T, err, kind error) {
	t.Helper()
	require.Error(t, err)
	for _, k := range kinds {
		if k == kind {
			require.ErrorIs(t, err, k)
		} else {
			require.NotErrorIs(t, err, k)
		}
	}
}
