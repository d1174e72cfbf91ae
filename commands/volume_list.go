package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type volumeListClient interface {
	ListVolumes(ctx context.Context, o client.VolumeListOpts) ([]client.Volume, error)
}

type volumeListOptions struct {
	print  func(output.View) error
	client func(context.Context) (volumeListClient, error)

	standalone bool
	out        outputFlags
	filter     listFlags
	host       string
}

// listFlags are the filters that lists of volumes and of snapshots share.
type listFlags struct {
	all          bool
	project      string
	name, status string
	pairs        []string
	limit        int
	sort         string

	scope   *bool
	filters map[string]string
}

func (l *listFlags) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&l.all, "all-tenants", false, "those of all projects (admin); always so on an engine")
	fs.BoolVar(&l.all, "all-projects", false, "the same")
	fs.StringVar(&l.project, "project", "", "only those of the project with this `ID` (admin)")
	fs.StringVar(&l.name, "name", "", "only those of this `NAME`")
	fs.StringVar(&l.status, "status", "", "only those in this `STATUS`")
	fs.StringArrayVar(&l.pairs, "filters", nil, "only those where `KEY=VALUE`; may be repeated")
	fs.IntVar(&l.limit, "limit", 0, "at most this many; 0 for all")
	fs.StringVar(&l.sort, "sort", "", "`KEY[:asc|desc],...` to order by")
}

// complete checks the flags, and says whose resources are meant: on a cloud a
// list is one's own unless asked.
func (l *listFlags) complete(g *globalFlags, changed func(string) bool) (err error) {
	if l.limit < 0 {
		return usagef("--limit must not be negative")
	}
	if l.filters, err = keyValues("filter", l.pairs); err != nil {
		return err
	}
	if l.project != "" {
		if l.filters == nil {
			l.filters = map[string]string{}
		}
		l.filters["project_id"], l.all = l.project, true
	}
	if g.isCloud() || l.project != "" || changed("all-tenants") || changed("all-projects") {
		l.scope = &l.all
	}
	return nil
}

// explain adds a next command to what a cloud says of a filter.
func (l *listFlags) explain(err error, standalone bool) error {
	if errors.Is(err, driverstate.ErrInvalidInput) {
		return withHint(err, "--project, --host and most of --filters are for an admin; a tenant filters by --name and --status")
	}
	return notHere(err, standalone)
}

func newVolumeList(f *Factory, run runner[volumeListOptions]) *cobra.Command {
	o := &volumeListOptions{client: func(ctx context.Context) (volumeListClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "volume-list",
		Short: "List volumes",
		Long: `List volumes, all pages of them. After an incident look for those that were left
in backing-up, restoring-backup, error_restoring or error_backing-up.

Changes nothing. The table has the columns that matter most; --long and the
machine formats have all of them. A filter that the cloud does not know gives an
admin an empty list: Cinder does not say that it is wrong.`,
		Example: `  cinder-go volume-list
  cinder-go volume-list --all-projects --status backing-up -c id -c name -c host -c updated_at
  cinder-go volume-list --host node1@lvm -f json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.standalone = f.g.standalone
			if err := first(o.out.check(volumeColumns()), o.filter.complete(&f.g, cmd.Flags().Changed)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.out.addLong(fs)
	o.filter.addFlags(fs)
	fs.StringVar(&o.host, "host", "", "only those on this `HOST@BACKEND` (admin)")
	return cmd
}

func runVolumeList(ctx context.Context, o *volumeListOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	volumes, err := c.ListVolumes(ctx, client.VolumeListOpts{
		AllProjects: o.filter.scope, Name: o.filter.name, Status: o.filter.status, Host: o.host,
		Filters: o.filter.filters, Limit: o.filter.limit, Sort: o.filter.sort,
	})
	if err != nil {
		return o.filter.explain(err, o.standalone)
	}
	v := output.View{Columns: volumeColumns()}
	for _, volume := range volumes {
		v.Rows = append(v.Rows, volumeRow(volume))
	}
	return o.print(v)
}
