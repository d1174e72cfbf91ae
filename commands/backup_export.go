package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type exportClient interface {
	finder
	ListBackups(ctx context.Context, o client.ListOpts) ([]client.Backup, error)
	ExportRecord(ctx context.Context, id string) (client.Record, error)
}

type exportOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (exportClient, error)
	open   func(path string) (recordSink, error)

	out       outputFlags
	formatted bool // -f was given: a view instead of JSON Lines
	path      string
	all       bool
	refs      []string
}

func newBackupExport(f *Factory, run runner[exportOptions]) *cobra.Command {
	o := &exportOptions{con: f.con, client: func(ctx context.Context) (exportClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	o.open = func(path string) (recordSink, error) { return openRecordSink(path, f.con.io.Out) }
	cmd := &cobra.Command{
		Use:   "backup-export {BACKUP...|--all}",
		Short: "Export the records that backup-import takes",
		Long: `Write the record of each backup: what another database needs to know of it.
backup-import gives it to that database.

The output is JSON Lines, one object for each backup, parents before children:

  backup_service, backup_url   the record itself, the two words of cinderclient
  record                       the same decoded, for people

--output FILE writes there, and the file appears only when it is complete;
--output DIR (a directory that exists, or a name ending in /) writes one
<id>.json for each backup. With -f the two words are written in that format.

It changes nothing, and copies no data: the store itself must be reachable for
the cloud that imports. Only available backups have records: --all leaves out
the others and says so, naming one is an error (exit 6).`,
		Example: `  cinder-go backup-export --all --output records.jsonl
  cinder-go backup-export nightly > nightly.json
  cinder-go backup-export nightly -f value -c backup_service -c backup_url`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err = refsOrAll(args, o.all); err != nil {
				return err
			}
			if err = o.out.check(exportColumns()); err != nil {
				return err
			}
			o.formatted = cmd.Flags().Changed("format") || cmd.Flags().Changed("column")
			if o.formatted && o.path != "" {
				return usagef("--output writes JSON Lines: leave out -f and -c, or redirect standard output")
			}
			if o.refs, err = refs(args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	fs.Lookup("format").DefValue = "JSON Lines"
	fs.StringVar(&o.path, "output", "", "`FILE|DIR` to write to instead of standard output")
	fs.BoolVar(&o.all, "all", false, "every available backup, of all projects")
	return cmd
}

func exportColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"}, {Key: "name", Title: "Name"},
		{Key: "backup_service", Title: "Backup Service"}, {Key: "backup_url", Title: "Backup URL"},
	}
}

func runBackupExport(ctx context.Context, o *exportOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-export")
	backups, err := o.selectBackups(ctx, c, items)
	if err != nil {
		return err
	}
	view := output.View{Columns: exportColumns()}
	write := func(b client.Backup, r client.Record) error {
		view.Rows = append(view.Rows, []any{b.ID, b.Name, r.BackupService, r.BackupURL})
		return nil
	}
	var sink recordSink
	if !o.formatted {
		if sink, err = o.open(o.path); err != nil {
			return err
		}
		defer sink.abort()
		write = func(b client.Backup, r client.Record) error { return sink.write(b.ID, r) }
	}
	for _, b := range backups {
		record, err := c.ExportRecord(ctx, b.ID)
		if err == nil {
			if err := write(b, record); err != nil {
				return err
			}
		}
		items.add(result{id: b.ID, name: nameOf(b), outcome: changed, err: err})
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if o.formatted {
		err = o.print(view)
	} else if items.count(changed) > 0 {
		err = sink.commit()
	}
	if err != nil {
		return err
	}
	return items.finish()
}

// selectBackups returns what to export, oldest first: a parent is older than
// what stands on it.
func (o *exportOptions) selectBackups(ctx context.Context, c exportClient, items *bulk) ([]client.Backup, error) {
	var backups []client.Backup
	if !o.all {
		backups = findAll(ctx, c, o.refs, items)
	} else {
		everyone := true
		list, err := c.ListBackups(ctx, client.ListOpts{AllProjects: &everyone})
		if err != nil {
			return nil, err
		}
		for _, b := range list {
			if b.Status == driverstate.StatusAvailable {
				backups = append(backups, b)
				continue
			}
			o.con.warn(b.ID, "left out: it is %s, and only available backups have records", b.Status)
			items.add(result{id: b.ID, name: nameOf(b), outcome: skipped, detail: fmt.Sprintf("status is %s", b.Status)})
		}
	}
	slices.SortStableFunc(backups, func(a, b client.Backup) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return backups, nil
}
