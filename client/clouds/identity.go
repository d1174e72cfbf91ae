package clouds

import (
	"context"
	"fmt"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
)

// Identity returns a client for Keystone v3 itself, at the authentication URL.
// It sends nothing: the client logs in when it is first used, and again when
// its token has expired. Settings that cannot work are a *SettingsError.
func Identity(o Options) (*gophercloud.ServiceClient, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	switch o.AuthType {
	case authNone, authNoAuth, authAdminToken:
		return nil, &SettingsError{Text: "authentication type " + o.AuthType + " has no Keystone", Hint: "give a user and a password, or an application credential"}
	}
	rt, err := o.transport()
	if err != nil {
		return nil, err
	}
	auth, err := o.login()
	if err != nil {
		return nil, err
	}
	if auth.TokenID != "" {
		return nil, &SettingsError{Text: "a token cannot be renewed", Hint: "give a user and a password, or an application credential"}
	}
	auth.AllowReauth = false // each login is a new one
	provider, err := openstack.NewClient(auth.IdentityEndpoint)
	if err != nil {
		return nil, &SettingsError{Text: fmt.Sprintf("authentication URL %q: %v", auth.IdentityEndpoint, err)}
	}
	provider.HTTPClient = httpClient(rt)
	o.identify(provider)
	provider.UseTokenLock()
	provider.ReauthFunc = renewal(auth, func(ctx context.Context) error {
		login, err := openstack.NewClient(auth.IdentityEndpoint)
		if err != nil {
			return err
		}
		login.HTTPClient, login.UserAgent = provider.HTTPClient, provider.UserAgent
		if err := openstack.AuthenticateV3(ctx, login, auth, gophercloud.EndpointOpts{}); err != nil {
			return err
		}
		provider.CopyTokenFrom(login)
		return nil
	})
	base := strings.TrimRight(auth.IdentityEndpoint, "/")
	if !strings.HasSuffix(base, "/v3") {
		base += "/v3"
	}
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: base + "/", Type: "identity"}, nil
}
