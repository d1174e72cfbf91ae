package commands

import (
	"context"
	"errors"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type shipClient interface {
	selector
	Ship(ctx context.Context, o client.ShipOpts) (client.Shipment, error)
}

type shipOptions struct {
	con    *console
	now    func() time.Time
	print  func(output.View) error
	client func(context.Context) (shipClient, error)
	open   func() (recordSink, error)

	sel     selectionFlags
	out     outputFlags
	all     bool
	records string
	check   []string // the two stores to compare; nil to ship
	ask     client.ShipOpts
}

func newBackupShip(f *Factory, run runner[shipOptions]) *cobra.Command {
	o := &shipOptions{con: f.con, now: f.now, client: func(ctx context.Context) (shipClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var check, data, readBack bool
	var volume string
	cmd := &cobra.Command{
		Use:   "backup-ship {BACKUP...|filters|--all} --to URL | --check URL URL",
		Short: "Copy backups to another store, or to a tape in a file",
		Long: `Copy backups from the store of the engine to the store --to, of any driver.

Each object is read, inflated and proven by its hashes before it is written, and
what arrived is compared with what was sent: by size and by the MD5 that the
target's listing tells, or by reading it back where that tells none. The metadata
document is written last: until then the target has no backup. A shipment that
was cut off goes on when it is given again: what is there already is not sent
again. Nothing but the store is written at the target, no database: the records
for the other site go to standard output as backup-import takes them.

An image in ceph has no hashes: it is always read back and compared with what was
sent, and a backup that is there already, with ceph on either side, is compared
by reading both images. One that was cut off begins anew.

  --chain     and the whole chain: the target must have what an increment stands on
  --flatten   one full backup of the chain, under the same id

--to file:///PATH.cbk writes a tape: one file with records and data, appended to
when it is there. --to - (or file:-) writes it to standard output (--standalone),
and --store file:///PATH.cbk or - reads one. docs/tape.md describes it.

Secrets of the target come from the environment, as CINDER_GO_TO_<PARAMETER>;
those of AWS_, OS_ and the like are taken only if --to names no server.
The first SIGINT ends the shipment where it is.

--check compares two stores: which backups are in both, whole and with the same
objects; with --data the data of both is read. Exit 9: they differ.`,
		Example: `  cinder-go --standalone --store posix:///srv/backup backup-ship --all --to s3://backup.example.org/vault --records records.jsonl
  cinder-go --standalone --store posix:///srv/backup backup-ship nightly --chain --to file:///mnt/usb/nightly.cbk --volume-size 4G
  cinder-go --standalone --store posix:///srv/backup backup-ship nightly --flatten --compression zstd --to posix:///mnt/offsite --bwlimit 20M
  cinder-go --standalone backup-ship --check posix:///srv/backup posix:///mnt/offsite --data`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.ask.Mode, o.ask.Verify = driverstate.ShipCopy, driverstate.ShipVerifyListed
			o.ask.BytesPerSec = f.g.tune.limit
			if o.ask.VolumeSize, err = parseBytes("--volume-size", volume); err != nil {
				return err
			}
			if check {
				return o.checkStores(cmd, f, args, data, run)
			}
			if data {
				return usagef("--data is for --check; --read-back reads what was shipped")
			}
			if readBack {
				o.ask.Verify = driverstate.ShipVerifyFull
			}
			if err := first(o.sel.checkOrAll(&f.g, args, o.all), o.checkTarget(), o.out.check(shipColumns())); err != nil {
				return err
			}
			o.ask.Chain = o.sel.chain
			o.open = func() (recordSink, error) { return newRecordSink(o.records, f.con.io.Out) }
			if driverstate.IsPipe(o.ask.To) {
				// Instead of the end of the process, the write tells.
				signal.Ignore(syscall.SIGPIPE)
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.sel.addFlags(fs)
	o.out.addFlags(fs)
	fs.BoolVar(&o.all, "all", false, "every backup that has a row")
	fs.StringVar(&o.ask.To, "to", "", "`URL` of the store to ship to, as --store takes it; file:///PATH.cbk or - for a tape")
	fs.BoolVar(&o.ask.Flatten, "flatten", false, "write the chain of each backup as one full backup")
	fs.StringVar(&o.ask.Compression, "compression", "", "`WORD` of what is written: none, zlib, bz2 or zstd; else that of the original is kept")
	fs.StringVar(&volume, "volume-size", "", "write a tape in files of this `SIZE`, such as 4G: PATH.cbk.001, .002 and so on")
	fs.BoolVar(&readBack, "read-back", false, "read all that was written back from the target, also where its listing tells the MD5")
	fs.StringVar(&o.records, "records", "", "`FILE|DIR` to write the records to instead of standard output")
	fs.BoolVar(&check, "check", false, "compare two stores in place of shipping")
	fs.BoolVar(&data, "data", false, "with --check, read the data of both stores")
	return cmd
}

func (o *shipOptions) checkTarget() error {
	switch {
	case o.ask.To == "":
		return usagef("say where to: --to URL")
	case o.ask.Flatten && o.sel.chain:
		return usagef("--chain and --flatten exclude each other")
	case o.ask.VolumeSize > 0 && (driverstate.IsPipe(o.ask.To) || !strings.HasPrefix(o.ask.To, "file:")):
		return usagef("--volume-size is for a tape in files, such as --to file:///srv/x.cbk")
	case o.ask.Verify == driverstate.ShipVerifyFull && driverstate.IsPipe(o.ask.To):
		return usagef("--read-back cannot read what went down a pipe: write a file, such as --to file:///srv/x.cbk")
	case o.ask.Compression != "" && !slices.Contains([]string{"none", "off", "no", "zlib", "gzip", "bz2", "bzip2", "zstd"}, o.ask.Compression):
		return usagef("compression %q is not none, zlib, bz2 or zstd", o.ask.Compression)
	}
	return nil
}

func shipColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"}, {Key: "result", Title: "Result"}, {Key: "container", Title: "Container"},
		{Key: "object_prefix", Title: "Object Prefix", Wide: true}, {Key: "objects", Title: "Objects"},
		{Key: "bytes_sent", Title: "Bytes Sent"}, {Key: "objects_kept", Title: "Objects Kept"},
	}
}

func runBackupShip(ctx context.Context, o *shipOptions) error {
	if o.check != nil {
		return o.compare(ctx)
	}
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-ship")
	backups, err := o.selectBackups(ctx, c, items)
	if err != nil {
		return err
	}
	sink, err := o.open()
	if err != nil {
		return err
	}
	s := &shipping{o: o, c: c, items: items, sink: sink, view: output.View{Columns: shipColumns()}, done: map[string]bool{}}
	for _, b := range backups {
		if err := s.ship(ctx, b); err != nil {
			return err
		}
	}
	if !driverstate.IsPipe(o.ask.To) || o.records != "" && o.records != "-" {
		if err := sink.commit(s.ids, items.count(failed)); err != nil {
			_ = items.finish() // each failure was told; this one says what became of the file
			return err
		}
	}
	if !driverstate.IsPipe(o.ask.To) && o.records != "" && o.records != "-" {
		if err := o.print(s.view); err != nil {
			return err
		}
	}
	return items.finish()
}

// selectBackups is what to ship: with the chain, the newest first, because it
// brings what it stands on; else the oldest.
func (o *shipOptions) selectBackups(ctx context.Context, c shipClient, items *bulk) ([]client.Backup, error) {
	found, err := o.chosen(ctx, c, items)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b client.Backup) int {
		if o.sel.chain {
			a, b = b, a
		}
		return a.CreatedAt.Compare(b.CreatedAt)
	})
	return found, nil
}

func (o *shipOptions) chosen(ctx context.Context, c shipClient, items *bulk) ([]client.Backup, error) {
	if o.all {
		everyone := true
		found, err := c.ListBackups(ctx, client.ListOpts{AllProjects: &everyone})
		if err == nil && len(found) == 0 {
			o.con.warn("", "no backup has a row: cinder-go backup-manage --all takes those of the store")
		}
		return found, err
	}
	if len(o.sel.refs) == 0 {
		return o.sel.find(ctx, c, o.now(), items)
	}
	var found, bare []client.Backup
	for _, ref := range o.sel.refs {
		b, err := c.FindBackup(ctx, ref)
		switch {
		case errors.Is(err, driverstate.ErrNotFound) && isID(ref):
			bare = append(bare, client.Backup{ID: ref}) // the store may have it
		case err != nil:
			items.fail(ref, err)
		default:
			found = append(found, b)
		}
	}
	if o.sel.chain && len(found) > 0 {
		var err error
		if found, err = withChains(ctx, c, found); err != nil {
			return nil, err
		}
	}
	return append(found, bare...), nil
}

// shipping ships backup after backup.
type shipping struct {
	o     *shipOptions
	c     shipClient
	items *bulk
	sink  recordSink
	view  output.View
	ids   []string // in the order in which they are to be imported
	done  map[string]bool
}

func (s *shipping) ship(ctx context.Context, b client.Backup) error {
	if s.done[b.ID] {
		return nil // it came along with another
	}
	ask := s.o.ask
	ask.BackupID = b.ID
	shipment, err := s.c.Ship(ctx, ask)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, w := range shipment.Warnings {
		s.o.con.warn("", "%s", w)
	}
	for _, l := range shipment.Landed {
		if s.done[l.BackupID] {
			continue
		}
		s.done[l.BackupID] = true
		r := result{id: l.BackupID, outcome: changed}
		if l.WasThere {
			r.outcome = unchanged
		}
		if _, err := s.sink.write(client.Backup{ID: l.BackupID}, l.Record); err != nil {
			return err
		}
		s.ids = append(s.ids, l.BackupID)
		s.items.add(r)
		s.view.Rows = append(s.view.Rows, []any{l.BackupID, string(r.outcome), l.Container, l.ServiceMetadata, l.Objects, l.Bytes, l.ObjectsKept})
	}
	if err != nil {
		switch {
		case errors.Is(err, driverstate.ErrInvalidStatus) && !ask.Chain && !ask.Flatten:
			err = withHint(err, "--chain ships what it stands on as well, --flatten makes one full backup of it")
		case errors.Is(err, driverstate.ErrInvalidInput):
			err = &usageError{err}
		case errors.Is(err, driverstate.ErrCorrupt):
			err = withHint(err, "cinder-go backup-verify "+b.ID+" -f json tells what is damaged, object by object")
		}
		s.items.fail(b.ID, err)
		s.done[b.ID] = true
	}
	return nil
}
