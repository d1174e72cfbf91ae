package commands

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type cleanupClient interface {
	CleanupWorkers(ctx context.Context, o client.CleanupOpts) (client.Cleanup, error)
}

type cleanupOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (cleanupClient, error)

	out    outputFlags
	filter client.CleanupOpts
}

func newWorkersCleanup(f *Factory, run runner[cleanupOptions]) *cobra.Command {
	o := &cleanupOptions{con: f.con, client: func(ctx context.Context) (cleanupClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var text cleanupText
	cmd := &cobra.Command{
		Use:     "workers-cleanup",
		Aliases: []string{"work-cleanup"},
		Short:   "Ask the cloud to clean up after dead services",
		Long: `Ask the schedulers and volume services to clean up the work that services left
behind when they died (API 3.24, admin), and show for which services that was
asked ("cleaning") and for which nobody can do it ("unavailable": their own
restart will).

Without --is-up the server takes only services that are down. The request is
sent and forgotten: the answer says "asked", not "done".

It cleans volumes and snapshots. IT NEVER TOUCHES BACKUPS: for a stuck backup
there are backup-reset-state and backup-force-delete.

Exit 4: services matched, and none of them can be cleaned up.`,
		Example: `  cinder-go workers-cleanup
  cinder-go workers-cleanup --binary cinder-volume --host node1@lvm
  cinder-go workers-cleanup --resource-type Volume --resource-id 4b3f…`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err = o.out.check(cleanupColumns()); err != nil {
				return err
			}
			if o.filter, err = text.parse(cmd.Flags().Changed); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	fs.StringVar(&text.cluster, "cluster", "", "only services of this cluster `NAME`")
	fs.StringVar(&text.host, "host", "", "only services on this `HOST`")
	fs.StringVar(&text.binary, "binary", "", "only this `BINARY`: cinder-volume or cinder-scheduler")
	fs.StringVar(&text.isUp, "is-up", "", "`True|False`: services that are up, or (default) down")
	fs.StringVar(&text.disabled, "disabled", "", "`True|False`: only disabled services, or only enabled ones")
	fs.StringVar(&text.resourceID, "resource-id", "", "only the work on the resource of this `ID`")
	fs.StringVar(&text.resourceType, "resource-type", "", "only work on this `TYPE`: Volume or Snapshot")
	fs.StringVar(&text.serviceID, "service-id", "", "only the service with this `NUMBER`")
	return cmd
}

// cleanupText are the flags as they were typed, in cinderclient's spelling.
type cleanupText struct {
	cluster, host, binary, isUp, disabled, resourceID, resourceType, serviceID string
}

func (t *cleanupText) parse(given func(string) bool) (o client.CleanupOpts, err error) {
	o = client.CleanupOpts{ClusterName: t.cluster, Host: t.host, ResourceID: t.resourceID}
	switch b := driverstate.Binary(t.binary); b {
	case "", driverstate.BinaryVolume, driverstate.BinaryScheduler:
		o.Binary = t.binary
	default:
		return o, usagef("--binary %q is neither cinder-volume nor cinder-scheduler: others have no workers", t.binary)
	}
	switch strings.ToLower(t.resourceType) {
	case "":
	case "volume":
		o.ResourceType = "Volume"
	case "snapshot":
		o.ResourceType = "Snapshot"
	default:
		return o, usagef("--resource-type %q is neither Volume nor Snapshot: backups are not cleaned up", t.resourceType)
	}
	for _, b := range []struct {
		flag, text string
		to         **bool
	}{{"is-up", t.isUp, &o.IsUp}, {"disabled", t.disabled, &o.Disabled}} {
		if !given(b.flag) {
			continue
		}
		v, err := strconv.ParseBool(strings.ToLower(b.text))
		if err != nil {
			return o, usagef("--%s %q is neither True nor False", b.flag, b.text)
		}
		*b.to = &v
	}
	if given("service-id") {
		n, err := strconv.ParseInt(t.serviceID, 10, 64)
		if err != nil || n < 0 {
			return o, usagef("--service-id %q is no number", t.serviceID)
		}
		o.ServiceID = &n
	}
	return o, nil
}

func cleanupColumns() []output.Column {
	return []output.Column{
		{Key: "result", Title: "Result"}, {Key: "id", Title: "ID"}, {Key: "cluster_name", Title: "Cluster Name"},
		{Key: "host", Title: "Host"}, {Key: "binary", Title: "Binary"},
	}
}

func runWorkersCleanup(ctx context.Context, o *cleanupOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	answer, err := c.CleanupWorkers(ctx, o.filter)
	if err != nil {
		return err
	}
	v := output.View{Columns: cleanupColumns()}
	add := func(what string, services []client.CleanupService) {
		for _, s := range services {
			v.Rows = append(v.Rows, []any{what, s.ID, s.ClusterName, s.Host, string(s.Binary)})
		}
	}
	add("cleaning", answer.Cleaning)
	add("unavailable", answer.Unavailable)
	if err := o.print(v); err != nil {
		return err
	}
	switch {
	case len(v.Rows) == 0:
		o.con.note("no cleanable services matched")
	case len(answer.Cleaning) == 0:
		return withHint(driverstate.Fail(driverstate.ErrNotApplied, "no other service can clean up after those that matched"),
			"their own restart cleans up: start them again; cinder-go service-list shows them")
	}
	o.con.summary("workers-cleanup", len(v.Rows), len(answer.Cleaning), 0, len(answer.Unavailable), 0)
	return nil
}
