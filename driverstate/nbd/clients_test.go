package nbd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/nbd"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

const (
	fullID   = "11111111-2222-4333-8444-555555555555"
	childID  = "11111111-2222-4333-8444-666666666666"
	volumeID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

// needClients skips where the clients are not, unless the lane owns them.
func needClients(t *testing.T) {
	t.Helper()
	for _, name := range []string{"qemu-img", "qemu-io", "nbdinfo", "nbdcopy", "mkfs.ext4", "debugfs"} {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CINDER_GO_REQUIRE_NBD") != "" {
			require.FailNow(t, "a client of NBD is not installed", name)
		}
		t.Skipf("SKIPPED: %s is not here to check against (Debian packages qemu-utils, libnbd-bin, e2fsprogs)", name)
	}
}

// run runs a program and returns what it says.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}

// fails runs a program that must not succeed.
func fails(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.Error(t, err, "%s %v: %s", name, args, out)
	return string(out)
}

// lab is a volume with a file system, backed up before and after a file was
// added to it.
type lab struct {
	dir, volume, store string
	driver             driverstate.Driver
	chain              driverstate.Chain
}

func newLab(t *testing.T, codec string) *lab {
	t.Helper()
	l := &lab{dir: t.TempDir()}
	l.volume, l.store = filepath.Join(l.dir, "volume"), filepath.Join(l.dir, "store")
	tree := filepath.Join(l.dir, "tree")
	require.NoError(t, os.MkdirAll(tree, 0o755))
	require.NoError(t, os.Mkdir(l.store, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(tree, "numbers"), numbers(300_000), 0o644))
	run(t, "mkfs.ext4", "-q", "-F", "-d", tree, l.volume, "48M")
	var err error
	l.driver, err = drivers.Open("posix://"+l.store+"?object_size=4194304&compression="+codec, drivers.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.driver.Close()) })
	l.back(t, fullID, nil)
	more := filepath.Join(l.dir, "more")
	require.NoError(t, os.WriteFile(more, numbers(50_000), 0o644))
	run(t, "debugfs", "-w", "-R", "write "+more+" later", l.volume)
	l.back(t, childID, l.chain.Tip())
	return l
}

func numbers(n int) (b []byte) {
	for i := range n {
		b = fmt.Appendf(b, "%d\n", i)
	}
	return b
}

func (l *lab) back(t *testing.T, id string, parent *driverstate.Backup) {
	t.Helper()
	b := &driverstate.Backup{ID: id, VolumeID: volumeID, CreatedAt: time.Date(2024, 1, 2, 3, 4, 5+len(l.chain), 0, time.UTC)}
	if parent != nil {
		b.ParentID = parent.ID
	}
	var err error
	b.Container, b.ServiceMetadata, err = l.driver.Place(b, parent, b.CreatedAt)
	require.NoError(t, err)
	src, err := volume.OpenSource(l.volume, nil)
	require.NoError(t, err)
	defer src.Close()
	_, err = l.driver.Backup(t.Context(), b, parent, src, nil)
	require.NoError(t, err)
	l.chain = append(l.chain, b)
}

// serve serves the tip of the chain until the test ends.
func (l *lab) serve(t *testing.T, r driverstate.DeviceRequest) *nbd.Server {
	t.Helper()
	image, err := l.driver.(driverstate.Imager).OpenImage(t.Context(), l.chain)
	require.NoError(t, err)
	r.BackupID = childID
	s, err := nbd.Listen(t.Context(), r, image)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		assert.NoError(t, image.Close())
	})
	return s
}

var anywhere = driverstate.DeviceRequest{Address: "127.0.0.1:0"}

