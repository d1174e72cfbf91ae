package manager_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// openDB opens the database at path. A test may close it earlier.
func openDB(t testing.TB, path string) db.DB { return openDBAt(t, path, time.Now) }

func openDBAt(t testing.TB, path string, now db.Clock) db.DB {
	t.Helper()
	d, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func openTarget(path string, o manager.TargetOptions) (manager.Target, error) {
	return volume.OpenTarget(path, volume.TargetOptions{Size: o.Size, Overwrite: o.Overwrite, Resume: o.Resume, Stdout: o.Stdout})
}
