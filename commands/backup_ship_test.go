package commands

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// The write to a pipe without a reader is an error to be told, not the silent
// end of a process that leaves its shipment running.
func TestATapeDownAPipeWithoutAReaderIsAnError(t *testing.T) {
	if testing.Short() {
		t.Skip("a process of its own; the long run has it")
	}
	dir := t.TempDir()
	require.NoError(t, drillstore.Unpack(dir))
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	require.NoError(t, r.Close())
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	// What TestMain takes for the program.
	cmd.Args = []string{"cinder-go", "--standalone", "--store", "posix://" + dir, "backup-ship", drillstore.Full, "--to", "-"}
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	assert.Equal(t, 8, exit.ExitCode(), "it ended by itself: %s", exit)
	assert.Contains(t, stderr.String(), "error: writing the tape: write /dev/stdout: broken pipe")
	assert.Contains(t, stderr.String(), "1 failed")
}
