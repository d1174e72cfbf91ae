package commands

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
)

type engineMigrateOptions struct {
	con    *console
	logger func() *slog.Logger
	print  func(output.View) error

	out      outputFlags
	from, to string
}

func newEngineMigrate(f *Factory, run runner[engineMigrateOptions]) *cobra.Command {
	o := &engineMigrateOptions{con: f.con, logger: f.logger}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "engine-migrate --from DIR --to URL",
		Short: "Copy the engine's rows from a state directory into PostgreSQL",
		Long: `Copy every row of the engine's own database in a state directory, deleted
backups and unfinished jobs included, into an empty PostgreSQL database that
engines on several machines can then share (serve --db). All of it is copied in
one transaction, read back and compared; after a failure the database is as empty
as before, and the same command can be given again.

The engine on the state directory must be stopped. The state directory is only
read. Neither the store nor the files of volumes are touched: the database is
all that moves.

Exit 9: rows hold texts that PostgreSQL cannot keep; all of them are named.`,
		Example: `  cinder-go engine-migrate --from /var/lib/cinder-go --to postgres://cinder@db.example.org/cinder`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.check(migratedColumns()); err != nil {
				return err
			}
			if o.from == "" || o.to == "" {
				return usagef("say --from DIR, the state directory, and --to URL, the PostgreSQL database")
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	fs.StringVar(&o.from, "from", "", "state `DIR` that is copied")
	fs.StringVar(&o.to, "to", "", "`URL` of an empty database, postgres://USER@HOST/NAME; the password is better in PGPASSWORD or ~/.pgpass")
	return cmd
}

func migratedColumns() []output.Column {
	return []output.Column{
		{Key: "table", Title: "Table"}, {Key: "rows", Title: "Rows"}, {Key: "sha256", Title: "SHA-256", Wide: true},
	}
}

func runEngineMigrate(ctx context.Context, o *engineMigrateOptions) error {
	copied, err := engine.Migrate(ctx, o.from, o.to, o.logger())
	if errors.Is(err, driverstate.ErrInvalidInput) {
		return &usageError{err}
	}
	dir := shellQuote(filepath.Clean(o.from))
	if errors.Is(err, driverstate.ErrCorrupt) {
		return withHint(err, "rename or delete what is named with the engine on the old rows: cinder-go serve --state-dir "+dir+" --store URL")
	}
	if err != nil {
		return err
	}
	v := output.View{Columns: migratedColumns()}
	for _, c := range copied {
		v.Rows = append(v.Rows, []any{c.Table, c.Rows, c.Sum})
	}
	if err := o.print(v); err != nil {
		return err
	}
	o.con.note("every row was read back as it was written; nothing in %s was changed", dir)
	o.con.note("next: keep an engine from going on with the old rows: mkdir %s/before-postgres && mv %s/cinder-go.db* %s/before-postgres/", dir, dir, dir)
	o.con.note("then: cinder-go serve --state-dir %s --db URL --store URL", dir)
	return nil
}
