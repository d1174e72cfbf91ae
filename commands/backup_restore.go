package commands

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type restoreClient interface {
	selector
	rowClient
	identified
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
	ShowVolume(ctx context.Context, id string) (client.Volume, error)
	ListVolumes(ctx context.Context, o client.VolumeListOpts) ([]client.Volume, error)
	RestoreBackup(ctx context.Context, id string, o client.RestoreOpts) (client.Restore, error)
	WaitRestore(ctx context.Context, backupID, volumeID string) (client.Backup, client.Volume, error)
	ManageVolume(ctx context.Context, o client.ManageVolumeOpts) (client.Volume, error)
	DeleteVolume(ctx context.Context, id string) error
	ForceDeleteVolume(ctx context.Context, id string) error
}

type restoreOptions struct {
	con     *console
	now     func() time.Time
	print   func(output.View) error
	client  func(context.Context) (restoreClient, error)
	confirm func(what string, n int) error
	remote  bool // not an engine in this process

	out       outputFlags
	wait      waitFlags
	to        string // absolute, or "-"
	overwrite bool
	part      partFlags
	volume    string
	name      string
	sel       selectionFlags
	guard     guardFlags
	par       parallelFlags
	proof     proof
	// oneAccount: Swift keeps the backups of all projects in one account.
	oneAccount bool
}

