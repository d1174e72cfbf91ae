package commands

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client/clouds"
	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/identity"
)

// Kinds of authentication in front of a server.
const (
	authNoAuth   = "noauth"
	authKeystone = "keystone"
)

// authOptions say who is let in.
type authOptions struct {
	// login is a client for Keystone that is the server's own user.
	login func() (*gophercloud.ServiceClient, error)

	kind         string
	remote       bool // others may reach a server without authentication
	uri          string
	adminRoles   []string
	serviceRoles []string
	required     bool
	newDefaults  bool
	cacheTime    time.Duration
}

func (a *authOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&a.kind, "auth", authNoAuth, "`KIND` of authentication: noauth, or keystone, which is asked as the user of --os-cloud or the other --os-* settings")
	fs.BoolVar(&a.remote, "allow-remote-noauth", false, "listen on an address that others can reach, without authentication")
	fs.StringVar(&a.uri, "www-authenticate-uri", "", "`URL` of Keystone that one without a token is sent to (default: the authentication URL)")
	fs.StringArrayVar(&a.adminRoles, "admin-role", []string{"admin"}, "`ROLE` that makes an admin; may be repeated")
	fs.StringArrayVar(&a.serviceRoles, "service-token-role", []string{"service"}, "`ROLE` of a service, which may come with a user's token that has expired; may be repeated")
	fs.BoolVar(&a.required, "service-token-roles-required", false, "refuse a service token without one of these roles")
	fs.BoolVar(&a.newDefaults, "enforce-new-defaults", false, "ask for the role member, or reader to look, where otherwise any role in the project is enough")
	fs.DurationVar(&a.cacheTime, "token-cache-time", 5*time.Minute, "how long a token is believed without asking Keystone again; 0 asks each time")
}

// check refuses what cannot work, or is open to others by mistake.
func (a *authOptions) check(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usagef("--listen %q is not ADDRESS:PORT", listen)
	}
	switch {
	case a.kind == authKeystone && a.remote:
		return usagef("--allow-remote-noauth is for --auth noauth")
	case a.kind == authKeystone, a.kind == authNoAuth && (a.remote || isLoopback(host)):
		return nil
	case a.kind != authNoAuth:
		return usagef("--auth %q is not there: noauth and keystone are", a.kind)
	}
	return usagef("--listen %s can be reached by others, and noauth makes an admin of everyone: say --allow-remote-noauth if the network is trusted, or --auth keystone", listen)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// whoIsAdmin names those who may do anything.
func (a *authOptions) whoIsAdmin() string {
	if a.kind == authKeystone {
		return "any admin of the cloud"
	}
	return "any user of this machine"
}

// authenticator is who lets callers in; nil is noauth. It logs in once, to
// tell the operator early of settings that Keystone refuses; that Keystone is
// away is no reason not to start.
func (a *authOptions) authenticator(ctx context.Context, con *console, logger *slog.Logger) (api.Authenticator, error) {
	if a.kind == authNoAuth {
		return nil, nil
	}
	client, err := a.login()
	if err != nil {
		return nil, connectError(ctx, err)
	}
	if err := client.Reauthenticate(ctx, ""); err != nil {
		con.warn("until Keystone lets the server in, every request is answered with 503", "%v", err)
	}
	uri := a.uri
	if uri == "" {
		uri = client.Endpoint
	}
	cacheTime := a.cacheTime
	if cacheTime == 0 {
		cacheTime = -1
	}
	return &api.Keystone{
		Tokens: identity.New(client, identity.Config{CacheTime: cacheTime}),
		URI:    uri, AdminRoles: a.adminRoles, ServiceRoles: a.serviceRoles,
		ServiceRolesRequired: a.required, NewDefaults: a.newDefaults, Logger: logger,
	}, nil
}

// identityClient is Keystone of the cloud that the global flags name.
func (f *Factory) identityClient() (*gophercloud.ServiceClient, error) {
	o := f.g.cloud
	o.Timeout, o.UserAgent = f.g.timeout, "cinder-go/"+version
	if f.g.debug {
		o.Debug = f.con.io.Err
	}
	client, err := clouds.Identity(o)
	if err != nil {
		return nil, fmt.Errorf("--auth keystone: %w", err)
	}
	return client, nil
}
