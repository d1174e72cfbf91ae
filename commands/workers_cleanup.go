package commands

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
)

type cleanupClient interface {
	CleanupWorkers(ctx context.Context, o client.CleanupOpts) (client.Cleanup, error)
	ServiceNumbers(ctx context.Context) ([]client.CleanupService, error)
	ListServices(ctx context.Context, host, binary string) ([]client.Service, error)
	ListClusters(ctx context.Context, o client.ClusterListOpts) ([]client.Cluster, error)
	Cleanables(ctx context.Context) ([]client.Cleanable, error)
	WaitCleaned(ctx context.Context, list []client.Cleanable, left func(client.Cleanable)) ([]client.Cleanable, error)
	ShowVolume(ctx context.Context, id string) (client.Volume, error)
	BackupsOnHost(ctx context.Context, host string) ([]client.Backup, error)
	IsEngine(ctx context.Context) bool
}

type cleanupOptions struct {
	con     *console
	print   func(output.View) error
	client  func(context.Context) (cleanupClient, error)
	confirm func(what string, n int) error

	out    outputFlags
	guard  guardFlags
	follow bool
	wait   waitFlags
	filter client.CleanupOpts
}

func newWorkersCleanup(f *Factory, run runner[cleanupOptions]) *cobra.Command {
	o := &cleanupOptions{con: f.con, client: func(ctx context.Context) (cleanupClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	o.confirm = func(what string, n int) error { return confirm(f.prompt, f.g.yes, what, n) }
	var text cleanupText
	cmd := &cobra.Command{
		Use:     "workers-cleanup",
		Aliases: []string{"work-cleanup"},
		Short:   "Ask the cloud to clean up after dead services",
		Long: `Ask the schedulers and volume services to clean up the work that services left
behind when they died (API 3.24, admin), and show for which services that was
asked ("cleaning"), for which nobody can do it ("unavailable": their own start
will), and which have nothing that is ever cleaned up ("nothing-to-do").

Without --is-up only services that are down are asked for. With --is-up True
Cinder takes the work that a living service has in hand for left behind as well:
a volume that is being created becomes error. When there is such work it asks
first; away from a terminal it then needs --yes.

What is cleaned up: volumes that are creating, downloading, uploading or
deleting, and snapshots that are creating. --dry-run shows the services that
match and what is in such a status there, and asks for nothing. The answer of
the cloud says "asked", not "done": --follow watches until those volumes and
snapshots left their status, and shows what became of each.

CINDER NEVER TOUCHES BACKUPS in this, and refuses --resource-type Backup. Those
that are stuck on a cinder-backup that is down are named, each with the next
command. An engine of cinder-go (serve) cleans up backups too, those that are
creating, restoring or deleting, and leaves what its living members work on.

While a service lives that is of an older release than the others the request is
refused (exit 6).

A host, cluster or service that the cloud does not have is refused (exit 5).
Cinder itself matches nothing by --service-id, nor by --resource-id alone: the
host or cluster behind them is looked up here and sent along.

Exit 4: no other service can do it for those that matched, or with --follow
something is still in its status when --timeout is over.
Exit 10: declined at the prompt.`,
		Example: `  cinder-go workers-cleanup --dry-run
  cinder-go workers-cleanup --follow
  cinder-go workers-cleanup --binary cinder-volume --host node1@lvm
  cinder-go workers-cleanup --resource-type Volume --resource-id 4b3f…
  cinder-go --os-endpoint http://127.0.0.1:8776/v3 workers-cleanup --resource-type Backup --follow`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err = o.out.check(o.columns()); err != nil {
				return err
			}
			if o.filter, err = text.parse(cmd.Flags().Changed); err != nil {
				return err
			}
			if err = o.checkModes(cmd.Flags().Changed); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	fs.SetNormalizeFunc(cleanupSpelling)
	o.out.addFlags(fs)
	o.guard.addDryRun(fs)
	text.addFlags(fs)
	fs.BoolVar(&o.follow, "follow", false, "watch until the volumes and snapshots, and backups of an engine, left their status")
	fs.DurationVar(&o.wait.timeout, "timeout", 10*time.Minute, "with --follow: give up after this long; 0 watches without limit")
	return cmd
}

func (o *cleanupOptions) checkModes(given func(string) bool) error {
	switch {
	case o.guard.dryRun && o.follow:
		return usagef("--dry-run and --follow exclude each other")
	case o.guard.dryRun && o.filter.ServiceID != nil:
		return usagef("--service-id cannot be previewed: no read of the API tells the numbers; say --host and --binary")
	case o.wait.timeout < 0:
		return usagef("--timeout must not be negative")
	case given("timeout") && !o.follow:
		return usagef("--timeout belongs to --follow: without it nothing is waited for")
	}
	return nil
}

// columns are those of what the verb shows: services, or what they left behind.
func (o *cleanupOptions) columns() []output.Column {
	switch {
	case o.guard.dryRun:
		return previewColumns()
	case o.follow:
		return followColumns()
	}
	return cleanupColumns()
}

func runWorkersCleanup(ctx context.Context, o *cleanupOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	p, err := planCleanup(ctx, c, o)
	if err != nil {
		return err
	}
	if o.guard.dryRun {
		return p.preview(ctx)
	}
	if err := p.ask(ctx); err != nil {
		return err
	}
	if o.follow {
		return p.follow(ctx)
	}
	return p.report(ctx)
}
