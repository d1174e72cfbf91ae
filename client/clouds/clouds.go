// Package clouds turns flags, OS_* variables and clouds.yaml into one
// authenticated service client of gophercloud for the Block Storage API. It
// asks nothing and keeps nothing: what is missing is an error that names it.
package clouds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
)

// Options say which cloud, and who asks. What is empty comes from the entry
// Cloud of clouds.yaml, if that is named.
type Options struct {
	Cloud      string // entry of clouds.yaml
	ConfigFile string // its path; searched for as openstackclient does when empty

	AuthURL           string // Keystone's
	Username          string
	UserID            string
	Password          string
	UserDomainName    string // "default" is the domain of a user or project without one
	UserDomainID      string
	ProjectName       string
	ProjectID         string
	ProjectDomainName string
	ProjectDomainID   string
	SystemScope       string // all, for a token of the whole system instead of a project's
	Token             string

	ApplicationCredentialID     string
	ApplicationCredentialName   string
	ApplicationCredentialSecret string

	Region    string
	Interface string // public, internal or admin, or these with URL behind; public when empty
	Endpoint  string // of the Block Storage API, instead of the catalogue's

	CACert   string // file of authorities to trust
	Cert     string // file of the client's certificate
	Key      string // file of its key
	Insecure bool   // the server's certificate is not verified

	Timeout   time.Duration // of waiting for the header of an answer; none when zero
	UserAgent string        // comes before gophercloud's own
	Debug     io.Writer     // where requests and answers are told, secrets masked; nil for nowhere
}

// SettingsError says that something is missing from the settings, or wrong in
// them, so that nothing was sent. Hint is what to do next.
type SettingsError struct {
	Text string
	Hint string
}

// Error is the text followed by the hint.
func (e *SettingsError) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + "; " + e.Hint
}

// Connect logs in and returns a client for the Block Storage API v3 of the
// cloud. The token is renewed when it expires, unless it was given. Settings
// that cannot work are a *SettingsError; a login that is refused keeps
// gophercloud's error in its chain.
func Connect(ctx context.Context, o Options) (*gophercloud.ServiceClient, error) {
	login, err := o.resolve()
	if err != nil {
		return nil, err
	}
	provider, err := openstack.NewClient(login.auth.IdentityEndpoint)
	if err != nil {
		return nil, &SettingsError{Text: fmt.Sprintf("authentication URL %q: %v", login.auth.IdentityEndpoint, err)}
	}
	provider.HTTPClient = httpClient(o.transport(login))
	if o.UserAgent != "" {
		provider.UserAgent.Prepend(o.UserAgent)
	}
	if err := openstack.AuthenticateV3(ctx, provider, &login.auth, gophercloud.EndpointOpts{}); err != nil {
		return nil, loginError(login, err)
	}
	endpoint, err := findEndpoint(provider, login, o.Endpoint)
	if err != nil {
		return nil, err
	}
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: endpoint, Type: serviceType}, nil
}

// serviceType is the official one; gophercloud names the microversion header
// by it.
const serviceType = "block-storage"

// transport is how requests are sent.
func (o *Options) transport(l *login) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = l.tls
	t.ResponseHeaderTimeout = o.Timeout
	if o.Debug != nil {
		return DebugTransport(t, o.Debug)
	}
	return t
}

// httpClient follows no redirect that would take the token to another host, or
// that would make another request of a write.
func httpClient(t http.RoundTripper) http.Client {
	return http.Client{Transport: t, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		from := via[0]
		switch {
		case len(via) >= 5:
			return errors.New("too many redirects")
		case from.Method != http.MethodGet && from.Method != http.MethodHead,
			to.URL.Host != from.URL.Host,
			from.URL.Scheme == "https" && to.URL.Scheme != "https":
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

func loginError(l *login, err error) error {
	who := l.auth.Username
	switch {
	case l.auth.TokenID != "":
		who = "the token given"
	case l.auth.ApplicationCredentialID != "" || l.auth.ApplicationCredentialName != "":
		who = "application credential " + l.auth.ApplicationCredentialID + l.auth.ApplicationCredentialName
	case who == "":
		who = l.auth.UserID
	}
	text, hint := err.Error(), ""
	var answer gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &answer) {
		text = strings.ToLower(http.StatusText(answer.Actual))
		switch {
		case answer.Actual == http.StatusUnauthorized, answer.Actual == http.StatusNotFound && fromKeystone(answer.Body):
			text, hint = "refused", "check the password or secret, and the domains of user and project"
			switch {
			case l.auth.TokenID != "":
				hint = "it may have expired: get another"
			case answer.Actual == http.StatusNotFound:
				hint = "it may have expired or been deleted: make another"
			}
		case answer.Actual == http.StatusNotFound:
			hint = "does the authentication URL lead to Keystone, such as https://cloud:5000/v3?"
		}
	}
	text = fmt.Sprintf("login of %s at %s: %s", who, l.auth.IdentityEndpoint, text)
	if hint != "" {
		text += "; " + hint
	}
	return &loginFailure{text: text, err: err}
}

// fromKeystone tells an error of Keystone, which answers 404 for a token or an
// application credential that it does not know, from one of another server.
func fromKeystone(body []byte) bool {
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	return json.Unmarshal(body, &answer) == nil && answer.Error.Message != ""
}

// loginFailure replaces gophercloud's text, which has the whole answer in it.
type loginFailure struct {
	text string
	err  error
}

func (e *loginFailure) Error() string { return e.text }
func (e *loginFailure) Unwrap() error { return e.err }

// noProject is the project of a caller who names none: hexadecimal, as
// Cinder's URLs want it.
const noProject = "00000000000000000000000000000000"

// hexID is Cinder's default of project_id_regex: what a URL can carry.
var hexID = regexp.MustCompile(`^[0-9a-f-]+$`)

// NoAuth returns a client for an endpoint that runs without Keystone
// (auth_strategy=noauth), or for an engine in the same process, over rt; nil is
// Go's own transport. The endpoint may end before or after /v3, or with the
// project. User and project are what the server is told that they are: admin
// and a project of zeros when empty.
//
// A project that is not hexadecimal cannot stand in a URL of Cinder, and is
// left out of it; old releases (before 3.67) know no such URLs.
func NoAuth(endpoint, user, project string, rt http.RoundTripper) (*gophercloud.ServiceClient, error) {
	a, err := parseAddress(endpoint)
	if err != nil {
		return nil, err
	}
	if user == "" {
		user = "admin"
	}
	switch {
	case a.project == "" && project == "":
		project = noProject
	case project == "", a.project != "" && !hexID.MatchString(project):
		project = a.project
	case a.project != "" && a.project != project:
		return nil, &SettingsError{Text: fmt.Sprintf("endpoint %s has another project than %s", endpoint, project),
			Hint: "leave the project out of the endpoint, or say the same with OS_PROJECT_ID"}
	}
	if strings.Contains(user, ":") || strings.Contains(project, ":") {
		return nil, &SettingsError{Text: fmt.Sprintf("user %q and project %q must not contain a colon: it parts them in the token", user, project)}
	}
	if hexID.MatchString(project) {
		a.project = project
	}
	if rt == nil {
		rt = http.DefaultTransport.(*http.Transport).Clone()
	}
	provider := &gophercloud.ProviderClient{TokenID: user + ":" + project, HTTPClient: httpClient(rt)}
	provider.UseTokenLock()
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: a.String(), Type: serviceType}, nil
}
