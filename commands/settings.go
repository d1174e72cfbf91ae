package commands

import (
	"cmp"
	"github.com/spf13/pflag"
)

// setting is one text flag, the variable that stands in for it, and its help.
// Flags and variables of the older names mean the same; they are not in the
// help. Of the settings of one group those given by a flag leave out the
// variables of the others: --os-project-name is not beaten by OS_PROJECT_ID.
type setting struct {
	flag, env, help string
	to              *string
	list            *[]string // in the place of to: it may be given several times
	group           settingGroup
	oldFlags        []string
	oldEnv          []string
	hidden          bool // from the help
	secret          bool // belongs into the environment or clouds.yaml
}

func (g *globalFlags) engineSettings() []setting {
	return append(g.tune.settings(), []setting{
		{flag: "store", env: "CINDER_GO_STORE", list: &g.stores.urls,
			help: "`[NAME=]URL` of the backup store for the engine, such as posix:///var/lib/cinder/backup; may be repeated: each has a service of its own, HOST@NAME"},
		{flag: "state-dir", env: "CINDER_GO_STATE_DIR", help: "`DIR` of the engine's own database (default: one per store below the XDG state directory)", to: &g.stateDir},
		{flag: "db", env: "CINDER_GO_DB", help: "`URL` of the engine's database when several machines share it, postgres://USER@HOST/NAME; the password is better in PGPASSWORD or ~/.pgpass", to: &g.database},
	}...)
}

// settingGroup is what a setting is about.
type settingGroup int

const (
	// apart: a setting that stands alone, and counts for every cloud.
	apart settingGroup = iota
	// The others say where to log in, and as whom: when a flag names an entry
	// of clouds.yaml, their variables may be about another cloud.
	aboutCloud
	aboutEndpoint
	aboutKeystone
	aboutCredential
	aboutUser
	aboutUserDomain
	aboutScope
	aboutProjectDomain
	aboutDomain
	aboutDefaultDomain
)

func (g *globalFlags) cloudSettings() []setting {
	c := &g.cloud
	return []setting{
		{flag: "os-cloud", env: "OS_CLOUD", help: "`NAME` of the cloud in clouds.yaml", to: &c.Cloud, group: aboutCloud},
		{flag: "os-endpoint", env: "OS_ENDPOINT", help: "`URL` of the block storage API; without other credentials it is used as it is, without Keystone",
			to: &g.endpoint, group: aboutEndpoint, oldFlags: []string{"os-url"}, oldEnv: []string{"OS_URL"}},
		{flag: "os-block-storage-endpoint-override", env: "OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE", help: "`URL` of the block storage API in place of the catalogue's",
			to: &g.override, group: aboutEndpoint, hidden: true, oldFlags: []string{"os-volume-endpoint-override", "os-endpoint-override"},
			oldEnv: []string{"OS_VOLUME_ENDPOINT_OVERRIDE", "OS_ENDPOINT_OVERRIDE", "CINDER_ENDPOINT"}},
		{flag: "os-auth-type", env: "OS_AUTH_TYPE", help: "`TYPE` of authentication: password, token, v3applicationcredential, admin_token, or noauth, which leaves Keystone out",
			to: &c.AuthType, group: aboutCredential, oldEnv: []string{"OS_AUTH_PLUGIN"}},
		{flag: "os-auth-url", env: "OS_AUTH_URL", help: "`URL` of Keystone", to: &c.AuthURL, group: aboutKeystone},
		{flag: "os-identity-api-version", env: "OS_IDENTITY_API_VERSION", help: "`VERSION` of Keystone's API: 3", to: &c.IdentityVersion, group: aboutKeystone, hidden: true},
		{flag: "os-username", env: "OS_USERNAME", help: "user `NAME`", to: &c.Username, group: aboutUser},
		{flag: "os-user-id", env: "OS_USER_ID", help: "user `ID`", to: &c.UserID, group: aboutUser},
		{flag: "os-password", env: "OS_PASSWORD", help: "password; better given in the environment or in clouds.yaml", to: &c.Password, group: aboutCredential, secret: true},
		{flag: "os-user-domain-name", env: "OS_USER_DOMAIN_NAME", help: "domain `NAME` of the user", to: &c.UserDomainName, group: aboutUserDomain},
		{flag: "os-user-domain-id", env: "OS_USER_DOMAIN_ID", help: "domain `ID` of the user", to: &c.UserDomainID, group: aboutUserDomain},
		{flag: "os-project-name", env: "OS_PROJECT_NAME", help: "project `NAME`", to: &c.ProjectName, group: aboutScope,
			oldFlags: []string{"os-tenant-name"}, oldEnv: []string{"OS_TENANT_NAME"}},
		{flag: "os-project-id", env: "OS_PROJECT_ID", help: "project `ID`", to: &c.ProjectID, group: aboutScope,
			oldFlags: []string{"os-tenant-id"}, oldEnv: []string{"OS_TENANT_ID"}},
		{flag: "os-project-domain-name", env: "OS_PROJECT_DOMAIN_NAME", help: "domain `NAME` of the project", to: &c.ProjectDomainName, group: aboutProjectDomain},
		{flag: "os-project-domain-id", env: "OS_PROJECT_DOMAIN_ID", help: "domain `ID` of the project", to: &c.ProjectDomainID, group: aboutProjectDomain},
		{flag: "os-domain-name", env: "OS_DOMAIN_NAME", help: "domain `NAME` of user and project, or the scope without a project", to: &c.DomainName, group: aboutDomain, hidden: true},
		{flag: "os-domain-id", env: "OS_DOMAIN_ID", help: "domain `ID` of user and project, or the scope without a project", to: &c.DomainID, group: aboutDomain, hidden: true},
		{flag: "os-default-domain-name", env: "OS_DEFAULT_DOMAIN_NAME", help: "domain `NAME` of a user or project without one", to: &c.DefaultDomainName, group: aboutDefaultDomain, hidden: true},
		{flag: "os-default-domain", env: "OS_DEFAULT_DOMAIN", help: "domain `ID` of a user or project without one", to: &c.DefaultDomainID, group: aboutDefaultDomain, hidden: true,
			oldFlags: []string{"os-default-domain-id"}, oldEnv: []string{"OS_DEFAULT_DOMAIN_ID"}},
		{flag: "os-system-scope", env: "OS_SYSTEM_SCOPE", help: "`SCOPE` of the token instead of a project: all", to: &c.SystemScope, group: aboutScope},
		{flag: "os-trust-id", env: "OS_TRUST_ID", help: "`ID` of a trust instead of a project", to: &c.TrustID, group: aboutScope, hidden: true},
		{flag: "os-token", env: "OS_TOKEN", help: "a token instead of a password", to: &c.Token, group: aboutCredential, secret: true},
		{flag: "os-application-credential-id", env: "OS_APPLICATION_CREDENTIAL_ID", help: "`ID` of an application credential", to: &c.ApplicationCredentialID, group: aboutCredential},
		{flag: "os-application-credential-name", env: "OS_APPLICATION_CREDENTIAL_NAME", help: "`NAME` of an application credential", to: &c.ApplicationCredentialName, group: aboutCredential},
		{flag: "os-application-credential-secret", env: "OS_APPLICATION_CREDENTIAL_SECRET", help: "its secret", to: &c.ApplicationCredentialSecret, group: aboutCredential, secret: true},
		{flag: "os-region-name", env: "OS_REGION_NAME", help: "`REGION` of the catalogue", to: &c.Region},
		{flag: "os-interface", env: "OS_INTERFACE", help: "`INTERFACE` of the catalogue: public, internal or admin", to: &c.Interface,
			oldFlags: []string{"os-endpoint-type"}, oldEnv: []string{"OS_ENDPOINT_TYPE"}},
		{flag: "os-cacert", env: "OS_CACERT", help: "`FILE` of certificate authorities to trust", to: &c.CACert},
		{flag: "os-cert", env: "OS_CERT", help: "`FILE` of the client certificate", to: &c.Cert},
		{flag: "os-key", env: "OS_KEY", help: "`FILE` of its key", to: &c.Key},
	}
}

