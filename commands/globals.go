package commands

import (
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client/clouds"
	"github.com/cinder-go/cinder-go/commands/iostreams"
)

// globalFlags are the flags of every verb. A flag beats the environment.
type globalFlags struct {
	standalone bool
	stores     storeList
	files      configFiles
	stateDir   string
	database   string
	readOnly   bool

	tune tuning

	cloud         clouds.Options
	endpoint      string // may be without Keystone
	override      string // of the catalogue's endpoint
	volumeVersion string
	timeout       time.Duration

	auditLog   string
	debug      bool
	quiet      bool
	jsonEvents bool
	yes        bool
	color      string
	colorMode  iostreams.ColorMode
}

func (g *globalFlags) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&g.standalone, "standalone", false, "run the engine in this process, on --store or --config-file, instead of calling a cloud (env CINDER_GO_STANDALONE)")
	for _, s := range g.engineSettings() {
		s.addFlags(fs)
	}
	g.files.addFlags(fs)
	fs.BoolVar(&g.readOnly, "read-only", false, "the engine refuses every write to the store (env CINDER_GO_READ_ONLY)")
	for _, s := range g.cloudSettings() {
		s.addFlags(fs)
	}
	fs.StringVar(&g.volumeVersion, "os-volume-api-version", "", "`VERSION` of the block storage API: 3; the microversion is found out")
	hide(fs, "os-volume-api-version")
	fs.BoolVar(&g.cloud.Insecure, "insecure", false, "do not verify the server's certificate")
	fs.BoolVar(&g.cloud.Verify, "verify", false, "verify it, also where clouds.yaml says not to")
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
	if v := g.volumeVersion; v != "" && v != "3" && !strings.HasPrefix(v, "3.") {
		return usagef("--os-volume-api-version %s is not supported: version 3 alone is", v)
	}
	if g.cloud.Insecure && g.cloud.Verify {
		return usagef("--insecure and --verify exclude each other")
	}
	if g.quiet && g.jsonEvents {
		return usagef("--quiet and --json-events exclude each other")
	}
	targetByFlag := false
	for _, s := range g.cloudSettings() {
		targetByFlag = targetByFlag || s.given(fs)
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
	for _, s := range g.engineSettings() {
		if !s.given(fs) {
			s.fromEnv(env)
		}
	}
	if err := g.tune.complete(); err != nil {
		return err
	}
	g.completeCloud(fs, env)
	return g.completeFiles(fs, env)
}
