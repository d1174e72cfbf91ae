package clouds

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
)

// login is what the settings come to.
type login struct {
	auth         gophercloud.AuthOptions
	tls          *tls.Config
	region       string
	availability gophercloud.Availability
}

// resolve merges the options with the entry of clouds.yaml and checks that
// they are enough.
func (o *Options) resolve() (*login, error) {
	l := &login{}
	var err error
	if o.Cloud != "" {
		if l, err = o.fromFile(); err != nil {
			return nil, err
		}
	} else if l.tls, err = o.tlsConfig(); err != nil {
		return nil, err
	}
	if err := o.override(l); err != nil {
		return nil, err
	}
	if err := l.check(o.Cloud); err != nil {
		return nil, err
	}
	// A token that was given cannot be renewed with itself.
	l.auth.AllowReauth = l.auth.TokenID == ""
	return l, nil
}

// fromFile reads clouds.yaml and secure.yaml beside it.
func (o *Options) fromFile() (l *login, err error) {
	path, err := o.configFile()
	if err != nil {
		return nil, err
	}
	entry := func(why any) error {
		return &SettingsError{Text: fmt.Sprintf("cloud %q in %s: %v", o.Cloud, path, why)}
	}
	defer func() {
		// gophercloud dereferences the section auth, which may be missing.
		if recover() != nil {
			l, err = nil, entry("it has no auth section, or the file is not what clouds.yaml should be")
		}
	}()
	options := []clouds.ParseOption{
		clouds.WithCloudName(o.Cloud), clouds.WithLocations(path), clouds.WithRegion(o.Region),
		clouds.WithEndpointType(o.Interface), clouds.WithCACertPath(o.CACert),
		clouds.WithClientCertPath(o.Cert), clouds.WithClientKeyPath(o.Key),
	}
	if o.Insecure {
		options = append(options, clouds.WithInsecure(true))
	}
	auth, endpoint, config, err := clouds.Parse(options...)
	if err != nil {
		return nil, entry(err)
	}
	return &login{auth: auth, tls: config, region: endpoint.Region, availability: endpoint.Availability}, nil
}

// configFile finds clouds.yaml where openstackclient does: in the place that
// is named, or in the first of the current directory, the user's configuration
// and the system's.
func (o *Options) configFile() (string, error) {
	if path := cmp.Or(o.ConfigFile, os.Getenv("OS_CLIENT_CONFIG_FILE")); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", &SettingsError{Text: fmt.Sprintf("clouds.yaml: %v", err), Hint: "OS_CLIENT_CONFIG_FILE must name the file"}
		}
		return path, nil
	}
	dirs := []string{"."}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "openstack"))
	} else if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".config", "openstack"))
	}
	dirs = append(dirs, "/etc/openstack")
	for _, dir := range dirs {
		for _, name := range []string{"clouds.yaml", "clouds.yml"} {
			path := filepath.Join(dir, name)
			f, err := os.Open(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return "", &SettingsError{Text: fmt.Sprintf("clouds.yaml: %v", err)}
			}
			f.Close()
			return path, nil
		}
	}
	return "", &SettingsError{Text: fmt.Sprintf("cloud %q: there is no clouds.yaml in %s", o.Cloud, strings.Join(dirs, ", ")),
		Hint: "name the file with OS_CLIENT_CONFIG_FILE"}
}

// override puts the options over what the file says. A way to log in that is
// given replaces the one of the file as a whole.
func (o *Options) override(l *login) error {
	a := &l.auth
	if o.Password != "" || o.Token != "" || o.ApplicationCredentialSecret != "" {
		a.Password, a.TokenID = "", ""
		a.ApplicationCredentialID, a.ApplicationCredentialName, a.ApplicationCredentialSecret = "", "", ""
	}
	for _, s := range []struct {
		to   *string
		with string
	}{
		{&a.IdentityEndpoint, o.AuthURL}, {&a.Password, o.Password}, {&a.TokenID, o.Token},
		{&a.ApplicationCredentialID, o.ApplicationCredentialID}, {&a.ApplicationCredentialName, o.ApplicationCredentialName},
		{&a.ApplicationCredentialSecret, o.ApplicationCredentialSecret}, {&l.region, o.Region},
	} {
		*s.to = cmp.Or(s.with, *s.to)
	}
	if o.Username != "" || o.UserID != "" {
		a.Username, a.UserID = o.Username, o.UserID
	}
	if o.UserDomainID != "" || o.UserDomainName != "" {
		a.DomainID, a.DomainName = o.UserDomainID, o.UserDomainName
	}
	o.overrideScope(a)
	if l.availability == "" {
		l.availability = gophercloud.AvailabilityPublic
	}
	if o.Interface != "" {
		switch i := gophercloud.Availability(strings.TrimSuffix(o.Interface, "URL")); i {
		case gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin:
			l.availability = i
		default:
			return &SettingsError{Text: fmt.Sprintf("interface %q is neither public, internal nor admin", o.Interface), Hint: "see OS_INTERFACE"}
		}
	}
	if o.SystemScope != "" && o.SystemScope != "all" {
		return &SettingsError{Text: fmt.Sprintf("system scope %q is not all", o.SystemScope)}
	}
	return nil
}

