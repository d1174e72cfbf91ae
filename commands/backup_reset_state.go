package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// A reset is asynchronous, and the status may be the same before and after. Of a
// cloud, a row that was written again, or one that nothing has written for a
// while, is taken for the outcome; after a shorter while a reason is looked for.
const (
	settleWritten = time.Second
	settleQuiet   = 4 * time.Second
	settleSilent  = 30 * time.Second
)

type resetStateClient interface {
	selector
	rowClient
	identified
	IsEngine(ctx context.Context) bool
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
	ResetBackupStatus(ctx context.Context, id string, to driverstate.Status) error
	WaitBackup(ctx context.Context, id string, until func(client.Backup) (bool, error)) (client.Backup, error)
}

type resetStateOptions struct {
	con     *console
	now     func() time.Time
	print   func(output.View) error
	client  func(context.Context) (resetStateClient, error)
	confirm func(what string, n int) error
	target  func(identified) string

	sel     selectionFlags
	out     outputFlags
	wait    waitFlags
	guard   guardFlags
	par     parallelFlags
	state   driverstate.Status
	remote  bool // not an engine in this process
	engine  bool // the target reads the data before it says available
	proof   proof
	planned []planRow
}

func newBackupResetState(f *Factory, run runner[resetStateOptions]) *cobra.Command {
	o := newResetStateOptions(f)
	var state string
	cmd := &cobra.Command{
		Use:   "backup-reset-state --state available|error {BACKUP...|filters}",
		Short: "Set the status of stuck backups",
		Long: `Set the status of backups that are stuck, such as in creating, deleting or
restoring (admin). There is no default for --state: say what you mean.

  error       at once; the backup can then be deleted
  available   the engine reads all its data on the store first, which takes
              as long as backup-verify: whole, and the backup becomes
              available; else it becomes error, with the reason.
              A cloud sets available unseen: with --store URL beside it the data
              is read first, and a backup that is not whole is refused (exit 9).

It does not touch the data, the volume, or a snapshot. A backup that has the
status already is left alone. It waits for the outcome, because the API answers
before it is known, and a cloud accepts resets that it never does. Backups that
are chosen by filters need a confirmation, or --yes.

Exit 4: accepted, but the backup did not get the status; the reason is shown.`,
		Example: `  cinder-go backup-reset-state --state error nightly
  cinder-go backup-reset-state --state error --status creating --older-than 6h --dry-run
  cinder-go backup-reset-state --state available nightly -f value -c status`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch o.state = driverstate.Status(strings.ToLower(state)); o.state {
			case driverstate.StatusAvailable, driverstate.StatusError:
			case "":
				return usagef("--state is needed: available or error")
			default:
				return usagef("--state %q is neither available nor error", state)
			}
			o.remote, o.proof = !f.g.standalone, f.proof()
			if err := first(o.out.check(resultColumns()), o.wait.check(&f.g), o.guard.check(), o.par.check(&f.g, defaultParallel),
				o.sel.check(&f.g, args)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&state, "state", "", "`STATUS` to set: available or error (required)")
	o.sel.addFlags(fs)
	o.guard.addFlags(fs)
	o.guard.addPlan(fs)
	o.out.addFlags(fs)
	o.wait.addFlags(fs, 24*time.Hour)
	return cmd
}

func newResetStateOptions(f *Factory) *resetStateOptions {
	o := &resetStateOptions{con: f.con, now: f.now, target: f.target, client: func(ctx context.Context) (resetStateClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	o.confirm = func(what string, n int) error { return confirm(f.prompt, f.g.yes, what, n) }
	return o
}

func runBackupResetState(ctx context.Context, o *resetStateOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-reset-state")
	var backups []client.Backup
	if o.planned != nil {
		backups = replan(ctx, c, o.par.n, o.planned, items, false)
	} else if backups, err = o.sel.find(ctx, c, o.now(), items); err != nil {
		return err
	}
	var other []client.Backup
	for _, b := range backups {
		if b.Status != o.state {
			other = append(other, b)
		}
	}
	if err := o.guard.allows(len(other)); err != nil {
		return err
	}
	switch {
	case o.guard.plan != "":
		p := newPlan("backup-reset-state", o.target(c), o.now(), other)
		p.State = o.state
		if err := p.write(o.guard.plan); err != nil {
			return err
		}
	case !o.guard.dryRun && (o.sel.filtered() || o.planned != nil):
		if err := o.confirm(fmt.Sprintf("Set the status of %s to %s", plural(len(other), "backup"), o.state), len(other)); err != nil {
			return err
		}
	}
	services := hosts{unknown: true}
	if o.remote && len(other) > 0 {
		if services, err = backupHosts(ctx, c); err != nil {
			return err
		}
	}
	o.engine = o.state == driverstate.StatusAvailable && c.IsEngine(ctx)
	var wrong map[string]error
	proving := o.state == driverstate.StatusAvailable && o.proof.wanted(o.remote)
	if proving {
		if wrong, err = o.proof.read(ctx, other); err != nil {
			return err
		}
	}
	forEach(ctx, o.par.n, backups, items, func(ctx context.Context, b client.Backup) result {
		r := result{id: b.ID, name: nameOf(b), status: string(b.Status), outcome: unchanged, before: &b}
		switch {
		case wrong[b.ID] != nil:
			r.err = wrong[b.ID]
		case b.Status == o.state:
		case o.guard.plan != "":
			r.outcome, r.detail = skipped, "planned: would become "+string(o.state)
		case o.guard.dryRun:
			r.outcome, r.detail = skipped, "dry run: would become "+string(o.state)
		default:
			r.outcome = changed
			if b.Status == driverstate.StatusRestoring {
				r.warnings = append(r.warnings, "a restore is under way: its volume is left half written, in error or restoring-backup; cinder-go doctor names it")
			}
			o.reset(ctx, c, &services, b, &r)
		}
		return r
	})
	if err := o.print(items.view()); err != nil {
		return err
	}
	if o.guard.plan != "" {
		o.con.note("nothing was changed: cinder-go apply %s does it", o.guard.plan)
	} else if !proving && o.state == driverstate.StatusAvailable && items.count(changed) > 0 && !o.engine {
		o.con.warn("", "the cloud did not look at the data: with --store URL it is read first")
	}
	return items.finish()
}

// reset asks for the state, waits for the outcome and says it in r.
func (o *resetStateOptions) reset(ctx context.Context, c resetStateClient, services *hosts, before client.Backup, r *result) {
	var at string // the row's host, when that is down
	if len(services.down) > 0 {
		if state, s, err := services.of(ctx, c, before.ID); err == nil && state == hostDown {
			at = s.Host
		}
	}
	err := c.ResetBackupStatus(ctx, before.ID, o.state)
	if err != nil && !client.Lost(err) {
		if at != "" && errors.Is(err, driverstate.ErrServiceDown) {
			err = withHint(fmt.Errorf("%w: its host %s is down, and this cloud asks no other (backup_use_same_host)", err, at),
				"start cinder-backup on "+at+"; or ask an API that has backup_use_same_host off")
		}
		r.err = err
		return
	}
	if o.wait.noWait {
		r.status, r.detail = "", "accepted"
		return
	}
	if o.engine && err == nil && before.Status != driverstate.StatusRestoring {
		o.con.note("backup %s: all its data is read first, of a volume of %d GiB", before.ID, before.Size)
	}
	after, waited := o.await(ctx, c, before, o.engine && err == nil)
	r.status, r.after = string(after.Status), &after
	switch {
	case waited != nil:
		r.err = waited
		if o.remote {
			r.err = explained(ctx, c, before.ID, o.now(), waited)
		}
	case after.Status != o.state && err != nil: // the answer was lost, and nothing came of it
		r.err = err
	case after.Status != o.state:
		r.err = backupError(after.ID, driverstate.ErrNotApplied, "is %s, not %s: %s", after.Status, o.state, o.reason(ctx, c, after))
	case at != "":
		if still, err := c.IsOnHost(ctx, before.ID, at); err == nil && !still {
			r.warnings = append(r.warnings, "its host "+at+" is down: the row belongs to another host now")
		}
	}
}

// reason is what the row says; a cloud may leave that empty, then what else can
// be seen.
func (o *resetStateOptions) reason(ctx context.Context, c resetStateClient, after client.Backup) string {
	if o.remote && (after.FailReason == nil || *after.FailReason == "") {
		if text := why(ctx, c, after.ID, o.now()); text != "" {
			return text
		}
	}
	return failReason(after)
}

// await waits for the outcome; proving if it is known that an engine reads the
// data now.
func (o *resetStateOptions) await(ctx context.Context, c resetStateClient, before client.Backup, proving bool) (client.Backup, error) {
	asked, after, looked := o.now(), before, false
	err := o.wait.within(ctx, "backup "+before.ID, func(ctx context.Context) error {
		_, err := c.WaitBackup(ctx, before.ID, func(b client.Backup) (bool, error) {
			after = b
			if proving {
				return proved(before, b), nil
			}
			since := o.now().Sub(asked)
			if settled(before, b, o.state, since) {
				return true, nil
			}
			if looked || since < settleQuiet || !o.remote {
				return false, nil
			}
			looked = true
			taken, err := c.HasService(ctx, before.ID)
			return err == nil && !taken, nil
		})
		return err
	})
	return after, err
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

// proved reports whether b shows what an engine found when it read the data: that
// takes as long as it takes, and until then the row has no fail reason.
func proved(before, b client.Backup) bool {
	return b.Status.Resting() && (b.Status != before.Status || b.FailReason != nil && *b.FailReason != "")
}
