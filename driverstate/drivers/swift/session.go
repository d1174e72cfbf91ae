package swift

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

const (
	userAgent = "cinder-go"
	// silence is how long a server may say nothing in a call.
	silence = time.Minute
	// never is for time-outs of the library, which leave a goroutine with the
	// caller's buffer: calls end with their context instead.
	never = 24 * time.Hour
)

// session is one login and its connections, shared by all accounts that it
// works on. It logs in when it is first used, and again when its token is
// refused or about to expire.
type session struct {
	cfg       *Config
	transport *http.Transport
	// serviceTransport is the way to [service_user]'s Keystone: transport, if it
	// is trusted alike.
	serviceTransport *http.Transport
	conn             *swift.Connection
	stall            time.Duration

	mu      sync.Mutex
	granted granted
	service granted // [service_user]'s
}

// granted is what a login gave.
type granted struct {
	token   string
	url     string    // of the project's account; empty if the catalogue has none
	project string    // id; empty if unknown
	expires time.Time // zero if unknown
}

func newSession(c *Config) (*session, error) {
	s := &session{cfg: c, stall: c.Stall}
	if s.stall == 0 {
		s.stall = silence
	}
	var err error
	if s.transport, err = newTransport(c.CAFile, "backup_swift_ca_cert_file", c.Insecure); err != nil {
		return nil, err
	}
	s.serviceTransport = s.transport
	if c.ServiceUser != nil && (c.ServiceCAFile != "" || c.ServiceInsecure) {
		own, err := newTransport(c.ServiceCAFile, "[service_user] cafile", c.ServiceInsecure)
		if err != nil {
			c.ServiceUser, c.NoServiceToken = nil, err.Error()
		} else {
			s.serviceTransport = own
		}
	}
	s.conn = &swift.Connection{
		UserAgent: userAgent, Transport: s.transport, Auth: s, AuthUrl: c.Credentials.AuthURL,
		Retries: -1, ConnectTimeout: never, Timeout: never,
	}
	return s, nil
}

// newTransport trusts the authorities of a file, which option names; those of
// the system without one.
func newTransport(caFile, option string, insecure bool) (*http.Transport, error) {
	trust := &tls.Config{InsecureSkipVerify: insecure}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("file of authorities (%s): %v", option, err))
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("file of authorities %s (%s) holds no certificate", caFile, option))
		}
	}
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSClientConfig: trust, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, ExpectContinueTimeout: 5 * time.Second,
		ReadBufferSize: 128 << 10, WriteBufferSize: 128 << 10, DisableCompression: true,
	}, nil
}

// way is the transport to where c logs in.
func (s *session) way(c *Credentials) *http.Transport {
	if c == s.cfg.ServiceUser {
		return s.serviceTransport
	}
	return s.transport
}

func (s *session) close() {
	s.transport.CloseIdleConnections()
	s.serviceTransport.CloseIdleConnections()
}

// Request logs in: it is called by the library, under its lock, when there is
// no token or the token is about to expire. No request is left to make.
func (s *session) Request(ctx context.Context, _ *swift.Connection) (*http.Request, error) {
	g, err := s.login(ctx, &s.cfg.Credentials)
	if err != nil {
		return nil, err
	}
	var service granted
	if s.cfg.ServiceUser != nil {
		if service, err = s.login(ctx, s.cfg.ServiceUser); err != nil {
			return nil, fmt.Errorf("the service user: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted, s.service = g, service
	return nil, nil
}

func (s *session) login(ctx context.Context, c *Credentials) (granted, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.stall, fmt.Errorf("no answer for %s", s.stall))
	defer cancel()
	var g granted
	var err error
	if c.Version == "1" {
		g, err = s.loginV1(ctx, c)
	} else {
		g, err = s.keystone(ctx, c)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return g, fmt.Errorf("logging in at %s: %w", c.AuthURL, err)
	}
	return g, nil
}

// loginV1 is Swift's own: the library's.
func (s *session) loginV1(ctx context.Context, c *Credentials) (granted, error) {
	login := swift.Connection{
		UserAgent: userAgent, Transport: s.transport, AuthVersion: 1, AuthUrl: c.AuthURL, UserName: c.User, ApiKey: c.Key,
		Retries: -1, ConnectTimeout: never, Timeout: never,
	}
	err := login.Authenticate(ctx)
	switch {
	case errors.Is(err, swift.AuthorizationFailed), errors.Is(err, swift.Forbidden):
		return granted{}, refused(c)
	case errors.Is(err, swift.BadRequest):
		return granted{}, objectstore.Permanent(err)
	case err != nil:
		return granted{}, err
	}
	return granted{token: login.AuthToken, url: login.StorageUrl, project: cmp.Or(c.ProjectID, lastID(login.StorageUrl))}, nil
}

func refused(c *Credentials) error {
	who := "user " + cmp.Or(c.User, c.UserID)
	switch {
	case c.User != "", c.UserID != "":
	case c.ApplicationID != "":
		who = "application credential " + c.ApplicationID
	default:
		who = "the token of OS_TOKEN"
	}
	return fmt.Errorf("%s is refused: %w", who, objectstore.ErrForbidden)
}

// lastID is the project in the URL of an account: what follows the reseller's
// prefix in its last segment.
func lastID(accountURL string) string {
	account := accountURL[strings.LastIndexByte(strings.TrimRight(accountURL, "/"), '/')+1:]
	_, id, found := strings.Cut(strings.TrimRight(account, "/"), "_")
	if !found {
		return ""
	}
	return id
}

// current is the login's outcome, after logging in if need be.
func (s *session) current(ctx context.Context) (granted, error) {
	if !s.conn.Authenticated() {
		if err := s.conn.Authenticate(ctx); err != nil {
			return granted{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.granted, nil
}

// project is the id of the login's project; empty before a login.
func (s *session) project() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.granted.project
}

// forget drops the token if it is still the one that was refused.
func (s *session) forget(token string) {
	s.mu.Lock()
	stale := s.granted.token == token
	s.mu.Unlock()
	if stale {
		s.conn.UnAuthenticate()
	}
}

// The library asks these of its authenticator, under its lock.

// Response has nothing to read: Request has.
func (s *session) Response(context.Context, *http.Response) error { return nil }

// StorageUrl is not used by the calls, which know their account, but must not
// be empty.
func (s *session) StorageUrl(bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.granted.url == "" {
		return s.cfg.URL
	}
	return s.granted.url
}

// Token implements swift.Authenticator.
func (s *session) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.granted.token
}

// Expires implements swift.Expireser.
func (s *session) Expires() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.granted.expires
}

// CdnUrl implements swift.Authenticator.
func (s *session) CdnUrl() string { return "" }

var (
	_ swift.Authenticator = (*session)(nil)
	_ swift.Expireser     = (*session)(nil)
)
