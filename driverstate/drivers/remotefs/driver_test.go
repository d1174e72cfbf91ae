package remotefs_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

func TestNFSDriverKeepsTheContract(t *testing.T) {
	d := newDisk(t, "nfs", "nas.example.org:/export/backups")
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { d.empty(t); return d }})
}

func TestGlusterfsDriverKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("beside nfs, whose code is the same, it takes a minute under the race detector")
	}
	d := newDisk(t, "glusterfs", "gluster1:/backups")
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { d.empty(t); return d }})
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// back makes a backup of image and returns its row.
func back(t *testing.T, d driverstate.Driver, n int, image []byte) (*driverstate.Backup, error) {
	t.Helper()
	b := &driverstate.Backup{
		ID: fmt.Sprintf("%08d-2222-4333-8444-555555555555", n), VolumeID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
		CreatedAt: time.Date(2026, 11, 21, 5, 54, n, 0, time.UTC),
	}
	var err error
	b.Container, b.ServiceMetadata, err = d.Place(b, nil, b.CreatedAt)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.WriteFile(path, image, 0o600))
	src, err := volume.OpenSource(path, nil)
	require.NoError(t, err)
	defer src.Close()
	_, err = d.Backup(t.Context(), b, nil, src, nil)
	return b, err
}

func restored(t *testing.T, d driverstate.Driver, b *driverstate.Backup) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "restored")
	dst, err := volume.OpenTarget(path, volume.TargetOptions{})
	require.NoError(t, err)
	defer dst.Close()
	_, err = d.Restore(t.Context(), driverstate.Chain{b}, dst, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	require.NoError(t, dst.Commit())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

func scan(t *testing.T, d driverstate.Driver) map[string]driverstate.Condition {
	t.Helper()
	found := map[string]driverstate.Condition{}
	for f, err := range d.(driverstate.Scanner).Scan(t.Context(), "") {
		require.NoError(t, err)
		found[f.Backup.ID] = f.Condition
	}
	return found
}

func opened(t *testing.T, d *disk, files posix.Config) driverstate.Driver {
	t.Helper()
	driver := d.driver(t, files)
	t.Cleanup(func() { assert.NoError(t, driver.Close()) })
	require.NoError(t, driver.DoSetup(t.Context()))
	require.NoError(t, driver.CheckForSetupError(t.Context()))
	return driver
}

func TestADiskThatFillsUpLeavesNoBackup(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	driver := opened(t, d, posix.Config{ObjectSize: 1 << 20})
	kept, err := back(t, driver, 1, noise(4<<20))
	require.NoError(t, err)
	failed, err := back(t, driver, 2, noise(40<<20))
	require.ErrorContains(t, err, "no space left on device")
	assert.ErrorContains(t, err, failed.ID)
	assert.ErrorContains(t, err, failed.ServiceMetadata+"-000", "the object is named")
	assert.Equal(t, map[string]driverstate.Condition{kept.ID: driverstate.ConditionWhole, failed.ID: driverstate.ConditionPartial}, scan(t, driver))
	for _, name := range d.Names(t, failed.Container) {
		assert.NotContains(t, name, "_metadata")
		assert.False(t, strings.HasPrefix(name, "."), "a temporary file is left: %s", name)
	}
	require.NoError(t, driver.Delete(t.Context(), failed))
	again, err := back(t, driver, 3, noise(12<<20))
	require.NoError(t, err, "its space is free again")
	assert.True(t, bytes.Equal(noise(12<<20), restored(t, driver, again)))
	assert.True(t, bytes.Equal(noise(4<<20), restored(t, driver, kept)))
}

func TestAShareThatBecomesReadOnlyIsStillRead(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	driver := opened(t, d, posix.Config{})
	b, err := back(t, driver, 1, noise(1<<20))
	require.NoError(t, err)
	sh(t, "mount", "-o", "remount,ro", d.point())
	_, err = back(t, driver, 2, noise(1<<20))
	require.ErrorIs(t, err, driverstate.ErrReadOnly)
	assert.ErrorContains(t, err, "read-only file system")
	require.ErrorIs(t, driver.Delete(t.Context(), b), driverstate.ErrReadOnly)
	require.NoError(t, driver.DoSetup(t.Context()))
	require.NoError(t, driver.CheckForSetupError(t.Context()))
	assert.True(t, bytes.Equal(noise(1<<20), restored(t, driver, b)))
	assert.Equal(t, map[string]driverstate.Condition{b.ID: driverstate.ConditionWhole}, scan(t, driver))
}

func TestAShareThatMayNotBeWrittenSaysSo(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	driver := opened(t, d, posix.Config{})
	sh(t, "chattr", "+i", d.point())
	_, err := back(t, driver, 1, noise(1<<20))
	require.ErrorIs(t, err, driverstate.ErrForbidden)
	assert.ErrorContains(t, err, "permission denied")
	assert.Empty(t, scan(t, driver))
}

// Without a guard a backup would go to the directory below the mount point,
// and a scan would find a store without backups.
func TestAShareThatIsUnmountedIsNeitherReadNorWritten(t *testing.T) {
	for _, kind := range []string{"nfs", "glusterfs"} {
		d := newDisk(t, kind, "nas:/export")
		driver := opened(t, d, posix.Config{})
		b, err := back(t, driver, 1, noise(1<<20))
		require.NoError(t, err)
		sh(t, "umount", d.point())
		const want = "share nas:/export is not mounted on "
		_, err = back(t, driver, 2, noise(1<<20))
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, driverstate.ErrUnavailable)
		for _, err := range driver.(driverstate.Scanner).Scan(t.Context(), "") {
			require.ErrorIs(t, err, driverstate.ErrUnavailable)
		}
		_, err = driver.(driverstate.Verifier).Verify(t.Context(), driverstate.Chain{b}, driverstate.DepthData, nil)
		require.ErrorIs(t, err, driverstate.ErrUnavailable)
		require.ErrorIs(t, driver.Delete(t.Context(), b), driverstate.ErrUnavailable)
		err = driver.CheckForSetupError(t.Context())
		require.ErrorIs(t, err, driverstate.ErrUnavailable)
		assert.ErrorContains(t, err, want+d.point()+": mount -t "+kind)
		assert.Empty(t, d.Names(t, ""), "the directory below")
		require.NoError(t, driver.DoSetup(t.Context()))
		assert.True(t, bytes.Equal(noise(1<<20), restored(t, driver, b)))
	}
}

