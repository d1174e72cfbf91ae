package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
)

type exportClient interface {
	selector
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
	ExportRecord(ctx context.Context, id string) (client.Record, error)
}

type exportOptions struct {
	con    *console
	now    func() time.Time
	print  func(output.View) error
	client func(context.Context) (exportClient, error)
	open   func() (recordSink, error)

	sel     selectionFlags
	par     parallelFlags
	out     outputFlags
	path    string
	all     bool
	noChain bool
}

func newBackupExport(f *Factory, run runner[exportOptions]) *cobra.Command {
	o := &exportOptions{con: f.con, now: f.now, client: func(ctx context.Context) (exportClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "backup-export {BACKUP...|filters|--all} [--output FILE|DIR]",
		Short: "Export the records that backup-import takes",
		Long: `Write the record of each backup: what another database needs to know of it.
backup-import gives it to that database. Whole chains are written: what the
chosen backups stand on is added, and said, unless --no-chain is given.

The output is JSON Lines, one object for each backup, parents before children:

  backup_service, backup_url   the record itself, the two words of cinderclient
  record                       the same decoded, for people

With -f the two words are written in that format instead.

--output FILE writes the lines there; the file appears when it is complete. One
that is there is not replaced (exit 6) when a backup could not be exported, or
when it has the record of one that is left out now.
--output DIR (a directory that exists, or a name ending in /) writes one
<id>.json for each backup. A file that says the same already is not touched, and
that of a backup that is gone is left alone and named.
With --output, standard output is the report: what was exported, what not, and
why; -f and -c are its format.

It copies no data: the store itself must be reachable for the cloud that
imports. Cinder exports available backups only: filters and --all leave out the
others and say so, naming one is an error (exit 6). Each export writes the time
of change of Cinder's row; nothing else changes.`,
		Example: `  cinder-go backup-export --all-projects --output /var/backups/cinder-records/
  cinder-go backup-export --all --output records.jsonl
  cinder-go backup-export --volume db-disk --output db/ -f json > report.json
  cinder-go backup-export nightly -f value -c backup_service -c backup_url`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.choose(f, cmd, args); err != nil {
				return err
			}
			toFile := o.path != "" && o.path != "-"
			formatted := cmd.Flags().Changed("format") || cmd.Flags().Changed("column")
			columns := resultColumns()
			if !toFile {
				columns = exportColumns()
			}
			if err := first(o.out.check(columns), o.par.check(&f.g, defaultParallel)); err != nil {
				return err
			}
			o.open = func() (recordSink, error) {
				if formatted && !toFile {
					return &viewSink{print: o.print}, nil
				}
				return newRecordSink(o.path, f.con.io.Out)
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.sel.addFlags(fs)
	o.out.addFlags(fs)
	fs.Lookup("format").DefValue = "JSON Lines, with --output table"
	fs.StringVar(&o.path, "output", "", "`FILE|DIR` to write to instead of standard output")
	fs.BoolVar(&o.all, "all", false, "every available backup, of all projects; --all-projects without filters is the same")
	fs.BoolVar(&o.noChain, "no-chain", false, "do not add what the chosen backups stand on")
	return cmd
}

// choose takes the selection: backups, filters, or all there are.
func (o *exportOptions) choose(f *Factory, cmd *cobra.Command, args []string) error {
	everything := o.all || cmd.Flags().Changed("all-projects") || cmd.Flags().Changed("all-tenants")
	switch {
	case o.all && len(args) > 0:
		return usagef("--all and backups by name exclude each other")
	case o.noChain && o.sel.chain:
		return usagef("--chain and --no-chain exclude each other")
	case everything && len(args) == 0:
		o.sel.allProjects = o.sel.allProjects || o.all
		return o.sel.checkAny(&f.g, args)
	}
	return o.sel.check(&f.g, args)
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
	chosen, err := o.sel.find(ctx, c, o.now(), items)
	if err != nil {
		return err
	}
	sink, err := o.open()
	if err != nil {
		return err
	}
	set := exportSet{o: o, c: c, sink: sink, items: items}
	if err := set.export(ctx, chosen); err != nil {
		return err
	}
	if file, ok := sink.(*fileSink); ok {
		file.leftOut = set.leftOut
	}
	if err := sink.commit(set.written(), items.count(failed)); err != nil {
		_ = items.finish() // each failure was told; this one says what became of the file
		return err
	}
	if o.path != "" && o.path != "-" {
		if err := o.print(items.view()); err != nil {
			return err
		}
	}
	if dir, ok := sink.(dirSink); ok {
		if err := o.nameLeftovers(dir, &set); err != nil {
			return err
		}
	}
	return items.finish()
}

// nameLeftovers tells of records of backups that are gone, when all that there
// are were looked at.
func (o *exportOptions) nameLeftovers(dir dirSink, set *exportSet) error {
	if len(o.sel.refs) > 0 || o.sel.filtered() || !o.sel.allProjects {
		return nil
	}
	known := map[string]bool{}
	for _, e := range set.list {
		known[e.backup.ID] = true
	}
	left, err := dir.others(known)
	if err != nil {
		return fmt.Errorf("%s: %w", dir.dir, err)
	}
	for _, id := range left {
		o.con.note("%s.json: left alone; no backup has this id any more", id)
	}
	return nil
}
