// Package sqlite is the engine's embedded database: Cinder's rows and River's
// jobs in one SQLite file, so that a row and the job that follows from it are
// written together. One process opens a file at a time; the engine's lock sees
// to that.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	_ "modernc.org/sqlite" // the driver

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/riverjobs"
	"github.com/cinder-go/cinder-go/driverstate/db/rows"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is kept in the file's user_version once goose and River have
// both migrated it, so that opening a current file costs one pragma. Raise it
// with every migration and every new version of River.
const schemaVersion = 9

// maxConns lets a few readers go beside the one writer that SQLite has.
const maxConns = 4

var (
	_ db.DB = (*DB)(nil)
	_ db.Tx = (*transaction)(nil)
)

// Options are what a DB may be given.
type Options struct {
	Logger *slog.Logger // nil for none
	Now    db.Clock     // nil for time.Now
}

// DB is a db.DB in one SQLite file.
type DB struct {
	rows.Rows
	pool      *sql.DB
	insert    *river.Client[*sql.Tx] // inserts only
	listeners listeners
	logger    *slog.Logger
}

type transaction struct {
	rows.Rows
	riverjobs.Jobs[*sql.Tx]
}

// Open opens the database at path, making and migrating it as needed.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	// Immediate transactions: a deferred one that turns from reading to
	// writing fails with SQLITE_BUSY at once instead of waiting its turn.
	dsn := (&url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(30000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
	}.Encode()}).String()
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	pool.SetMaxOpenConns(maxConns)
	pool.SetMaxIdleConns(maxConns) // a new connection costs four pragmas
	d := &DB{Rows: rows.Rows{Q: querier{pool}, Dialect: dialect, Clock: o.Now}, pool: pool, logger: o.Logger}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), pool.Close())
	}
	return d, nil
}

func (d *DB) open(ctx context.Context) error {
	if err := migrate(ctx, d.pool, d.logger); err != nil {
		return err
	}
	var err error
	d.insert, err = riverjobs.NewInserter(riversqlite.New(d.pool), d.logger)
	return err
}

func migrate(ctx context.Context, pool *sql.DB, logger *slog.Logger) error {
	var version int
	if err := pool.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == schemaVersion {
		return nil
	}
	if version > schemaVersion {
		return driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("it was written by a newer cinder-go (schema %d, this one knows %d)", version, schemaVersion))
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	ours, err := goose.NewProvider(goose.DialectSQLite3, pool, dir)
	if err != nil {
		return err
	}
	if _, err := ours.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	rivers, err := rivermigrate.New(riversqlite.New(pool), &rivermigrate.Config{Logger: logger})
	if err != nil {
		return err
	}
	if _, err := rivers.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrating the job tables: %w", err)
	}
	// A leader of another name, for ever: see riverjobs.
	if _, err := pool.ExecContext(ctx, `INSERT OR REPLACE INTO river_leader (elected_at, expires_at, leader_id)
		VALUES (CURRENT_TIMESTAMP, '9999-12-31 23:59:59', 'cinder-go')`); err != nil {
		return fmt.Errorf("migrating the job tables: %w", err)
	}
	_, err = pool.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
	return err
}

// Update runs f in one transaction.
func (d *DB) Update(ctx context.Context, f func(db.Tx) error) error {
	tx, err := d.pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it answers ErrTxDone
	q := querier{tx}
	t := &transaction{
		Rows: rows.Rows{Q: q, Dialect: dialect, Clock: d.Clock},
		Jobs: riverjobs.Jobs[*sql.Tx]{Client: d.insert, Tx: tx, Q: q, Dialect: jobDialect},
	}
	if err := f(t); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	d.listeners.notify(t.Queued)
	return nil
}

// Contents are the tables and the unfinished jobs, oldest first, for another
// database to adopt.
func (d *DB) Contents(ctx context.Context) (rows.Rows, []db.JobState, error) {
	jobs := riverjobs.Jobs[*sql.Tx]{Q: d.Q, Dialect: jobDialect}
	all, err := jobs.JobsUnfinished(ctx)
	return d.Rows, all, err
}

// Close closes the file. Queues must have been stopped.
func (d *DB) Close() error { return d.pool.Close() }
