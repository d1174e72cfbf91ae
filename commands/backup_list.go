package commands

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type backupListOptions struct {
	now    func() time.Time
	print  func(output.View) error
	client func(context.Context) (selector, error)

	out  outputFlags
	sel  selectionFlags
	list client.ListOpts

	con    *console
	engine bool // the target is an engine in this process
}

func newBackupList(f *Factory, run runner[backupListOptions]) *cobra.Command {
	o := &backupListOptions{con: f.con, now: f.now, client: func(ctx context.Context) (selector, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var filters []string
	cmd := &cobra.Command{
		Use:   "backup-list",
		Short: "List backups",
		Long: `List the backups that the target has rows for, all pages of them.

Changes nothing. It does not look at the store: a backup without a row is in
backup-manageable-list, and whether data is sound is for backup-verify to say.

The table has the columns that matter most; --long and the machine formats have
all of them.`,
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
			o.engine = f.g.standalone
			known := slices.Sorted(slices.Values(append([]string{"name"}, driverstate.BackupColumns...)))
			for _, kv := range filters {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return usagef("filter %q is not KEY=VALUE", kv)
				}
				if !slices.Contains(known, strings.TrimSuffix(k, "~")) {
					return usagef("no column %q of a backup: a cloud would answer with an empty list; there are %s", k, strings.Join(known, ", "))
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
	o.out.addLong(fs)
	o.sel.addFlags(fs)
	fs.StringVar(&o.list.VolumeID, "volume-id", "", "the same as --volume, by id alone")
	fs.StringArrayVar(&filters, "filters", nil, "select backups whose column `KEY=VALUE`, as the cloud understands it; may be repeated")
	fs.IntVar(&o.list.Limit, "limit", 0, "at most this many; 0 for all")
	fs.StringVar(&o.list.Sort, "sort", "", "`KEY[:asc|desc],...` to order by")
	return cmd
}

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
	if err := o.print(v); err != nil || !o.engine || len(backups) > 0 {
		return err
	}
	return o.explainNone(ctx, c)
}

// explainNone says why an engine may have no rows to list: right after a lost
// database it has none, and where the store was misspelt it never will.
func (o *backupListOptions) explainNone(ctx context.Context, c selector) error {
	services, err := c.ListServices(ctx, "", string(driverstate.BinaryBackup))
	if err != nil {
		return err
	}
	down := false
	for _, s := range services {
		if s.State != "up" {
			down = true
			o.con.warn("", "the store of %s does not answer: %s", s.Host, cmp.Or(deref(s.DisabledReason), "cinder-go driver-check shows step by step why"))
		}
	}
	if !down && !o.sel.filtered() && o.list.VolumeID == "" && len(o.list.Filters) == 0 {
		o.con.note("no backup has a row here; what the store holds: cinder-go backup-manageable-list")
	}
	return nil
}
