package commands

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
)

type backupListOptions struct {
	now    func() time.Time
	print  func(output.View) error
	client func(context.Context) (selector, error)

	out  outputFlags
	sel  selectionFlags
	list client.ListOpts
}

func newBackupList(f *Factory, run runner[backupListOptions]) *cobra.Command {
	o := &backupListOptions{now: f.now, client: func(ctx context.Context) (selector, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var filters []string
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
			if err := o.sel.checkAny(&f.g, nil); err != nil {
				return err
			}
			if o.list.Limit < 0 {
				return usagef("--limit must not be negative")
			}
			for _, kv := range filters {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return usagef("filter %q is not KEY=VALUE", kv)
				}
				if !slices.Contains(backupFilters, strings.TrimSuffix(k, "~")) {
					return usagef("no column %q of a backup: a cloud would answer with an empty list; there are %s", k, strings.Join(backupFilters, ", "))
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
	o.sel.addFlags(fs)
	fs.StringVar(&o.list.VolumeID, "volume-id", "", "the same as --volume, by id alone")
	fs.StringArrayVar(&filters, "filters", nil, "select backups whose column `KEY=VALUE`, as the cloud understands it; may be repeated")
	fs.IntVar(&o.list.Limit, "limit", 0, "at most this many; 0 for all")
	fs.StringVar(&o.list.Sort, "sort", "", "`KEY[:asc|desc],...` to order by")
	return cmd
}

// backupFilters are the columns that backups can be selected by
// (cinder/db/sqlalchemy/models.py Backup). For any other name Cinder gives an
// admin an empty list.
var backupFilters = []string{"availability_zone", "container", "created_at", "data_timestamp", "deleted", "display_description", "display_name",
	"encryption_key_id", "fail_reason", "host", "id", "name", "num_dependent_backups", "object_count", "parent_id", "project_id",
	"restore_volume_id", "service", "service_metadata", "size", "snapshot_id", "status", "temp_snapshot_id", "temp_volume_id",
	"updated_at", "user_id", "volume_id"}

func runBackupList(ctx context.Context, o *backupListOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	backups, err := o.sel.list(ctx, c, o.now(), o.list)
	if err == nil && o.sel.chain {
		backups, err = withChains(ctx, c, backups)
	}
	if err != nil {
		return err
	}
	v := output.View{Columns: backupColumns()}
	for _, b := range backups {
		v.Rows = append(v.Rows, backupRow(b))
	}
	return o.print(v)
}
