package commands

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// backupHost is a store and a cinder.conf that names it.
func backupHost(t *testing.T) (root, conf string, env map[string]string) {
	t.Helper()
	root = t.TempDir()
	require.NoError(t, drillstore.Unpack(root))
	conf = filepath.Join(t.TempDir(), "cinder.conf")
	require.NoError(t, os.WriteFile(conf, []byte("[DEFAULT]\nstate_path = "+root+"\nbackup_driver = cinder.backup.drivers.posix\nbackup_posix_path = $state_path\n"), 0o600))
	return root, conf, map[string]string{"HOME": t.TempDir()}
}

func TestOneFlagIsEnoughOnABackupHost(t *testing.T) {
	root, conf, env := backupHost(t)
	ids := []string{"backup-manageable-list", "-f", "value", "-c", "id"}
	code, byFile, errOut := invoke(t, env, append([]string{"--standalone", "--read-only", "--config-file", conf}, ids...)...)
	require.Zero(t, code, errOut)
	assert.Empty(t, errOut)
	assert.NotEmpty(t, byFile)
	code, byURL, errOut := invoke(t, env, append([]string{"--standalone", "--read-only", "--store", "posix://" + root}, ids...)...)
	require.Zero(t, code, errOut)
	assert.Equal(t, byURL, byFile)
	states, err := os.ReadDir(filepath.Join(env["HOME"], ".local/state/cinder-go"))
	require.NoError(t, err)
	dirs := 0
	for _, s := range states {
		if s.IsDir() {
			dirs++
		}
	}
	assert.Equal(t, 1, dirs, "a file and a URL of the same store have the same rows")

	env["CINDER_GO_CONFIG_FILE"] = conf
	code, out, errOut := invoke(t, env, append([]string{"--standalone", "--read-only"}, ids...)...)
	require.Zero(t, code, errOut)
	assert.Equal(t, byFile, out)
}

func TestConfigurationDirectoriesCountInTheOrderOfTheCommandLine(t *testing.T) {
	_, conf, env := backupHost(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.conf"), []byte("[DEFAULT]\nbackup_posix_path = /from/dir\n"), 0o600))
	f := factoryOf(t, env, "version", "--config-file", conf, "--config-dir", dir)
	assert.Equal(t, []string{"posix:///from/dir"}, f.g.stores.urls)
	assert.Equal(t, "--config-file "+conf+" --config-dir "+dir, f.g.stores.flags())
	f = factoryOf(t, env, "version", "--config-dir", dir, "--config-file", conf)
	assert.NotEqual(t, []string{"posix:///from/dir"}, f.g.stores.urls)
}

func TestConfigurationFilesThatCannotBeUsed(t *testing.T) {
	_, conf, env := backupHost(t)
	bad := filepath.Join(t.TempDir(), "bad.conf")
	require.NoError(t, os.WriteFile(bad, []byte("[DEFAULT]\nbackup_driver = cinder.backup.drivers.posix\nbackup_file_size = 1G\nbackup_swift_key = hidden\n"), 0o600))
	with := func(name, value string) map[string]string {
		return map[string]string{"HOME": env["HOME"], name: value}
	}
	both := with("CINDER_GO_STORE", "posix:///srv")
	both["CINDER_GO_CONFIG_FILE"] = conf
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		code int
		want string
	}{
		"with a URL":       {env, []string{"--standalone", "--config-file", conf, "--store", "posix:///srv", "backup-list"}, 2, "--store and --config-file exclude each other"},
		"with a variable":  {both, []string{"--standalone", "backup-list"}, 2, "CINDER_GO_STORE and CINDER_GO_CONFIG_FILE exclude each other"},
		"not there":        {env, []string{"--standalone", "--config-file", "/nonexistent", "backup-list"}, 2, "configuration file /nonexistent: no such file or directory"},
		"a wrong value":    {env, []string{"--standalone", "--config-file", bad, "backup-list"}, 2, bad + `:3: option backup_file_size: "1G": it is not a whole number`},
		"an empty name":    {env, []string{"--standalone", "--config-file", "", "backup-list"}, 2, "--config-file"},
		"not needed":       {with("CINDER_GO_CONFIG_FILE", bad), []string{"version"}, 0, "warning: CINDER_GO_CONFIG_FILE: "},
		"needed":           {with("CINDER_GO_CONFIG_FILE", bad), []string{"--standalone", "backup-list"}, 2, "option backup_file_size"},
		"beaten by a flag": {with("CINDER_GO_STORE", "posix:///nonexistent"), []string{"--standalone", "--read-only", "--config-file", conf, "backup-list"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errOut := invoke(t, c.env, c.args...)
			assert.Equal(t, c.code, code, errOut)
			assert.Contains(t, errOut, c.want)
			assert.NotContains(t, errOut, "hidden")
		})
	}
}
