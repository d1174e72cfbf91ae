package clouds

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
)

// Ways in that Keystone has no part in.
const (
	authNone       = "none"        // the server asks for nothing
	authNoAuth     = "noauth"      // Cinder's auth_strategy of this name
	authAdminToken = "admin_token" // a token is used at an endpoint as it is
	authEndpoint   = "token_endpoint"
)

// complete fills what o leaves open from the files, and checks each setting by
// itself.
func (o *Options) complete() error {
	if o.Cloud != "" {
		e, err := o.fromFile()
		if err != nil {
			return err
		}
		o.fill(e)
	}
	if o.Password == "" && o.Token == "" && o.ApplicationCredentialSecret == "" {
		o.Password = o.PasswordIfNone
	}
	o.AuthURL = strings.ReplaceAll(o.AuthURL, "{region_name}", o.Region)
	o.CACert, o.Cert, o.Key = home(o.CACert), home(o.Cert), home(o.Key)
	o.Interface = strings.TrimSuffix(cmp.Or(o.Interface, string(gophercloud.AvailabilityPublic)), "URL")
	switch gophercloud.Availability(o.Interface) {
	case gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin:
	default:
		return &SettingsError{Text: fmt.Sprintf("interface %q is neither public, internal nor admin", o.Interface), Hint: "see OS_INTERFACE"}
	}
	if o.SystemScope != "" && o.SystemScope != "all" {
		return &SettingsError{Text: fmt.Sprintf("system scope %q is not all", o.SystemScope)}
	}
	if strings.HasPrefix(strings.TrimPrefix(o.IdentityVersion, "v"), "2") {
		return identityV2("identity API version " + o.IdentityVersion)
	}
	return o.completeAuthType()
}

func identityV2(what string) error {
	return &SettingsError{Text: what + " is not supported: Keystone v3 alone is",
		Hint: "unset OS_IDENTITY_API_VERSION and OS_AUTH_TYPE; what was in v2 is in the domain default"}
}

// completeAuthType settles how to log in, and drops what that way does not use.
func (o *Options) completeAuthType() error {
	switch clouds.AuthType(o.AuthType) {
	case "":
		if o.Token != "" && o.Endpoint != "" && o.AuthURL == "" {
			o.AuthType = authAdminToken
		}
	case authNone, authNoAuth, authAdminToken:
	case authEndpoint:
		o.AuthType = authAdminToken
	case clouds.AuthPassword, clouds.AuthV3Password:
		o.Token = ""
		o.dropCredential()
	case clouds.AuthToken, clouds.AuthV3Token:
		o.Password = ""
		o.dropCredential()
	case clouds.AuthV3ApplicationCredential, "application_credential":
		o.Password, o.Token = "", ""
	case clouds.AuthV2Password, clouds.AuthV2Token:
		return identityV2("authentication type " + o.AuthType)
	default:
		return &SettingsError{Text: fmt.Sprintf("authentication type %q is not supported: password, token, v3applicationcredential, admin_token and noauth are", o.AuthType),
			Hint: "log in with openstack, and give what `openstack token issue -f value -c id` says: --os-auth-type token --os-token TOKEN; or make an application credential"}
	}
	return nil
}

func (o *Options) dropCredential() {
	o.ApplicationCredentialID, o.ApplicationCredentialName, o.ApplicationCredentialSecret = "", "", ""
}

// fill takes from e what o leaves open. What belongs together, such as the name
// and the id of a project, is taken together or not at all.
func (o *Options) fill(e entry) {
	take := func(to *string, names ...string) { *to = cmp.Or(*to, e.first(names...)) }
	if o.Password == "" && o.Token == "" && o.ApplicationCredentialSecret == "" {
		take(&o.Password, "password")
		take(&o.Token, "token", "auth_token")
		take(&o.ApplicationCredentialSecret, "application_credential_secret")
		take(&o.ApplicationCredentialID, "application_credential_id")
		take(&o.ApplicationCredentialName, "application_credential_name")
		take(&o.AuthType, "auth_type", "auth_plugin")
	}
	if o.Username == "" && o.UserID == "" {
		take(&o.Username, "username", "user_name")
		take(&o.UserID, "user_id")
	}
	if o.UserDomainName == "" && o.UserDomainID == "" {
		take(&o.UserDomainName, "user_domain_name")
		take(&o.UserDomainID, "user_domain_id")
	}
	if o.ProjectDomainName == "" && o.ProjectDomainID == "" && o.ProjectID == "" {
		take(&o.ProjectDomainName, "project_domain_name")
		take(&o.ProjectDomainID, "project_domain_id")
	}
	if o.ProjectName == "" && o.ProjectID == "" && o.SystemScope == "" && o.TrustID == "" {
		take(&o.ProjectName, "project_name", "tenant_name")
		take(&o.ProjectID, "project_id", "tenant_id")
		take(&o.SystemScope, "system_scope")
		take(&o.TrustID, "trust_id")
	}
	if o.DomainName == "" && o.DomainID == "" {
		take(&o.DomainName, "domain_name")
		take(&o.DomainID, "domain_id")
	}
	take(&o.DefaultDomainID, "default_domain", "default_domain_id")
	take(&o.AuthURL, "auth_url")
	take(&o.IdentityVersion, "identity_api_version")
	take(&o.Region, "region_name")
	take(&o.Interface, "block_storage_interface", "volume_interface", "block_storage_endpoint_type", "volume_endpoint_type", "endpoint_type", "interface")
	take(&o.Endpoint, "block_storage_endpoint_override", "volume_endpoint_override", "volumev3_endpoint_override", "endpoint")
	take(&o.CACert, "cacert")
	if o.Cert == "" && o.Key == "" {
		take(&o.Cert, "cert")
		take(&o.Key, "key")
	}
	if !o.Verify {
		o.Insecure = o.Insecure || said(e["verify"], false) || said(e["insecure"], true)
	}
}

