package commands

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// An interruption gives the target back when the restore has ended, so that no
// row of it stays: in this process, and on a server, whose restore it stops.
func TestAnInterruptedRestoreLeavesNoVolume(t *testing.T) {
	for _, name := range []string{"standalone", "serve"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			env := map[string]string{"HOME": dir, "XDG_STATE_HOME": dir}
			state := filepath.Join(dir, "state")
			store := []string{"--store", "posix://" + dir + "/store?compression=none", "--state-dir", state}
			where := append(store, "--standalone")
			run := func(args ...string) string {
				code, out, errOut := invoke(t, env, append(args, where...)...)
				require.Zero(t, code, errOut)
				return strings.TrimSpace(out)
			}
			require.NoError(t, os.Mkdir(filepath.Join(dir, "store"), 0o700))
			id := run("volume-create", "1", "-f", "value", "-c", "id")
			files, err := filepath.Glob(filepath.Join(state, "volumes", "*"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			require.NoError(t, os.WriteFile(files[0], bytes.Repeat([]byte("data"), 1<<20), 0o600))
			backup := run("backup-create", id, "-f", "value", "-c", "id")

			slow := append(store, "--bwlimit", "100K") // 40 s
			where = append(slow, "--standalone")
			if name == "serve" {
				base, _ := startServer(t, slow...)
				where = []string{"--os-endpoint", base + "/v3"}
			}
			disk := filepath.Join(dir, "disk.raw")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, _, errOut := iostreams.Buffers(strings.NewReader(""))
			ended := make(chan int, 1)
			go func() {
				ended <- runMain(ctx, append([]string{"backup-restore", backup, "--to", disk, "--resume"}, where...), s, envOf(env))
			}()
			require.Eventually(t, func() bool {
				info, err := os.Stat(disk + volume.PartialSuffix)
				return err == nil && info.Size() > 0 // it has its length, and bytes are to come
			}, time.Minute, 5*time.Millisecond)
			cancel()
			assert.Equal(t, 130, <-ended)
			told := errOut.String()
			assert.NotContains(t, told, "could not be released")
			assert.Contains(t, told, "--resume goes on")
			assert.NoFileExists(t, disk)
			assert.FileExists(t, disk+volume.PartialSuffix)
			assert.Equal(t, id, run("volume-list", "-f", "value", "-c", "id"), "no row of it is left")
			assert.Equal(t, "available", run("backup-show", backup, "-f", "value", "-c", "status"))
		})
	}
}
