// Package server looks at the HTTP server of a store for driver-check: its
// name, the connection, its clock. It sends no credentials.
package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Server is one server under examination.
type Server struct {
	URL       string
	Transport http.RoundTripper // the driver's

	date string    // of the answer that Connect got
	when time.Time // it came
}

// Resolve is the step name resolution.
func (s *Server) Resolve(ctx context.Context) (string, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return "", err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		return "", driverstate.Fail(driverstate.ErrUnavailable, err.Error())
	}
	return u.Hostname() + " is " + strings.Join(addresses, ", "), nil
}

// Connect is the step TLS, or connection without it: it asks for the server's
// root, and any answer will do. An error is the transport's, without a kind.
func (s *Server) Connect(ctx context.Context) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.URL, "/")+"/", nil)
	if err != nil {
		return "", err
	}
	answer, err := s.Transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	s.date, s.when = answer.Header.Get("Date"), time.Now()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	if answer.TLS == nil {
		return "the server answers, without TLS: what is sent can be read on the way", nil
	}
	detail := tls.VersionName(answer.TLS.Version)
	if certificates := answer.TLS.PeerCertificates; len(certificates) > 0 {
		detail += fmt.Sprintf(", certificate of %s, valid until %s", certificates[0].Subject, certificates[0].NotAfter.UTC().Format(time.DateOnly))
	}
	return detail, nil
}

// Clock is the step clock, after Connect, for a server that refuses whose clock
// is more than limit from its own.
func (s *Server) Clock(limit time.Duration) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return Clock(s.date, s.when, limit) }
}

// Clock compares this machine's clock with the Date of an answer that came at
// when. ErrForbidden when they are more than limit apart.
func Clock(date string, when time.Time, limit time.Duration) (string, error) {
	server, err := http.ParseTime(date)
	if err != nil {
		return "the server does not tell the time", nil
	}
	skew := when.Sub(server).Round(time.Second)
	if skew.Abs() > limit {
		return "", driverstate.Fail(driverstate.ErrForbidden, fmt.Sprintf("this machine's clock is %v from the server's; more than %v is too much", skew, limit))
	}
	return fmt.Sprintf("%v from the server's", skew), nil
}
