package engine

import (
	"context"
	"os"
	"path/filepath"

	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
)

// openDatabase opens the database that c names, else the one in the state
// directory dir.
func openDatabase(ctx context.Context, dir string, c Config) (db.DB, error) {
	if c.DatabaseURL != "" {
		return postgres.Open(ctx, c.DatabaseURL, postgres.Options{Logger: c.Logger, Now: c.Now, Host: c.Host})
	}
	path := filepath.Join(dir, databaseFile)
	// SQLite makes its other files with the rights of this one: the owner's.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path, sqlite.Options{Logger: c.Logger, Now: c.Now})
}

// RowsIn names where the rows are, for people: the state directory, or the
// database without its password.
func (c *Config) RowsIn() string {
	if c.DatabaseURL == "" {
		return c.StateDir
	}
	name, err := postgres.Name(c.DatabaseURL)
	if err != nil {
		return "a database"
	}
	return name
}
