package commands

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type backupCreateClient interface {
	volumeFinder
	rowClient
	identified
	backupLister
	CreateBackup(ctx context.Context, o client.CreateBackupOpts) (client.Created, error)
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
	ShowVolume(ctx context.Context, id string) (client.Volume, error)
	WaitBackup(ctx context.Context, id string, until func(client.Backup) (bool, error)) (client.Backup, error)
	WaitVolume(ctx context.Context, id string, until func(client.Volume) (bool, error)) (client.Volume, error)
}

type backupCreateOptions struct {
	con    *console
	now    func() time.Time
	print  func(output.View) error
	client func(context.Context) (backupCreateClient, error)

	standalone bool
	out        outputFlags
	wait       waitFlags
	volume     string
	ask        client.CreateBackupOpts
}

func newBackupCreate(f *Factory, run runner[backupCreateOptions]) *cobra.Command {
	o := &backupCreateOptions{con: f.con, now: f.now, client: func(ctx context.Context) (backupCreateClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var metadata []string
	var level levelFlags
	cmd := &cobra.Command{
		Use:   "backup-create VOLUME",
		Short: "Make a backup of a volume, and see it through",
		Long: `Make a backup of a volume, by id or name, or of a snapshot of it, and wait until
it is available. It belongs to your project, also when the volume does not.

An admin's request is refused before it is sent when no cinder-backup is up
(exit 8): Cinder would accept it, and leave the volume in backing-up. So is a
name that Cinder cannot store. The request is sent once; when its answer is
lost, the backup is looked for instead.

The zone is taken and ignored by releases up to Zed: it warns when the backup
went elsewhere.

Exit 4: accepted, but the backup became error, or nobody works on it, or it is
still not available when --timeout is over; the reason that can be seen is
shown, and whether the volume has its former status again.`,
		Example: `  cinder-go backup-create database --name nightly
  cinder-go backup-create database --name nightly-2 --incremental --force
  cinder-go backup-create database --snapshot-id 4b3f… --metadata ticket=4711 -f value -c id
  cinder-go --standalone --store posix:///srv/backup backup-create database --fastest --memory 64M`,
		Args: exactly(1, "say which volume, by id or name"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.standalone, o.volume = f.g.standalone, args[0]
			if o.ask.Metadata, err = keyValues("metadata", metadata); err != nil {
				return err
			}
			if err := first(o.out.check(backupColumns()), o.wait.check(&f.g), level.check(&f.g, false),
				storable(&f.g, "--name", o.ask.Name), storable(&f.g, "--description", o.ask.Description),
				storable(&f.g, "--container", o.ask.Container), storable(&f.g, "--metadata", metadata...)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.wait.addFlags(fs, 24*time.Hour)
	level.addFlags(fs)
	fs.StringVar(&o.ask.Name, "name", "", "`NAME` of the backup")
	fs.StringVar(&o.ask.Description, "description", "", "`TEXT` that describes it")
	fs.StringVar(&o.ask.Container, "container", "", "`CONTAINER` of the store to put it in")
	fs.BoolVar(&o.ask.Incremental, "incremental", false, "keep only what changed since the last backup of the volume in your project")
	fs.BoolVar(&o.ask.Force, "force", false, "also of a volume that is in-use; the data is then as after a crash")
	fs.StringVar(&o.ask.SnapshotID, "snapshot-id", "", "`ID` of a snapshot of the volume to back up")
	fs.StringVar(&o.ask.AvailabilityZone, "availability-zone", "", "`ZONE` to keep it in (API 3.51)")
	fs.StringArrayVar(&metadata, "metadata", nil, "`KEY=VALUE` to keep with it; may be repeated (API 3.43)")
	return cmd
}

func runBackupCreate(ctx context.Context, o *backupCreateOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-create")
	volume, err := findVolume(ctx, c, o.volume)
	if err != nil {
		return failOne(items, o.volume, err)
	}
	o.ask.VolumeID = volume.ID
	if err := o.anyService(ctx, c); err != nil {
		return failOne(items, o.volume, err)
	}
	if mine := c.Identity().ProjectID; mine != "" && volume.ProjectID != "" && mine != volume.ProjectID {
		o.con.warn("", "volume %s is of project %s, and the backup will be of yours, %s: the tenant does not see it", volume.ID, volume.ProjectID, mine)
	}
	made, err := o.send(ctx, c, volume)
	if err != nil {
		return failOne(items, o.volume, o.explain(err, volume))
	}
	r := result{id: made, name: o.ask.Name, outcome: changed}
	b, err := c.ShowBackup(ctx, made)
	if err == nil && !o.wait.noWait {
		o.con.note("backup %s: accepted, waiting until it is available", made)
		b, err = o.await(ctx, c, b)
		o.aftermath(ctx, c, b, volume)
	}
	r.err, r.status, r.after = err, string(b.Status), &b
	if b.ID != "" {
		if err := o.print(output.View{Columns: backupColumns(), Rows: [][]any{backupRow(b)}, Single: true}); err != nil {
			return err
		}
	}
	items.add(r)
	return items.finish()
}

// anyService refuses a request that nobody would work on: Cinder accepts it,
// sets the volume to backing-up, and leaves it so. Who may not see the services
// goes on.
func (o *backupCreateOptions) anyService(ctx context.Context, c backupCreateClient) error {
	h, err := backupHosts(ctx, c)
	if err != nil || h.unknown {
		return notHere(err, o.standalone)
	}
	for _, s := range h.up {
		if s.Status == serviceEnabled {
			return nil
		}
	}
	if len(h.up) > 0 {
		return withHint(driverstate.Fail(driverstate.ErrServiceDown, "no backup was asked for: every cinder-backup that is up is disabled"),
			"cinder-go service-enable "+h.up[0].Host+" "+string(driverstate.BinaryBackup))
	}
	return h.noneUp(driverstate.Fail(driverstate.ErrServiceDown, "no backup was asked for: no cinder-backup is up, and Cinder would leave the volume in backing-up"),
		"start one, then repeat; cinder-go service-list --binary cinder-backup shows them")
}

// explain adds a next command to a refusal.
func (o *backupCreateOptions) explain(err error, volume client.Volume) error {
	var hinted *hintedError
	switch {
	case errors.As(err, &hinted):
	case errors.Is(err, driverstate.ErrNotSupported):
		return notHere(err, o.standalone)
	case o.standalone && errors.Is(err, driverstate.ErrInvalidInput):
		return &usageError{err} // a flag of this very command
	case !errors.Is(err, driverstate.ErrInvalidStatus):
	case volume.Status == driverstate.VolumeInUse && !o.ask.Force && o.ask.SnapshotID == "":
		return withHint(err, "--force makes it of a volume in use")
	case volume.Status != driverstate.VolumeAvailable && volume.Status != driverstate.VolumeInUse:
		return withHint(err, "cinder-go backup-list --volume-id "+volume.ID+" shows what works on it; if nothing does: cinder-go volume-reset-state --state available "+volume.ID)
	case o.ask.Incremental:
		return withHint(err, "make a full one, without --incremental; cinder-go backup-chain "+volume.ID+" shows what there is")
	}
	return err
}
