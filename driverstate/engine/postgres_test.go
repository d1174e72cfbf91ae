package engine_test

import (
	"crypto/rand"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
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

// A restart of the server, or a move to its standby, lets every host go. Here the
// sessions of one engine end, and another process waits for its host already.
func TestAnEngineWhoseHostAnotherHasBecomeStops(t *testing.T) {
	database := pgtest.URL(t)
	conn := pgtest.Connect(t, database)
	named := func(application, patience string) string {
		u, err := url.Parse(database)
		require.NoError(t, err)
		q := u.Query()
		q.Set("application_name", application)
		q.Set("lock_timeout", patience)
		u.RawQuery = q.Encode()
		return u.String()
	}
	first, second := rand.Text(), rand.Text()
	one := start(t, engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: store(t)}}, DatabaseURL: named(first, "50ms"), Host: "h",
		ReportInterval: 10 * time.Millisecond})
	select {
	case err := <-one.Lost():
		require.Fail(t, "it has its host", "%v", err)
	default:
	}
	came := make(chan error, 1)
	go func() {
		d, err := postgres.Open(t.Context(), named(second, "1min"), postgres.Options{Host: "h"})
		if err == nil {
			t.Cleanup(func() { assert.NoError(t, d.Close()) })
		}
		came <- err
	}()
	count := func(query, application string) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), query, application).Scan(&n))
		return n
	}
	require.Eventually(t, func() bool {
		return count("SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'advisory'", second) == 1
	}, time.Minute, 5*time.Millisecond)
	count("SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", first)
	require.NoError(t, <-came)
	select {
	case err := <-one.Lost():
		require.ErrorIs(t, err, driverstate.ErrConflict)
		require.ErrorContains(t, err, "another process is host h on it")
	case <-time.After(time.Minute):
		require.Fail(t, "it never saw that it was not its host any more")
	}
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
