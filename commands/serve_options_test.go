package commands

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/db/postgres/pgtest"
)

func TestServeTakesTheOptionsOfCinderConf(t *testing.T) {
	store, volumes := unpacked(t), filepath.Join(t.TempDir(), "shared")
	base, stop := startServer(t, "--store", "posix://"+store, "--state-dir", t.TempDir(),
		"--set", "host=by-option", "--host", "by-flag", "--cluster", "blue", "--set", "storage_availability_zone=az-1", "--volume-dir", volumes)
	defer stop()
	env := map[string]string{"HOME": t.TempDir(), "OS_ENDPOINT": base + "/v3"}
	code, out, errOut := invoke(t, env, "service-list", "--binary", "cinder-backup", "-f", "json")
	require.Equal(t, 0, code, errOut)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	require.Len(t, rows, 1)
	assert.Equal(t, "by-flag", rows[0]["host"], "a flag wins over --set")
	assert.Equal(t, "az-1", rows[0]["zone"])
	code, out, errOut = invoke(t, env, "cluster-list", "-f", "value", "-c", "name")
	require.Equal(t, 0, code, errOut)
	assert.Contains(t, out, "blue")
	assert.DirExists(t, volumes)
}

// A restart of the server lets every host go; here the sessions of one process
// end, and another waits for its host already.
func TestServeEndsWhenAnotherProcessIsItsHost(t *testing.T) {
	at, name := pgtest.URL(t), rand.Text()
	conn, other := pgtest.Connect(t, at), pgtest.Connect(t, at)
	_, _, ended := launchServer(t, "--store", "posix://"+t.TempDir(), "--state-dir", t.TempDir(), "--host", "h",
		"--db", at+"&lock_timeout=50ms&application_name="+name, "--set", "report_interval=1")
	var host int64
	var holder, waiter int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT classid::bigint << 32 | objid::bigint, pid FROM pg_locks JOIN pg_stat_activity USING (pid)
		WHERE locktype = 'advisory' AND granted AND state = 'idle' AND application_name = $1
		AND query !~* '^commit'`, name).Scan(&host, &holder))
	require.NoError(t, other.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&waiter))
	has := make(chan error, 1)
	go func() {
		_, err := other.Exec(t.Context(), "SELECT pg_advisory_lock($1)", host)
		has <- err
	}()
	require.Eventually(t, func() bool {
		var waits bool
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT $1 = ANY(pg_blocking_pids($2))", holder, waiter).Scan(&waits))
		return waits
	}, time.Minute, 5*time.Millisecond)
	_, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend($1)", holder)
	require.NoError(t, err)
	require.NoError(t, <-has)
	assert.Equal(t, 6, ended())
}

// As behind a proxy that ends TLS: clients come to another URL than the engine.
func TestLinksBeginWithThePublicEndpoint(t *testing.T) {
	config := filepath.Join(t.TempDir(), "cinder.conf")
	require.NoError(t, os.WriteFile(config, []byte("[DEFAULT]\nbackup_driver = cinder.backup.drivers.posix.PosixBackupDriver\nbackup_posix_path = "+unpacked(t)+
		"\npublic_endpoint = https://cloud.example:8776/volume/\nosapi_max_limit = 2\n"), 0o600))
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"from the file": {[]string{"--config-file", config}, "https://cloud.example:8776/volume"},
		"--set wins":    {[]string{"--config-file", config, "--set", "public_endpoint=http://proxy"}, "http://proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			base, stop := startServer(t, append(c.args, "--state-dir", t.TempDir(), "--read-only")...)
			defer stop()
			code, _, errOut := invoke(t, map[string]string{"HOME": t.TempDir(), "OS_ENDPOINT": base + "/v3"}, "backup-manage", "--all", "--yes")
			require.Equal(t, 0, code, errOut)
			page := body(t, base+"/v3/backups?all_tenants=1")
			list := page["backups"].([]any)
			assert.Len(t, list, 2, "osapi_max_limit")
			first := list[0].(map[string]any)
			assert.Equal(t, c.want+"/v3/backups/"+first["id"].(string), href(first["links"], 0))
			assert.Equal(t, c.want+"/v3/backups?all_tenants=1&marker="+list[1].(map[string]any)["id"].(string), href(page["backups_links"], 0))
			code, out, errOut := invoke(t, map[string]string{"HOME": t.TempDir(), "OS_ENDPOINT": base + "/v3"}, "backup-list", "--all-projects", "-f", "value", "-c", "id")
			require.Equal(t, 0, code, errOut)
			assert.Greater(t, strings.Count(out, "\n"), 2, "a client gets the other pages from where it asked")
			for _, path := range []string{"/", "/v3/"} {
				version := body(t, base+path)["versions"].([]any)[0].(map[string]any)
				assert.Equal(t, c.want+"/v3/", href(version["links"], 1))
			}
		})
	}
}

func href(links any, n int) any { return links.([]any)[n].(map[string]any)["href"] }

// body is a JSON answer to the admin of an engine without authentication.
func body(t *testing.T, url string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("X-Auth-Token", "admin:admin")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	var out map[string]any
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&out))
	return out
}

func TestServeRefusesOptionsThatCannotBe(t *testing.T) {
	for arg, text := range map[string]string{
		"service_downtime=60": "did you mean service_down_time?",
		"report_interval=0":   `option report_interval: "0" is not a whole number from 1`,
		"report_interval":     "is not NAME=VALUE",
	} {
		code, _, errOut := invoke(t, nil, "serve", "--store", "posix://"+t.TempDir(), "--state-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--set", arg)
		assert.Equal(t, 2, code, arg)
		assert.Contains(t, errOut, text, arg)
	}
	code, out, errOut := invoke(t, nil, "serve", "--show-options")
	require.Equal(t, 0, code, errOut)
	assert.Contains(t, out, "backup_driver_stats_polling_interval")
	assert.Contains(t, out, "backup_driver_status_check_interval")
}
