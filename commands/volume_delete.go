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

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type volumeDeleteClient interface {
	volumeFinder
	messageLister
	snapshotListClient
	ShowVolume(ctx context.Context, id string) (client.Volume, error)
	DeleteVolume(ctx context.Context, id string) error
	ForceDeleteVolume(ctx context.Context, id string) error
	WaitVolumeGone(ctx context.Context, id string) error
}

type volumeDeleteOptions struct {
	con     *console
	print   func(output.View) error
	client  func(context.Context) (volumeDeleteClient, error)
	confirm func(what string, n int) error

	standalone bool
	out        outputFlags
	wait       waitFlags
	guard      guardFlags
	par        parallelFlags
	force      bool
	refs       []string
}

func newVolumeDelete(f *Factory, run runner[volumeDeleteOptions]) *cobra.Command {
	o := &volumeDeleteOptions{con: f.con, client: func(ctx context.Context) (volumeDeleteClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	o.confirm = func(what string, n int) error { return confirm(f.prompt, f.g.yes, what, n) }
	cmd := &cobra.Command{
		Use:   "volume-delete VOLUME...",
		Short: "Delete volumes, such as those of failed restores",
		Long: `Delete volumes and their data, by id or name, and wait until they are gone. This
cannot be undone. Backups of them stay and can still be restored.

It asks first; away from a terminal it needs --yes. --dry-run shows what would
go. A volume that is attached, or that has snapshots, is refused (exit 6), and
so is one in a status that Cinder does not delete from: --force deletes it
whatever its status (admin), but never while it is attached.

Exit 3: some were deleted, some not. Exit 4: accepted, but the volume is still
there. Exit 10: declined at the prompt.`,
		Example: `  cinder-go volume-delete --dry-run restore-target
  cinder-go volume-delete --yes restore-target 8b3d499c-9301-44d3-a41f-414bf2c5f6a5
  cinder-go volume-delete --force stuck-in-restoring`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.standalone = f.g.standalone
			if err = first(o.out.check(resultColumns()), o.wait.check(&f.g), o.guard.check(), o.par.check(&f.g, defaultParallel)); err != nil {
				return err
			}
			if o.refs, err = atLeastOneVolume(args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.wait.addFlags(fs, 10*time.Minute)
	o.guard.addFlags(fs)
	aboutVolumes(fs)
	fs.BoolVar(&o.force, "force", false, "delete it in any status (admin)")
	return cmd
}

func runVolumeDelete(ctx context.Context, o *volumeDeleteOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "volume-delete")
	volumes := findVolumes(ctx, c, o.refs, items)
	refused := map[string]error{}
	for _, v := range volumes {
		if err := o.refuse(ctx, c, v); err != nil {
			refused[v.ID] = err
		}
	}
	going := slices.DeleteFunc(slices.Clone(volumes), func(v client.Volume) bool { return refused[v.ID] != nil })
	if err := o.guard.allows(len(going)); err != nil {
		return err
	}
	if !o.guard.dryRun {
		if err := o.confirm(volumeQuestion(going), len(going)); err != nil {
			return err
		}
	}
	forEach(ctx, o.par.n, volumes, items, func(ctx context.Context, v client.Volume) result {
		r := result{id: v.ID, name: volumeName(v), status: string(v.Status), before: &v, err: refused[v.ID]}
		switch {
		case r.err != nil:
		case o.guard.dryRun:
			r.outcome, r.detail = skipped, "dry run: would be deleted"
		default:
			o.one(ctx, c, v, &r)
		}
		return r
	})
	if err := o.print(items.view()); err != nil {
		return err
	}
	return items.finish()
}

func volumeQuestion(volumes []client.Volume) string {
	if len(volumes) == 1 {
		v := volumes[0]
		return fmt.Sprintf("Delete volume %s (%s, %s, %d GiB) and its data", v.ID, cmp.Or(volumeName(v), "no name"), v.Status, v.Size)
	}
	return fmt.Sprintf("Delete %d volumes and their data", len(volumes))
}

// deletableVolume are the statuses that Cinder deletes a volume from without
// force (cinder/volume/api.py delete).
var deletableVolume = []driverstate.VolumeStatus{driverstate.VolumeAvailable, driverstate.VolumeError,
	driverstate.VolumeErrorRestoring, "error_extending", "error_managing"}

// refuse says why a volume is not asked for, when the answer is known; nil when
// nothing is against it.
func (o *volumeDeleteOptions) refuse(ctx context.Context, c volumeDeleteClient, v client.Volume) error {
	if to := attachedTo(v); len(to) > 0 {
		return withHint(volumeError(v.ID, driverstate.ErrInvalidStatus, "not deleted: it is %s, attached to %s", v.Status, strings.Join(to, ", ")),
			"detach it first, where it is in use: openstack server remove volume SERVER "+v.ID)
	}
	if !o.force && !slices.Contains(deletableVolume, v.Status) {
		return withHint(volumeError(v.ID, driverstate.ErrInvalidStatus, "not deleted: it is %s", v.Status),
			"if nothing works on it any more: cinder-go volume-delete --force "+v.ID)
	}
	snapshots, err := c.ListSnapshots(ctx, client.SnapshotListOpts{VolumeID: v.ID})
	if err != nil && !errors.Is(err, driverstate.ErrNotSupported) { // an engine has no snapshots
		return err
	}
	if n := len(snapshots); n > 0 {
		return withHint(volumeError(v.ID, driverstate.ErrHasDependents, "not deleted: it has %s", plural(n, "snapshot")),
			"look: cinder-go snapshot-list --all-projects --volume-id "+v.ID)
	}
	return nil
}

func (o *volumeDeleteOptions) one(ctx context.Context, c volumeDeleteClient, v client.Volume, r *result) {
	ask := c.DeleteVolume
	if o.force {
		ask = c.ForceDeleteVolume
	}
	err := ask(ctx, v.ID)
	if client.Lost(err) {
		err = afterLostVolume(ctx, c, v.ID, err)
	}
	switch {
	case errors.Is(err, driverstate.ErrNotFound):
		r.outcome, r.status, r.detail = unchanged, "", "gone already"
		return
	case err != nil:
		r.err = notHere(err, o.standalone)
		return
	case o.wait.noWait:
		r.outcome, r.status, r.detail = changed, string(driverstate.VolumeDeleting), "accepted"
		return
	}
	err = o.wait.within(ctx, "volume "+v.ID, func(ctx context.Context) error { return c.WaitVolumeGone(ctx, v.ID) })
	if err != nil {
		r.err, r.status = volumeOutcome(ctx, c, v.ID, err), ""
		return
	}
	r.outcome, r.status, r.detail = changed, "deleted", "was "+string(v.Status)
}

// afterLostVolume looks for what became of a deletion whose answer was lost. It
// is not asked for again.
func afterLostVolume(ctx context.Context, c volumeDeleteClient, id string, lost error) error {
	v, err := c.ShowVolume(ctx, id)
	switch {
	case errors.Is(err, driverstate.ErrNotFound), err == nil && v.Status == driverstate.VolumeDeleting:
		return nil // it did take effect; the wait sees it gone
	case err != nil:
		return lost
	}
	return lostButSame(lost, "the volume is still "+string(v.Status), "cinder-go volume-show "+id)
}
