// Package clouds turns flags, OS_* variables and clouds.yaml into one
// authenticated service client of gophercloud for the Block Storage API. It
// asks nothing and keeps nothing: what is missing is an error that names it.
package clouds

import (
	"cmp"
	"context"
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
	SecureFile string // path of secure.yaml; searched for beside clouds.yaml first when empty

	// AuthType is how to log in: password, token, v3applicationcredential,
	// admin_token, noauth or none. When it is empty, what is given decides.
	AuthType          string
	AuthURL           string // Keystone's
	IdentityVersion   string // of Keystone's API: 3 or nothing
	Username          string
	UserID            string
	Password          string
	PasswordIfNone    string // used when neither the other fields nor the files have a secret
	UserDomainName    string
	UserDomainID      string
	ProjectName       string
	ProjectID         string
	ProjectDomainName string
	ProjectDomainID   string
	DomainName        string // of a user or project that has none; the scope where no project is named
	DomainID          string
	DefaultDomainName string // of a user or project where DomainName and DomainID are empty too
	DefaultDomainID   string // "default" when empty
	SystemScope       string // all, for a token of the whole system instead of a project's
	TrustID           string // of a trust, instead of a project
	Token             string

	ApplicationCredentialID     string
	ApplicationCredentialName   string
	ApplicationCredentialSecret string

	Region    string
	Interface string // public, internal or admin, or these with URL behind; public when empty
	Endpoint  string // of the Block Storage API, instead of the catalogue's

	CACert   string // file of authorities to trust
	Cert     string // file of the client's certificate
	Key      string // file of its key; that of the certificate when empty
	Insecure bool   // the server's certificate is not verified
	Verify   bool   // it is verified, whatever clouds.yaml says

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
	if err := o.complete(); err != nil {
		return nil, err
	}
	rt, err := o.transport()
	if err != nil {
		return nil, err
	}
	switch o.AuthType {
	case authNone, authNoAuth, authAdminToken:
		return o.direct(rt)
	}
	auth, err := o.login()
	if err != nil {
		return nil, err
	}
	provider, err := openstack.NewClient(auth.IdentityEndpoint)
	if err != nil {
		return nil, &SettingsError{Text: fmt.Sprintf("authentication URL %q: %v", auth.IdentityEndpoint, err)}
	}
	provider.HTTPClient = httpClient(rt)
	o.identify(provider)
	if err := openstack.AuthenticateV3(ctx, provider, auth, gophercloud.EndpointOpts{}); err != nil {
		return nil, loginError(auth, err)
	}
	provider.ReauthFunc = renewal(auth, provider.ReauthFunc)
	endpoint, err := o.findEndpoint(ctx, provider)
	if err != nil {
		return nil, err
	}
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: endpoint, Type: serviceType}, nil
}

// serviceType is the official one; gophercloud names the microversion header
// by it.
const serviceType = "block-storage"

func (o *Options) identify(provider *gophercloud.ProviderClient) {
	if o.UserAgent != "" {
		provider.UserAgent.Prepend(o.UserAgent)
	}
}

// direct is a client of an endpoint that is used without Keystone.
func (o *Options) direct(rt http.RoundTripper) (*gophercloud.ServiceClient, error) {
	if o.Endpoint == "" {
		return nil, o.missing("endpoint", "OS_ENDPOINT")
	}
	if o.AuthType != authAdminToken {
		sc, err := NoAuth(o.Endpoint, cmp.Or(o.Username, o.UserID), cmp.Or(o.ProjectID, o.ProjectName), rt)
		if err == nil {
			o.identify(sc.ProviderClient)
		}
		return sc, err
	}
	if o.Token == "" {
		return nil, o.missing("token", "OS_TOKEN")
	}
	a, err := parseAddress(o.Endpoint)
	if err != nil {
		return nil, err
	}
	provider := &gophercloud.ProviderClient{TokenID: o.Token, HTTPClient: httpClient(rt), ReauthFunc: notRenewable}
	provider.UseTokenLock()
	o.identify(provider)
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: a.String(), Type: serviceType}, nil
}

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
