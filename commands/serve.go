package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
)

const (
	readHeaderTimeout = 10 * time.Second // a client that sends nothing holds no connection
	drainTimeout      = 10 * time.Second
)

type serveOptions struct {
	con    *console
	logger func() *slog.Logger
	config func() (engine.Config, error)
	print  func(output.View) error

	listen     string
	auth       authOptions
	tls        tlsOptions
	limits     limitOptions
	targetDirs []string
	engine     engineFlags
	files      *configFiles
	notify     notifyFlags
	log        logFlags
	metrics    metricsFlags
	level      levelFlags
	env        lookup
}

func newServe(f *Factory, run runner[serveOptions]) *cobra.Command {
	o := &serveOptions{con: f.con, logger: f.logger, config: f.engineConfig, auth: authOptions{login: f.identityClient}, env: f.env, files: &f.g.files}
	o.print = func(v output.View) error { return f.printer(&outputFlags{format: output.Table}).Print(v) }
	cmd := &cobra.Command{
		Use:   "serve --store URL",
		Short: "Serve the engine as a Cinder-compatible API",
		Long: `Run the engine on a store and answer the block storage API v3 (and v2) on a port,
until interrupted. Any Cinder client can call it; cinder-go does so with
--os-endpoint.

Without --auth there is no authentication: WHOEVER CAN CONNECT IS ADMIN, and
may delete backups and write restores to any file that this process may write
(--target-dir limits where). So it listens on a loopback address only, unless
--allow-remote-noauth says that the network is trusted. With --auth keystone
every token is shown to Keystone, as the user of the --os-* settings; what a
role may do is what Cinder's default policies say. --tls-cert and --tls-key
keep tokens from being read on the way.

On the first interrupt it stops taking requests, stops the work under way, and
leaves every row true; the next start ends deletes that were begun. A second
interrupt quits at once. One process at a time can use a state directory. With
--db its rows are in a PostgreSQL that processes on other machines share.

--store may be given several times, each with a name: NAME=URL. Each store then
has a backup service of its own, HOST@NAME (HOST for the one without a name),
which is up or down by itself. A backup belongs to the service that wrote it; a
new one goes to the first in its availability zone that is up, an increment to
the store of its parent. A store's zone is set with
--set NAME.backend_availability_zone=ZONE.

Options of cinder.conf are given with --set, those of the service also by flags,
which win; --show-options lists them. --config-file takes them from a cinder.conf
too, with the driver, and the RabbitMQ that notifications go to; its [database]
and its cluster are those of Cinder and not used.

It does not replace a cloud's cinder-backup: it has no volumes of the cloud.`,
		Example: `  cinder-go serve --store posix:///srv/backup --state-dir /var/lib/cinder-go
  cinder-go serve --config-file /etc/cinder/cinder.conf
  cinder-go serve --listen 127.0.0.1:8776 --auth noauth --store posix:///srv/backup --read-only
  cinder-go serve --store posix:///srv/backup --store old=posix:///mnt/old-backup
  cinder-go serve --store posix:///mnt/backup --db postgres://cinder@db.example.org/cinder
  cinder-go --os-endpoint http://127.0.0.1:8776/v3 backup-list`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(o.auth.check(o.listen), o.tls.check(), o.limits.check(), o.level.check(&f.g, true)); err != nil {
				return err
			}
			log, err := o.log.logger(&f.g, f.con.io.Err)
			if err != nil {
				return err
			}
			o.logger = func() *slog.Logger { return log }
			for i, dir := range o.targetDirs {
				abs, err := filepath.Abs(dir)
				if err != nil {
					return err
				}
				o.targetDirs[i] = abs
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.listen, "listen", "127.0.0.1:8776", "`ADDRESS:PORT` to listen on; port 0 takes a free one")
	o.auth.addFlags(fs)
	o.tls.addFlags(fs)
	o.limits.addFlags(fs)
	fs.StringArrayVar(&o.targetDirs, "target-dir", nil, "`DIR` that restores may write to; may be repeated (default: anywhere)")
	o.engine.addFlags(fs)
	o.notify.addFlags(fs)
	o.log.addFlags(fs)
	o.metrics.addFlags(fs)
	o.level.addFlags(fs)
	return cmd
}

func runServe(ctx context.Context, o *serveOptions) error {
	if o.engine.show {
		return o.print(optionsView())
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	if o.auth.kind != authNoAuth { // quotas are for tenants
		cfg.Quotas = maps.Clone(driverstate.CinderQuotas)
	}
	if err := o.files.apply(&cfg); err != nil {
		return err
	}
	if err := o.engine.apply(&cfg); err != nil {
		return err
	}
	if cfg.Notify, err = o.notify.all(o.env); err != nil {
		return err
	}
	if err := o.files.notify(o.con, &cfg); err != nil {
		return err
	}
	cfg.Logger, cfg.Version, cfg.Commit = o.logger(), version, commit
	scraped, err := o.metrics.bind(ctx)
	if err != nil {
		return err
	}
	defer scraped.close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return withHint(driverstate.Fail(driverstate.ErrUnavailable, err.Error()), "another --listen ADDRESS:PORT; port 0 takes a free one")
	}
	defer listener.Close()
	secured, err := o.tls.wrap(ctx, newLimitListener(listener, o.limits.connections), o.logger())
	if err != nil {
		return err
	}
	base := o.tls.scheme() + "://" + listener.Addr().String()
	cfg.Listen, cfg.TargetDirs, cfg.MaxRequests = base, o.targetDirs, o.limits.requests
	if cfg.Auth, err = o.auth.authenticator(ctx, o.con, o.logger()); err != nil {
		return err
	}
	e, err := engine.Start(ctx, cfg)
	if errors.Is(err, driverstate.ErrInvalidInput) {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           localHost(withMetrics(e.Handler(), e.Metrics()), listener.Addr(), o.auth.remote || o.auth.kind != authNoAuth),
		ReadHeaderTimeout: min(readHeaderTimeout, o.limits.readTime), ReadTimeout: o.limits.readTime,
		WriteTimeout: o.limits.writeTime, IdleTimeout: o.limits.idleTime, MaxHeaderBytes: o.limits.headerSize,
		ErrorLog: slog.NewLogLogger(o.logger().Handler(), slog.LevelWarn),
	}
	defer scraped.serve(o.con, e.Metrics())()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(secured) }()
	o.con.note("serving %s on %s/v3, rows in %s; interrupt to stop", stores(cfg.Stores), base, cfg.RowsIn())
	if cfg.PublicURL != "" {
		o.con.note("links in answers begin with %s (public_endpoint)", cfg.PublicURL)
	}
	o.con.note("try: cinder-go --os-endpoint %s/v3 service-list", base)
	if host, _, _ := net.SplitHostPort(o.listen); !o.tls.on() && !isLoopback(host) {
		o.con.warn("say --tls-cert FILE --tls-key FILE, or put a proxy that speaks TLS before it",
			"TOKENS AND ANSWERS CAN BE READ ON THE NETWORK: %s speaks no TLS", base)
	}
	if os.Geteuid() == 0 && len(o.targetDirs) == 0 {
		o.con.warn("", "%s can have restores written anywhere, as root: --target-dir limits where", o.auth.whoIsAdmin())
	}

	var failure error
	select {
	case <-ctx.Done():
		o.con.note("stopping")
	case failure = <-ended:
		close(ended)
	case failure = <-e.Lost():
	}
	late := context.WithoutCancel(ctx)
	drain, cancel := context.WithTimeout(late, drainTimeout)
	defer cancel()
	if server.Shutdown(drain) != nil {
		server.Close()
	}
	<-ended
	closing, cancel := context.WithTimeout(late, closeTimeout)
	defer cancel()
	err = e.Close(closing)
	if err != nil {
		err = fmt.Errorf("engine: %w", err)
	}
	if failure != nil && !errors.Is(failure, http.ErrServerClosed) {
		if err != nil {
			o.con.warn("", "%v", err)
		}
		return failure // the cause, and its exit code
	}
	return err
}

// stores names those of an engine.
func stores(of []engine.Store) string {
	names := make([]string, len(of))
	for i, s := range of {
		names[i] = s.String()
	}
	return strings.Join(names, ", ")
}

// localHost refuses requests that a web page of elsewhere had a browser send to
// a loopback address: they carry a Host that is not ours, or an Origin.
func localHost(next http.Handler, addr net.Addr, remote bool) http.Handler {
	if remote {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		ip := net.ParseIP(host)
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) || r.Header.Get("Origin") != "" {
			http.Error(w, "this engine answers to "+addr.String()+" only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
