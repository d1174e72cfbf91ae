package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
)

type forceDeleteClient interface {
	finder
	ForceDeleteBackup(ctx context.Context, id string) error
	WaitGone(ctx context.Context, id string) error
}

type forceDeleteOptions struct {
	con     *console
	print   func(output.View) error
	client  func(context.Context) (forceDeleteClient, error)
	confirm func(what string, n int) error

	out   outputFlags
	wait  waitFlags
	guard guardFlags
	refs  []string
}

func newBackupForceDelete(f *Factory, run runner[forceDeleteOptions]) *cobra.Command {
	o := &forceDeleteOptions{con: f.con, client: func(ctx context.Context) (forceDeleteClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	o.confirm = func(what string, n int) error { return confirm(f.prompt, f.g.yes, what, n) }
	cmd := &cobra.Command{
		Use:   "backup-force-delete BACKUP...",
		Short: "Delete backups in any status: data and row",
		Long: `Delete backups whatever their status: the objects on the store and the row. Work
in progress on them is stopped. This cannot be undone.

It asks first; away from a terminal it needs --yes. --dry-run shows what would
go. Then it waits until the row is gone.

It does not delete a backup that incremental backups stand on (exit 6): name
those as well, in any order. It does not touch the volume.

Exit 4: accepted, but the backup is still there when --timeout is over.
Exit 10: declined at the prompt.`,
		Example: `  cinder-go backup-force-delete --dry-run nightly
  cinder-go backup-force-delete nightly
  cinder-go backup-force-delete --yes 8b3d499c-9301-44d3-a41f-414bf2c5f6a5 weekly`,
		Args: atLeastOne,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err = o.out.check(resultColumns()); err != nil {
				return err
			}
			if err = o.wait.check(&f.g); err != nil {
				return err
			}
			if o.refs, err = refs(args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	o.out.addFlags(cmd.Flags())
	o.wait.addFlags(cmd.Flags(), 10*time.Minute)
	o.guard.addFlags(cmd.Flags())
	return cmd
}

func runBackupForceDelete(ctx context.Context, o *forceDeleteOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-force-delete")
	backups := findAll(ctx, c, o.refs, items)
	// Increments are younger than what they stand on, and must go first.
	slices.SortStableFunc(backups, func(a, b client.Backup) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	if !o.guard.dryRun {
		if err := o.confirm(forceDeleteQuestion(backups), len(backups)); err != nil {
			return err
		}
	}
	for _, b := range backups {
		r := result{id: b.ID, name: nameOf(b), status: string(b.Status), outcome: changed, detail: "deleted"}
		if o.guard.dryRun {
			r.outcome, r.detail = skipped, "dry run: would be deleted"
		} else {
			r.err = forceDelete(ctx, c, o.wait, b.ID)
			switch {
			case r.err != nil:
				r.status, r.detail = "", ""
			case o.wait.noWait:
				r.status, r.detail = "deleting", "accepted"
			default:
				r.status = "deleted"
			}
		}
		items.add(r)
	}
	if err := o.print(items.view()); err != nil {
		return err
	}
	return items.finish()
}

func forceDeleteQuestion(backups []client.Backup) string {
	if len(backups) == 1 {
		return fmt.Sprintf("Delete backup %s (%s, %s, %d GiB), data and row", backups[0].ID,
			cmp.Or(nameOf(backups[0]), "no name"), backups[0].Status, backups[0].Size)
	}
	return fmt.Sprintf("Delete %d backups, data and rows", len(backups))
}

func forceDelete(ctx context.Context, c forceDeleteClient, w waitFlags, id string) error {
	if err := c.ForceDeleteBackup(ctx, id); err != nil || w.noWait {
		return err
	}
	return w.within(ctx, "backup "+id, func(ctx context.Context) error { return c.WaitGone(ctx, id) })
}
