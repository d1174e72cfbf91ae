package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/client/clouds"
	"github.com/cinder-go/cinder-go/client/inproc"
	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/commands/progress"
	"github.com/cinder-go/cinder-go/commands/prompt"
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/driverstate/fault"
)

// lookup reads one variable of the environment.
type lookup func(string) (string, bool)

// standalonePoll is how often an engine in the same process is asked how far
// it is: asking costs no network.
const standalonePoll = 20 * time.Millisecond

// closeTimeout bounds how long an engine may take to leave its rows true.
const closeTimeout = 30 * time.Second

// Factory makes what commands need, when they need it: the client of the
// target that the global flags name is connected at the first call.
type Factory struct {
	con    *console
	env    lookup
	now    func() time.Time
	prompt prompt.Prompter
	g      globalFlags

	client *client.Client
	engine *engine.Engine
}

func newFactory(s *iostreams.Streams, env lookup, now func() time.Time) *Factory {
	return &Factory{con: &console{io: s}, env: env, now: now, prompt: prompt.New(s)}
}

// prepare runs before every verb, when the flags are known.
func (f *Factory) prepare(cmd *cobra.Command, _ []string) error {
	if err := first(f.g.complete(cmd.Flags(), f.env), checkEmpty(cmd)); err != nil {
		return err
	}
	f.con.quiet, f.con.jsonEvents, f.con.standalone = f.g.quiet, f.g.jsonEvents, f.g.standalone
	f.con.target = f.g.targetFlags(cmd.Flags())
	f.con.io.SetColor(f.g.colorMode, f.env)
	mode := progress.ModePlain
	switch {
	case f.g.jsonEvents:
		mode = progress.ModeJSON
	case f.g.quiet:
		mode = progress.ModeNone
	}
	f.con.renderer = progress.New(f.con.io, mode, f.now)
	f.con.audit = f.newAuditLog(cmd.Name())
	if err := f.readConfig(cmd.Name()); err != nil {
		return err
	}
	return f.g.checkTuning(cmd)
}

// newAuditLog is the log of what verb writes; nil when there is none.
func (f *Factory) newAuditLog(verb string) *auditLog {
	a := &auditLog{path: f.g.auditLog, explicit: f.g.auditLog != "", now: f.now, verb: verb,
		warn: func(text string) { f.con.warn("", "%s", text) }, requests: map[string][]string{}}
	switch a.path {
	case auditOff:
		return nil
	case "":
		home, err := stateHome(f.env)
		if err != nil {
			return nil // there is no place for it: a caller without a home wants none
		}
		a.path = filepath.Join(home, "cinder-go", "audit.jsonl")
	}
	sudo, _ := f.env("SUDO_USER")
	user, _ := f.env("USER")
	a.local = cmp.Or(sudo, user)
	return a
}

// Client returns the client of the target, connecting it the first time.
func (f *Factory) Client(ctx context.Context) (*client.Client, error) {
	if f.client != nil {
		return f.client, nil
	}
	// Admins mean any project's backup by its name; of others the server
	// ignores the wish.
	opts := client.Options{AllProjects: true, Logger: f.logger()}
	var (
		sc  *gophercloud.ServiceClient
		err error
	)
	if f.g.standalone {
		if err := f.startEngine(ctx); err != nil {
			return nil, err
		}
		opts.PollInterval = standalonePoll
		sc, err = clouds.NoAuth("http://inproc/v3", "", "", f.traced(inproc.Transport(f.engine.Handler())))
	} else {
		o := f.g.cloud
		if f.g.isNoAuth() {
			o.AuthType = "noauth"
		}
		o.Timeout, o.UserAgent = f.g.timeout, "cinder-go/"+version
		if f.g.debug {
			o.Debug = f.con.io.Err
		}
		sc, err = clouds.Connect(ctx, o)
	}
	if settings := (*clouds.SettingsError)(nil); errors.As(err, &settings) && !f.g.stores.none() && !f.g.standalone {
		settings.Hint = "straight on the store: the same with --standalone; beside a cloud: " + settings.Hint
	}
	if err != nil {
		return nil, connectError(ctx, err)
	}
	if f.con.audit != nil {
		sc.HTTPClient.Transport = f.con.audit.transport(sc.HTTPClient.Transport)
	}
	f.client = client.New(sc, opts)
	if f.con.audit != nil {
		f.con.audit.who = f.client.Identity()
		f.con.audit.target = f.target(f.client)
	}
	return f.client, nil
}

