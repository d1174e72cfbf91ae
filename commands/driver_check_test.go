package commands

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDriverCheckTellsStepsAndEndsWithTheirKind(t *testing.T) {
	root, conf, env := backupHost(t)
	code, out, errOut := invoke(t, env, "--standalone", "--config-file", conf, "driver-check", "--write", "-f", "json")
	require.Zero(t, code, errOut)
	var rows []struct {
		Host, Step, Kind, Service string
		Passed                    bool
	}
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	var steps []string
	for _, r := range rows {
		steps = append(steps, r.Step)
		assert.True(t, r.Passed, r.Step)
		assert.Equal(t, "cinder.backup.drivers.posix.PosixBackupDriver", r.Service)
	}
	assert.Equal(t, []string{"configuration", "directory", "space", "list", "read", "write"}, steps)
	left, err := filepath.Glob(filepath.Join(root, "cinder-go*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = "key", "hidden"
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no directory":  {[]string{"--store", "posix://" + root + "/none"}, 8, "hint: make the directory, mount what should be there, or correct the option"},
		"no container":  {[]string{"--store", "posix://" + root + "?container=none"}, 5, "a container that is not there is made by the first backup"},
		"no such name":  {[]string{"--store", "s3://no-such-host.invalid/volumebackups"}, 8, "hint: check the name in backup_s3_endpoint_url"},
		"wrong options": {[]string{"--store", "posix://" + root + "?object_size=1"}, 2, "object size 1 is not a multiple"},
		"no such host":  {[]string{"--store", "posix://" + root, "--host", "elsewhere"}, 1, "no service of this engine is on host elsewhere: there are "},
		"not to write":  {[]string{"--store", "posix://" + root, "--read-only", "--write"}, 2, "--write and --read-only exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errOut := invoke(t, env, append([]string{"--standalone", "driver-check"}, c.args...)...)
			assert.Equal(t, c.code, code, errOut)
			assert.Contains(t, errOut, c.want)
			assert.NotContains(t, errOut, "hidden")
		})
	}
	require.NoError(t, os.RemoveAll(root))
}