func (o *Options) overrideScope(a *gophercloud.AuthOptions) {
	scope := gophercloud.AuthScope{}
	if a.Scope != nil {
		scope = *a.Scope
	}
	domainID, domainName := o.ProjectDomainID, o.ProjectDomainName
	if domainID == "" && domainName == "" && scope.ProjectName != "" {
		domainID, domainName = scope.DomainID, scope.DomainName
	}
	switch {
	case o.SystemScope != "":
		scope = gophercloud.AuthScope{System: true}
	case o.ProjectID != "":
		scope = gophercloud.AuthScope{ProjectID: o.ProjectID}
	case o.ProjectName != "" || scope.ProjectName != "":
		scope = gophercloud.AuthScope{ProjectName: cmp.Or(o.ProjectName, scope.ProjectName), DomainID: domainID, DomainName: domainName}
	}
	a.TenantID, a.TenantName, a.Scope = "", "", nil
	if scope != (gophercloud.AuthScope{}) {
		a.Scope = &scope
	}
}

// check names what is missing, and settles what gophercloud would refuse.
func (l *login) check(cloud string) error {
	a := &l.auth
	missing := func(what, variable string) error {
		if cloud != "" {
			return &SettingsError{Text: fmt.Sprintf("cloud %q has no %s", cloud, what), Hint: "add it to its entry in clouds.yaml, or set " + variable}
		}
		return &SettingsError{Text: what + " is missing", Hint: "set " + variable + ", or name a cloud of clouds.yaml with --os-cloud or OS_CLOUD"}
	}
	if a.IdentityEndpoint == "" {
		return missing("authentication URL", "OS_AUTH_URL")
	}
	credential := a.ApplicationCredentialID != "" || a.ApplicationCredentialName != ""
	user := a.Username != "" || a.UserID != ""
	switch {
	case a.Password != "":
		if !user {
			return missing("user name", "OS_USERNAME")
		}
		// gophercloud scopes nothing when it sees a credential.
		a.TokenID, a.ApplicationCredentialID, a.ApplicationCredentialName, a.ApplicationCredentialSecret = "", "", "", ""
	case a.TokenID != "":
		a.Username, a.UserID, a.DomainID, a.DomainName = "", "", "", ""
		a.ApplicationCredentialID, a.ApplicationCredentialName, a.ApplicationCredentialSecret = "", "", ""
	case credential && a.ApplicationCredentialSecret == "":
		return missing("secret of the application credential", "OS_APPLICATION_CREDENTIAL_SECRET")
	case a.ApplicationCredentialID == "" && a.ApplicationCredentialName != "" && !user:
		return missing("user of the application credential", "OS_USERNAME")
	case a.ApplicationCredentialSecret != "" && !credential:
		return missing("id of the application credential", "OS_APPLICATION_CREDENTIAL_ID")
	case credential:
		a.Scope = nil // it has its own
	case user:
		return missing("password", "OS_PASSWORD")
	default:
		return missing("way to log in", "OS_USERNAME and OS_PASSWORD, OS_TOKEN, or OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET")
	}
	l.settleDomains()
	if a.Scope == nil && !credential && a.TokenID == "" {
		return missing("project", "OS_PROJECT_NAME")
	}
	return nil
}

// defaultDomain is the id of the domain that every Keystone has.
const defaultDomain = "default"

// settleDomains leaves one domain where gophercloud wants one.
func (l *login) settleDomains() {
	a := &l.auth
	switch {
	case a.UserID != "":
		a.Username, a.DomainID, a.DomainName = "", "", ""
	case a.Username == "":
	case a.DomainID != "":
		a.DomainName = ""
	case a.DomainName == "":
		a.DomainID = defaultDomain
	}
	s := a.Scope
	switch {
	case s == nil:
	case s.ProjectID != "":
		s.ProjectName, s.DomainID, s.DomainName = "", "", ""
	case s.DomainID != "":
		s.DomainName = ""
	case s.ProjectName != "" && s.DomainName == "":
		s.DomainID = defaultDomain
	}
}
