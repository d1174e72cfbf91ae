package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/cinder-go/cinder-go/driverstate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is kept in engine_schema once goose and River have both migrated
// the schema, so that opening a current one costs one query. Raise it with every
// migration and every new version of River.
const schemaVersion = 6

// migrate brings the schema up to date. Processes that start at once do it one
// after the other: the first does, the others find it done.
func migrate(ctx context.Context, pool *pgxpool.Pool, lock int64, logger *slog.Logger) error {
	if current, err := current(ctx, pool); err != nil || current {
		return err
	}
	// The lock is of the connection, which may die with the process.
	held, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer held.Release()
	if _, err := held.Exec(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		return fmt.Errorf("waiting for another process that migrates: %w", err)
	}
	defer held.Conn().Close(context.WithoutCancel(ctx)) //nolint:errcheck // this is what gives the lock back
	if current, err := current(ctx, pool); err != nil || current {
		return err
	}
	return bringUp(ctx, pool, logger)
}

type reader interface {
	QueryRow(ctx context.Context, statement string, args ...any) pgx.Row
}

// current reports whether the schema is that of this program; ErrInvalidInput
// when it is one of a newer program.
func current(ctx context.Context, on reader) (bool, error) {
	var version int64
	err := on.QueryRow(ctx, "SELECT version FROM engine_schema").Scan(&version)
	switch {
	case code(err) == undefinedTable, err == pgx.ErrNoRows:
		return false, nil
	case err != nil:
		return false, err
	case version > schemaVersion:
		return false, driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("it was written by a newer cinder-go (schema %d, this one knows %d)", version, schemaVersion))
	}
	return version == schemaVersion, nil
}

func bringUp(ctx context.Context, pool *pgxpool.Pool, logger *slog.Logger) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	plain := stdlib.OpenDBFromPool(pool)
	defer plain.Close()
	ours, err := goose.NewProvider(goose.DialectPostgres, plain, dir)
	if err != nil {
		return err
	}
	if _, err := ours.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	rivers, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: logger})
	if err != nil {
		return err
	}
	if _, err := rivers.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrating the job tables: %w", err)
	}
	_, err = pool.Exec(ctx, `INSERT INTO engine_schema (version) VALUES ($1)
		ON CONFLICT ("only") DO UPDATE SET version = excluded.version`, schemaVersion)
	return err
}
