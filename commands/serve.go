package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// Limits of the server: a client that sends nothing holds no connection.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = time.Minute
	idleTimeout       = 2 * time.Minute
	drainTimeout      = 10 * time.Second
)

type serveOptions struct {
	con    *console
	logger func() *slog.Logger
	config func() (engine.Config, error)
	print  func(output.View) error

	listen     string
	auth       string
	remote     bool
	targetDirs []string
	engine     engineFlags
}

func newServe(f *Factory, run runner[serveOptions]) *cobra.Command {
	o := &serveOptions{con: f.con, logger: f.logger, config: f.engineConfig}
	o.print = func(v output.View) error { return f.printer(&outputFlags{format: output.Table}).Print(v) }
	cmd := &cobra.Command{
		Use:   "serve --store URL",
		Short: "Serve the engine as a Cinder-compatible API",
		Long: `Run the engine on a store and answer the block storage API v3 (and v2) on a port,
until interrupted. Any Cinder client can call it; cinder-go does so with
--os-endpoint.

There is one kind of authentication, noauth: WHOEVER CAN CONNECT IS ADMIN, and
may delete backups and write restores to any file that this process may write
(--target-dir limits where). So it listens on a loopback address only, unless
--allow-remote-noauth says that the network is trusted.

On the first interrupt it stops taking requests, stops the work under way, and
leaves every row true; the next start ends deletes that were begun. A second
interrupt quits at once. One process at a time can use a state directory.

Options of cinder.conf are given with --set, those of the service also by flags,
which win; --show-options lists them.

It does not replace a cloud's cinder-backup: it has no volumes of the cloud.`,
		Example: `  cinder-go serve --store posix:///srv/backup --state-dir /var/lib/cinder-go
  cinder-go serve --listen 127.0.0.1:8776 --auth noauth --store posix:///srv/backup --read-only
  cinder-go --os-endpoint http://127.0.0.1:8776/v3 backup-list`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.auth != "noauth" {
				return usagef("--auth %q is not there: only noauth is", o.auth)
			}
			if err := checkListen(o.listen, o.remote); err != nil {
				return err
			}
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
	fs.StringVar(&o.auth, "auth", "noauth", "`KIND` of authentication: noauth")
	fs.BoolVar(&o.remote, "allow-remote-noauth", false, "listen on an address that others can reach, without authentication")
	fs.StringArrayVar(&o.targetDirs, "target-dir", nil, "`DIR` that restores may write to; may be repeated (default: anywhere)")
	o.engine.addFlags(fs)
	return cmd
}

// checkListen refuses an address that others can reach: noauth makes an admin
// of everyone.
func checkListen(address string, remote bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usagef("--listen %q is not ADDRESS:PORT", address)
	}
	if ip := net.ParseIP(host); remote || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usagef("--listen %s can be reached by others, and noauth makes an admin of everyone: say --allow-remote-noauth if the network is trusted", address)
}

func runServe(ctx context.Context, o *serveOptions) error {
	if o.engine.show {
		return o.print(optionsView())
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	if err := o.engine.apply(&cfg); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return driverstate.Fail(driverstate.ErrUnavailable, err.Error())
	}
	defer listener.Close()
	base := "http://" + listener.Addr().String()
	cfg.Listen, cfg.TargetDirs = base, o.targetDirs
	e, err := engine.Start(ctx, cfg)
	if errors.Is(err, driverstate.ErrInvalidInput) {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           localHost(e.Handler(), listener.Addr(), o.remote),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(o.logger().Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	o.con.note("serving %s on %s/v3, rows in %s; interrupt to stop", cfg.StoreURL, base, cfg.StateDir)
	o.con.note("try: cinder-go --os-endpoint %s/v3 service-list", base)
	if os.Geteuid() == 0 && len(o.targetDirs) == 0 {
		o.con.warn("", "any user of this machine can have restores written anywhere, as root: --target-dir limits where")
	}

	var failure error
	select {
	case <-ctx.Done():
		o.con.note("stopping")
	case failure = <-ended:
	}
	late := context.WithoutCancel(ctx)
	drain, cancel := context.WithTimeout(late, drainTimeout)
	defer cancel()
	if server.Shutdown(drain) != nil {
		server.Close()
	}
	if failure == nil {
		<-ended
	}
	closing, cancel := context.WithTimeout(late, closeTimeout)
	defer cancel()
	if err := e.Close(closing); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if failure != nil && !errors.Is(failure, http.ErrServerClosed) {
		return failure
	}
	return nil
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
