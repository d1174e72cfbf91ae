// Package client is a Go library for the backups part of Cinder's Block
// Storage API v3, spoken by a cloud and by the engine of this project alike:
// typed calls, paging, waiting, microversions and error kinds.
//
// It sits on gophercloud's transport. Reads are tried again when a gateway or
// a connection fails; writes are sent once and never again. A Client is safe
// for concurrent use and starts no goroutine.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Options of a Client. Every zero field has a default.
type Options struct {
	// AllProjects makes lists span all projects, which needs the admin role;
	// without it the server silently lists the caller's own.
	AllProjects bool
	// PollInterval is the pause between two looks of a wait; 1 s when zero.
	// It grows to five times that while nothing happens.
	PollInterval time.Duration
	Logger       *slog.Logger // discards when nil
}

// Client makes calls of one Block Storage API.
type Client struct {
	sc       gophercloud.ServiceClient
	o        Options
	log      *slog.Logger
	versions versions
	sleep    func(context.Context, time.Duration) error
}

// New returns a client over sc, whose endpoint is that of the v3 API, with or
// without a project. It sends nothing.
func New(sc *gophercloud.ServiceClient, o Options) *Client {
	if o.PollInterval <= 0 {
		o.PollInterval = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{sc: *sc, o: o, log: o.Logger, sleep: sleep}
	if c.sc.Type == "" {
		c.sc.Type = "block-storage" // gophercloud names the microversion header by it
	}
	c.sc.Microversion = ""
	return c
}

// maxAnswer bounds the bytes of one answer that are read.
const maxAnswer = 256 << 20

// call is one request of the API.
type call struct {
	method string
	path   []string // segments below the endpoint
	query  url.Values
	body   any // nil for none
	ok     []int
	// need is the minor version that the call exists from; like is the one
	// that adds fields to the answer, used as far as the server goes.
	need, like int
	// extension marks a call that only an engine has.
	extension bool
	resource  string // what is asked for, for errors: backup, volume
	id        string
}

// do sends k and decodes the answer into out unless that is nil.
func (c *Client) do(ctx context.Context, k call, out any) error {
	return c.attempt(ctx, k, func(sc *gophercloud.ServiceClient) error {
		resp, err := sc.Request(ctx, k.method, c.url(k), &gophercloud.RequestOpts{
			JSONBody: k.body, OkCodes: k.ok, KeepResponseBody: true,
		})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if out == nil {
			return nil
		}
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
			return &answerError{resp.StatusCode, requestID(resp.Header), err}
		}
		return nil
	})
}

// attempt runs send with the client in the right microversion; a read is run
// again if it fails in passing. Errors come back as *Error.
func (c *Client) attempt(ctx context.Context, k call, send func(*gophercloud.ServiceClient) error) error {
	sc, supposed, err := c.at(ctx, k)
	if err != nil {
		return k.fail(ctx, err)
	}
	for try := 0; ; try++ {
		err := send(sc)
		if err == nil {
			return nil
		}
		if supposed && notAcceptable(err) {
			c.learn(err)
			if sc, supposed, err = c.negotiated(ctx, k); err != nil {
				return k.fail(ctx, err)
			}
			continue
		}
		if k.method != http.MethodGet || try >= maxRetries || ctx.Err() != nil || !passing(err) {
			return k.fail(ctx, err)
		}
		c.log.Debug("read failed in passing, trying again", "method", k.method, "path", strings.Join(k.path, "/"), "try", try+1, "error", err)
		if c.sleep(ctx, backoff(try, err)) != nil {
			return k.fail(ctx, err)
		}
	}
}

// url is the address of k.
func (c *Client) url(k call) string {
	parts := make([]string, len(k.path))
	for i, p := range k.path {
		parts[i] = url.PathEscape(p)
	}
	u := c.sc.ServiceURL(parts...)
	if len(k.query) > 0 {
		u += "?" + k.query.Encode()
	}
	return u
}

// answerError says that an answer cannot be read.
type answerError struct {
	status    int
	requestID string
	err       error
}

func (e *answerError) Error() string { return fmt.Sprintf("the answer cannot be read: %v", e.err) }
func (e *answerError) Unwrap() error { return e.err }

// sleep pauses for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// checkID refuses what cannot be the id of anything, before it becomes part of
// a path.
func checkID(resource, id string) error {
	if id == "" || id == "." || id == ".." {
		return &Error{Message: fmt.Sprintf("%q is no id", id), Resource: resource, kind: driverstate.ErrInvalidInput}
	}
	return nil
}

// isNotFound reports whether err says that the resource itself is absent.
func isNotFound(err error) bool { return errors.Is(err, driverstate.ErrNotFound) }
