package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type importClient interface {
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
	ImportRecord(ctx context.Context, r client.Record) (client.Imported, error)
	WaitBackup(ctx context.Context, id string, until func(client.Backup) (bool, error)) (client.Backup, error)
}

type importOptions struct {
	con    *console
	stdin  io.Reader
	print  func(output.View) error
	client func(context.Context) (importClient, error)

	out    outputFlags
	wait   waitFlags
	from   string
	record *driverstate.ExportedRecord // the two positional arguments
}

func newBackupImport(f *Factory, run runner[importOptions]) *cobra.Command {
	o := &importOptions{con: f.con, stdin: f.con.io.In, client: func(ctx context.Context) (importClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "backup-import {BACKUP_SERVICE BACKUP_URL|--from FILE|DIR|-}",
		Short: "Import records into a database that lost them",
		Long: `Give records of backup-export (or of "cinder backup-export") to the target's
database, so that it knows the backups again. Each record is checked before
anything is sent; a bad one is refused (exit 9) and the others go on.

Parents go before children, whatever the order in the file. A backup that is
there already is left alone, so it is safe to run it again. Then it waits until
the service has looked at the store and the backup is available.

It copies no data: a backup service with the same store must be up. Cinder
gives imported backups to the project that imports them.

Exit 4: accepted, but the service could not make the backup available.
Exit 9: a record is malformed, or names a place it must not.`,
		Example: `  cinder-go backup-import --from records.jsonl
  ssh old-site cinder-go backup-export --all | cinder-go backup-import --from -
  cinder-go backup-import cinder.backup.drivers.posix.PosixBackupDriver eyJpZCI6…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.from != "" && len(args) == 0:
			case o.from == "" && len(args) == 2:
				o.record = &driverstate.ExportedRecord{BackupService: args[0], BackupURL: args[1]}
			default:
				return usagef("say BACKUP_SERVICE and BACKUP_URL, or --from FILE, DIR or -")
			}
			if err := o.out.check(resultColumns()); err != nil {
				return err
			}
			if err := o.wait.check(&f.g); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	o.out.addFlags(cmd.Flags())
	o.wait.addFlags(cmd.Flags(), 10*time.Minute)
	cmd.Flags().StringVar(&o.from, "from", "", "`FILE|DIR|-` of records as backup-export writes them; - is standard input")
	return cmd
}

func runBackupImport(ctx context.Context, o *importOptions) error {
	var records []driverstate.ExportedRecord
	if o.record != nil {
		records = []driverstate.ExportedRecord{*o.record}
	} else {
		var err error
		if records, err = readRecords(o.from, o.stdin); err != nil {
			return err
		}
	}
	items := newBulk(o.con, "backup-import")
	queue := checkRecords(records, items)
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	lost := map[string]bool{} // those that are not there in the end
	for _, p := range queue {
		r := result{id: p.id, name: p.name}
		if lost[p.parent] {
			r.err = backupError(p.id, driverstate.ErrNotFound, "not imported, as its parent %s was not", p.parent)
		} else {
			r.outcome, r.status, r.err = o.importOne(ctx, c, p)
		}
		lost[p.id] = r.err != nil
		items.add(r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := o.print(items.view()); err != nil {
		return err
	}
	return items.finish()
}

func (o *importOptions) importOne(ctx context.Context, c importClient, p pending) (outcome, string, error) {
	there, err := c.ShowBackup(ctx, p.id)
	switch {
	case err == nil:
		return unchanged, string(there.Status), nil
	case !errors.Is(err, driverstate.ErrNotFound):
		return failed, "", err
	}
	if _, err := c.ImportRecord(ctx, client.Record{BackupService: p.record.BackupService, BackupURL: p.record.BackupURL}); err != nil {
		return failed, "", err
	}
	if o.wait.noWait {
		return changed, string(driverstate.StatusCreating), nil
	}
	var after client.Backup
	err = o.wait.within(ctx, "backup "+p.id, func(ctx context.Context) error {
		_, err := c.WaitBackup(ctx, p.id, func(b client.Backup) (bool, error) {
			after = b
			return b.Status.Resting(), nil
		})
		return err
	})
	if err == nil && after.Status != driverstate.StatusAvailable {
		err = backupError(p.id, driverstate.ErrNotApplied, "imported, but it is %s: %s", after.Status, failReason(after))
	}
	return changed, string(after.Status), err
}

// pending is a record that passed the checks.
type pending struct {
	id, parent, name string
	record           driverstate.ExportedRecord
}

// checkRecords decodes records and orders them, each parent before those that
// stand on it. Bad ones and repetitions go to items.
func checkRecords(records []driverstate.ExportedRecord, items *bulk) []pending {
	byID := map[string]pending{}
	var order []string
	for n, r := range records {
		decoded, err := driverstate.DecodeRecord(r)
		if err != nil {
			items.fail(fmt.Sprintf("record %d", n+1), driverstate.Fail(driverstate.ErrCorrupt,
				fmt.Sprintf("record %d: %v", n+1, err)))
			continue
		}
		b := &decoded.Backup
		p := pending{id: b.ID, parent: b.ParentID, record: r}
		if b.Name != nil {
			p.name = *b.Name
		}
		if _, twice := byID[b.ID]; twice {
			items.add(result{id: b.ID, name: p.name, outcome: skipped, detail: "given more than once"})
			continue
		}
		byID[b.ID] = p
		order = append(order, b.ID)
	}
	queue := make([]pending, 0, len(order))
	const onTheWay, placed = 1, 2
	state := map[string]int{}
	for _, id := range order {
		var line []string
		for at := id; state[at] == 0; at = byID[at].parent {
			if _, here := byID[at]; !here {
				break
			}
			state[at] = onTheWay
			line = append(line, at)
		}
		// A parent that is on the way belongs to this very line: a loop.
		looped := len(line) > 0 && state[byID[line[len(line)-1]].parent] == onTheWay
		for i := len(line) - 1; i >= 0; i-- {
			state[line[i]] = placed
			if looped {
				items.fail(line[i], backupError(line[i], driverstate.ErrCorrupt, "the records make it its own ancestor"))
				continue
			}
			queue = append(queue, byID[line[i]])
		}
	}
	return queue
}
