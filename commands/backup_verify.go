package commands

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// problemsShown is how many problems of one backup are told on standard error;
// the machine formats have all.
const problemsShown = 5

type verifyClient interface {
	selector
	Verify(ctx context.Context, id string, d driverstate.Depth) (client.Verification, error)
}

type verifyOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (verifyClient, error)

	out   outputFlags
	depth driverstate.Depth
	all   bool
	sel   selectionFlags
	now   func() time.Time
}

func newBackupVerify(f *Factory, run runner[verifyOptions]) *cobra.Command {
	o := &verifyOptions{con: f.con, now: f.now, client: func(ctx context.Context) (verifyClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var depth string
	cmd := &cobra.Command{
		Use:   "backup-verify {BACKUP...|filters|--all}",
		Short: "Prove that backups are whole",
		Long: `Look at backups on the store, each with the chain that it stands on.

  --depth data        read, inflate and hash every byte (default)
  --depth structure   documents, presence and size of objects, chain: seconds

It works on the engine, for backups that have a row, and by id for those that
only the store has. It changes nothing: neither the store nor the status.
backup-reset-state acts on what was found.

Exit 9: at least one backup is not whole. Of each, the first problems are told
on standard error, and all of them with -f json.`,
		Example: `  cinder-go backup-verify nightly
  cinder-go backup-verify --all --depth structure
  cinder-go backup-verify --all -f json > report.json`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.depth, err = driverstate.ParseDepth(depth); err != nil {
				return &usageError{err}
			}
			if err = o.out.check(verifyColumns()); err != nil {
				return err
			}
			if err = o.sel.checkOrAll(&f.g, args, o.all); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.sel.addFlags(fs)
	fs.StringVar(&depth, "depth", string(driverstate.DepthData), "`DEPTH` of the look: structure or data")
	fs.BoolVar(&o.all, "all", false, "every backup that has a row")
	return cmd
}

func verifyColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"}, {Key: "name", Title: "Name"}, {Key: "condition", Title: "Condition"},
		{Key: "reason", Title: "Reason"}, {Key: "depth", Title: "Depth", Wide: true}, {Key: "method", Title: "Method"},
		{Key: "bytes_read", Title: "Bytes Read"}, {Key: "objects_read", Title: "Objects Read"},
		{Key: "warnings", Title: "Warnings", Wide: true}, {Key: "problems", Title: "Problems", Wide: true},
	}
}

func runBackupVerify(ctx context.Context, o *verifyOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-verify")
	backups, err := o.selectBackups(ctx, c, items)
	if err != nil {
		return err
	}
	view := output.View{Columns: verifyColumns()}
	broken := false
	for _, b := range backups {
		v, err := c.Verify(ctx, b.ID, o.depth)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			items.add(result{id: b.ID, name: nameOf(b), err: err})
			continue
		}
		view.Rows = append(view.Rows, []any{b.ID, b.Name, string(v.Condition), orNil(v.Reason), string(v.Depth),
			orNil(v.Method), v.BytesRead, v.ObjectsRead, list(v.Warnings), list(v.Problems)})
		r := result{id: b.ID, name: nameOf(b), outcome: unchanged}
		if v.Condition != driverstate.ConditionWhole {
			broken = true
			r.err = o.condemn(b.ID, v)
		}
		items.add(r)
	}
	if err := o.print(view); err != nil {
		return err
	}
	err = items.finish()
	if broken {
		return &notWholeError{err}
	}
	return err
}

func (o *verifyOptions) selectBackups(ctx context.Context, c verifyClient, items *bulk) ([]client.Backup, error) {
	if o.all {
		everyone := true
		backups, err := c.ListBackups(ctx, client.ListOpts{AllProjects: &everyone})
		if err == nil && len(backups) == 0 {
			o.con.warn("", "no backup has a row: cinder-go backup-manage --all takes those of the store")
		}
		return backups, err
	}
	var backups []client.Backup
	if len(o.sel.refs) == 0 || o.sel.chain {
		return o.sel.find(ctx, c, o.now(), items)
	}
	for _, ref := range o.sel.refs {
		b, err := c.FindBackup(ctx, ref)
		if errors.Is(err, driverstate.ErrNotFound) && isID(ref) {
			b, err = client.Backup{ID: ref}, nil // the store may have it
		}
		if err != nil {
			items.fail(ref, err)
			continue
		}
		backups = append(backups, b)
	}
	return backups, nil
}

// condemn tells what is wrong with a backup, and returns it as an error.
func (o *verifyOptions) condemn(id string, v client.Verification) error {
	for i, p := range v.Problems {
		if i == problemsShown {
			o.con.warn(id, "and %d more problems: -f json tells them all", len(v.Problems)-i)
			break
		}
		where := p.Object
		if p.BackupID != "" && p.BackupID != id {
			where = "of backup " + p.BackupID + " below it: " + where
		}
		if p.Length > 0 {
			o.con.warn(id, "%s: %s; bytes %d to %d of the volume are lost", where, p.Reason, p.Offset, p.Offset+p.Length-1)
		} else {
			o.con.warn(id, "%s: %s", where, p.Reason)
		}
	}
	return withHint(backupError(id, driverstate.ErrCorrupt, "is %s: %s", v.Condition, v.Reason),
		"older backups of the same volume may be whole: cinder-go backup-list")
}

// notWholeError makes what is not whole count before all else that failed.
type notWholeError struct{ err error }

func (e *notWholeError) Error() string   { return e.err.Error() }
func (e *notWholeError) Unwrap() []error { return []error{e.err, driverstate.ErrCorrupt} }

var idForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func isID(s string) bool { return idForm.MatchString(s) }

// list keeps an empty list from becoming null in JSON.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
