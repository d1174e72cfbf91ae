package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type volumeResetClient interface {
	volumeFinder
	messageLister
	backupLister
	ShowVolume(ctx context.Context, id string) (client.Volume, error)
	ResetVolumeStatus(ctx context.Context, id string, to driverstate.VolumeStatus) error
}

type volumeResetOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (volumeResetClient, error)

	standalone bool
	out        outputFlags
	guard      guardFlags
	par        parallelFlags
	state      driverstate.VolumeStatus
	refs       []string
}

func newVolumeResetState(f *Factory, run runner[volumeResetOptions]) *cobra.Command {
	o := &volumeResetOptions{con: f.con, client: func(ctx context.Context) (volumeResetClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var state string
	cmd := &cobra.Command{
		Use:   "volume-reset-state --state STATUS VOLUME...",
		Short: "Set the status of stuck volumes",
		Long: `Set the status of volumes that a backup or a restore left in backing-up or
restoring-backup, or that ended as error (admin). There is no default for
--state: say what you mean. After a backup it is available, or in-use for one
that is attached; after a restore the data is half written: error, or delete it.

It changes the row alone, at once and unseen: not the data, not the attachments,
and it stops nothing that still works on the volume. It warns of those it can
see. A volume that has the status already is left alone.

Exit 4: accepted, but the volume did not get the status.`,
		Example: `  cinder-go volume-reset-state --state available database
  cinder-go volume-reset-state --state error --dry-run restore-1 restore-2
  cinder-go volume-reset-state --state in-use database -f json`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.standalone = f.g.standalone
			if o.state = driverstate.VolumeStatus(strings.ToLower(strings.TrimSpace(state))); o.state == "" {
				return usagef("--state is needed, such as available, in-use or error")
			}
			if err = first(o.out.check(volumeResetColumns()), o.guard.check(), o.par.check(&f.g, defaultParallel)); err != nil {
				return err
			}
			if o.refs, err = atLeastOneVolume(args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&state, "state", "", "`STATUS` to set, such as available, in-use or error (required)")
	o.out.addFlags(fs)
	o.guard.addFlags(fs)
	aboutVolumes(fs)
	return cmd
}

func volumeResetColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"}, {Key: "name", Title: "Name"}, {Key: "result", Title: "Result"},
		{Key: "status_before", Title: "Status Before"}, {Key: "status", Title: "Status"}, {Key: "detail", Title: "Detail"},
	}
}

func runVolumeResetState(ctx context.Context, o *volumeResetOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "volume-reset-state")
	volumes := findVolumes(ctx, c, o.refs, items)
	var n int
	before := map[string]driverstate.VolumeStatus{}
	for _, v := range volumes {
		before[v.ID] = v.Status
		if v.Status != o.state {
			n++
			o.warn(ctx, c, v)
		}
	}
	if err := o.guard.allows(n); err != nil {
		return err
	}
	forEach(ctx, o.par.n, volumes, items, func(ctx context.Context, v client.Volume) result {
		r := result{id: v.ID, name: volumeName(v), status: string(v.Status), outcome: unchanged, before: &v}
		switch {
		case v.Status == o.state:
		case o.guard.dryRun:
			r.outcome, r.detail = skipped, "dry run: would become "+string(o.state)
		default:
			o.reset(ctx, c, v, &r)
		}
		return r
	})
	view := output.View{Columns: volumeResetColumns()}
	for _, r := range items.results {
		view.Rows = append(view.Rows, []any{r.id, orNil(r.name), string(r.outcome), orNil(string(before[r.id])), orNil(r.status), orNil(r.detail)})
	}
	if err := o.print(view); err != nil {
		return err
	}
	return items.finish()
}

// warn tells of what a new status would hide.
func (o *volumeResetOptions) warn(ctx context.Context, c volumeResetClient, v client.Volume) {
	to := attachedTo(v)
	switch {
	case len(to) > 0 && o.state != driverstate.VolumeInUse:
		o.con.warn("", "volume %s: it is attached to %s, and stays so; only as in-use it is safe from a second attachment",
			v.ID, strings.Join(to, ", "))
	case v.Status == driverstate.VolumeInUse:
		o.con.warn("", "volume %s: it is in-use, although no attachment is known", v.ID)
	}
	if v.Status != driverstate.VolumeBackingUp {
		return
	}
	backups, err := c.ListBackups(ctx, client.ListOpts{VolumeID: v.ID, Status: string(driverstate.StatusCreating)})
	if err != nil {
		return // what may not be seen is not warned of
	}
	for _, b := range backups {
		o.con.warn("", "volume %s: its backup %s is still creating, and if a service works on it, it reads on while the volume changes", v.ID, b.ID)
	}
}

func (o *volumeResetOptions) reset(ctx context.Context, c volumeResetClient, v client.Volume, r *result) {
	err := c.ResetVolumeStatus(ctx, v.ID, o.state)
	if err != nil && !client.Lost(err) {
		r.err = notHere(err, o.standalone)
		return
	}
	after, showErr := c.ShowVolume(ctx, v.ID)
	switch {
	case showErr != nil:
		r.status, r.err = "", fmt.Errorf("the status was asked for, and what became of it cannot be seen: %w", first(err, showErr))
		return
	case after.Status != o.state && err != nil:
		r.err = lostButSame(err, "the volume is still "+string(after.Status), "cinder-go volume-show "+v.ID)
	case after.Status != o.state:
		r.err = volumeOutcome(ctx, c, v.ID, volumeError(v.ID, driverstate.ErrNotApplied, "is %s, not %s", after.Status, o.state))
	default:
		r.outcome, r.detail = changed, "was "+string(v.Status)
	}
	r.status, r.after = string(after.Status), &after
}
