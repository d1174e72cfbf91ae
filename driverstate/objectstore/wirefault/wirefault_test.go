package wirefault

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhatAClientSees is each kind of fault before a server that counts.
func TestWhatAClientSees(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	var served atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, content)
	}))
	defer server.Close()
	p := New(t, server.URL)
	// ask gives up when it has read so many bytes of the answer's body, if that is
	// not 0.
	ask := func(ctx context.Context, enough int64) (int, string, error) {
		ctx, giveUp := context.WithCancel(ctx)
		defer giveUp()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/o", strings.NewReader(content))
		require.NoError(t, err)
		answer, err := client.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer answer.Body.Close()
		var body strings.Builder
		if enough > 0 {
			if _, err = io.CopyN(&body, answer.Body, enough); err != nil {
				return answer.StatusCode, body.String(), err
			}
			giveUp()
		}
		_, err = io.Copy(&body, answer.Body)
		return answer.StatusCode, body.String(), err
	}
	broken := func(code int, _ string, err error) {
		assert.Error(t, err)
		assert.Zero(t, code)
	}
	for _, c := range []struct {
		fault  Fault
		served int32
		check  func(code int, body string, err error)
	}{
		{Fault{Kind: Reset}, 0, broken},
		{Fault{Kind: CutRequest, After: 100}, 0, broken},
		{Fault{Kind: Stall}, 0, func(_ int, _ string, err error) { assert.ErrorIs(t, err, context.Canceled) }},
		{Fault{Kind: Status, Code: 503}, 0, func(code int, _ string, err error) { assert.Equal(t, 503, code); assert.NoError(t, err) }},
		{Fault{Kind: LoseAnswer}, 1, broken},
		{Fault{Kind: Truncate, After: 1000}, 1, func(_ int, body string, err error) { assert.Len(t, body, 1000); assert.Error(t, err) }},
		{Fault{Kind: StallBody, After: 1000}, 1, func(_ int, body string, err error) {
			assert.Len(t, body, 1000)
			assert.ErrorIs(t, err, context.Canceled)
		}},
		{Fault{Kind: Drip}, 1, func(_ int, body string, err error) { assert.Equal(t, content, body); assert.NoError(t, err) }},
		{Fault{Kind: Duplicate}, 2, func(_ int, body string, err error) { assert.Equal(t, content, body); assert.NoError(t, err) }},
	} {
		t.Run(string(c.fault.Kind), func(*testing.T) {
			served.Store(0)
			plan := Rules(Rule{Method: http.MethodPost, Path: "/o", Nth: 1, Fault: c.fault})
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			p.Set(func(r Request) *Fault {
				if c.fault.Kind == Stall {
					giveUp() // nothing will come
				}
				return plan(r)
			})
			enough := int64(0)
			if c.fault.Kind == StallBody {
				enough = c.fault.After
			}
			c.check(ask(ctx, enough))
			assert.Equal(t, c.served, served.Load())
			_, body, err := ask(t.Context(), 0)
			require.NoError(t, err, "the second is let through")
			assert.Equal(t, content, body)
			assert.Equal(t, 1, p.Injected()[c.fault.Name()])
		})
	}
	assert.Equal(t, 9, p.Total())
}