// identified knows who it is, and for which endpoint.
type identified interface{ Identity() client.Identity }

// target names what is changed: an endpoint, or the stores of an engine in this
// process.
func (f *Factory) target(c identified) string {
	if f.g.standalone {
		return f.g.stores.String()
	}
	return c.Identity().Endpoint
}

// traced shows requests and answers when asked to debug.
func (f *Factory) traced(rt http.RoundTripper) http.RoundTripper {
	if !f.g.debug {
		return rt
	}
	return clouds.DebugTransport(rt, f.con.io.Err)
}

// connectError is wrong usage when the settings cannot work, else what the
// cloud answered.
func connectError(ctx context.Context, err error) error {
	var settings *clouds.SettingsError
	if errors.As(err, &settings) {
		return withHint(&usageError{errors.New(settings.Text)}, settings.Hint)
	}
	return client.Explain(ctx, err)
}

func (f *Factory) startEngine(ctx context.Context) error {
	cfg, err := f.engineConfig()
	if err != nil {
		return err
	}
	cfg.Stdout, cfg.Stdin, cfg.Devices = f.con.io.Out, f.con.io.In, true
	f.engine, err = engine.Start(ctx, cfg)
	if errors.Is(err, driverstate.ErrInvalidInput) {
		return &usageError{err}
	}
	return err
}

// engineConfig is what the global flags say of the engine.
func (f *Factory) engineConfig() (engine.Config, error) {
	if f.g.stores.none() {
		return engine.Config{}, usagef("the engine needs a store: --config-file /etc/cinder/cinder.conf on a backup host, or --store URL, such as --store posix:///var/lib/cinder/backup")
	}
	dir := f.g.stateDir
	if dir == "" {
		home, err := stateHome(f.env)
		if err != nil {
			return engine.Config{}, err
		}
		dir = filepath.Join(home, "cinder-go", f.g.stores.directory())
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return engine.Config{}, err
	}
	kill, _ := f.env(fault.Env)
	if kill != "" {
		f.con.warn("", "%s is set: this process will kill itself at fault point %q", fault.Env, kill)
	}
	cfg := engine.Config{
		Fault:    kill,
		StateDir: dir, DatabaseURL: f.g.database, Stores: f.g.stores.parse(), StoreReadOnly: f.g.readOnly,
		Env: f.env, Observer: f.con, Logger: f.logger(), Now: f.now,
	}
	if f.g.standalone && !f.g.debug {
		cfg.StoreLogger = newStoreWarnings(f.con)
	}
	f.g.tune.apply(&cfg)
	if files := f.g.stores.files; files != nil {
		err = files.read.ApplyZone(&cfg)
	}
	return cfg, err
}

// stateHome is the XDG state directory.
func stateHome(env lookup) (string, error) {
	if dir, _ := env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, _ := env("HOME")
	if home == "" {
		return "", usagef("neither XDG_STATE_HOME nor HOME is set: say --state-dir DIR")
	}
	return filepath.Join(home, ".local", "state"), nil
}

func (f *Factory) logger() *slog.Logger {
	if !f.g.debug {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(f.con.io.Err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// close ends the engine, if there is one, after what it is doing is written
// down. It goes on when ctx has ended.
func (f *Factory) close(ctx context.Context) error {
	f.con.clear()
	var auditErr error
	if f.con.audit != nil {
		auditErr = f.con.audit.close()
	}
	if f.engine == nil {
		return auditErr
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err := f.engine.Close(ctx)
	f.engine, f.client = nil, nil
	return errors.Join(err, auditErr)
}

// printer is how the data of a verb is written.
func (f *Factory) printer(o *outputFlags) output.Printer {
	p := output.Printer{Format: o.format, Columns: o.columns, Long: o.long, Out: f.con.io.Out}
	if f.con.io.OutTTY {
		p.Width = f.con.io.OutWidth()
	}
	return p
}

func truth(env lookup, name string) (bool, error) {
	s, ok := env(name)
	if !ok || s == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(strings.ToLower(s))
	if err != nil {
		return false, fmt.Errorf("%s=%q is neither true nor false", name, s)
	}
	return v, nil
}
