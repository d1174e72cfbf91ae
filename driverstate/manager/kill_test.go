package manager_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// childDir names, in a child of TestKilledProcess, the lab to work in.
const childDir = "MANAGER_TEST_CHILD_DIR"

// TestChildThatIsKilled is not a test of its own: it is the process that
// TestKilledProcess kills in the middle of a restore and a delete.
func TestChildThatIsKilled(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("runs only as a child of TestKilledProcess")
	}
	l := startLab(t, dir)
	restored, deleted, v := l.managed(nil, image(200<<10, 1)), l.managed(nil, image(200<<10, 2)), l.newVolume()
	restoring, deleting := l.driver.hold(atRestore), l.driver.hold(atDelete)
	_, err := l.RestoreBackup(t.Context(), admin, restored.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, deleted.ID, true))
	restoring.wait(t)
	deleting.wait(t)
	_, err = os.Stdout.WriteString("at work " + restored.ID + " " + deleted.ID + " " + v.ID + "\n")
	require.NoError(t, err)
	select {} // until killed
}

func startLab(t *testing.T, dir string) *lab {
	l := openLab(t, dir, nil)
	l.start()
	return l
}

func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildThatIsKilled$", "-test.v")
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var ids []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "at work "); ok {
			ids = strings.Fields(rest)
			break
		}
		t.Log(lines.Text())
	}
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.Len(t, ids, 3, "the child came to its restore and its delete")

	l := startLab(t, dir)
	l.untilGone(ids[1])
	assert.Empty(t, l.objects(ids[1]), "the delete went on to its end")
	assert.Equal(t, driverstate.StatusAvailable, l.row(ids[0]).Status)
	v := l.volume(ids[2])
	assert.Equal(t, driverstate.VolumeErrorRestoring, v.Status)
	assert.NotEmpty(t, v.Metadata["restore_error"])
	_, err = l.RestoreBackup(t.Context(), admin, ids[0], driverstate.RestoreRequest{})
	require.NoError(t, err)
	l.until(ids[0], driverstate.StatusAvailable)
}
