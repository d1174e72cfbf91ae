package gcs_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// front stands before the emulator: it remembers the requests, and a rule may
// answer one itself or change the answer.
type front struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	// rule returns true when it has answered.
	rule func(w http.ResponseWriter, r *http.Request) bool
	// change alters the emulator's answer.
	change func(resp *http.Response, body []byte) []byte
}

func newFront(t *testing.T) *front {
	t.Helper()
	target, err := url.Parse(emulator(t))
	require.NoError(t, err)
	f := &front{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(resp *http.Response) error {
		var body bytes.Buffer
		if _, err := body.ReadFrom(resp.Body); err != nil {
			return err
		}
		content := body.Bytes()
		if f.change != nil {
			content = f.change(resp, content)
		}
		// The emulator names itself as the place of uploads.
		if at := resp.Header.Get("Location"); at != "" {
			u, err := url.Parse(at)
			if err != nil {
				return err
			}
			resp.Header.Set("Location", f.URL+u.RequestURI())
		}
		resp.Body = &closer{*bytes.NewReader(content)}
		resp.ContentLength = int64(len(content))
		resp.Header.Set("Content-Length", strconv.Itoa(len(content)))
		return nil
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r.Clone(t.Context()))
		rule := f.rule
		f.mu.Unlock()
		if rule != nil && rule(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

type closer struct{ bytes.Reader }

func (*closer) Close() error { return nil }

// seen counts the requests so far that match.
func (f *front) seen(match func(r *http.Request) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if match(r) {
			n++
		}
	}
	return n
}

func (f *front) set(rule func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule = rule
}

// times lets the first n matching requests be answered by answer.
func (f *front) times(n int, match func(r *http.Request) bool, answer http.HandlerFunc) {
	var mu sync.Mutex
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 || !match(r) {
			return false
		}
		n--
		answer(w, r)
		return true
	})
}

// refuse answers as the JSON API does.
func refuse(code int, reason, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		c := strconv.Itoa(code)
		_, _ = w.Write([]byte(`{"error":{"code":` + c + `,"message":"` + message + `","errors":[{"domain":"global","reason":"` + reason + `","message":"` + message + `"}]}}`))
	}
}

// reset breaks the connection without an answer.
func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func isPart(r *http.Request) bool     { return r.URL.Query().Get("upload_id") != "" }
func isDownload(r *http.Request) bool { return r.URL.Query().Get("alt") == "media" }
func isList(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Query().Has("maxResults")
}
