package engine_test

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres/pgtest"
	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// shared is a new PostgreSQL whose host is waited for no longer than a moment.
func shared(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(pgtest.URL(t))
	require.NoError(t, err)
	q := u.Query()
	q.Set("lock_timeout", "100ms")
	u.RawQuery = q.Encode()
	return u.String()
}

func TestEnginesOnSeveralMachinesShareTheirRows(t *testing.T) {
	c := engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: store(t)}}, StoreReadOnly: true, DatabaseURL: shared(t), Host: "h1"}
	one := start(t, c)
	_, err := one.Manager().ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: drillstore.Full})
	require.NoError(t, err)
	assert.NoFileExists(t, filepath.Join(c.StateDir, "cinder-go.db"), "the rows are elsewhere")

	second := c
	second.StateDir = t.TempDir()
	_, err = engine.Start(t.Context(), second)
	require.ErrorIs(t, err, driverstate.ErrConflict, "the same host twice")
	require.ErrorContains(t, err, "--host")
	second.StateDir, second.Host = c.StateDir, "h2"
	_, err = engine.Start(t.Context(), second)
	require.ErrorIs(t, err, driverstate.ErrConflict, "a state directory is of one process")

	second.StateDir = t.TempDir()
	two := start(t, second)
	b, err := two.Manager().Backup(t.Context(), admin, drillstore.Full)
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusAvailable, b.Status)
	for _, e := range []*engine.Engine{one, two} {
		services, err := e.Manager().Services(t.Context(), admin)
		require.NoError(t, err)
		var hosts []string
		for _, s := range services {
			if s.Binary == driverstate.BinaryBackup {
				assert.True(t, s.Up, s.Host)
				hosts = append(hosts, s.Host)
			}
		}
		assert.Equal(t, []string{"h1", "h2"}, hosts)
	}
	require.NoError(t, one.Close(t.Context()))
	start(t, c) // a host that was stopped is free
}

func TestADatabaseThatIsNoneIsRefused(t *testing.T) {
	_, err := engine.Start(t.Context(), engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: "posix:///srv"}}, DatabaseURL: "mysql://h/db"})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	require.ErrorContains(t, err, "postgres://")
}

// Members at the default each have a directory of their own: a restore would
// end with its data on one machine and its volume on another.
func TestAClusterMustShareItsVolumes(t *testing.T) {
	c := engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: "posix:///srv"}}, DatabaseURL: "postgres://h/db", Cluster: "blue"}
	_, err := engine.Start(t.Context(), c)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	require.ErrorContains(t, err, "cluster blue: ")
	require.ErrorContains(t, err, "--volume-dir")
	for name, change := range map[string]func(*engine.Config){
		"a directory":              func(c *engine.Config) { c.VolumeDir = "/srv/volumes" },
		"no cluster":               func(c *engine.Config) { c.Cluster = "" },
		"a database of one engine": func(c *engine.Config) { c.DatabaseURL = "" },
	} {
		may := c
		change(&may)
		assert.NoError(t, may.Validate(), name)
	}
}
