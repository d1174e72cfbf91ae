package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type backupListClient interface {
	ListBackups(ctx context.Context, o client.ListOpts) ([]client.Backup, error)
}

type backupListOptions struct {
	print  func(output.View) error
	client func(context.Context) (backupListClient, error)

	out  outputFlags
	list client.ListOpts
}

func newBackupList(f *Factory, run runner[backupListOptions]) *cobra.Command {
	o := &backupListOptions{client: func(ctx context.Context) (backupListClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var (
		all     bool
		filters []string
	)
	cmd := &cobra.Command{
		Use:   "backup-list",
		Short: "List backups",
		Long: `List the backups that the target has rows for, all pages of them.

Changes nothing. It does not look at the store: a backup without a row is in
backup-manageable-list, and whether data is sound is for backup-verify to say.

The table has the columns that matter most; -c names others, and the machine
formats have all of them.`,
		Example: `  cinder-go backup-list
  cinder-go backup-list --all-tenants --status error -c id -c name -c fail_reason
  cinder-go backup-list --volume-id 4b3f… --sort created_at:asc -f json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.check(backupColumns()); err != nil {
				return err
			}
			if cmd.Flags().Changed("all-tenants") || cmd.Flags().Changed("all-projects") {
				o.list.AllProjects = &all
			} else if f.g.isCloud() {
				o.list.AllProjects = new(bool) // a name is looked for in all projects, a list is one's own
			}
			if o.list.Status != "" {
				if _, err := driverstate.ParseStatus(o.list.Status); err != nil {
					return &usageError{err}
				}
			}
			if o.list.Limit < 0 {
				return usagef("--limit must not be negative")
			}
			for _, kv := range filters {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return usagef("filter %q is not KEY=VALUE", kv)
				}
				if o.list.Filters == nil {
					o.list.Filters = map[string]string{}
				}
				o.list.Filters[k] = v
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	fs.BoolVar(&all, "all-tenants", false, "those of all projects (admin); always so on an engine")
	fs.BoolVar(&all, "all-projects", false, "the same")
	fs.StringVar(&o.list.Name, "name", "", "only those of this `NAME`")
	fs.StringVar(&o.list.Status, "status", "", "only those in this `STATUS`")
	fs.StringVar(&o.list.VolumeID, "volume-id", "", "only those of this volume `ID`")
	fs.StringArrayVar(&filters, "filters", nil, "only those where `KEY=VALUE`; may be repeated")
	fs.IntVar(&o.list.Limit, "limit", 0, "at most this many; 0 for all")
	fs.StringVar(&o.list.Sort, "sort", "", "`KEY[:asc|desc],...` to order by")
	return cmd
}

func runBackupList(ctx context.Context, o *backupListOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	backups, err := c.ListBackups(ctx, o.list)
	if err != nil {
		return err
	}
	v := output.View{Columns: backupColumns()}
	for _, b := range backups {
		v.Rows = append(v.Rows, backupRow(b))
	}
	return o.print(v)
}
