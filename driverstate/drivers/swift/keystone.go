package swift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	tokens2 "github.com/gophercloud/gophercloud/v2/openstack/identity/v2/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	tokens3 "github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// identity is Keystone's client without a token. A URL without a version gets
// that of the credentials, as in swiftclient.
func (s *session) identity(c *Credentials) *gophercloud.ServiceClient {
	url := strings.TrimRight(c.AuthURL, "/")
	if last := path.Base(url); !strings.HasPrefix(last, "v2") && !strings.HasPrefix(last, "v3") {
		url += map[string]string{"2": "/v2.0", "3": "/v3"}[c.Version]
	}
	provider := &gophercloud.ProviderClient{HTTPClient: http.Client{Transport: s.way(c)}}
	provider.UserAgent.Prepend(userAgent)
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: url + "/", Type: "identity"}
}

func (s *session) keystone(ctx context.Context, c *Credentials) (granted, error) {
	var g granted
	var err error
	client := s.identity(c)
	if c.Version == "2" {
		g, err = s.keystone2(ctx, client, c)
	} else {
		g, err = s.keystone3(ctx, client, c)
	}
	var answer gophercloud.ErrUnexpectedResponseCode
	switch {
	case err == nil && c == s.cfg.ServiceUser:
		return g, nil // nothing is asked of its account
	case err == nil:
		return g, s.cfg.needURL(g)
	case !errors.As(err, &answer):
		return g, err
	case answer.Actual == http.StatusUnauthorized || answer.Actual == http.StatusForbidden:
		return g, refused(c)
	case answer.Actual < 500 && answer.Actual != http.StatusRequestTimeout && answer.Actual != http.StatusTooManyRequests:
		return g, objectstore.Permanent(fmt.Errorf("answer %d %s of Keystone", answer.Actual, http.StatusText(answer.Actual)))
	}
	return g, fmt.Errorf("answer %d %s of Keystone", answer.Actual, http.StatusText(answer.Actual))
}

// keystone3 logs in with version 3 of Keystone's API.
func (s *session) keystone3(ctx context.Context, client *gophercloud.ServiceClient, c *Credentials) (granted, error) {
	scope := &gophercloud.AuthScope{ProjectID: c.ProjectID}
	if c.ProjectID == "" && c.Project != "" {
		scope.ProjectName, scope.DomainName = c.Project, c.ProjectDomain
		if c.ProjectDomain == "" {
			scope.DomainID = orDefault(c.ProjectDomainID)
		}
	}
	o := &gophercloud.AuthOptions{IdentityEndpoint: client.Endpoint, Scope: scope}
	var result interface {
		ExtractTokenID() (string, error)
		Extract() (*tokens3.Token, error)
		ExtractProject() (*tokens3.Project, error)
		ExtractServiceCatalog() (*tokens3.ServiceCatalog, error)
	}
	switch {
	case c.ApplicationID != "":
		o.ApplicationCredentialID, o.ApplicationCredentialSecret, o.Scope = c.ApplicationID, c.ApplicationSecret, nil
		result = tokens3.Create(ctx, client, o)
	case c.Token != "" && *scope == gophercloud.AuthScope{}:
		client.ProviderClient.SetToken(c.Token)
		result = tokens3.Get(ctx, client, c.Token)
	case c.Token != "":
		o.TokenID = c.Token
		result = tokens3.Create(ctx, client, o)
	default:
		o.UserID, o.Password = c.UserID, c.Key
		if c.UserID == "" {
			o.Username, o.DomainName = c.User, c.UserDomain
			if c.UserDomain == "" {
				o.DomainID = orDefault(c.UserDomainID)
			}
		}
		result = tokens3.Create(ctx, client, o)
	}
	token, err := result.Extract()
	if err != nil {
		return granted{}, err
	}
	g := granted{expires: token.ExpiresAt}
	if g.token, err = result.ExtractTokenID(); err != nil {
		return granted{}, err
	}
	if g.token == "" {
		g.token = c.Token
	}
	if project, err := result.ExtractProject(); err == nil && project != nil {
		g.project = project.ID
	}
	catalog, err := result.ExtractServiceCatalog()
	if err != nil {
		return granted{}, err
	}
	kind, face := s.cfg.endpoint()
	for _, entry := range catalog.Entries {
		for _, e := range entry.Endpoints {
			if entry.Type == kind && e.Interface == face && s.here(e.Region, e.RegionID) && g.url == "" {
				g.url = strings.TrimRight(e.URL, "/")
			}
		}
	}
	return g, nil
}