func TestRealClientsReadTheVolume(t *testing.T) {
	needClients(t)
	for _, codec := range []string{"zlib", "zstd", "none"} {
		l := newLab(t, codec)
		r := anywhere
		if codec == "zstd" {
			r = driverstate.DeviceRequest{Socket: filepath.Join(l.dir, "s")}
		}
		s := l.serve(t, r)
		var info struct {
			Exports []struct {
				Name      string            `json:"export-name"`
				Size      int64             `json:"export-size"`
				ReadOnly  bool              `json:"is_read_only"`
				MultiConn bool              `json:"can_multi_conn"`
				Minimum   int64             `json:"block_size_minimum"`
				Contexts  []json.RawMessage `json:"contexts"`
			} `json:"exports"`
		}
		require.NoError(t, json.Unmarshal([]byte(run(t, "nbdinfo", "--json", s.URI())), &info))
		require.Len(t, info.Exports, 1)
		e := info.Exports[0]
		assert.Equal(t, int64(48<<20), e.Size)
		assert.True(t, e.ReadOnly && e.MultiConn && e.Minimum == 1, "%+v", e)
		assert.Contains(t, fmt.Sprintf("%s", e.Contexts), "base:allocation")
		assert.Contains(t, run(t, "nbdinfo", "--list", s.URI()), childID)
		assert.Contains(t, run(t, "nbdinfo", "--map", s.URI()), "hole,zero")
		assert.Contains(t, run(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", l.volume, s.URI()), "Images are identical")

		copied := filepath.Join(l.dir, "copied")
		run(t, "nbdcopy", s.URI(), copied)
		run(t, "cmp", l.volume, copied)
		at, err := os.Stat(copied)
		require.NoError(t, err)
		assert.Less(t, at.Sys().(*syscall.Stat_t).Blocks*512, int64(24<<20), "holes are not written")
		qemu := filepath.Join(l.dir, "qemu")
		run(t, "qemu-img", "convert", "-f", "raw", "-O", "raw", s.URI(), qemu)
		run(t, "cmp", l.volume, qemu)

		// One file, as an operator would copy it.
		run(t, "debugfs", "-R", "dump later "+filepath.Join(l.dir, "later"), copied)
		run(t, "cmp", filepath.Join(l.dir, "more"), filepath.Join(l.dir, "later"))

		// Odd ranges, and no writes.
		want, err := os.ReadFile(l.volume)
		require.NoError(t, err)
		for _, off := range []int{1, 4095, 1_000_003, 8<<20 - 1, 48<<20 - 777} {
			part := filepath.Join(l.dir, "part")
			run(t, "qemu-img", "dd", "-f", "raw", "-O", "raw", "bs=1", fmt.Sprint("skip=", off), fmt.Sprint("count=", off+777), "if="+s.URI(), "of="+part)
			got, err := os.ReadFile(part)
			require.NoError(t, err)
			assert.Equal(t, want[off:off+777], got[:777], "at %d", off)
		}
		fails(t, "qemu-io", "-f", "raw", "-c", "write 0 512", s.URI())
		assert.Empty(t, s.Usage().Problems)
	}
}

// A file is read through FUSE, with the tool that reads file systems: little of
// the volume is served for it.
func TestOneFileIsReadThroughFUSE(t *testing.T) {
	needClients(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("SKIPPED: there is no /dev/fuse")
	}
	l := newLab(t, "zlib")
	s := l.serve(t, anywhere)
	mounted := filepath.Join(l.dir, "mounted")
	require.NoError(t, os.Mkdir(mounted, 0o755))
	fuse := exec.Command("nbdfuse", "--readonly", mounted, s.URI())
	require.NoError(t, fuse.Start())
	t.Cleanup(func() {
		assert.NoError(t, exec.Command("umount", mounted).Run())
		_ = fuse.Wait()
	})
	disk := filepath.Join(mounted, "nbd")
	require.Eventually(t, func() bool { _, err := os.Stat(disk); return err == nil }, time.Minute, 20*time.Millisecond)
	run(t, "debugfs", "-R", "dump later "+filepath.Join(l.dir, "later"), disk)
	run(t, "cmp", filepath.Join(l.dir, "more"), filepath.Join(l.dir, "later"))
	assert.Less(t, s.Usage().Bytes, int64(8<<20), "of 48 MiB")
}

func TestADamagedObjectIsAnErrorOfItsOwnRangeOnly(t *testing.T) {
	needClients(t)
	l := newLab(t, "none")
	content, err := os.ReadFile(l.volume)
	require.NoError(t, err)
	at := bytes.Index(content, []byte("\n123456\n"))
	require.Positive(t, at)
	b := l.chain[0]
	object := filepath.Join(l.store, b.Container, fmt.Sprintf("%s-%05d", b.ServiceMetadata, at/(4<<20)+1))
	f, err := os.OpenFile(object, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("damage"), int64(at%(4<<20)))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s := l.serve(t, anywhere)
	block := at >> 15 << 15
	read := func(off, end int) []string {
		return []string{"-r", "-f", "raw", "-c", fmt.Sprintf("read %d %d", off, end-off), s.URI()}
	}
	assert.Contains(t, fails(t, "qemu-io", read(block+1000, block+2000)...), "Input/output error")
	run(t, "qemu-io", read(0, block)...)
	run(t, "qemu-io", read(block+32<<10, len(content))...)
	fails(t, "nbdcopy", s.URI(), filepath.Join(l.dir, "copied"))
	problems := s.Usage().Problems
	require.Len(t, problems, 1)
	assert.True(t, strings.HasSuffix(object, problems[0].Object), problems[0].Object)
	assert.Equal(t, []int64{int64(block), 32 << 10}, []int64{problems[0].Offset, problems[0].Length})
}
