// Package wirefault is a proxy that stands before a real server of an object
// store and does to requests and answers what a bad network or an overloaded
// server does. Only tests import it.
package wirefault

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Kind is what happens to a request.
type Kind string

// Kinds. The server does not see a request that is Reset, CutRequest, Stall or
// Status.
const (
	Reset      Kind = "reset"       // the connection is reset before anything else
	CutRequest Kind = "cut request" // and here after some of the request's body was taken
	Stall      Kind = "stall"       // no answer, until the client gives up
	Status     Kind = "status"      // an answer of the proxy's own
	LoseAnswer Kind = "lost answer" // the server has done it, and the client does not hear
	Truncate   Kind = "truncate"    // the answer's body ends too early
	StallBody  Kind = "stalled body"
	Drip       Kind = "drip"      // the answer comes byte by byte at first, and then in small pieces
	Duplicate  Kind = "duplicate" // the server gets the request twice and answers the second
)

// Fault is one thing to go wrong.
type Fault struct {
	Kind       Kind
	Code       int    // of Status
	RetryAfter string // header of Status; empty for none
	After      int64  // bytes of the body before CutRequest, Truncate and StallBody
	// Then happens to the next request of the same method and URL; nil for
	// nothing.
	Then *Fault
}

// Name is the kind, with the code of a Status.
func (f *Fault) Name() string {
	if f.Kind != Status {
		return string(f.Kind)
	}
	name := http.StatusText(f.Code)
	if f.RetryAfter != "" {
		name += " with Retry-After"
	}
	return name
}

// Request is what a plan may look at.
type Request struct {
	Method, Path string // Path with its escapes undone
	Query        url.Values
	Nth          int // of its method and URL, from 1
}

// Plan says what goes wrong with a request; nil for nothing.
type Plan func(Request) *Fault

// Rule is a plan for requests of one method whose path holds a text.
type Rule struct {
	Method   string // empty for any
	Path     string // empty for any
	Nth      int    // the one of its URL that fails; 0 for each
	Fault    Fault
	Listings bool // requests with a query only, as listings are; else those without
}

// Rules is a plan of which the first rule that fits counts.
func Rules(rules ...Rule) Plan {
	return func(r Request) *Fault {
		for _, rule := range rules {
			if (rule.Method == "" || rule.Method == r.Method) && strings.Contains(r.Path, rule.Path) &&
				(rule.Nth == 0 || rule.Nth == r.Nth) && rule.Listings == (len(r.Query) > 0) {
				return &rule.Fault
			}
		}
		return nil
	}
}

// Proxy stands before one server.
type Proxy struct {
	URL    string // of the proxy, without a path
	target *url.URL
	client *http.Transport

	mu       sync.Mutex
	plan     Plan
	seen     map[string]int
	next     map[string]*Fault
	injected map[string]int
}

// New starts a proxy before the server at target, which is stopped with the
// test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	p := &Proxy{target: to, client: &http.Transport{DisableCompression: true}, seen: map[string]int{}, next: map[string]*Fault{}, injected: map[string]int{}}
	s := httptest.NewServer(p)
	t.Cleanup(func() {
		s.CloseClientConnections() // who is stalled would keep it open
		s.Close()
		p.client.CloseIdleConnections()
	})
	p.URL = s.URL
	return p
}

// Set replaces the plan, nil for none, and counts requests from 1 again.
func (p *Proxy) Set(plan Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
	clear(p.next)
	clear(p.seen)
}

// Injected are the faults so far by their names.
func (p *Proxy) Injected() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.injected)
}

// Total is how many they are.
func (p *Proxy) Total() int {
	n := 0
	for _, one := range p.Injected() {
		n += one
	}
	return n
}

func (p *Proxy) fault(r *http.Request) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := r.Method + " " + r.URL.String()
	f := p.next[key]
	delete(p.next, key)
	p.seen[key]++
	if f == nil && p.plan != nil {
		f = p.plan(Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Nth: p.seen[key]})
	}
	if f != nil {
		p.injected[f.Name()]++
		p.next[key] = f.Then
	}
	return f
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := p.fault(r)
	if f == nil {
		f = &Fault{}
	}
	switch f.Kind {
	case Reset:
		reset(w)
	case CutRequest:
		io.CopyN(io.Discard, r.Body, max(f.After, 1))
		reset(w)
	case Stall:
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case Status:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		http.Error(w, "of the proxy", f.Code)
	default:
		p.forward(w, r, f)
	}
}

// reset has the client's kernel hear that the connection is no more.
func reset(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, f *Fault) {
	if f.Kind == Duplicate {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			reset(w)
			return
		}
		if first, err := p.send(r, bytes.NewReader(body)); err == nil {
			io.Copy(io.Discard, first.Body)
			first.Body.Close()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	answer, err := p.send(r, r.Body)
	if err != nil {
		reset(w)
		return
	}
	defer answer.Body.Close()
	if f.Kind == LoseAnswer {
		io.Copy(io.Discard, answer.Body)
		reset(w)
		return
	}
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	p.body(w, r, answer, f)
}

func (p *Proxy) send(r *http.Request, body io.Reader) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = p.target.Scheme, p.target.Host
	out.RequestURI = ""
	out.Header.Del("Expect")
	out.Body = io.NopCloser(body)
	if r.ContentLength == 0 {
		out.Body = http.NoBody
	}
	return p.client.RoundTrip(out) // with the Host that the client has signed
}

func (p *Proxy) body(w http.ResponseWriter, r *http.Request, answer *http.Response, f *Fault) {
	flush := http.NewResponseController(w).Flush
	switch f.Kind {
	case Truncate, StallBody:
		n := f.After
		if answer.ContentLength >= 0 { // one that is short is cut before its last byte
			n = min(n, max(answer.ContentLength-1, 0))
		}
		io.CopyN(w, answer.Body, n)
		flush()
		if f.Kind == StallBody {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case Drip:
		piece := make([]byte, 1)
		for tick := time.NewTicker(100 * time.Microsecond); ; <-tick.C {
			n, err := answer.Body.Read(piece)
			w.Write(piece[:n])
			flush()
			if errors.Is(err, io.EOF) {
				tick.Stop()
				return
			}
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			if len(piece) < 4096 {
				piece = make([]byte, 2*len(piece))
			}
		}
	default:
		if _, err := io.Copy(w, answer.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
