package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
)

type snapshotListClient interface {
	ListSnapshots(ctx context.Context, o client.SnapshotListOpts) ([]client.Snapshot, error)
}

type snapshotListOptions struct {
	print  func(output.View) error
	client func(context.Context) (snapshotListClient, error)

	standalone bool
	out        outputFlags
	filter     listFlags
	volumeID   string
}

func newSnapshotList(f *Factory, run runner[snapshotListOptions]) *cobra.Command {
	o := &snapshotListOptions{client: func(ctx context.Context) (snapshotListClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "snapshot-list",
		Short: "List snapshots of volumes",
		Long: `List snapshots of volumes, all pages of them. A backup of a snapshot that did not
end leaves it in backing-up; a volume that has snapshots cannot be deleted.

Changes nothing. The table has the columns that matter most; --long and the
machine formats have all of them.`,
		Example: `  cinder-go snapshot-list --volume-id 4b3f…
  cinder-go snapshot-list --all-projects --status backing-up -f json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.standalone = f.g.standalone
			if err := first(o.out.check(snapshotColumns()), o.filter.complete(&f.g, cmd.Flags().Changed)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.out.addLong(fs)
	o.filter.addFlags(fs)
	fs.StringVar(&o.volumeID, "volume-id", "", "only those of this volume `ID`")
	return cmd
}

func snapshotColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"}, {Key: "volume_id", Title: "Volume ID"}, {Key: "status", Title: "Status"},
		{Key: "name", Title: "Name"}, {Key: "size", Title: "Size"}, {Key: "created_at", Title: "Created At"},
		{Key: "description", Title: "Description", Wide: true}, {Key: "updated_at", Title: "Updated At", Wide: true},
		{Key: "project_id", Title: "Project ID", Wide: true}, {Key: "metadata", Title: "Metadata", Wide: true},
	}
}

func runSnapshotList(ctx context.Context, o *snapshotListOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	snapshots, err := c.ListSnapshots(ctx, client.SnapshotListOpts{
		AllProjects: o.filter.scope, Name: o.filter.name, Status: o.filter.status, VolumeID: o.volumeID,
		Filters: o.filter.filters, Limit: o.filter.limit, Sort: o.filter.sort,
	})
	if err != nil {
		return o.filter.explain(err, o.standalone)
	}
	v := output.View{Columns: snapshotColumns()}
	for _, s := range snapshots {
		v.Rows = append(v.Rows, []any{s.ID, s.VolumeID, s.Status, s.Name, s.Size, s.CreatedAt,
			s.Description, s.UpdatedAt, orNil(s.ProjectID), s.Metadata})
	}
	return o.print(v)
}
