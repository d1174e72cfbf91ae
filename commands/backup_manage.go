package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type manageClient interface {
	manageableLister
	ManageBackup(ctx context.Context, o client.ManageOpts) (client.Backup, error)
}

type manageOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (manageClient, error)

	out      outputFlags
	guard    guardFlags
	all      bool
	orphaned bool
	damaged  bool
	refs     []string
}

func newBackupManage(f *Factory, run runner[manageOptions]) *cobra.Command {
	o := &manageOptions{con: f.con, client: func(ctx context.Context) (manageClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "backup-manage {BACKUP...|--all}",
		Short: "Take backups of the store under management",
		Long: `Make a row for backups that the store holds and the engine's database does not:
afterwards backup-list, -show, -verify, -export and -restore know them.

What an increment stands on is taken with it. Whole backups become available.
With --include-orphaned and --include-damaged others are taken too, and become
error, with the reason. A backup that was never finished is never taken. --all
takes what it may and skips the rest; a backup that is named and may not be
taken is an error (exit 6).

It writes rows only; the store is not touched. A backup that has a row already
is left alone, so it is safe to run it again. It does not read the data: look
with backup-manageable-list --verify first, or with backup-verify afterwards.`,
		Example: `  cinder-go --standalone --store posix:///srv/backup backup-manage --all
  cinder-go --standalone --store posix:///srv/backup backup-manage nightly
  cinder-go --standalone --store posix:///srv/backup backup-manage --all --include-damaged --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err = refsOrAll(args, o.all); err != nil {
				return err
			}
			if err = first(o.out.check(resultColumns()), o.guard.check()); err != nil {
				return err
			}
			if o.refs, err = refs(args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.guard.addFlags(fs)
	fs.BoolVar(&o.all, "all", false, "every backup on the store")
	fs.BoolVar(&o.orphaned, "include-orphaned", false, "also those whose parent is not in the store, as error")
	fs.BoolVar(&o.damaged, "include-damaged", false, "also those that are damaged, as error")
	return cmd
}

func runBackupManage(ctx context.Context, o *manageOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	found, err := c.ManageableBackups(ctx, client.ManageableOpts{})
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-manage")
	picked := o.selectFound(found, items)
	rows := 0
	for _, m := range picked {
		if !m.Managed && o.admits(m) {
			rows++
		}
	}
	if err := o.guard.allows(rows); err != nil {
		return err
	}
	for _, m := range picked {
		items.add(o.manage(ctx, c, m))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := o.print(items.view()); err != nil {
		return err
	}
	return items.finish()
}

// selectFound returns what was asked for, in the order of the list, which is
// by age: a parent before those that stand on it.
func (o *manageOptions) selectFound(found []client.Manageable, items *bulk) []client.Manageable {
	if o.all {
		return found
	}
	var picked []int
	for _, ref := range o.refs {
		var hits []int
		for i, m := range found {
			if m.ID == ref {
				hits = []int{i}
				break
			}
			if m.Name != nil && *m.Name == ref {
				hits = append(hits, i)
			}
		}
		switch len(hits) {
		case 0:
			items.fail(ref, withHint(backupError(ref, driverstate.ErrNotFound, "the store holds none of this id or name"),
				"cinder-go backup-manageable-list"))
		case 1:
			picked = append(picked, hits[0])
		default:
			ids := make([]string, len(hits))
			for i, h := range hits {
				ids[i] = found[h].ID
			}
			items.fail(ref, backupError(ref, driverstate.ErrConflict, "several have this name, say which id: %s", strings.Join(ids, ", ")))
		}
	}
	picked = withAncestors(found, picked)
	out := make([]client.Manageable, len(picked))
	for i, p := range picked {
		out[i] = found[p]
	}
	return out
}

// withAncestors is picked and all that those stand on, in the order of the list:
// without the rows of those, nothing could be restored. Of copies in several
// stores it is the one beside the increment.
func withAncestors(found []client.Manageable, picked []int) []int {
	type place struct{ host, id string }
	at := make(map[place]int, len(found))
	for i, m := range found {
		for _, key := range []place{{m.Host, m.ID}, {"", m.ID}} {
			if _, known := at[key]; !known {
				at[key] = i
			}
		}
	}
	taken := map[int]bool{}
	for _, i := range picked {
		for more := true; more && !taken[i]; {
			taken[i] = true
			m := found[i]
			next, known := at[place{m.Host, m.ParentID}]
			if !known {
				next, known = at[place{"", m.ParentID}]
			}
			if more = known && m.ParentID != ""; more {
				i = next
			}
		}
	}
	return slices.Sorted(maps.Keys(taken))
}

// admits reports whether a backup in this condition may get a row.
func (o *manageOptions) admits(m client.Manageable) bool {
	return m.Condition == driverstate.ConditionWhole ||
		m.Condition == driverstate.ConditionOrphaned && o.orphaned ||
		m.Condition == driverstate.ConditionDamaged && o.damaged
}

func (o *manageOptions) manage(ctx context.Context, c manageClient, m client.Manageable) result {
	r := result{id: m.ID, outcome: unchanged, detail: "has a row already"}
	if m.Name != nil {
		r.name = *m.Name
	}
	admitted := o.admits(m)
	switch {
	case m.Managed:
		return r
	case !admitted && o.all:
		r.outcome, r.detail = skipped, fmt.Sprintf("%s: %s", m.Condition, m.Reason)
		return r
	case o.guard.dryRun && admitted:
		r.outcome, r.detail = skipped, fmt.Sprintf("dry run: would be managed (%s)", m.Condition)
		return r
	case !admitted:
		r.detail = ""
		r.err = withHint(backupError(m.ID, driverstate.ErrInvalidStatus, "on the store it is %s: %s", m.Condition, m.Reason),
			includeHint(m.Condition))
		return r
	}
	b, err := c.ManageBackup(ctx, client.ManageOpts{ID: m.ID, Host: m.Host, AllowOrphaned: o.orphaned, AllowDamaged: o.damaged})
	r.outcome, r.status, r.detail, r.err = changed, string(b.Status), m.Reason, err
	if err != nil {
		r.status, r.detail = "", ""
	}
	return r
}

// takeHint is how m gets a row.
func takeHint(m client.Manageable) string {
	switch m.Condition {
	case driverstate.ConditionOrphaned:
		return "cinder-go backup-manage --include-orphaned " + m.ID
	case driverstate.ConditionDamaged:
		return "cinder-go backup-manage --include-damaged " + m.ID
	case driverstate.ConditionPartial:
		return includeHint(m.Condition)
	}
	return "cinder-go backup-manage " + m.ID
}

func includeHint(c driverstate.Condition) string {
	switch c {
	case driverstate.ConditionOrphaned:
		return "--include-orphaned takes it all the same, as error"
	case driverstate.ConditionDamaged:
		return "--include-damaged takes it all the same, as error"
	}
	return "it was never finished: other backups of the volume may be whole: cinder-go backup-manageable-list"
}
