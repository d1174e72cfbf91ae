package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
)

// Migrated is how much of one table was copied and read back.
type Migrated struct {
	Table string
	Rows  int
	Sum   string // SHA-256 of the rows as they were read back; empty for jobs
}

// Migrate copies the rows and unfinished jobs of a state directory into the
// empty PostgreSQL database of a URL, in one transaction: all of them, or
// nothing. The state directory is left as it is; ErrConflict when a process
// uses it, or the database holds rows, ErrNotFound when there is no database in
// it.
func Migrate(ctx context.Context, stateDir, databaseURL string, logger *slog.Logger) ([]Migrated, error) {
	dir, err := filepath.Abs(stateDir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, databaseFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, driverstate.Fail(driverstate.ErrNotFound, "state directory "+dir+" has no database: there is no "+path)
	}
	held, err := lock(dir, filepath.Join(dir, lockFile), "")
	if err != nil {
		return nil, err
	}
	defer held.Close()
	// A copy is opened in its place: to open a file may migrate it.
	work, err := os.MkdirTemp("", "cinder-go-migrate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if err := copyDatabase(path, filepath.Join(work, databaseFile)); err != nil {
		return nil, err
	}
	from, err := sqlite.Open(ctx, filepath.Join(work, databaseFile), sqlite.Options{Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("a copy of %s: %w", path, err)
	}
	defer from.Close()
	to, err := postgres.Open(ctx, databaseURL, postgres.Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	defer to.Close()
	copied, err := to.Adopt(ctx, from)
	if err != nil {
		name, _ := postgres.Name(databaseURL)
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	var out []Migrated
	for _, c := range copied {
		out = append(out, Migrated(c))
	}
	return out, nil
}

// copyDatabase copies a SQLite file that nobody has open, with the log that a
// killed process left beside it.
func copyDatabase(from, to string) error {
	for _, suffix := range []string{"", "-wal"} {
		err := copyFile(from+suffix, to+suffix)
		if err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
