package remotefs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/glusterfs"
	"github.com/cinder-go/cinder-go/driverstate/drivers/nfs"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
)

// disk is an ext4 file system of its own in the place of a share: a real mount
// point, real lack of space and a real read-only mount, and the kernel shows
// the share as what is mounted.
type disk struct {
	share  string
	base   string // of mount points
	dir    string
	device string
	// program is the mount program: it mounts the disk, whatever it is told.
	// It keeps what it was told in log, and fails as often as the file fail
	// has lines, with the first of them.
	program string
	kind    string // nfs or glusterfs
	options string
}

func sh(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := exec.Command(command, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", command, args, out)
	return strings.TrimSpace(string(out))
}

// newDisk skips a test where it cannot mount, and fails it in the lane that
// must be able to.
func newDisk(t *testing.T, kind, share string) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
			require.FailNow(t, "only root can mount")
		}
		t.Skip("SKIPPED: nothing was mounted, because only root can")
	}
	d := &disk{share: share, kind: kind, dir: t.TempDir(), base: t.TempDir()}
	d.program = filepath.Join(d.dir, "mount")
	image := filepath.Join(d.dir, "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 24<<20))
	sh(t, "mkfs.ext4", "-q", "-m", "0", image)
	d.device = sh(t, "losetup", "-f", "--show", image)
	t.Cleanup(func() { sh(t, "losetup", "-d", d.device) })
	// The kernel keeps the name by which a device was mounted: relative to
	// the working directory of mount, the device has the name of the share.
	named := filepath.Join(d.dir, filepath.FromSlash(share))
	require.NoError(t, os.MkdirAll(filepath.Dir(named), 0o700))
	require.NoError(t, os.Symlink(d.device, named))
	script := fmt.Sprintf(`#!/bin/sh
cd %s
echo "$*" >>log
if [ -s fail ]; then
	head -1 fail >&2
	sed -i 1d fail
	exit 32
fi
for last; do :; done
exec mount -c -t ext4 '%s' "$last"
`, d.dir, share)
	require.NoError(t, os.WriteFile(d.program, []byte(script), 0o700))
	t.Cleanup(func() {
		for exec.Command("umount", d.point()).Run() == nil {
		}
	})
	return d
}

func (d *disk) point() string {
	return (&shareOf{Name: d.share, Base: d.base}).Point()
}

// mount mounts the disk as its program would.
func (d *disk) mount(t *testing.T) {
	t.Helper()
	require.NoError(t, os.MkdirAll(d.point(), 0o700))
	command := exec.Command("mount", "-c", "-t", "ext4", d.share, d.point())
	command.Dir = d.dir
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func (d *disk) fail(t *testing.T, lines ...string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "fail"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// told are the arguments of the mount commands so far, the mount point left out.
func (d *disk) told(t *testing.T) []string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(log), " "+d.point(), "")), "\n")
}

func (d *disk) driver(t *testing.T, files posix.Config) driverstate.Driver {
	t.Helper()
	if files.Compression == "" {
		files.Compression = chunked.CompressionZlib
	}
	var driver driverstate.Driver
	var err error
	if d.kind == "nfs" {
		driver, err = nfs.New(t.Context(), nfs.Config{Share: d.share, Base: d.base, Options: d.options, Attempts: 1, Program: []string{d.program}, Config: files})
	} else {
		driver, err = glusterfs.New(t.Context(), glusterfs.Config{Share: d.share, Base: d.base, Program: []string{d.program}, Config: files})
	}
	require.NoError(t, err)
	return driver
}

// Open implements drivertest.Store.
func (d *disk) Open(t *testing.T, s drivertest.Settings) driverstate.Driver {
	t.Helper()
	return d.driver(t, posix.Config{
		Compression: s.Compression, ObjectSize: s.ObjectSize, BlockSize: s.BlockSize,
		Runtime: chunked.Runtime{ReadOnly: s.ReadOnly, Workers: s.Workers},
	})
}

func (d *disk) Names(t *testing.T, container string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(d.point(), container))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (d *disk) Read(t *testing.T, container, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(d.point(), container, name))
	require.NoError(t, err)
	return content
}

func (d *disk) Write(t *testing.T, container, name string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(d.point(), container, name), content, 0o600))
}

func (d *disk) Remove(t *testing.T, container, name string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(d.point(), container, name)))
}

// empty removes what a case left.
func (d *disk) empty(t *testing.T) {
	t.Helper()
	for _, name := range d.Names(t, "") {
		require.NoError(t, os.RemoveAll(filepath.Join(d.point(), name)))
	}
}
