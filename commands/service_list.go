package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
)

type serviceListClient interface {
	ListServices(ctx context.Context, host, binary string) ([]client.Service, error)
}

type serviceListOptions struct {
	print  func(output.View) error
	client func(context.Context) (serviceListClient, error)

	out          outputFlags
	host, binary string
}

func newServiceList(f *Factory, run runner[serviceListOptions]) *cobra.Command {
	o := &serviceListOptions{client: func(ctx context.Context) (serviceListClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "service-list",
		Short: "List the services and whether they are up",
		Long: `List the block storage services, whether each is enabled (status) and whether it
was heard of lately (state). A backup can be deleted, restored or reset only
while a cinder-backup is up. --long says why one is disabled or, of an engine's,
why its store does not work.

Changes nothing. Needs the admin role.`,
		Example: `  cinder-go service-list
  cinder-go service-list --long
  cinder-go service-list --binary cinder-backup -f json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.check(serviceColumns()); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.out.addLong(fs)
	fs.StringVar(&o.host, "host", "", "only services on this `HOST`")
	fs.StringVar(&o.binary, "binary", "", "only this `BINARY`, such as cinder-backup")
	return cmd
}

func serviceColumns() []output.Column {
	return []output.Column{
		{Key: "binary", Title: "Binary"}, {Key: "host", Title: "Host"}, {Key: "zone", Title: "Zone"},
		{Key: "status", Title: "Status"}, {Key: "state", Title: "State"}, {Key: "updated_at", Title: "Updated At"},
		{Key: "cluster", Title: "Cluster", Wide: true}, {Key: "disabled_reason", Title: "Disabled Reason", Wide: true},
	}
}

func runServiceList(ctx context.Context, o *serviceListOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	services, err := c.ListServices(ctx, o.host, o.binary)
	if err != nil {
		return err
	}
	v := output.View{Columns: serviceColumns()}
	for _, s := range services {
		v.Rows = append(v.Rows, []any{string(s.Binary), s.Host, s.Zone, s.Status, s.State, s.UpdatedAt, s.Cluster, s.DisabledReason})
	}
	return o.print(v)
}
