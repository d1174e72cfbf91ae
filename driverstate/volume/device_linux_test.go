package volume_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// loop makes a block device of a file of 8 MiB, where the machine lets us.
func loop(t *testing.T, options ...string) (device, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("o"), 8<<20), 0o600))
	out, err := exec.Command("losetup", append(append([]string{"--find", "--show"}, options...), file)...).CombinedOutput()
	if err != nil {
		t.Skipf("NOT TESTED: block devices, for which this machine has no loop device: %v: %s", err, out)
	}
	device = strings.TrimSpace(string(out))
	t.Cleanup(func() { assert.NoError(t, exec.Command("losetup", "--detach", device).Run()) })
	return device, file
}

func TestADeviceIsWrittenInPlace(t *testing.T) {
	device, _ := loop(t)
	target := open(t, device, volume.TargetOptions{})
	assert.False(t, target.Blank())
	require.ErrorIs(t, target.Begin(8<<20+1), driverstate.ErrTooSmall)
	fill(t, target, 4<<20+100, 100, "new")
	require.NoError(t, target.ZeroRange(1<<20, 1<<20))
	require.NoError(t, target.ZeroRange(3<<20+1, 700))
	require.NoError(t, target.Commit())
	require.NoError(t, target.Close())

	want := bytes.Repeat([]byte("o"), 8<<20)
	copy(want[100:], "new")
	clear(want[1<<20 : 2<<20])
	clear(want[3<<20+1 : 3<<20+701])
	s, err := volume.OpenSource(device, nil)
	require.NoError(t, err)
	defer s.Close()
	require.EqualValues(t, 8<<20, s.Size())
	got := make([]byte, 8<<20)
	_, err = s.ReadAt(got, 0)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got))
}

func TestADeviceInUseIsRefused(t *testing.T) {
	device, _ := loop(t)
	open(t, device, volume.TargetOptions{})
	_, err := volume.OpenTarget(device, volume.TargetOptions{})
	require.ErrorIs(t, err, driverstate.ErrConflict)
	assert.ErrorContains(t, err, "is in use")
}

func TestAMountedDeviceIsRefusedByItsMountPoint(t *testing.T) {
	device, _ := loop(t)
	if out, err := exec.Command("mkfs.ext4", "-q", device).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: a mounted device: %v: %s", err, out)
	}
	where := t.TempDir()
	if out, err := exec.Command("mount", device, where).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: a mounted device: %v: %s", err, out)
	}
	defer func() { assert.NoError(t, exec.Command("umount", where).Run()) }()
	_, err := volume.OpenTarget(device, volume.TargetOptions{})
	require.ErrorIs(t, err, driverstate.ErrConflict)
	assert.ErrorContains(t, err, "is mounted at "+where)
}

func TestAReadOnlyDeviceIsRefused(t *testing.T) {
	device, _ := loop(t, "--read-only")
	_, err := volume.OpenTarget(device, volume.TargetOptions{})
	require.ErrorIs(t, err, driverstate.ErrForbidden)
	assert.ErrorContains(t, err, "read-only")
}
