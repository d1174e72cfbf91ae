package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

func TestEveryRequestIsOneLineOfTheLogWithItsIDs(t *testing.T) {
	const global = "req-7b1ee279-cc18-40e3-94a6-d8afa01111f5"
	for _, c := range []struct {
		name  string
		ask   ask
		route string
		want  map[string]any
	}{
		{"a list", ask{path: v3 + "/backups", query: "limit=1"}, "backups",
			map[string]any{"path": v3 + "/backups", "status": 200.0, "user": "someone", "project": project}},
		{"one that is not there", ask{path: v3 + "/backups/nope/restore", method: "POST", body: `{"restore": {}}`, header: map[string]string{"X-Openstack-Request-Id": global}},
			"backups/{id}/restore", map[string]any{"method": "POST", "global_request": global}},
		{"not a global id", ask{path: v3 + "/backups", header: map[string]string{"X-Openstack-Request-Id": "forged\nline"}}, "backups",
			map[string]any{"status": 200.0}},
		{"no route", ask{path: "/x"}, "", map[string]any{"status": 404.0}},
		{"no method", ask{path: v3 + "/backups", method: "BREW"}, "", map[string]any{"method": "BREW", "status": 404.0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			var told []api.Served
			h := api.New(&fake{}, api.Config{
				Logger: slog.New(trace.Handler(slog.NewJSONHandler(&log, nil))), Served: func(s api.Served) { told = append(told, s) },
			})
			r := send(t, h, c.ask)
			var line map[string]any
			require.NoError(t, json.Unmarshal(log.Bytes(), &line), "one line: %s", log.String())
			assert.Equal(t, "request", line["msg"])
			assert.Equal(t, r.Header.Get("X-Openstack-Request-Id"), line["request"])
			assert.Equal(t, float64(r.StatusCode), line["status"])
			assert.Equal(t, "192.0.2.1:1234", line["remote"])
			for key, value := range c.want {
				assert.Equal(t, value, line[key], key)
			}
			if c.want["global_request"] == nil {
				assert.NotContains(t, line, "global_request")
			}
			require.Len(t, told, 1)
			assert.Equal(t, c.route, told[0].Route)
			assert.Equal(t, r.StatusCode, told[0].Status)
			assert.Positive(t, told[0].Took)
			if c.ask.method == "BREW" {
				assert.Equal(t, "other", told[0].Method, "a client may send any word")
			}
		})
	}
}

func TestHealthcheckTellsWhyToThisMachineOnly(t *testing.T) {
	broken := errors.New("disk I/O error")
	for _, c := range []struct {
		name, accept, remote, forwarded string
		err                             error
		status                          int
		body                            string
	}{
		{"well", "", "192.0.2.1:1", "", nil, 200, "OK"},
		{"well, JSON", jsonType, "127.0.0.1:1", "", nil, 200, `{"detailed": false, "reasons": ["OK"]}`},
		{"ill, told to anyone", "", "192.0.2.1:1", "", broken, 503, "the database cannot be asked"},
		{"ill, told to anyone, JSON", jsonType, "192.0.2.1:1", "", broken, 503, `{"detailed": false, "reasons": ["the database cannot be asked"]}`},
		{"ill, told to this machine", "", "[::1]:1", "", broken, 503, "the database cannot be asked: disk I/O error"},
		{"ill, told to this machine, JSON", jsonType, "127.0.0.1:1", "", broken, 503,
			`{"detailed": true, "reasons": ["the database cannot be asked: disk I/O error"]}`},
		{"ill, told through a proxy of this machine", "", "127.0.0.1:1", "192.0.2.1", broken, 503, "the database cannot be asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := api.New(&fake{}, api.Config{Health: func(context.Context) error { return c.err }})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthcheck", nil)
			r.RemoteAddr = c.remote
			if c.accept != "" {
				r.Header.Set("Accept", c.accept)
			}
			if c.forwarded != "" {
				r.Header.Set("X-Forwarded-For", c.forwarded)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, c.status, w.Code)
			assert.Equal(t, c.body, w.Body.String())
		})
	}
}

func TestLogNamesAPanicWithItsStatus(t *testing.T) {
	var log bytes.Buffer
	h := api.New(&fake{panics: true}, api.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	send(t, h, ask{path: v3 + "/backups"})
	assert.Equal(t, 1, strings.Count(log.String(), "msg=request"))
	assert.Contains(t, log.String(), "status=500")
}
