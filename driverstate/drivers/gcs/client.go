package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"
	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// stall is how long a connection may be silent while an answer is awaited:
// httplib2, which Cinder uses through googleapiclient, gives up after 60 s too.
const stall = time.Minute

// client is an HTTP client of the storage service and what it was made of.
type client struct {
	*storage.Service
	idle    func()
	project string
	account *authorized // nil for none
}

// newClient makes the client that c describes. Nothing is asked of a server.
func newClient(c Config) (*client, error) {
	transport := newTransport(c)
	var trip http.RoundTripper = settled{transport}
	project := c.Project
	var account *authorized
	if c.CredentialFile != "" {
		key, err := readKey(c.CredentialFile)
		if err != nil {
			return nil, err
		}
		if project == "" {
			project = key.project
		}
		account = &authorized{base: trip, config: key.config, turn: make(chan struct{}, 1)}
		trip = account
	}
	s, err := storage.NewService(context.Background(), option.WithHTTPClient(&http.Client{Transport: trip}))
	if err != nil {
		return nil, err
	}
	if c.Endpoint != "" {
		s.BasePath = strings.TrimSuffix(c.Endpoint, "/") + "/storage/v1/"
	}
	s.UserAgent = c.UserAgent
	return &client{Service: s, idle: transport.CloseIdleConnections, project: project, account: account}, nil
}

// newTransport follows the proxy of the configuration, else those of the
// environment. Bytes arrive as they are stored: nothing is unpacked on the way.
func newTransport(c Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DisableCompression:  true,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 30 * time.Second,
		IdleConnTimeout:     stall,
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatient{conn}, nil
		},
	}
	if proxy, err := parseURL(c.Proxy); err == nil && proxy != nil {
		t.Proxy = http.ProxyURL(proxy)
	}
	return t
}

// impatient is a connection on which nothing may take longer than stall.
type impatient struct{ net.Conn }

func (c *impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write moves the deadline of reads too: no answer comes before all is sent.
func (c *impatient) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// key is a service account's.
type key struct {
	config  *jwt.Config
	project string
}

// readKey reads the JSON key file of a service account, the only kind of
// credentials that Cinder takes. Nothing of its content gets into an error.
func readKey(path string) (*key, error) {
	const what = "option backup_gcs_credential_file: "
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, invalid(what+"%v", err)
	}
	var head struct {
		Type      string `json:"type"`
		ProjectID string `json:"project_id"`
		Email     string `json:"client_email"`
		Key       string `json:"private_key"`
	}
	switch err := json.Unmarshal(raw, &head); {
	case err != nil:
		return nil, invalid(what+"%s is not JSON", path)
	case head.Type != "service_account":
		return nil, invalid(what+"%s is of type %.40q; it must be the key of a service account (gcloud iam service-accounts keys create)", path, head.Type)
	case head.Email == "" || head.Key == "":
		return nil, invalid(what+"%s lacks client_email or private_key", path)
	}
	config, err := google.JWTConfigFromJSON(raw, storage.DevstorageFullControlScope)
	if err != nil {
		return nil, invalid(what+"%s is not the key of a service account", path)
	}
	return &key{config: config, project: head.ProjectID}, nil
}

// authorized gives requests a service account's token. One that the server
// does not take any more is renewed once.
type authorized struct {
	base   http.RoundTripper
	config *jwt.Config
	turn   chan struct{} // held by the one that asks for a token

	mu    sync.Mutex
	token *oauth2.Token
}

// RoundTrip implements http.RoundTripper.
func (a *authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	for again := false; ; again = true {
		token, err := a.current(req.Context())
		if err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, err
		}
		sent := req.Clone(req.Context())
		token.SetAuthHeader(sent)
		if again && req.GetBody != nil {
			if sent.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		resp, err := a.base.RoundTrip(sent)
		rewindable := req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
		if err != nil || resp.StatusCode != http.StatusUnauthorized || again || !rewindable {
			return resp, err
		}
		resp.Body.Close()
		a.forget(token)
	}
}

func (a *authorized) cached() *oauth2.Token {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token.Valid() {
		return a.token
	}
	return nil
}

func (a *authorized) forget(token *oauth2.Token) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == token {
		a.token = nil
	}
}

// current is a token that is valid by its own account. One request at a time
// asks for a new one, the others wait for it.
func (a *authorized) current(ctx context.Context) (*oauth2.Token, error) {
	if token := a.cached(); token != nil {
		return token, nil
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if token := a.cached(); token != nil {
		return token, nil
	}
	through := &http.Client{Transport: within{ctx, a.base}}
	token, err := a.config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, through)).Token()
	if err != nil {
		return nil, a.refused(ctx, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = token
	return token, nil
}

// refused is the error of a token request.
func (a *authorized) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return fmt.Errorf("access token of %s: %w", a.config.Email, err)
	}
	code := answer.Response.StatusCode
	err = fmt.Errorf("access token of %s: %s answers %d %s%s", a.config.Email, a.config.TokenURL, code, http.StatusText(code), reason(answer.Body))
	if code >= 500 || code == http.StatusTooManyRequests {
		return err
	}
	return fmt.Errorf("%w: %w", err, objectstore.ErrForbidden)
}

// reason is what a token server says, without more of its answer than that.
func reason(body []byte) string {
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error == "" {
		return ""
	}
	return fmt.Sprintf(" (%.80s: %.200s)", answer.Error, answer.Description)
}

// within gives requests a context: the library's token request has none.
type within struct {
	ctx  context.Context
	base http.RoundTripper
}

func (w within) RoundTrip(req *http.Request) (*http.Response, error) {
	return w.base.RoundTrip(req.WithContext(w.ctx))
}

// lazy makes the client when it is first needed, and again after a failure.
type lazy struct {
	cfg  Config
	mu   sync.Mutex
	made *client
}

func (l *lazy) service() (*client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != nil {
		return l.made, nil
	}
	made, err := newClient(l.cfg)
	if err != nil {
		return nil, err
	}
	l.made = made
	return made, nil
}

// configured answers driverstate.ErrInvalidInput to options that are missing.
func (l *lazy) configured() error {
	switch {
	case l.cfg.Bucket == "":
		return driverstate.Fail(driverstate.ErrInvalidInput, "option backup_gcs_bucket is not set: it names the bucket of the backups")
	case l.cfg.CredentialFile == "" && l.cfg.Endpoint == "":
		return driverstate.Fail(driverstate.ErrInvalidInput,
			"option backup_gcs_credential_file is not set: it names the JSON key file of a service account that may use bucket "+l.cfg.Bucket)
	}
	_, err := l.service()
	return err
}

// project is that in which buckets are made; empty when none is known.
func (l *lazy) project() string {
	if c, err := l.service(); err == nil {
		return c.project
	}
	return l.cfg.Project
}

func (l *lazy) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != nil {
		l.made.idle()
	}
}
