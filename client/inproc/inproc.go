// Package inproc carries HTTP requests to a handler in the same process,
// without sockets. A request is served like one from the network: what
// client and server see of each other is HTTP only.
package inproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
)

// Transport returns a transport that hands every request to h, whatever its
// host. The body of an answer is streamed: it is read as the handler writes
// it, and closing it unread makes the handler's next write fail. The handler's
// context ends with the request's, and with the closing of the body.
//
// A handler that panics before its header is an error of the round trip;
// afterwards it is an error of reading the body.
func Transport(h http.Handler) http.RoundTripper { return &transport{h} }

type transport struct{ handler http.Handler }

// RoundTrip serves one request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Err() != nil {
		closeBody(r)
		return nil, context.Cause(r.Context())
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	reader, writer := io.Pipe()
	w := &response{header: http.Header{}, pipe: writer, ready: make(chan struct{})}
	// The goroutine below is the handler's; it ends when the handler returns,
	// and the pipe tells the reader.
	go t.serve(w, incoming(ctx, r))

	body := &body{PipeReader: reader, cancel: cancel}
	select {
	case <-w.ready:
	case <-ctx.Done():
		body.Close()
		return nil, context.Cause(ctx)
	}
	if w.failed != nil {
		body.Close()
		return nil, w.failed
	}
	// Closing the writing end lets the reader see why.
	body.release = context.AfterFunc(ctx, func() { writer.CloseWithError(context.Cause(ctx)) })
	return w.answer(r, body), nil
}

// incoming is r as a server sees it.
func incoming(ctx context.Context, r *http.Request) *http.Request {
	in := r.Clone(ctx)
	in.RequestURI = r.URL.RequestURI()
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	in.RemoteAddr = "127.0.0.1:0"
	in.TLS = nil
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

func (t *transport) serve(w *response, r *http.Request) {
	defer func() {
		closeBody(r)
		p := recover()
		switch {
		case p == nil:
			// An answer that was cut short must not look whole.
			w.finish(context.Cause(r.Context()))
		case p == http.ErrAbortHandler:
			w.finish(errors.New("in-process server: the answer was broken off"))
		default:
			w.finish(fmt.Errorf("in-process server: panic: %v\n%s", p, debug.Stack()))
		}
	}()
	t.handler.ServeHTTP(w, r)
}

// response is the ResponseWriter of one request. Only the handler's goroutine
// writes to it; ready passes the header to the reader.
type response struct {
	header http.Header
	pipe   *io.PipeWriter
	once   sync.Once
	ready  chan struct{}

	// Set before ready is closed.
	status int
	sent   http.Header
	failed error
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if status >= 100 && status < 200 {
		return // informational, nobody here waits for it
	}
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

func (w *response) Write(p []byte) (int, error) {
	if w.header.Get("Content-Type") == "" && len(p) > 0 {
		w.once.Do(func() {
			w.header.Set("Content-Type", http.DetectContentType(p))
			w.status, w.sent = http.StatusOK, w.header.Clone()
			close(w.ready)
		})
	}
	w.WriteHeader(http.StatusOK)
	if !hasBody(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	return w.pipe.Write(p)
}

// Flush sends the header; what is written is never held back.
func (w *response) Flush() { w.WriteHeader(http.StatusOK) }

// finish ends the answer; err is why it is not whole.
func (w *response) finish(err error) {
	w.once.Do(func() {
		w.status, w.sent, w.failed = http.StatusOK, w.header.Clone(), err
		close(w.ready)
	})
	w.pipe.CloseWithError(err) // nil is the end of the body
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

func (w *response) answer(r *http.Request, body io.ReadCloser) *http.Response {
	resp := &http.Response{
		Status:     fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode: w.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        w.sent,
		Body:          body,
		ContentLength: -1,
		Request:       r,
	}
	if strings.EqualFold(r.Method, http.MethodHead) || !hasBody(w.status) {
		resp.ContentLength = 0
	}
	return resp
}

// body is the reading end of an answer.
type body struct {
	*io.PipeReader
	cancel  context.CancelCauseFunc
	release func() bool
}

// Close ends the handler's context and its writing.
func (b *body) Close() error {
	if b.release != nil {
		b.release()
	}
	b.cancel(context.Canceled)
	return b.PipeReader.Close()
}
