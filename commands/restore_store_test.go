package commands

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The store is never written by a restore: not even with --overwrite over an
// object of the very backup, by whatever name it goes.
func TestARestoreReplacesNothingInTheStore(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"HOME": dir, "XDG_STATE_HOME": dir}
	state, shelf := filepath.Join(dir, "state"), filepath.Join(dir, "store")
	run := func(args ...string) (int, string, string) {
		return invoke(t, env, append(args, "--standalone", "--store", "posix://"+shelf+"?compression=none", "--state-dir", state)...)
	}
	done := func(args ...string) string {
		code, out, errOut := run(args...)
		require.Zero(t, code, errOut)
		return strings.TrimSpace(out)
	}
	require.NoError(t, os.Mkdir(shelf, 0o700))
	id := done("volume-create", "1", "-f", "value", "-c", "id")
	files, err := filepath.Glob(filepath.Join(state, "volumes", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.WriteFile(files[0], bytes.Repeat([]byte("data"), 1<<10), 0o600))
	backup := done("backup-create", id, "-f", "value", "-c", "id")
	objects, err := filepath.Glob(filepath.Join(shelf, "*", "*", "*", "*-00001"))
	require.NoError(t, err)
	require.Len(t, objects, 1)
	link, twin := filepath.Join(dir, "link"), filepath.Join(dir, "store2")
	require.NoError(t, os.Symlink(objects[0], link))
	require.NoError(t, os.Symlink(shelf, twin))
	for _, to := range []string{objects[0], link, strings.Replace(objects[0], shelf, twin, 1)} {
		for _, how := range [][]string{{"--overwrite"}, {"--overwrite", "--resume"}, {"--overwrite", "--salvage", "--map", filepath.Join(dir, "map")}} {
			code, _, errOut := run(append([]string{"backup-restore", backup, "--to", to}, how...)...)
			assert.Equal(t, 2, code, errOut)
			assert.Contains(t, errOut, "what belongs to the store is not overwritten, name a new file")
		}
	}
	assert.Contains(t, done("backup-verify", backup), "whole")
	done("backup-restore", backup, "--to", filepath.Join(shelf, "new.raw")) // there may be no other room
}
