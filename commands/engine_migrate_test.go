package commands

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/db/postgres/pgtest"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

func TestTheEngineMovesToPostgreSQL(t *testing.T) {
	at, state, store := pgtest.URL(t), filepath.Join(t.TempDir(), "state"), t.TempDir()
	require.NoError(t, drillstore.Unpack(store))
	on := []string{"--standalone", "--read-only", "--store", "posix://" + store, "--state-dir", state}
	run := func(want int, env map[string]string, args ...string) (out, errOut string) {
		t.Helper()
		code, out, errOut := invoke(t, env, args...)
		require.Equal(t, want, code, "%s%s", out, errOut)
		return out, errOut
	}
	run(0, nil, append(on, "backup-manage", "--yes", drillstore.Full)...)
	before, _ := run(0, nil, append(on, "backup-list", "-f", "json")...)

	raw, err := sql.Open("sqlite", filepath.Join(state, "cinder-go.db"))
	require.NoError(t, err)
	defer raw.Close()
	var name sql.NullString
	require.NoError(t, raw.QueryRow("SELECT display_name FROM backups").Scan(&name))
	_, err = raw.Exec("UPDATE backups SET display_name = 'a' || char(0)")
	require.NoError(t, err)
	_, errOut := run(9, nil, "engine-migrate", "--from", state, "--to", at)
	assert.Contains(t, errOut, "backups "+drillstore.Full+": display_name holds U+0000")
	assert.Contains(t, errOut, "hint: rename or delete what is named with the engine on the old rows: cinder-go serve --state-dir "+state)
	assert.NotContains(t, errOut, "SQLSTATE")
	assert.NotContains(t, errOut, "usage:")
	_, err = raw.Exec("UPDATE backups SET display_name = ?", name)
	require.NoError(t, err)
	require.NoError(t, raw.Close())

	out, errOut := run(0, nil, "engine-migrate", "--from", state, "--to", at, "-f", "csv", "-c", "table", "-c", "rows")
	assert.Contains(t, out, "backups,1\n")
	assert.Contains(t, errOut, "before-postgres")
	_, errOut = run(6, nil, "engine-migrate", "--from", state, "--to", at)
	assert.Contains(t, errOut, "not empty")
	run(5, nil, "engine-migrate", "--from", t.TempDir(), "--to", at)
	run(2, nil, "engine-migrate", "--from", state, "--to", "sqlite:///x")

	require.NoError(t, os.Remove(filepath.Join(state, "cinder-go.db")))
	after, _ := run(0, map[string]string{"CINDER_GO_DB": at}, append(on, "backup-list", "-f", "json")...)
	assert.Equal(t, before, after)
	assert.NoFileExists(t, filepath.Join(state, "cinder-go.db"))
}
