package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
)

type clusterListClient interface {
	ListClusters(ctx context.Context, o client.ClusterListOpts) ([]client.Cluster, error)
}

type clusterListOptions struct {
	print  func(output.View) error
	client func(context.Context) (clusterListClient, error)

	standalone bool
	out        outputFlags
	filter     client.ClusterListOpts
}

func newClusterList(f *Factory, run runner[clusterListOptions]) *cobra.Command {
	o := &clusterListOptions{client: func(ctx context.Context) (clusterListClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var isUp, disabled string
	cmd := &cobra.Command{
		Use:   "cluster-list",
		Short: "List the clusters of services",
		Long: `List the clusters of services that share their work (API 3.7, admin), with how
many hosts each has and how many of them are down. What a dead host of a
cluster left behind, another one can clean up: workers-cleanup.

Changes nothing.`,
		Example: `  cinder-go cluster-list
  cinder-go cluster-list --is-up False -f value -c name`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			o.standalone = f.g.standalone
			if err = o.out.check(clusterColumns()); err != nil {
				return err
			}
			for _, b := range []struct {
				flag, text string
				to         **bool
			}{{"is-up", isUp, &o.filter.IsUp}, {"disabled", disabled, &o.filter.Disabled}} {
				if *b.to, err = truthOf(b.flag, b.text); err != nil {
					return err
				}
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.out.addLong(fs)
	fs.StringVar(&o.filter.Name, "name", "", "only the cluster of this `NAME`")
	fs.StringVar(&o.filter.Binary, "binary", "", "only clusters of this `BINARY`, such as cinder-volume")
	fs.StringVar(&isUp, "is-up", "", "only those that are up, `True` or False")
	fs.StringVar(&disabled, "disabled", "", "only those that are disabled, `True` or False")
	return cmd
}

// truthOf reads the text of a flag that the API takes as a boolean; nil when it
// is not given.
func truthOf(flag, text string) (*bool, error) {
	if text == "" {
		return nil, nil
	}
	v, known := truthWords[strings.ToLower(text)]
	if !known {
		return nil, usagef("--%s %q is neither True nor False", flag, text)
	}
	return &v, nil
}

func clusterColumns() []output.Column {
	return []output.Column{
		{Key: "name", Title: "Name"}, {Key: "binary", Title: "Binary"}, {Key: "state", Title: "State"},
		{Key: "status", Title: "Status"}, {Key: "num_hosts", Title: "Hosts"}, {Key: "num_down_hosts", Title: "Down Hosts"},
		{Key: "last_heartbeat", Title: "Last Heartbeat"}, {Key: "disabled_reason", Title: "Disabled Reason", Wide: true},
		{Key: "created_at", Title: "Created At", Wide: true}, {Key: "updated_at", Title: "Updated At", Wide: true},
	}
}

func runClusterList(ctx context.Context, o *clusterListOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	clusters, err := c.ListClusters(ctx, o.filter)
	if err != nil {
		return notHere(err, o.standalone)
	}
	v := output.View{Columns: clusterColumns()}
	for _, k := range clusters {
		v.Rows = append(v.Rows, []any{k.Name, string(k.Binary), k.State, k.Status, k.NumHosts, k.NumDownHosts,
			k.LastHeartbeat, k.DisabledReason, k.CreatedAt, k.UpdatedAt})
	}
	return o.print(v)
}