// flags are the names of the flag, today's first.
func (s *setting) flags() []string { return append([]string{s.flag}, s.oldFlags...) }

func (s *setting) addFlags(fs *pflag.FlagSet) {
	help := s.help + " (env " + s.env + ")"
	if s.list != nil {
		fs.StringArrayVar(s.list, s.flag, nil, help)
		return
	}
	fs.StringVar(s.to, s.flag, "", help)
	for _, old := range s.oldFlags {
		fs.StringVar(s.to, old, "", "as --"+s.flag)
		hide(fs, old)
	}
	if s.hidden {
		hide(fs, s.flag)
	}
}

// hide leaves a flag out of the help.
func hide(fs *pflag.FlagSet, flag string) { fs.Lookup(flag).Hidden = true }

// given reports whether a flag sets it.
func (s *setting) given(fs *pflag.FlagSet) bool {
	for _, name := range s.flags() {
		if fs.Changed(name) {
			return true
		}
	}
	return false
}

// fromEnv takes the value of the first variable that is not empty.
func (s *setting) fromEnv(env lookup) {
	for _, name := range append([]string{s.env}, s.oldEnv...) {
		v, _ := env(name)
		switch {
		case v == "":
			continue
		case s.list != nil:
			*s.list = splitStores(v)
		default:
			*s.to = v
		}
		return
	}
}

// completeCloud fills what no flag has set from the environment.
func (g *globalFlags) completeCloud(fs *pflag.FlagSet, env lookup) {
	given := map[settingGroup]bool{}
	settings := g.cloudSettings()
	for _, s := range settings {
		if s.given(fs) {
			given[s.group] = true
		}
	}
	for _, s := range settings {
		if s.given(fs) || s.group != apart && (given[s.group] || given[aboutCloud]) {
			continue
		}
		s.fromEnv(env)
	}
	if given[aboutCloud] && !given[aboutCredential] {
		g.cloud.PasswordIfNone, _ = env("OS_PASSWORD")
	}
	g.cloud.Endpoint = cmp.Or(g.endpoint, g.override)
	g.cloud.ConfigFile, _ = env("OS_CLIENT_CONFIG_FILE")
	g.cloud.SecureFile, _ = env("OS_CLIENT_SECURE_FILE")
}

// isNoAuth reports whether the target is an endpoint that asks for no token.
func (g *globalFlags) isNoAuth() bool {
	switch o := g.cloud; o.AuthType {
	case "noauth", "none":
		return true
	case "":
		return g.endpoint != "" && o.AuthURL == "" && o.Cloud == "" && o.Token == "" && o.ApplicationCredentialSecret == ""
	}
	return false
}

// isCloud reports whether the target is a cloud with projects.
func (g *globalFlags) isCloud() bool { return !g.standalone && !g.isNoAuth() }
