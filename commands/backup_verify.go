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
	VerifyAll(ctx context.Context, o client.VerifyOpts) (client.Verification, error)
}

type verifyOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (verifyClient, error)

	out    outputFlags
	depth  driverstate.Depth
	subset driverstate.Subset
	since  time.Duration // 0 for not asked
	all    bool
	remote bool // not an engine in this process, which tells of its progress itself
	sel    selectionFlags
	now    func() time.Time
}

func newBackupVerify(f *Factory, run runner[verifyOptions]) *cobra.Command {
	o := &verifyOptions{con: f.con, now: f.now, client: func(ctx context.Context) (verifyClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var depth, subset, since string
	cmd := &cobra.Command{
		Use:   "backup-verify {BACKUP...|filters|--all}",
		Short: "Prove that backups are whole",
		Long: `Look at backups on the store, each with the chain that it stands on.

  --depth data        read, inflate and hash every byte (default)
  --depth structure   documents, presence and size of objects, chain: seconds
  --subset 2/7        of the data, the second of seven parts, always the same
  --subset 5%         or 20G: what was not read longest, what never was first
  --not-verified-since 30d   only what was not read and proven for so long

What several backups of a chain need is read once. What was proven when is
remembered, so that a nightly --subset 5% has read everything after 20 nights,
and then begins again. What was found damaged is read again each time. No
backup is condemned on one bad read.

It works on the engine, for backups that have a row, and by id for those that
only the store has. It changes nothing: neither the store nor the status.
backup-reset-state acts on what was found.

Exit 9: at least one backup is not whole. Of each, the first problems are told
on standard error, and all of them with -f json.`,
		Example: `  cinder-go backup-verify nightly
  cinder-go backup-verify --all --depth structure
  cinder-go backup-verify --all --subset 5%
  cinder-go backup-verify --all --not-verified-since 30d --subset 500G
  cinder-go backup-verify --all -f json > report.json`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.depth, err = driverstate.ParseDepth(depth); err != nil {
				return &usageError{err}
			}
			if o.subset, err = driverstate.ParseSubset(subset); err != nil {
				return &usageError{err}
			}
			if since != "" {
				if o.since, err = parseAge(since); err != nil {
					return err
				}
			}
			if o.depth != driverstate.DepthData && (subset != "" || since != "") {
				return usagef("--subset and --not-verified-since choose among the data: --depth structure reads none")
			}
			if err = o.out.check(verifyColumns()); err != nil {
				return err
			}
			if err = o.sel.checkOrAll(&f.g, args, o.all); err != nil {
				return err
			}
			o.remote = !f.g.standalone
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.out.addLong(fs)
	o.sel.addFlags(fs)
	fs.StringVar(&depth, "depth", string(driverstate.DepthData), "`DEPTH` of the look: structure or data")
	fs.StringVar(&subset, "subset", "", "read a `PART` of the data of all of them: n/t, x%, or a size such as 20G")
	fs.StringVar(&since, "not-verified-since", "", "read only what was not proven within this `AGO`: 12h, 30d, 2w")
	fs.BoolVar(&o.all, "all", false, "every backup that has a row")
	return cmd
}

func verifyColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"}, {Key: "name", Title: "Name"}, {Key: "condition", Title: "Condition"},
		{Key: "reason", Title: "Reason"}, {Key: "depth", Title: "Depth", Wide: true}, {Key: "method", Title: "Method"},
		{Key: "bytes_read", Title: "Bytes Read"}, {Key: "objects_read", Title: "Objects Read"},
		{Key: "verified_at", Title: "Verified At"}, {Key: "share", Title: "Share"}, {Key: "bytes", Title: "Bytes", Wide: true},
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
	if len(backups) > 0 {
		verified, err := o.verify(ctx, c, backups)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && len(backups) > 1 {
			return err // none was looked at
		}
		for _, b := range backups {
			r := result{id: b.ID, name: nameOf(b), outcome: unchanged, err: err}
			v, ok := verified[b.ID]
			switch {
			case err != nil:
			case !ok:
				r.err = backupError(b.ID, driverstate.ErrNotFound, "was deleted meanwhile")
			case v.Err != nil:
				r.err = v.Err
			case v.Skipped:
				r.outcome = skipped
			default:
				view.Rows = append(view.Rows, o.row(b, v))
				if v.Condition != driverstate.ConditionWhole {
					broken = true
					r.err = o.condemn(b.ID, v)
				}
			}
			items.add(r)
		}
	}
	if len(view.Rows) > 0 || items.count(failed) == 0 {
		if err := o.print(view); err != nil {
			return err
		}
	}
	err = items.finish()
	if broken {
		return &notWholeError{err}
	}
	return err
}

// verify looks at backups, all in one run of the engine, and returns what it
// found, by id.
func (o *verifyOptions) verify(ctx context.Context, c verifyClient, backups []client.Backup) (map[string]client.Verified, error) {
	ask := client.VerifyOpts{All: o.all, Depth: o.depth, Subset: o.subset}
	if o.since > 0 {
		ask.NotSince = o.now().Add(-o.since)
	}
	if !o.all {
		for _, b := range backups {
			ask.BackupIDs = append(ask.BackupIDs, b.ID)
		}
	}
	if o.remote && o.depth == driverstate.DepthData {
		ask.Watch = o.follow(ask.BackupIDs)
	}
	v, err := c.VerifyAll(ctx, ask)
	if err != nil {
		return nil, err
	}
	found := make(map[string]client.Verified, len(v.Results))
	for _, r := range v.Results {
		found[r.BackupID] = r
	}
	return found, nil
}

// follow shows how far a verification is, as often as the client looks. What
// bounds it only its engine knows.
func (o *verifyOptions) follow(ids []string) func(client.Verification) {
	e := driverstate.Event{Type: driverstate.EventStart, Op: "verify"}
	if len(ids) == 1 {
		e.BackupID = ids[0]
	}
	return func(v client.Verification) {
		e.Time, e.BytesDone, e.BytesTotal = o.now(), max(e.BytesDone, v.BytesDone), max(e.BytesTotal, v.BytesTotal)
		switch v.Status {
		case driverstate.VerificationRunning:
		case driverstate.VerificationFailed:
			e.Type, e.Message = driverstate.EventError, v.Error
		default:
			e.Type = driverstate.EventEnd
		}
		o.con.Observe(e)
		e.Type = driverstate.EventProgress
	}
}

func (o *verifyOptions) row(b client.Backup, v client.Verified) []any {
	var verifiedAt any
	if !v.VerifiedAt.IsZero() {
		verifiedAt = v.VerifiedAt
	}
	return []any{b.ID, b.Name, string(v.Condition), orNil(v.Reason), string(o.depth), orNil(v.Method), v.BytesRead, v.ObjectsRead,
		verifiedAt, v.Share, v.Bytes, list(v.Warnings), list(v.Problems)}
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
func (o *verifyOptions) condemn(id string, v client.Verified) error {
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