func newBackupRestore(f *Factory, run runner[restoreOptions]) *cobra.Command {
	o := &restoreOptions{con: f.con, now: f.now, client: func(ctx context.Context) (restoreClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	o.confirm = func(what string, n int) error { return confirm(f.prompt, f.g.yes, what, n) }
	cmd := &cobra.Command{
		Use:   "backup-restore {BACKUP...|filters}",
		Short: "Restore a backup to a file, a device or a volume",
		Long: `Restore a backup, and for an incremental one the whole chain that it stands on.

On the engine (--standalone, or "cinder-go serve"), say --to:

  --to FILE     a raw image. A new file is called FILE.partial until every
                block is proven and on disk; zeros become holes
  --to DEVICE   a block device, WHOSE DATA IS REPLACED; one in use is refused
  --to -        standard output (only with --standalone)

On a cloud, say --volume ID to restore onto that volume, or --name NAME to
restore to a new one of that name; without both, a new one is named after the
backup. THE DATA ON --volume IS REPLACED: it asks first, and away from a
terminal needs --yes. To choose backups by volume and by name say --of-volume
and --named. --dry-run does the reads only. A cloud compares no checksum: with
--store URL beside it the data is read first, and a damaged backup is refused.

Every block is compared with its hash before it is written: a damaged backup
ends with exit 9, and the target is not called good. Then it waits until the
volume's own status tells the outcome: a cloud calls the backup available again
also when the restore has failed.

--offset and --length take a part of the image: the target holds those bytes
from its beginning on, and only the objects that have them are read. To look
at a few bytes see backup-cat.

--resume goes on with a restore that was interrupted, or brings a file or
device with an older state of the volume up to date: what is there is read and
compared with the hashes of the backup, and only what differs is read from the
store and written. Say it the first time, too: then an interruption leaves
FILE.partial to go on from, which is otherwise removed. A file that holds data
needs --overwrite as ever.

--salvage goes on after damage, also of a backup in status error: a block that
is missing or damaged is taken from another backup of the volume on the store
where its hash proves it the same; what nothing proves is left as zeros, and the
map of these holes is written to FILE.map as ddrescue would. With holes it ends
with exit 3, and the volume's status is error_restoring.

It does not change the backup or the store, and does not attach or resize
volumes. A file that holds data is refused without --overwrite, and one of the
store's own always.`,
		Example: `  cinder-go --standalone --store posix:///srv/backup backup-restore nightly --to /mnt/rescue/volume.raw
  cinder-go --standalone --store posix:///srv/backup backup-restore nightly --to - | ssh host 'cat > /dev/vg/volume'
  cinder-go --os-cloud prod backup-restore nightly --name nightly-restored`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err = o.check(f, args); err != nil {
				return err
			}
			if o.to == "-" {
				// Instead of the end of the process, the write tells.
				signal.Ignore(syscall.SIGPIPE)
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.wait.addFlags(fs, 0)
	o.sel.addFilters(fs, "of-volume", "named")
	o.guard.addFlags(fs)
	addSingleAccount(fs, &o.oneAccount)
	fs.StringVar(&o.to, "to", "", "`FILE|DEVICE|-` to write the image to (engine)")
	fs.BoolVar(&o.overwrite, "overwrite", false, "with --to: the file may hold data, which is replaced")
	o.part.addRestoreFlags(fs)
	fs.StringVar(&o.volume, "volume", "", "`ID` of the volume to restore onto; its data is replaced")
	fs.StringVar(&o.name, "name", "", "`NAME` of the new volume to restore to")
	return cmd
}

func (o *restoreOptions) check(f *Factory, args []string) (err error) {
	targets := 0
	for _, t := range []string{o.to, o.volume, o.name} {
		if t != "" {
			targets++
		}
	}
	switch {
	case targets > 1:
		return usagef("--to, --volume and --name exclude each other")
	case targets == 1 && len(args) != 1:
		return usagef("one target takes one backup, by id or name")
	case o.overwrite && o.to == "":
		return usagef("--overwrite belongs to --to")
	case f.g.standalone && targets == 0:
		return usagef("say where to: --to FILE, DEVICE or -")
	case o.to == "-" && !f.g.standalone:
		return usagef("--to - needs --standalone: the bytes do not travel over the API")
	case o.to == "-" && f.con.io.OutTTY:
		return usagef("--to - would write the image to the terminal: redirect standard output")
	case o.to != "" && o.wait.noWait:
		return usagef("--to and --no-wait exclude each other: the target is let go at the end")
	}
	if o.to != "" && o.to != "-" {
		if o.to, err = filepath.Abs(o.to); err != nil {
			return err
		}
	}
	if err = o.part.check(); err != nil {
		return err
	}
	if flag := o.part.wanted(); flag != "" && o.to == "" {
		return usagef("%s to --to: a cloud restores whole backups only", flag)
	}
	if (o.part.resume || o.part.salvage) && o.to == "-" {
		return usagef("--resume and --salvage need a file or a device: of --to - nothing can be read or written again")
	}
	if err = o.out.check(restoreColumns()); err != nil {
		return err
	}
	o.remote, o.proof = !f.g.standalone, f.proof()
	return first(o.wait.check(&f.g), o.guard.check(), o.par.check(&f.g, defaultParallel), o.sel.check(&f.g, args))
}

func restoreColumns() []output.Column {
	return []output.Column{
		{Key: "backup_id", Title: "Backup ID"}, {Key: "volume_id", Title: "Volume ID"},
		{Key: "volume_name", Title: "Volume Name"}, {Key: "path", Title: "Path"},
		{Key: "size", Title: "Size"}, {Key: "status", Title: "Status"},
	}
}

func runBackupRestore(ctx context.Context, o *restoreOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-restore")
	backups, err := o.sel.find(ctx, c, o.now(), items)
	if err != nil {
		return err
	}
	if err := o.guard.allows(len(backups)); err != nil {
		return err
	}
	if err := o.ready(ctx, c, backups); err != nil {
		return err
	}
	view := output.View{Columns: restoreColumns(), Single: len(o.sel.refs) == 1}
	var wrong map[string]error
	if o.to == "" && o.proof.wanted(o.remote) {
		if wrong, err = o.proof.read(ctx, backups); err != nil {
			return err
		}
	}
	rows, numbers := make([][]any, len(backups)), make([]int, len(backups))
	for i := range numbers {
		numbers[i] = i
	}
	forEach(ctx, o.par.n, numbers, items, func(ctx context.Context, i int) result {
		b := backups[i]
		r := result{id: b.ID, name: nameOf(b), outcome: changed, before: &b}
		if r.err = first(ctx.Err(), wrong[b.ID], o.restorable(b)); r.err == nil && o.guard.dryRun {
			r.outcome = skipped
		} else if r.err == nil {
			var row []any
			if row, r.err = o.restore(ctx, c, b, &r); r.err == nil {
				rows[i] = row
			}
		}
		return r
	})
	for _, row := range rows {
		if row != nil {
			view.Rows = append(view.Rows, row)
		}
	}
	if o.to != "-" && len(view.Rows) > 0 {
		if err := o.print(view); err != nil {
			return err
		}
	}
	return items.finish()
}

// restore asks for the restore of b, waits for it, and says in res what the
// audit log shall have.
func (o *restoreOptions) restore(ctx context.Context, c restoreClient, b client.Backup, res *result) ([]any, error) {
	if o.to != "" {
		return o.restoreTo(ctx, c, b, res)
	}
	asked := o.now()
	r, err := c.RestoreBackup(ctx, b.ID, client.RestoreOpts{VolumeID: o.volume, Name: o.name})
	if client.Lost(err) {
		r, err = o.afterLost(ctx, c, b, asked, err)
	}
	if err != nil {
		return nil, o.leftBehind(ctx, c, b, asked, err)
	}
	res.detail = "to volume " + r.VolumeID
	row := func(size int64, status driverstate.VolumeStatus) []any {
		return []any{b.ID, r.VolumeID, orNil(r.VolumeName), nil, size, string(status)}
	}
	if o.wait.noWait {
		return row(b.Size, driverstate.VolumeRestoring), nil
	}
	after, v, err := o.await(ctx, c, b.ID, r.VolumeID)
	res.after = &after
	if err != nil && o.remote {
		err = o.explained(ctx, c, b.ID, r.VolumeID, err)
	}
	return row(v.Size, v.Status), err
}

// restoreTo lends the path to the engine as a volume for the time of the
// restore.
func (o *restoreOptions) restoreTo(ctx context.Context, c restoreClient, b client.Backup, res *result) ([]any, error) {
	v, err := c.ManageVolume(ctx, client.ManageVolumeOpts{SourceName: o.to, Name: "restore of " + b.ID, Size: b.Size, Overwrite: o.overwrite})
	if err != nil {
		switch {
		case errors.Is(err, driverstate.ErrConflict):
			err = withHint(err, "say --overwrite to replace what is there, or name a new file")
		case errors.Is(err, driverstate.ErrInvalidInput) && !o.remote:
			err = &usageError{err}
		case errors.Is(err, driverstate.ErrNotFound), errors.Is(err, driverstate.ErrNotSupported):
			err = withHint(err, "--to works straight on the backup store: with --standalone --store URL; on a cloud say --volume ID or --name NAME")
		}
		return nil, err
	}
	defer o.release(ctx, c, b.ID, v.ID)
	if _, err := c.RestoreBackup(ctx, b.ID, o.part.ask(client.RestoreOpts{VolumeID: v.ID})); err != nil {
		if o.part.salvage && errors.Is(err, driverstate.ErrConflict) {
			err = withHint(err, "--map FILE names another place for the map")
		}
		return nil, o.goOn(ctx, b.ID, err)
	}
	after, done, err := o.await(ctx, c, b.ID, v.ID)
	res.after, res.detail = &after, "to "+o.to
	o.part.told(o.con, b, done)
	err = o.goOn(ctx, b.ID, err)
	return []any{b.ID, v.ID, nil, o.to, b.Size, string(done.Status)}, err
}

// releaseTimeout bounds the giving back of a target after an interruption.
const releaseTimeout = 10 * time.Second

// release gives a target back: its row is of no use after the restore, the data
// stays. A restore that is interrupted still runs: a forced deletion stops it,
// and returns when it has ended.
func (o *restoreOptions) release(ctx context.Context, c restoreClient, backupID, volumeID string) {
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	err := c.DeleteVolume(ctx, volumeID)
	if errors.Is(err, driverstate.ErrInvalidStatus) && (interrupted || !o.remote) {
		err = c.ForceDeleteVolume(ctx, volumeID)
	}
	if err != nil {
		o.con.warn(backupID, "volume %s could not be released: %v", volumeID, err)
	}
}

func (o *restoreOptions) await(ctx context.Context, c restoreClient, backupID, volumeID string) (b client.Backup, v client.Volume, err error) {
	err = o.wait.within(ctx, fmt.Sprintf("backup %s: restore to volume %s", backupID, volumeID), func(ctx context.Context) (err error) {
		b, v, err = c.WaitRestore(ctx, backupID, volumeID)
		return err
	})
	return b, v, err
}
