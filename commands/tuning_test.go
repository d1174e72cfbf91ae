package commands

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTuningReachesTheEngineFromFlagsAndEnvironment(t *testing.T) {
	env := map[string]string{"HOME": t.TempDir(), "CINDER_GO_PARALLEL": "3", "CINDER_GO_MEMORY": "64M", "CINDER_GO_BWLIMIT": "20M"}
	store := []string{"version", "--store", "posix:///srv/backup"}
	cfg, err := factoryOf(t, env, store...).engineConfig()
	require.NoError(t, err)
	assert.Equal(t, []any{3, int64(64 << 20), int64(20 << 20), ""}, []any{cfg.Workers, cfg.Memory, cfg.BytesPerSec, cfg.Level})
	cfg, err = factoryOf(t, env, append(store, "--parallel", "5", "--memory", "1G", "--bwlimit", "500K")...).engineConfig()
	require.NoError(t, err)
	assert.Equal(t, []any{5, int64(1 << 30), int64(500 << 10)}, []any{cfg.Workers, cfg.Memory, cfg.BytesPerSec})
	cfg, err = factoryOf(t, map[string]string{"HOME": t.TempDir()}, store...).engineConfig()
	require.NoError(t, err)
	assert.Equal(t, []any{0, int64(0), int64(0)}, []any{cfg.Workers, cfg.Memory, cfg.BytesPerSec})
}

func TestTuningThatCannotBeIsRefused(t *testing.T) {
	dir := t.TempDir()
	store := "posix://" + dir
	for _, c := range []struct {
		args []string
		text string
	}{
		{[]string{"backup-list", "--os-endpoint", "http://h", "--memory", "64M"}, "--memory is about the engine"},
		{[]string{"backup-list", "--os-endpoint", "http://h", "--bwlimit", "1M"}, "--bwlimit is about the engine"},
		{[]string{"backup-list", "--standalone", "--store", store, "--memory", "x"}, "--memory is a number of bytes"},
		{[]string{"backup-list", "--standalone", "--store", store, "--parallel", "0"}, "--parallel must be"},
		{[]string{"backup-list", "--standalone", "--store", store + "?level=slow"}, "neither fast nor fastest"},
		{[]string{"backup-list", "--standalone", "--store", store + "?speed=fast"}, "level"},
		{[]string{"backup-create", "v", "--os-endpoint", "http://h", "--fast"}, "belong to --standalone and serve"},
		{[]string{"backup-create", "v", "--standalone", "--store", store, "--fast", "--fastest"}, "exclude each other"},
		{[]string{"serve", "--store", store, "--fast", "--fastest"}, "exclude each other"},
	} {
		code, out, errOut := invoke(t, map[string]string{"HOME": t.TempDir()}, c.args...)
		assert.Equal(t, 2, code, c.args)
		assert.Contains(t, errOut, c.text, c.args)
		assert.Empty(t, out)
	}
}

// tunedBackup backs a volume up, restores it, and returns how many bytes were stored
// and the line that ended the backup.
func tunedBackup(t *testing.T, url string, flags ...string) (stored int64, end map[string]any) {
	t.Helper()
	dir := t.TempDir()
	env := map[string]string{"HOME": dir, "XDG_STATE_HOME": dir, "CINDER_GO_STANDALONE": "1", "CINDER_GO_STATE_DIR": filepath.Join(dir, "state"), "CINDER_GO_STORE": "posix://" + dir + "/store" + url}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "store"), 0o700))
	image := []byte(strings.Repeat("so many words, and of them a few again: ", 40<<10))
	for i := range image {
		image[i] ^= byte(i * i >> 13 & 3)
	}
	run := func(args ...string) string {
		code, out, errOut := invoke(t, env, args...)
		require.Zero(t, code, errOut)
		for _, line := range strings.Split(errOut, "\n") {
			var e map[string]any
			if json.Unmarshal([]byte(line), &e) == nil && e["type"] == "end" && e["op"] == "backup" {
				end = e
			}
		}
		return strings.TrimSpace(out)
	}
	id := run("volume-create", "1", "-f", "value", "-c", "id")
	volumes, err := filepath.Glob(filepath.Join(dir, "state", "volumes", "*"))
	require.NoError(t, err)
	require.Len(t, volumes, 1)
	require.NoError(t, os.WriteFile(volumes[0], image, 0o600)) // its holes would take long
	backup := run(append([]string{"backup-create", id, "--json-events", "-f", "value", "-c", "id"}, flags...)...)
	run("backup-restore", backup, "--to", filepath.Join(dir, "again"))
	again, err := os.ReadFile(filepath.Join(dir, "again"))
	require.NoError(t, err)
	require.Equal(t, string(image), string(again[:len(image)]))
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "store"), func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && strings.HasSuffix(path, "-00001") {
			info, err := e.Info()
			stored += info.Size()
			return err
		}
		return err
	}))
	return stored, end
}

