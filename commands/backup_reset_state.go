package commands

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// A reset is asynchronous, and the status may be the same before and after. A
// row that was written again, or one that nothing has written for a while,
// is taken for the outcome.
const (
	settleWritten = time.Second
	settleSilent  = 30 * time.Second
)

type resetStateClient interface {
	finder
	ResetBackupStatus(ctx context.Context, id string, to driverstate.Status) error
	WaitBackup(ctx context.Context, id string, until func(client.Backup) (bool, error)) (client.Backup, error)
}

type resetStateOptions struct {
	con    *console
	now    func() time.Time
	print  func(output.View) error
	client func(context.Context) (resetStateClient, error)

	out   outputFlags
	wait  waitFlags
	state driverstate.Status
	refs  []string
}

func newBackupResetState(f *Factory, run runner[resetStateOptions]) *cobra.Command {
	o := &resetStateOptions{con: f.con, now: f.now, client: func(ctx context.Context) (resetStateClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var state string
	cmd := &cobra.Command{
		Use:   "backup-reset-state --state available|error BACKUP...",
		Short: "Set the status of stuck backups",
		Long: `Set the status of backups that are stuck, such as in creating, deleting or
restoring. There is no default for --state: say what you mean.

  error       at once; the backup can then be deleted
  available   the engine proves the data on the store first: whole, and the
              backup becomes available; else it becomes error, with the reason.
              A cloud sets available unseen: run backup-verify afterwards.

It does not touch the data, the volume, or a snapshot. A backup that has the
status already is left alone. It waits for the outcome, because the API answers
before it is known.

Exit 4: accepted, but the backup did not get the status; the reason is shown.`,
		Example: `  cinder-go backup-reset-state --state error nightly
  cinder-go backup-reset-state --state available nightly weekly
  cinder-go backup-reset-state --state available nightly -f value -c status`,
		Args: atLeastOne,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			switch o.state = driverstate.Status(strings.ToLower(state)); o.state {
			case driverstate.StatusAvailable, driverstate.StatusError:
			case "":
				return usagef("--state is needed: available or error")
			default:
				return usagef("--state %q is neither available nor error", state)
			}
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
	cmd.Flags().StringVar(&state, "state", "", "`STATUS` to set: available or error (required)")
	o.out.addFlags(cmd.Flags())
	o.wait.addFlags(cmd.Flags(), 10*time.Minute)
	return cmd
}

func runBackupResetState(ctx context.Context, o *resetStateOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-reset-state")
	for _, b := range findAll(ctx, c, o.refs, items) {
		r := result{id: b.ID, name: nameOf(b), status: string(b.Status), outcome: unchanged}
		if b.Status != o.state {
			r.outcome = changed
			r.status, r.err = o.reset(ctx, c, b)
		}
		items.add(r)
	}
	if err := o.print(items.view()); err != nil {
		return err
	}
	return items.finish()
}

// reset returns the status in the end.
func (o *resetStateOptions) reset(ctx context.Context, c resetStateClient, before client.Backup) (string, error) {
	if err := c.ResetBackupStatus(ctx, before.ID, o.state); err != nil {
		return string(before.Status), err
	}
	if o.wait.noWait {
		return "", nil
	}
	asked := o.now()
	after := before
	err := o.wait.within(ctx, "backup "+before.ID, func(ctx context.Context) error {
		_, err := c.WaitBackup(ctx, before.ID, func(b client.Backup) (bool, error) {
			after = b
			return settled(before, b, o.state, o.now().Sub(asked)), nil
		})
		return err
	})
	if err == nil && after.Status != o.state {
		err = backupError(after.ID, driverstate.ErrNotApplied, "is %s, not %s: %s", after.Status, o.state, failReason(after))
	}
	return string(after.Status), err
}

// settled reports whether b shows the outcome of a reset to want.
func settled(before, b client.Backup, want driverstate.Status, since time.Duration) bool {
	switch {
	case b.Status == want:
		return true
	case b.Status != before.Status:
		return b.Status.Resting()
	case b.FailReason != nil && (before.FailReason == nil || *b.FailReason != *before.FailReason):
		return true
	case !b.UpdatedAt.Equal(before.UpdatedAt):
		return since >= settleWritten
	}
	return since >= settleSilent
}