func TestAnotherShareInItsPlaceIsRefused(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	require.NoError(t, os.MkdirAll(d.point(), 0o700))
	sh(t, "mount", "-t", "tmpfs", "-o", "size=1m", "other:/export", d.point())
	driver := d.driver(t, posix.Config{})
	for _, err := range []error{driver.DoSetup(t.Context()), driver.CheckForSetupError(t.Context())} {
		require.ErrorIs(t, err, driverstate.ErrInvalidInput)
		assert.ErrorContains(t, err, "is mounted from other:/export (tmpfs): unmount that, or correct option backup_share")
	}
	_, err := back(t, driver, 1, noise(10))
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.Empty(t, d.told(t), "nothing was mounted over it")
	assert.Empty(t, d.Names(t, ""))
}

func TestAShareThatIsMountedIsUsedAsItIs(t *testing.T) {
	d := newDisk(t, "nfs", "[fd00::1]:/export")
	d.mount(t)
	b, err := back(t, opened(t, d, posix.Config{}), 1, noise(1<<20))
	require.NoError(t, err)
	assert.Empty(t, d.told(t))

	// The same share, bound to the place that a base behind a link gives it.
	bound := *d
	real := t.TempDir()
	bound.base = filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(real, bound.base))
	require.NoError(t, os.Mkdir(bound.point(), 0o700))
	sh(t, "mount", "--bind", d.point(), bound.point())
	t.Cleanup(func() { sh(t, "umount", bound.point()) })
	assert.True(t, bytes.Equal(noise(1<<20), restored(t, opened(t, &bound, posix.Config{}), b)))
	assert.Empty(t, d.told(t))
}

func TestTheGroupMayWrite(t *testing.T) {
	for _, kind := range []string{"nfs", "glusterfs"} {
		d := newDisk(t, kind, "nas:/export")
		d.mount(t)
		old := filepath.Join(d.point(), "ab", "cd")
		require.NoError(t, os.MkdirAll(old, 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(old, "backup-00001"), nil, 0o640))
		require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(old, "link")))

		reader := opened(t, d, posix.Config{Runtime: chunked.Runtime{ReadOnly: true}})
		assert.Equal(t, "755 0", stat(t, d.point()), "a store that is read is left alone")
		require.NoError(t, reader.Close())

		opened(t, d, posix.Config{})
		assert.Equal(t, "775 0", stat(t, d.point()), "root leaves the group")
		share := &shareOf{Name: d.share, Base: d.base, Recursive: kind == "nfs"}
		require.NoError(t, share.Admit(t.Context(), 64061, 4242))
		assert.Equal(t, "775 4242", stat(t, d.point()))
		want := map[bool]string{true: "660 4242", false: "640 0"}[kind == "nfs"] // glusterfs.py changes the root alone
		assert.Equal(t, want, stat(t, filepath.Join(old, "backup-00001")), kind)
		assert.Equal(t, "644 0", stat(t, "/etc/passwd"))
		require.NoError(t, os.RemoveAll(filepath.Join(d.point(), "ab")))
	}
}

func stat(t *testing.T, path string) string {
	t.Helper()
	return sh(t, "stat", "-c", "%a %g", path)
}

func TestAGroupThatCannotBeChangedIsTold(t *testing.T) {
	d := newDisk(t, "nfs", "nas:/export")
	d.mount(t)
	sh(t, "mount", "-o", "remount,ro", d.point())
	var told bytes.Buffer
	opened(t, d, posix.Config{Runtime: chunked.Runtime{Logger: slog.New(slog.NewTextHandler(&told, nil))}})
	assert.Contains(t, told.String(), "chmod -R g+w "+d.point())
}

// TestNFSServer uses a real server where the kernel has a client for it.
func TestNFSServer(t *testing.T) {
	export := os.Getenv("NFS_EXPORT")
	if export == "" {
		if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
			require.FailNow(t, "no NFS server", "NFS_EXPORT is not set: start one with testdata/servers/up nfs")
		}
		t.Skip("SKIPPED: no NFS server to test against: NFS_EXPORT is not set (testdata/servers/up nfs)")
	}
	_, port, _ := strings.Cut(os.Getenv("NFS_URL"), "nfsport=")
	d := &disk{share: "127.0.0.1:/export", base: t.TempDir(), kind: "nfs", options: "port=" + port + ",vers=4.1,soft,timeo=50", program: "mount"}
	if os.Getenv("NFS_MOUNT") == "" {
		err := d.driver(t, posix.Config{}).DoSetup(t.Context())
		require.ErrorIs(t, err, driverstate.ErrUnavailable)
		t.Skipf("SKIPPED: an NFS server runs, and this kernel cannot mount its export: %v", err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", d.point()).Run() })
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store {
		entries, err := os.ReadDir(export)
		require.NoError(t, err)
		for _, e := range entries {
			require.NoError(t, os.RemoveAll(filepath.Join(export, e.Name())))
		}
		return d
	}})
}
