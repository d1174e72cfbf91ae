package inproc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func client(h http.HandlerFunc) *http.Client { return &http.Client{Transport: Transport(h)} }

func send(t *testing.T, ctx context.Context, c *http.Client, method, body string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://inproc/v3/x?k=v", strings.NewReader(body))
	require.NoError(t, err)
	return c.Do(r)
}

func TestAHandlerSeesARequestAsFromTheNetwork(t *testing.T) {
	c := client(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, "POST /v3/x?k=v ask", r.Method+" "+r.RequestURI+" "+string(body))
		assert.Equal(t, "inproc", r.Host)
		assert.Equal(t, "/v3/x", r.URL.Path)
		assert.Nil(t, r.TLS)
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X-Answer", "too late")
		io.WriteString(w, "answer")
	})
	resp, err := send(t, t.Context(), c, http.MethodPost, "ask")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "answer", string(body))
	assert.Equal(t, http.StatusAccepted, resp.StatusCode)
	assert.Equal(t, "202 Accepted", resp.Status)
	assert.Equal(t, "yes", resp.Header.Get("X-Answer"))
}

func TestAHandlerThatWritesNothingAnswersOK(t *testing.T) {
	resp, err := send(t, t.Context(), client(func(http.ResponseWriter, *http.Request) {}), http.MethodGet, "")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Empty(t, body)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestABodyStreams(t *testing.T) {
	second := make(chan struct{})
	c := client(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one")
		<-second
		io.WriteString(w, "two")
	})
	resp, err := send(t, t.Context(), c, http.MethodGet, "")
	require.NoError(t, err)
	defer resp.Body.Close()
	part := make([]byte, 3)
	_, err = io.ReadFull(resp.Body, part)
	require.NoError(t, err)
	assert.Equal(t, "one", string(part), "while the handler is still at work")
	close(second)
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "two", string(rest))
}

func TestAPanicBeforeTheHeaderIsAnError(t *testing.T) {
	_, err := send(t, t.Context(), client(func(http.ResponseWriter, *http.Request) { panic("oops") }), http.MethodGet, "")
	require.ErrorContains(t, err, "panic: oops")
	_, err = send(t, t.Context(), client(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), http.MethodGet, "")
	require.ErrorContains(t, err, "broken off")
}

func TestAPanicInTheBodyIsAnErrorOfReadingIt(t *testing.T) {
	c := client(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		panic("oops")
	})
	resp, err := send(t, t.Context(), c, http.MethodGet, "")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	assert.Equal(t, "half", string(body))
	require.ErrorContains(t, err, "panic: oops")
}

func TestTheEndOfTheContextEndsTheCallAndTheHandler(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	ended := make(chan error, 1)
	c := client(func(_ http.ResponseWriter, r *http.Request) {
		cancel(why)
		<-r.Context().Done()
		ended <- context.Cause(r.Context())
	})
	_, err := send(t, ctx, c, http.MethodGet, "")
	require.ErrorIs(t, err, why)
	require.ErrorIs(t, <-ended, why)
}

func TestTheEndOfTheContextEndsTheReadingOfABody(t *testing.T) {
	ended := make(chan struct{})
	c := client(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		io.WriteString(w, "half")
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := send(t, ctx, c, http.MethodGet, "")
	require.NoError(t, err)
	defer resp.Body.Close()
	part := make([]byte, 4)
	_, err = io.ReadFull(resp.Body, part)
	require.NoError(t, err)
	cancel()
	_, err = resp.Body.Read(part)
	require.ErrorIs(t, err, context.Canceled)
	<-ended
}

func TestClosingABodyUnreadLetsTheHandlerGo(t *testing.T) {
	wrote := make(chan error)
	c := client(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		_, err := w.Write(bytes.Repeat([]byte("x"), 1<<20))
		wrote <- err
	})
	resp, err := send(t, t.Context(), c, http.MethodGet, "")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Error(t, <-wrote)
}

func TestAnswersWithoutABodyHaveNone(t *testing.T) {
	c := client(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusContinue)
		w.WriteHeader(http.StatusNoContent)
		_, err := w.Write([]byte("x"))
		assert.ErrorIs(t, err, http.ErrBodyNotAllowed)
	})
	resp, err := send(t, t.Context(), c, http.MethodDelete, "")
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	assert.Zero(t, resp.ContentLength)
}

func TestACancelledRequestIsNotServed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := send(t, ctx, client(func(http.ResponseWriter, *http.Request) { t.Error("served") }), http.MethodGet, "")
	require.ErrorIs(t, err, context.Canceled)
}
