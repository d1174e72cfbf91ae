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
// TestKilledProcess kills in the middle of a restore, a delete and a backup.
func TestChildThatIsKilled(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("runs only as a child of TestKilledProcess")
	}
	l := startLab(t, dir)
	restored, deleted, v := l.managed(nil, image(200<<10, 1)), l.managed(nil, image(200<<10, 2)), l.newVolume()
	source := l.newVolume()
	require.NoError(t, fillVolume(source, image(256<<10, 3)))
	restoring, deleting, copying := l.driver.hold(atRestore), l.driver.hold(atDelete), l.driver.hold(atBackup)
	_, err := l.RestoreBackup(t.Context(), admin, restored.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, deleted.ID, true))
	made, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: source.ID})
	require.NoError(t, err)
	restoring.wait(t)
	deleting.wait(t)
	copying.wait(t)
	_, err = os.Stdout.WriteString("at work " + restored.ID + " " + deleted.ID + " " + v.ID + " " + made.ID + " " + source.ID + "\n")
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
	require.Len(t, ids, 5, "the child came to its restore, its delete and its backup")

	l := startLab(t, dir)
	l.untilGone(ids[1])
	assert.Empty(t, l.objects(ids[1]), "the delete went on to its end")
	assert.Equal(t, driverstate.StatusAvailable, l.row(ids[0]).Status)
	v := l.volume(ids[2])
	assert.Equal(t, driverstate.VolumeErrorRestoring, v.Status)
	assert.NotEmpty(t, v.Metadata["restore_error"])

	half := l.row(ids[3])
	assert.Equal(t, driverstate.StatusError, half.Status)
	assert.Equal(t, "incomplete backup reset on manager restart", half.FailReason, "Cinder's words")
	assert.Empty(t, l.objects(half.ID), "what the copy wrote is gone")
	source := l.volume(ids[4])
	assert.Equal(t, driverstate.VolumeAvailable, source.Status)
	again, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: source.ID})
	require.NoError(t, err)
	l.until(again.ID, driverstate.StatusAvailable)

	_, err = l.RestoreBackup(t.Context(), admin, ids[0], driverstate.RestoreRequest{})
	require.NoError(t, err)
	l.until(ids[0], driverstate.StatusAvailable)
}
