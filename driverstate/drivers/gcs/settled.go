package gcs

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// settled lets nothing read the body of a request that is answered: a server
// may refuse a part before it has read all of it, and the library then fills
// the part's buffer anew while the transport is still sending it.
type settled struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s settled) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return s.base.RoundTrip(req)
	}
	bodies := []*held{{body: req.Body}}
	sent := *req
	sent.Body = bodies[0]
	if req.GetBody != nil {
		sent.GetBody = func() (io.ReadCloser, error) {
			again, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			bodies = append(bodies, &held{body: again})
			return bodies[len(bodies)-1], nil
		}
	}
	resp, err := s.base.RoundTrip(&sent)
	for _, b := range bodies {
		b.Close()
	}
	return resp, err
}

// held is a body that is not read any more once Close has returned.
type held struct {
	mu     sync.Mutex
	body   io.ReadCloser
	closed bool
}

func (h *held) Read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, errors.New("the request was answered before all of it was sent")
	}
	return h.body.Read(p)
}

// Close implements io.Closer.
func (h *held) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	return h.body.Close()
}
