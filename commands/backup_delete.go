package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type deleteClient interface {
	selector
	dependentsFinder
	rowClient
	identified
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
	DeleteBackup(ctx context.Context, id string) error
	ForceDeleteBackup(ctx context.Context, id string) error
	WaitGone(ctx context.Context, id string) error
}

type deleteOptions struct {
	con     *console
	now     func() time.Time
	print   func(output.View) error
	client  func(context.Context) (deleteClient, error)
	confirm func(what string, n int) error

	target  func(identified) string
	verb    string
	force   bool
	sel     selectionFlags
	out     outputFlags
	wait    waitFlags
	guard   guardFlags
	par     parallelFlags
	cascade bool
	// anyHost: the services are not looked at first.
	anyHost bool
	// oneAccount: Swift keeps the backups of all projects in one account.
	oneAccount bool
	remote     bool      // not an engine in this process
	planned    []planRow // of apply: in place of a selection
}

func newBackupDelete(f *Factory, run runner[deleteOptions]) *cobra.Command {
	o := newDeleteOptions(f, "backup-delete", false)
	cmd := o.command(f, run)
	cmd.Use = "backup-delete {BACKUP...|filters}"
	cmd.Short = "Delete backups that are available or error"
	cmd.Long = `Delete backups that are available or error: the objects on the store and the
row. This cannot be undone. One in another status is refused (exit 6):
backup-force-delete takes it.
` + deletionHelp
	cmd.Example = `  cinder-go backup-delete --dry-run --status error --older-than 30d
  cinder-go backup-delete --cascade monday-full
  cinder-go backup-delete --yes --max 20 --name 'nightly-*' --older-than 4w`
	return cmd
}

// deletionHelp is what the two verbs that delete have in common.
const deletionHelp = `
It asks first; away from a terminal it needs --yes. --dry-run shows what would
go, --plan FILE writes it down for "cinder-go apply FILE". Then it waits until
the rows are gone.

A backup that others stand on, in whatever project, is not deleted (exit 6),
for they could not be restored any more: --cascade deletes those too, leaf
first. The volume is not touched.

Exit 3: some were deleted, some not. Exit 4: accepted, but the backup is still
there when --timeout is over. Exit 10: declined at the prompt.`

func newDeleteOptions(f *Factory, verb string, force bool) *deleteOptions {
	o := &deleteOptions{con: f.con, now: f.now, target: f.target, verb: verb, force: force,
		client: func(ctx context.Context) (deleteClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	o.confirm = func(what string, n int) error { return confirm(f.prompt, f.g.yes, what, n) }
	return o
}

func (o *deleteOptions) command(f *Factory, run runner[deleteOptions]) *cobra.Command {
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
		o.remote, o.anyHost = !f.g.standalone, o.anyHost || f.g.standalone
		if err := first(o.out.check(resultColumns()), o.wait.check(&f.g), o.guard.check(), o.par.check(&f.g, defaultParallel),
			o.sel.check(&f.g, args)); err != nil {
			return err
		}
		return run(cmd.Context(), o)
	}}
	fs := cmd.Flags()
	o.sel.addFlags(fs)
	o.guard.addFlags(fs)
	o.guard.addPlan(fs)
	o.out.addFlags(fs)
	o.wait.addFlags(fs, 10*time.Minute)
	addSingleAccount(fs, &o.oneAccount)
	fs.BoolVar(&o.cascade, "cascade", false, "delete what stands on these backups as well, leaf first")
	return cmd
}

