package commands

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client/clouds"
	"github.com/cinder-go/cinder-go/commands/iostreams"
)

// globalFlags are the flags of every verb. A flag beats the environment.
type globalFlags struct {
	standalone bool
	store      string
	stateDir   string
	readOnly   bool

	cloud    clouds.Options
	authType string
	timeout  time.Duration

	auditLog   string
	debug      bool
	quiet      bool
	jsonEvents bool
	yes        bool
	color      string
	colorMode  iostreams.ColorMode
}

// setting is one text flag, the variable that stands in for it, and its help.
type setting struct {
	flag, env, help string
	to              *string
}

func (g *globalFlags) engineSettings() []setting {
	return []setting{
		{"store", "CINDER_GO_STORE", "`URL` of the backup store for the engine, such as posix:///var/lib/cinder/backup", &g.store},
		{"state-dir", "CINDER_GO_STATE_DIR", "`DIR` of the engine's own database (default: one per store below the XDG state directory)", &g.stateDir},
	}
}

func (g *globalFlags) cloudSettings() []setting {
	c := &g.cloud
	return []setting{
		{"os-cloud", "OS_CLOUD", "`NAME` of the cloud in clouds.yaml", &c.Cloud},
		{"os-endpoint", "OS_ENDPOINT", "`URL` of the block storage API; without other credentials it is used as it is, without Keystone", &c.Endpoint},
		{"os-auth-type", "OS_AUTH_TYPE", "`TYPE` of authentication; noauth leaves Keystone out", &g.authType},
		{"os-auth-url", "OS_AUTH_URL", "`URL` of Keystone", &c.AuthURL},
		{"os-username", "OS_USERNAME", "user `NAME`", &c.Username},
		{"os-user-id", "OS_USER_ID", "user `ID`", &c.UserID},
		{"os-password", "OS_PASSWORD", "password; better given in the environment or in clouds.yaml", &c.Password},
		{"os-user-domain-name", "OS_USER_DOMAIN_NAME", "domain `NAME` of the user", &c.UserDomainName},
		{"os-user-domain-id", "OS_USER_DOMAIN_ID", "domain `ID` of the user", &c.UserDomainID},
		{"os-project-name", "OS_PROJECT_NAME", "project `NAME`", &c.ProjectName},
		{"os-project-id", "OS_PROJECT_ID", "project `ID`", &c.ProjectID},
		{"os-project-domain-name", "OS_PROJECT_DOMAIN_NAME", "domain `NAME` of the project", &c.ProjectDomainName},
		{"os-project-domain-id", "OS_PROJECT_DOMAIN_ID", "domain `ID` of the project", &c.ProjectDomainID},
		{"os-system-scope", "OS_SYSTEM_SCOPE", "`SCOPE` of the token instead of a project: all", &c.SystemScope},
		{"os-token", "OS_TOKEN", "a token instead of a password", &c.Token},
		{"os-application-credential-id", "OS_APPLICATION_CREDENTIAL_ID", "`ID` of an application credential", &c.ApplicationCredentialID},
		{"os-application-credential-name", "OS_APPLICATION_CREDENTIAL_NAME", "`NAME` of an application credential", &c.ApplicationCredentialName},
		{"os-application-credential-secret", "OS_APPLICATION_CREDENTIAL_SECRET", "its secret", &c.ApplicationCredentialSecret},
		{"os-region-name", "OS_REGION_NAME", "`REGION` of the catalogue", &c.Region},
		{"os-interface", "OS_INTERFACE", "`INTERFACE` of the catalogue: public, internal or admin", &c.Interface},
		{"os-cacert", "OS_CACERT", "`FILE` of certificate authorities to trust", &c.CACert},
		{"os-cert", "OS_CERT", "`FILE` of the client certificate", &c.Cert},
		{"os-key", "OS_KEY", "`FILE` of its key", &c.Key},
	}
}

func (g *globalFlags) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&g.standalone, "standalone", false, "run the engine in this process, on --store, instead of calling a cloud (env CINDER_GO_STANDALONE)")
	for _, s := range g.engineSettings() {
		fs.StringVar(s.to, s.flag, "", s.help+" (env "+s.env+")")
	}
	fs.BoolVar(&g.readOnly, "read-only", false, "the engine refuses every write to the store (env CINDER_GO_READ_ONLY)")
	for _, s := range g.cloudSettings() {
		fs.StringVar(s.to, s.flag, "", s.help+" (env "+s.env+")")
	}
	fs.BoolVar(&g.cloud.Insecure, "insecure", false, "do not verify the server's certificate")
	fs.DurationVar(&g.timeout, "request-timeout", time.Minute, "how long to wait for one answer of the API")
	fs.StringVar(&g.auditLog, "audit-log", "", "`FILE` that every write is appended to, or off (default: audit.jsonl below the XDG state directory) (env CINDER_GO_AUDIT_LOG)")
	fs.BoolVar(&g.debug, "debug", false, "log requests and the engine's work to standard error")
	fs.BoolVarP(&g.quiet, "quiet", "q", false, "no progress and no summary; errors and warnings remain")
	fs.BoolVar(&g.jsonEvents, "json-events", false, "progress, warnings, errors and summary as JSON Lines on standard error")
	fs.BoolVarP(&g.yes, "yes", "y", false, "answer yes to every confirmation")
	fs.StringVar(&g.color, "color", "auto", "`WHEN` to use colour: auto, always or never")
}

// complete fills what no flag has set from the environment, and checks what
// can be checked by itself.
func (g *globalFlags) complete(fs *pflag.FlagSet, env lookup) error {
	mode, err := iostreams.ParseColorMode(g.color)
	if err != nil {
		return &usageError{err}
	}
	g.colorMode = mode
	if g.timeout <= 0 {
		return usagef("--request-timeout must be more than 0")
	}
	if g.quiet && g.jsonEvents {
		return usagef("--quiet and --json-events exclude each other")
	}
	targetByFlag := false
	for _, s := range g.cloudSettings() {
		targetByFlag = targetByFlag || fs.Changed(s.flag)
	}
	if !fs.Changed("standalone") && !targetByFlag {
		if g.standalone, err = truth(env, "CINDER_GO_STANDALONE"); err != nil {
			return &usageError{err}
		}
	}
	if g.standalone && targetByFlag {
		return usagef("--standalone and the --os-* flags exclude each other")
	}
	if !fs.Changed("read-only") {
		if g.readOnly, err = truth(env, "CINDER_GO_READ_ONLY"); err != nil {
			return &usageError{err}
		}
	}
	if v, ok := env("CINDER_GO_AUDIT_LOG"); ok && !fs.Changed("audit-log") {
		g.auditLog = v
	}
	for _, s := range append(g.engineSettings(), g.cloudSettings()...) {
		if !fs.Changed(s.flag) {
			if v, ok := env(s.env); ok {
				*s.to = v
			}
		}
	}
	g.cloud.ConfigFile, _ = env("OS_CLIENT_CONFIG_FILE")
	return nil
}