// orDefault is the domain that Keystone's clients take when none is given.
func orDefault(domainID string) string {
	if domainID == "" {
		return "default"
	}
	return domainID
}

// keystone2 logs in with version 2.0, which Keystone had until Pike.
func (s *session) keystone2(ctx context.Context, client *gophercloud.ServiceClient, c *Credentials) (granted, error) {
	result := tokens2.Create(ctx, client, gophercloud.AuthOptions{
		IdentityEndpoint: client.Endpoint, Username: c.User, Password: c.Key, TenantID: c.ProjectID, TenantName: c.Project,
	})
	token, err := result.ExtractToken()
	if err != nil {
		return granted{}, err
	}
	catalog, err := result.ExtractServiceCatalog()
	if err != nil {
		return granted{}, err
	}
	g := granted{token: token.ID, expires: token.ExpiresAt, project: token.Tenant.ID}
	kind, face := s.cfg.endpoint()
	for _, entry := range catalog.Entries {
		for _, e := range entry.Endpoints {
			if entry.Type == kind && s.here(e.Region) && g.url == "" {
				url := map[string]string{"public": e.PublicURL, "internal": e.InternalURL, "admin": e.AdminURL}[face]
				g.url = strings.TrimRight(url, "/")
			}
		}
	}
	return g, nil
}

// endpoint is the type and the interface of Swift in the catalogue.
func (c *Config) endpoint() (kind, face string) {
	kind, face = "object-store", "public"
	// swiftclient, which Cinder has do this for single_user, knows no other.
	if parts := strings.Split(c.Catalog, ":"); len(parts) == 3 && !c.SingleUser {
		kind, face = parts[0], strings.TrimSuffix(parts[2], "URL")
	}
	return kind, face
}

// here reports whether one of an endpoint's regions is the one that is asked
// for.
func (s *session) here(regions ...string) bool {
	for _, region := range regions {
		if region == s.cfg.Region {
			return true
		}
	}
	return s.cfg.Region == ""
}

// needURL answers to a login from which no account can be reached.
func (c *Config) needURL(g granted) error {
	if g.url != "" || c.URL != "" && !c.SingleUser {
		return nil
	}
	kind, face := c.endpoint()
	where := ""
	if c.Region != "" {
		where = " in region " + c.Region
	}
	return objectstore.Permanent(fmt.Errorf("the catalogue has no %s endpoint of type %s%s; is OS_REGION_NAME right? else set backup_swift_url", face, kind, where))
}

// projects are the ids of all that Keystone lists for the login.
func (s *session) projects(ctx context.Context) ([]string, error) {
	g, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	client := s.identity(&s.cfg.Credentials)
	client.ProviderClient.SetToken(g.token)
	pages, err := projects.List(client, nil).AllPages(ctx)
	if gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		return nil, driverstate.Fail(driverstate.ErrForbidden, "the login may not list all projects, as swift_projects=all needs: name the projects, or use an admin's")
	}
	if err != nil {
		return nil, fmt.Errorf("listing all projects: %w", err)
	}
	all, err := projects.ExtractProjects(pages)
	if err != nil {
		return nil, fmt.Errorf("listing all projects: %w", err)
	}
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	return ids, nil
}