func runBackupDelete(ctx context.Context, o *deleteOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, o.verb)
	backups, err := o.selected(ctx, c, items)
	if err != nil {
		return err
	}
	fam, err := familyOf(ctx, c, o.par.n, backups, o.cascade)
	if err != nil {
		return err
	}
	if o.cascade {
		all, added := fam.cascade(backups)
		if added > 0 {
			o.con.note("--cascade adds %s: %s", plural(added, "backup"), idList(all[len(backups):]))
		}
		backups = all
	}
	backups = fam.leavesFirst(backups)
	refused, err := o.refuse(ctx, c, &fam, backups)
	if err != nil {
		return err
	}
	going := slices.DeleteFunc(slices.Clone(backups), func(b client.Backup) bool { return refused[b.ID] != nil })
	if err := o.guard.allows(len(going)); err != nil {
		return err
	}
	if o.guard.plan != "" {
		p := newPlan(o.verb, o.target(c), o.now(), going)
		p.AnyHost, p.SingleAccount = o.anyHost && o.remote, o.oneAccount
		if err := p.write(o.guard.plan); err != nil {
			return err
		}
	} else if !o.guard.dryRun {
		if err := o.confirm(deleteQuestion(going), len(going)); err != nil {
			return err
		}
	}
	gate := newGate(&fam, backups)
	atOnce := o.par.n
	if fam.blind {
		atOnce = 1 // one may stand on another: each waits for the younger ones
	}
	forEach(ctx, atOnce, backups, items, func(ctx context.Context, b client.Backup) result {
		r := result{id: b.ID, name: nameOf(b), status: string(b.Status), before: &b, err: refused[b.ID]}
		if r.err == nil {
			r.err = gate.wait(ctx, b.ID)
		}
		if r.err == nil {
			o.one(ctx, c, b, &r)
		}
		gate.pass(b.ID, r.err == nil)
		return r
	})
	if err := o.print(items.view()); err != nil {
		return err
	}
	if o.guard.plan != "" {
		o.con.note("nothing was deleted: cinder-go apply %s does it", o.guard.plan)
	}
	return items.finish()
}

// selected are the backups that were chosen, or those of a plan that are as it
// says.
func (o *deleteOptions) selected(ctx context.Context, c deleteClient, items *bulk) ([]client.Backup, error) {
	if o.planned != nil {
		return replan(ctx, c, o.par.n, o.planned, items, true), nil
	}
	return o.sel.find(ctx, c, o.now(), items)
}

func idList(backups []client.Backup) string {
	ids := make([]string, len(backups))
	for i, b := range backups {
		ids[i] = b.ID
	}
	return strings.Join(ids, ", ")
}

func deleteQuestion(backups []client.Backup) string {
	if len(backups) == 1 {
		b := backups[0]
		return fmt.Sprintf("Delete backup %s (%s, %s, %d GiB), data and row", b.ID, cmp.Or(nameOf(b), "no name"), b.Status, b.Size)
	}
	return fmt.Sprintf("Delete %d backups, data and rows", len(backups))
}

// refuse says which backups are not asked for, because the answer is known or
// would be a long silence.
func (o *deleteOptions) refuse(ctx context.Context, c deleteClient, fam *family, backups []client.Backup) (map[string]error, error) {
	refused := fam.refuse(o.verb, backups)
	var services hosts
	if o.force && !o.anyHost && len(backups) > 0 {
		var err error
		if services, err = backupHosts(ctx, c); err != nil {
			return nil, err
		}
	}
	whys := make([]error, len(backups))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(o.par.n)
	for i, b := range backups {
		if refused[b.ID] != nil {
			continue
		}
		group.Go(func() (err error) {
			whys[i], err = o.refuseOne(asking, c, fam, &services, b)
			return err
		})
	}
	err := group.Wait()
	for i, b := range backups {
		if whys[i] != nil {
			refused[b.ID] = whys[i]
		}
	}
	return refused, err
}

