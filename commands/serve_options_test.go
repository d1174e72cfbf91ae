package commands

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