// said reports whether a word of a YAML file means b.
func said(word string, b bool) bool {
	switch strings.ToLower(word) {
	case "true", "yes", "on", "1":
		return b
	case "false", "no", "off", "0":
		return !b
	}
	return false
}

// login returns what Keystone is told. It names what is missing, and settles
// what gophercloud would refuse.
func (o *Options) login() (*gophercloud.AuthOptions, error) {
	if o.AuthURL == "" {
		return nil, o.missing("authentication URL", "OS_AUTH_URL")
	}
	a := &gophercloud.AuthOptions{IdentityEndpoint: o.AuthURL, Scope: o.scope()}
	credential := o.ApplicationCredentialID != "" || o.ApplicationCredentialName != ""
	user := o.Username != "" || o.UserID != ""
	switch {
	case o.Password != "":
		if !user {
			return nil, o.missing("user name", "OS_USERNAME")
		}
		if a.Scope == nil {
			return nil, o.missing("project", "OS_PROJECT_NAME")
		}
		// gophercloud scopes nothing when it sees a credential.
		a.Password = o.Password
		o.user(a)
	case o.Token != "":
		a.TokenID = o.Token
		return a, nil // cannot be renewed with itself
	case credential && o.ApplicationCredentialSecret == "":
		return nil, o.missing("secret of the application credential", "OS_APPLICATION_CREDENTIAL_SECRET")
	case o.ApplicationCredentialID == "" && o.ApplicationCredentialName != "" && !user:
		return nil, o.missing("user of the application credential", "OS_USERNAME")
	case o.ApplicationCredentialSecret != "" && !credential:
		return nil, o.missing("id of the application credential", "OS_APPLICATION_CREDENTIAL_ID")
	case credential:
		a.ApplicationCredentialID, a.ApplicationCredentialName = o.ApplicationCredentialID, o.ApplicationCredentialName
		a.ApplicationCredentialSecret = o.ApplicationCredentialSecret
		a.Scope = nil // it has its own
		o.user(a)
	default:
		return nil, o.noWay(user)
	}
	a.AllowReauth = true
	return a, nil
}

// noWay says what the way to log in lacks when it has no secret at all.
func (o *Options) noWay(user bool) error {
	switch clouds.AuthType(o.AuthType) {
	case clouds.AuthToken, clouds.AuthV3Token:
		return o.missing("token", "OS_TOKEN")
	case clouds.AuthV3ApplicationCredential, "application_credential":
		return o.missing("application credential", "OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET")
	}
	if user {
		return o.missing("password", "OS_PASSWORD")
	}
	return o.missing("way to log in", "OS_USERNAME and OS_PASSWORD, OS_TOKEN, or OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET")
}

func (o *Options) missing(what, variable string) error {
	if o.Cloud != "" {
		return &SettingsError{Text: fmt.Sprintf("cloud %q has no %s", o.Cloud, what), Hint: "add it to its entry in clouds.yaml, or set " + variable}
	}
	return &SettingsError{Text: what + " is missing", Hint: "set " + variable + ", or name a cloud of clouds.yaml with --os-cloud or OS_CLOUD"}
}

// user puts the user into a, by id or by name and domain.
func (o *Options) user(a *gophercloud.AuthOptions) {
	if a.UserID = o.UserID; a.UserID == "" && o.Username != "" {
		a.Username = o.Username
		a.DomainID, a.DomainName = o.domain(o.UserDomainID, o.UserDomainName)
	}
}

// scope is what the token is for; nil when nothing is said.
func (o *Options) scope() *gophercloud.AuthScope {
	switch {
	case o.SystemScope != "":
		return &gophercloud.AuthScope{System: true}
	case o.TrustID != "":
		return &gophercloud.AuthScope{TrustID: o.TrustID}
	case o.ProjectID != "":
		return &gophercloud.AuthScope{ProjectID: o.ProjectID}
	case o.ProjectName != "":
		id, name := o.domain(o.ProjectDomainID, o.ProjectDomainName)
		return &gophercloud.AuthScope{ProjectName: o.ProjectName, DomainID: id, DomainName: name}
	case o.DomainID != "":
		return &gophercloud.AuthScope{DomainID: o.DomainID}
	case o.DomainName != "":
		return &gophercloud.AuthScope{DomainName: o.DomainName}
	}
	return nil
}

// defaultDomain is the id of the domain that every Keystone has.
const defaultDomain = "default"

// domain is that of a user or a project: its own, else the one of both, else
// the default. Of id and name one is empty.
func (o *Options) domain(id, name string) (string, string) {
	for _, d := range [][2]string{{id, name}, {o.DomainID, o.DomainName}, {o.DefaultDomainID, o.DefaultDomainName}} {
		switch {
		case d[0] != "":
			return d[0], ""
		case d[1] != "":
			return "", d[1]
		}
	}
	return defaultDomain, ""
}