// refuseOne says why b itself is not asked for, nil when it is; an error when
// that could not be looked at.
func (o *deleteOptions) refuseOne(ctx context.Context, c deleteClient, fam *family, services *hosts, b client.Backup) (reason, err error) {
	if !o.force && b.Status != driverstate.StatusAvailable && b.Status != driverstate.StatusError {
		return withHint(backupError(b.ID, driverstate.ErrInvalidStatus, "not deleted: it is %s, and must be available or error", b.Status),
			"cinder-go backup-force-delete "+b.ID+" deletes it in any status; cinder-go doctor "+b.ID+" says what it is waiting for"), nil
	}
	if o.force && !o.anyHost {
		err := o.unanswered(ctx, c, services, b)
		if errors.Is(err, driverstate.ErrServiceDown) {
			return err, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if o.remote && !o.oneAccount && !fam.blind && foreignSwift(ctx, c, c.Identity().ProjectID, b) {
		return withHint(backupError(b.ID, driverstate.ErrConflict,
			"not deleted: it is in Swift and belongs to project %s; from another project Cinder would delete the row and leave its objects in that account", b.ProjectID),
			ownerHint(b)), nil
	}
	return nil, nil
}

// unanswered says that nobody would answer a forced deletion: Cinder asks the
// row's host first if its driver can do it, and waits in vain (cinder
// backup/api.py _check_support_to_force_delete).
func (o *deleteOptions) unanswered(ctx context.Context, c deleteClient, services *hosts, b client.Backup) error {
	if len(services.up) == 0 && !services.unknown {
		return services.noneUp(backupError(b.ID, driverstate.ErrServiceDown, "not asked for: no cinder-backup is up"),
			"start one, then repeat; without the cloud: cinder-go --standalone --store URL backup-force-delete "+b.ID)
	}
	state, service, err := services.of(ctx, c, b.ID)
	if err != nil {
		return err
	}
	text := absence(state, service, o.now())
	if text == "" {
		return nil
	}
	next := "cinder-go backup-delete " + b.ID + ", which another service can do"
	if b.Status != driverstate.StatusAvailable && b.Status != driverstate.StatusError {
		next = "cinder-go backup-reset-state --state error " + b.ID + ", which another service can do, then cinder-go backup-delete " + b.ID
	}
	return withHint(backupError(b.ID, driverstate.ErrServiceDown,
		"not asked for: %s, and Cinder would wait for its answer until the RPC time-out and then fail", text),
		next+"; or start the host again; --any-host asks all the same")
}

func (o *deleteOptions) one(ctx context.Context, c deleteClient, b client.Backup, r *result) {
	switch {
	case o.guard.plan != "":
		r.outcome, r.detail = skipped, "planned"
		return
	case o.guard.dryRun:
		r.outcome, r.detail = skipped, "dry run: would be deleted"
		return
	}
	r.outcome, r.detail = changed, "deleted"
	ask := c.DeleteBackup
	if o.force {
		ask = c.ForceDeleteBackup
	}
	err := ask(ctx, b.ID)
	if client.Lost(err) {
		err = o.afterLost(ctx, c, b.ID, err)
	}
	switch {
	case err == nil && o.wait.noWait:
		r.status, r.detail = string(driverstate.StatusDeleting), "accepted"
		return
	case err == nil:
		err = o.wait.within(ctx, "backup "+b.ID, func(ctx context.Context) error { return c.WaitGone(ctx, b.ID) })
		err = explained(ctx, c, b.ID, o.now(), err)
	case errors.Is(err, driverstate.ErrNotSupported):
		err = withHint(err, fmt.Sprintf("the driver of its host has no forced deletion: cinder-go backup-reset-state --state error %s, then cinder-go backup-delete %s", b.ID, b.ID))
	case errors.Is(err, driverstate.ErrNotFound):
		r.outcome, r.detail, err = unchanged, "gone already", nil
	}
	if r.err = err; err != nil {
		r.status, r.detail = "", ""
		return
	}
	r.status = string(driverstate.StatusDeleted)
}

// afterLost looks for what became of a deletion whose answer was lost. It is
// not asked for again.
func (o *deleteOptions) afterLost(ctx context.Context, c deleteClient, id string, lost error) error {
	b, err := c.ShowBackup(ctx, id)
	switch {
	case errors.Is(err, driverstate.ErrNotFound), err == nil && b.Status == driverstate.StatusDeleting:
		return nil // it did take effect; the wait sees it gone
	case err != nil:
		return lost
	}
	return lostButSame(lost, "the backup is still "+string(b.Status), "cinder-go backup-show "+id)
}
