package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

type applyOptions struct {
	plan plan
	path string
	out  outputFlags
	// anyHost and oneAccount are what is said now, beside what the plan says.
	anyHost, oneAccount bool
	wait                waitFlags
	par                 parallelFlags
	// target is the endpoint that would be changed.
	target func(context.Context) (string, error)
	remove *deleteOptions
	reset  *resetStateOptions
}

func newApply(f *Factory, run runner[applyOptions]) *cobra.Command {
	o := &applyOptions{target: func(ctx context.Context) (string, error) {
		c, err := f.Client(ctx)
		if err != nil {
			return "", err
		}
		return f.target(c), nil
	}}
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Do what a saved plan says",
		Long: `Do what a verb with --plan FILE wrote down: the same change, of the same rows.

Deletions go on as they were planned: with --any-host and --single-account when
the plan was made with them, or when they are given here.

A row that is not as it was when the plan was made, in status or time of
writing, is refused (exit 6) and the others go on. A plan for another target is
refused as a whole. It always asks first; --yes answers.`,
		Example: `  cinder-go backup-delete --status error --older-than 30d --plan old.json
  cinder-go apply old.json`,
		Args: exactly(1, "say which plan: cinder-go apply FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := first(o.out.check(resultColumns()), o.wait.check(&f.g), o.par.check(&f.g, defaultParallel)); err != nil {
				return err
			}
			o.path = args[0]
			if o.plan, err = readPlan(o.path); err != nil {
				return err
			}
			o.remove = newDeleteOptions(f, o.plan.Verb, o.plan.Verb == "backup-force-delete")
			o.remove.out, o.remove.wait, o.remove.par, o.remove.anyHost = o.out, o.wait, o.par, f.g.standalone
			o.remove.remote = !f.g.standalone
			o.reset = newResetStateOptions(f)
			o.reset.out, o.reset.wait, o.reset.par, o.reset.remote = o.out, o.wait, o.par, !f.g.standalone
			o.reset.proof = f.proof()
			return run(cmd.Context(), o)
		},
	}
	o.out.addFlags(cmd.Flags())
	o.wait.addFlags(cmd.Flags(), 10*time.Minute)
	addAnyHost(cmd.Flags(), &o.anyHost)
	addSingleAccount(cmd.Flags(), &o.oneAccount)
	return cmd
}

func runApply(ctx context.Context, o *applyOptions) error {
	target, err := o.target(ctx)
	if err != nil {
		return err
	}
	if o.plan.Target != target {
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("plan %s was made for %s, and this is %s: nothing was done", o.path, o.plan.Target, target))
	}
	switch o.plan.Verb {
	case "backup-delete", "backup-force-delete":
		o.remove.planned = o.plan.Rows
		o.remove.anyHost = o.remove.anyHost || o.anyHost || o.plan.AnyHost
		o.remove.oneAccount = o.oneAccount || o.plan.SingleAccount
		return runBackupDelete(ctx, o.remove)
	case "backup-reset-state":
		if o.plan.State != driverstate.StatusAvailable && o.plan.State != driverstate.StatusError {
			return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("plan %s: state %q is neither available nor error", o.path, o.plan.State))
		}
		o.reset.planned, o.reset.state = o.plan.Rows, o.plan.State
		return runBackupResetState(ctx, o.reset)
	}
	return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("plan %s: no verb %q can be planned", o.path, o.plan.Verb))
}

// shower reads one row.
type shower interface {
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
}

// replan reads the rows of a plan again, at most n at once, and returns those
// that are as it says. Others go to items; one that is gone is what a deletion
// wanted.
func replan(ctx context.Context, c shower, n int, rows []planRow, items *bulk, deletion bool) []client.Backup {
	found, errs := make([]client.Backup, len(rows)), make([]error, len(rows))
	var group errgroup.Group
	group.SetLimit(n)
	for i, row := range rows {
		group.Go(func() error {
			if found[i], errs[i] = c.ShowBackup(ctx, row.ID); errs[i] == nil {
				errs[i] = row.stale(found[i])
			}
			return nil
		})
	}
	_ = group.Wait() // errors are kept by row
	var out []client.Backup
	for i, row := range rows {
		switch {
		case errs[i] == nil:
			out = append(out, found[i])
		case deletion && errors.Is(errs[i], driverstate.ErrNotFound):
			items.add(result{id: row.ID, name: row.Name, outcome: unchanged, detail: "gone already"})
		default:
			items.add(result{id: row.ID, name: row.Name, err: errs[i]})
		}
	}
	return out
}
