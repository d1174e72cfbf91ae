package commands

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type importClient interface {
	rowClient
	identified
	IsEngine(ctx context.Context) bool
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
	ListBackups(ctx context.Context, o client.ListOpts) ([]client.Backup, error)
	Dependents(ctx context.Context, id string) ([]client.Backup, error)
	BackupQuota(ctx context.Context, projectID string) (client.Quota, error)
	ImportRecord(ctx context.Context, r client.Record) (client.Imported, error)
	WaitBackup(ctx context.Context, id string, until func(client.Backup) (bool, error)) (client.Backup, error)
}

type importOptions struct {
	con    *console
	now    func() time.Time
	stdin  io.Reader
	print  func(output.View) error
	client func(context.Context) (importClient, error)

	out     outputFlags
	wait    waitFlags
	guard   guardFlags
	par     parallelFlags
	from    string
	record  *driverstate.ExportedRecord // the two positional arguments
	project string
	maps    recordMap
	orphans bool
}

func newBackupImport(f *Factory, run runner[importOptions]) *cobra.Command {
	o := &importOptions{con: f.con, now: f.now, stdin: f.con.io.In, client: func(ctx context.Context) (importClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var mapped []string
	cmd := &cobra.Command{
		Use:   "backup-import {BACKUP_SERVICE BACKUP_URL|--from FILE|DIR|-}",
		Short: "Import records into a database that lost them",
		Long: `Give records of backup-export (or of "cinder backup-export") to the target's
database, so that it knows the backups again, under their ids. Parents go before
children, whatever the order in the file. A backup that is there already is left
alone, so it is safe to run it again. Then it waits until the backup is
available, or says why it is not.

Everything is looked at before the first record is sent. What Cinder would take
and never finish, or take to somebody's harm, is refused: bad dates and names,
ids that are none, places out of the store or of another backup, increments
whose parent is missing (--allow-missing-parents). A missing data_timestamp, null
metadata and a wrong count of dependents are set right, and said. So are the
quota (exit 6) and the services (exit 8).

It copies no data: a backup service with the same store must be up. An engine
looks whether all of a backup is there, in the size that it must have
(backup-verify reads it); a cloud does not look. Cinder gives imported backups
to the project that imports them: with --project and the credentials of that
project (admin role) they stay where they were. An engine of cinder-go keeps the
owner.

--map rewrites fields of the records: project, user, az, host, service,
container, name, description. A zone or a host says where the backup has to come
back; Cinder decides for itself, and it is said when it came back elsewhere.

Exit 3: some were imported, some not. Exit 4: accepted, but the service could
not make the backup available. Exit 9: a record is malformed, or names a place
it must not.`,
		Example: `  cinder-go backup-import --from /var/backups/cinder-records/ --dry-run
  ssh old-site cinder-go backup-export --all | cinder-go backup-import --from -
  cinder-go --os-project-id 6579b5ed… backup-import --from records/ --project 6579b5ed…
  cinder-go backup-import --from records/ --map az=old-az:nova,container=old:new
  cinder-go backup-import cinder.backup.drivers.posix.PosixBackupDriver eyJpZCI6…`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			switch {
			case o.from != "" && len(args) == 0:
			case o.from == "" && len(args) == 2:
				o.record = &driverstate.ExportedRecord{BackupService: args[0], BackupURL: args[1]}
			default:
				return usagef("say BACKUP_SERVICE and BACKUP_URL, or --from FILE, DIR or -")
			}
			if o.maps, err = parseRecordMap(mapped); err != nil {
				return err
			}
			if err := first(o.out.check(resultColumns()), o.wait.check(&f.g), o.guard.check(), o.par.check(&f.g, defaultParallel)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.wait.addFlags(fs, 10*time.Minute)
	o.guard.addFlags(fs)
	fs.StringVar(&o.from, "from", "", "`FILE|DIR|-` of records as backup-export writes them; - is standard input")
	fs.StringVar(&o.project, "project", "", "select records of the project with this `ID`, before --map")
	fs.StringArrayVar(&mapped, "map", nil, "rewrite fields of the records: `FIELD=OLD:NEW`, several with commas; may be repeated")
	fs.BoolVar(&o.orphans, "allow-missing-parents", false, "import increments whose parent is neither in the records nor in the database")
	return cmd
}

func runBackupImport(ctx context.Context, o *importOptions) error {
	records, err := o.readAll()
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-import")
	queue := o.checkRecords(records, items)
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	t, err := o.look(ctx, c, queue)
	if err != nil {
		return err
	}
	var going []pending
	for _, p := range queue {
		if _, there := t.rows[p.id]; !there && t.refused[p.id] == nil {
			going = append(going, p)
		}
	}
	if err := o.admit(ctx, c, t, going); err != nil {
		return err
	}
	if err := o.warnOfServices(ctx, c, t, going); err != nil {
		return err
	}
	run := newImportRun(o, c, t, queue)
	forEach(ctx, o.par.n, queue, items, run.one)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := o.print(items.view()); err != nil {
		return err
	}
	if !t.engine && items.count(changed) > 0 {
		o.con.warn("", "the cloud did not look at the data: cinder-go --standalone --store URL backup-manageable-list --verify tells whether it is whole")
	}
	return items.finish()
}

func details(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "; ")
}

// sizeOf says how large a record's backup is.
func sizeOf(p pending) string { return fmt.Sprintf("%d GiB", p.row.Size) }
