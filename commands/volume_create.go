package commands

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type volumeCreateClient interface {
	messageLister
	CreateVolume(ctx context.Context, o client.CreateVolumeOpts) (client.Volume, error)
	ListVolumes(ctx context.Context, o client.VolumeListOpts) ([]client.Volume, error)
	WaitVolume(ctx context.Context, id string, until func(client.Volume) (bool, error)) (client.Volume, error)
}

type volumeCreateOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (volumeCreateClient, error)

	standalone bool
	out        outputFlags
	wait       waitFlags
	ask        client.CreateVolumeOpts
}

func newVolumeCreate(f *Factory, run runner[volumeCreateOptions]) *cobra.Command {
	o := &volumeCreateOptions{con: f.con, client: func(ctx context.Context) (volumeCreateClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var metadata []string
	cmd := &cobra.Command{
		Use:   "volume-create SIZE",
		Short: "Create a volume, such as a target for a restore",
		Long: `Create a blank volume of SIZE GiB, or one from a snapshot, and wait until it is
available. To make one from a backup, restore it: backup-restore --name NAME.

The request is sent once. When its answer is lost, a volume of that name that
was not there before is looked for instead.

Exit 4: accepted, but the volume became error, or is still not available when
--timeout is over.`,
		Example: `  cinder-go volume-create 100 --name restore-target
  cinder-go volume-create 100 --name restore-target --volume-type ssd -f value -c id
  cinder-go volume-create 100 --snapshot-id 4b3f… --metadata purpose=test`,
		Args: exactly(1, "say the size of one volume in GiB"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.standalone = f.g.standalone
			if o.ask.Size, err = strconv.ParseInt(args[0], 10, 64); err != nil || o.ask.Size < 1 {
				return usagef("size %q is no number of GiB", args[0])
			}
			if o.ask.Metadata, err = keyValues("metadata", metadata); err != nil {
				return err
			}
			if err := first(o.out.check(volumeColumns()), o.wait.check(&f.g),
				storable(&f.g, "--name", o.ask.Name), storable(&f.g, "--description", o.ask.Description),
				storable(&f.g, "--metadata", metadata...)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.wait.addFlags(fs, 10*time.Minute)
	aboutVolumes(fs)
	fs.StringVar(&o.ask.Name, "name", "", "`NAME` of the volume")
	fs.StringVar(&o.ask.Description, "description", "", "`TEXT` that describes it")
	fs.StringVar(&o.ask.VolumeType, "volume-type", "", "`TYPE` by name or id; the cloud's default when left out")
	fs.StringVar(&o.ask.AvailabilityZone, "availability-zone", "", "`ZONE` to create it in")
	fs.StringVar(&o.ask.SnapshotID, "snapshot-id", "", "`ID` of the snapshot to create it from")
	fs.StringArrayVar(&metadata, "metadata", nil, "`KEY=VALUE` to keep with it; may be repeated")
	return cmd
}

// storable refuses text that Cinder's tables cannot hold: they are utf8mb3, and
// a character of 4 bytes ends the request with a 500. With a backup's name the
// volume is then left in backing-up for ever.
func storable(g *globalFlags, flag string, texts ...string) error {
	if g.standalone {
		return nil
	}
	for _, text := range texts {
		for _, r := range text {
			if isWide(r) {
				return usagef("%s: the character %q cannot be stored: Cinder's tables have no room for characters of 4 bytes, such as emoji, and the request would end in a server error", flag, r)
			}
		}
	}
	return nil
}

// isWide reports whether UTF-8 takes 4 bytes for r.
func isWide(r rune) bool { return r > 0xFFFF }

func runVolumeCreate(ctx context.Context, o *volumeCreateOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "volume-create")
	before, err := o.alike(ctx, c)
	if err != nil {
		return failOne(items, o.ask.Name, err)
	}
	v, err := c.CreateVolume(ctx, o.ask)
	if client.Lost(err) {
		v, err = o.afterLost(ctx, c, before, err)
	}
	if errors.Is(err, driverstate.ErrNotFound) || errors.Is(err, driverstate.ErrInvalidInput) {
		err = withHint(err, "nothing was made: look at --volume-type, --snapshot-id, --availability-zone and the size")
	}
	if err != nil {
		return failOne(items, o.ask.Name, notHere(err, o.standalone))
	}
	r := result{id: v.ID, name: volumeName(v), outcome: changed}
	if !o.wait.noWait {
		o.con.note("volume %s: accepted, waiting until it is available", v.ID)
		var waited error
		if v, waited = o.await(ctx, c, v); waited != nil {
			r.err = volumeOutcome(ctx, c, v.ID, waited)
		}
	}
	r.status = string(v.Status)
	if err := o.print(output.View{Columns: volumeColumns(), Rows: [][]any{volumeRow(v)}, Single: true}); err != nil {
		return err
	}
	items.add(r)
	return items.finish()
}

// await returns the volume as it was last seen, also with an error.
func (o *volumeCreateOptions) await(ctx context.Context, c volumeCreateClient, v client.Volume) (client.Volume, error) {
	err := o.wait.within(ctx, "volume "+v.ID, func(ctx context.Context) error {
		_, err := c.WaitVolume(ctx, v.ID, func(seen client.Volume) (bool, error) {
			v = seen
			switch v.Status {
			case driverstate.VolumeAvailable:
				return true, nil
			case driverstate.VolumeError, driverstate.VolumeDeleting:
				return true, volumeError(v.ID, driverstate.ErrNotApplied, "became %s, not available", v.Status)
			}
			return false, nil
		})
		return err
	})
	return v, err
}

// alike are the caller's volumes of the name that is asked for. Without a name
// nothing could be told apart.
func (o *volumeCreateOptions) alike(ctx context.Context, c volumeCreateClient) ([]client.Volume, error) {
	if o.ask.Name == "" {
		return nil, nil
	}
	found, err := c.ListVolumes(ctx, client.VolumeListOpts{AllProjects: new(bool), Name: o.ask.Name})
	return slices.DeleteFunc(found, func(v client.Volume) bool { return volumeName(v) != o.ask.Name }), err
}

// afterLost looks for the volume that a request made whose answer was lost. It
// is not asked for again.
func (o *volumeCreateOptions) afterLost(ctx context.Context, c volumeCreateClient, before []client.Volume, lost error) (client.Volume, error) {
	now, err := o.alike(ctx, c)
	now = slices.DeleteFunc(now, func(v client.Volume) bool {
		return slices.ContainsFunc(before, func(b client.Volume) bool { return b.ID == v.ID })
	})
	if err == nil && len(now) == 1 {
		o.con.warn("", "the answer was lost (%v), but volume %s is there", lost, now[0].ID)
		return now[0], nil
	}
	return client.Volume{}, lostButSame(lost, "what came of it is not known", "cinder-go volume-list --sort created_at:desc --limit 5")
}
