package commands

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/output"
)

type backupShowOptions struct {
	con    *console
	now    func() time.Time
	print  func(output.View) error
	client func(context.Context) (selector, error)

	out outputFlags
	sel selectionFlags
}

func newBackupShow(f *Factory, run runner[backupShowOptions]) *cobra.Command {
	o := &backupShowOptions{con: f.con, now: f.now, client: func(ctx context.Context) (selector, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "backup-show {BACKUP...|filters}",
		Short: "Show all that is known of a backup",
		Long: `Show the row of one backup, or of several, by id or name or by filters.

Changes nothing, and does not look at the store. One backup is an object in
JSON and YAML, several are a list.

A name that several backups have is refused (exit 6), with their ids.`,
		Example: `  cinder-go backup-show nightly
  cinder-go backup-show nightly -f value -c status -c fail_reason
  cinder-go backup-show 31136ebd-183c-4c85-9249-b1a09f4e2cd7 weekly -f json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := first(o.out.check(backupColumns()), o.sel.check(&f.g, args)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	o.out.addFlags(cmd.Flags())
	o.sel.addFlags(cmd.Flags())
	return cmd
}

func runBackupShow(ctx context.Context, o *backupShowOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	v := output.View{Columns: backupColumns()}
	if len(o.sel.refs) == 1 && !o.sel.chain {
		b, err := find(ctx, c, o.sel.refs[0])
		if err != nil {
			return err
		}
		v.Single, v.Rows = true, [][]any{backupRow(b)}
		return o.print(v)
	}
	items := newBulk(o.con, "backup-show")
	backups, err := o.sel.find(ctx, c, o.now(), items)
	if err != nil {
		return err
	}
	for _, b := range backups {
		v.Rows = append(v.Rows, backupRow(b))
		items.add(result{id: b.ID, outcome: unchanged})
	}
	if err := o.print(v); err != nil {
		return err
	}
	return items.finish()
}