func TestFastAndFastestChangeWhatIsStored(t *testing.T) {
	cinder, end := tunedBackup(t, "")
	fast, _ := tunedBackup(t, "", "--fast")
	fastest, _ := tunedBackup(t, "", "--fastest")
	assert.NotEqual(t, cinder, fast)
	assert.NotEqual(t, fast, fastest)
	byURL, _ := tunedBackup(t, "?level=fastest", "--fast")
	assert.Equal(t, fastest, byURL, "the URL of the store wins")
	require.NotNil(t, end)
	assert.Positive(t, end["bytes_per_second"])
	bound, _ := end["bound"].(map[string]any)
	assert.Contains(t, []any{"source", "cpu", "target"}, bound["by"])
}

func TestABandwidthLimitIsHeldAndNamedAsTheBound(t *testing.T) {
	begun := time.Now()
	stored, end := tunedBackup(t, "?compression=none", "--bwlimit", "1M", "--memory", "16M", "--parallel", "2")
	least := time.Duration(float64(stored-64<<10) / (1 << 20) * float64(time.Second)) // a burst is free
	assert.GreaterOrEqual(t, time.Since(begun), least)
	assert.Equal(t, "target", end["bound"].(map[string]any)["by"])
}

// To read takes less memory than to pack: what is too little for a backup is
// told when one is asked for, and stops nothing else.
func TestMemoryThatIsTooLittleForABackupDoesForARestore(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"HOME": dir, "XDG_STATE_HOME": dir, "CINDER_GO_STANDALONE": "1", "CINDER_GO_STATE_DIR": filepath.Join(dir, "state"), "CINDER_GO_STORE": "posix://" + dir + "/store"}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "store"), 0o700))
	run := func(want int, args ...string) (out, errOut string) {
		code, out, errOut := invoke(t, env, args...)
		require.Equal(t, want, code, "%s: %s", args, errOut)
		return strings.TrimSpace(out), errOut
	}
	id, _ := run(0, "volume-create", "1", "-f", "value", "-c", "id")
	volumes, err := filepath.Glob(filepath.Join(dir, "state", "volumes", "*"))
	require.NoError(t, err)
	require.Len(t, volumes, 1)
	image := []byte(strings.Repeat("so many words, and of them a few again: ", 40<<10))
	require.NoError(t, os.WriteFile(volumes[0], image, 0o600)) // its holes would take long

	_, told := run(2, "backup-create", id, "--memory", "8M")
	assert.Contains(t, told, "memory of 8388608 bytes is too little for this: it takes 16 MiB at least")
	listed, _ := run(0, "backup-list", "-f", "value")
	assert.Empty(t, listed, "no row is left")
	left, err := os.ReadDir(filepath.Join(dir, "store"))
	require.NoError(t, err)
	assert.Empty(t, left, "nor anything on the store")

	backup, _ := run(0, "backup-create", id, "-f", "value", "-c", "id")
	run(0, "backup-verify", backup, "--memory", "8M")
	run(0, "backup-manageable-list", "--memory", "8M")
	again := filepath.Join(dir, "again")
	run(0, "backup-restore", backup, "--to", again, "--memory", "8M")
	restored, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Equal(t, string(image), string(restored[:len(image)]))

	_, told = run(2, "backup-restore", backup, "--to", again+"2", "--memory", "1M")
	assert.Regexp(t, `memory of 1048576 bytes is too little for this: it takes [3-7] MiB at least`, told)
	assert.NoFileExists(t, again+"2")
}
