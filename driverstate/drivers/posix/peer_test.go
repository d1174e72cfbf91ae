package posix_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// debianPython has the cinder package; another python in PATH may not.
const debianPython = "/usr/bin/python3"

// needPeer skips a test where Cinder's own driver is not installed, and fails
// it in the lane that must have it.
func needPeer(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: Cinder's own driver takes its time; the long run has it")
	}
	out, err := exec.CommandContext(t.Context(), debianPython, "-c", "import cinder.backup.drivers.posix, zstd").CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("CINDER_GO_REQUIRE_PEER") != "" {
		require.FailNow(t, "Cinder's own driver is not installed", "%s", out)
	}
	t.Skip("SKIPPED: Cinder's own driver is not here to check against (Debian packages python3-cinder and python3-zstd)")
}

func peer(t *testing.T, args ...string) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "testdata", "bench", "cinder_peer.py")
	out, err := exec.CommandContext(t.Context(), debianPython, append([]string{script}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

const (
	peerChunk = 4 << 20
	peerSize  = 9<<20 + 12345 // three chunks, the last block short
)

// image is a mix of zeros, text and noise, and changed is it with blocks
// rewritten, one of them with zeros, and the short last one.
func image() []byte {
	random := rand.NewChaCha8([32]byte{1})
	b := make([]byte, peerSize)
	random.Read(b[1<<20 : 5<<20])
	copy(b[5<<20:8<<20], bytes.Repeat([]byte("the quick brown fox\n"), 3<<20/20))
	random.Read(b[peerSize-777:])
	return b
}

func changed(b []byte) []byte {
	b = bytes.Clone(b)
	copy(b[40000:], "changed")
	clear(b[2<<20 : 3<<20])
	copy(b[98309+4<<20:], "changed too")
	b[len(b)-1]++
	return b
}

func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

var (
	fullID   = "11111111-2222-4333-8444-555555555555"
	childID  = "11111111-2222-4333-8444-666666666666"
	volumeID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

func openStore(t *testing.T, store, codec string) driverstate.Driver {
	t.Helper()
	d, err := drivers.Open(fmt.Sprintf("posix://%s?compression=%s&object_size=%d", store, codec, peerChunk), drivers.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

func back(t *testing.T, d driverstate.Driver, id string, parent *driverstate.Backup, b []byte) *driverstate.Backup {
	t.Helper()
	name := "peer"
	row := &driverstate.Backup{ID: id, VolumeID: volumeID, Name: &name, CreatedAt: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)}
	if parent != nil {
		row.ParentID = parent.ID
	}
	var err error
	row.Container, row.ServiceMetadata, err = d.Place(row, nil, row.CreatedAt)
	require.NoError(t, err)
	src, err := volume.OpenSource(writeFile(t, "volume", b), nil)
	require.NoError(t, err)
	defer src.Close()
	_, err = d.Backup(t.Context(), row, parent, src, nil)
	require.NoError(t, err)
	return row
}

func TestPeerRestoresWhatWeWrote(t *testing.T) {
	needPeer(t)
	for _, codec := range []string{"zlib", "bz2", "zstd", "none"} {
		t.Run(codec, func(t *testing.T) {
			store, first := t.TempDir(), image()
			second := changed(first)
			d := openStore(t, store, codec)
			full := back(t, d, fullID, nil, first)
			back(t, d, childID, full, second)
			for id, want := range map[string][]byte{fullID: first, childID: second} {
				to := filepath.Join(t.TempDir(), "restored")
				peer(t, "restore", "--store", store, "--backup", id, "--to", to, "--compression", codec)
				assertFile(t, want, to)
			}
		})
	}
}

func TestPeerWritesWhatWeRestore(t *testing.T) {
	needPeer(t)
	for _, codec := range []string{"zlib", "bz2", "zstd", "none"} {
		t.Run(codec, func(t *testing.T) {
			store, first := t.TempDir(), image()
			second := changed(first)
			args := []string{"--store", store, "--compression", codec, "--chunk-size", fmt.Sprint(peerChunk), "--volume-id", volumeID}
			peer(t, append([]string{"backup", "--image", writeFile(t, "v", first), "--id", fullID}, args...)...)
			peer(t, append([]string{"backup", "--image", writeFile(t, "v", second), "--id", childID, "--parent", fullID}, args...)...)
			d := openStore(t, store, codec)
			full, child := inspect(t, d, fullID), inspect(t, d, childID)
			restoreAndCompare(t, d, driverstate.Chain{full}, first)
			restoreAndCompare(t, d, driverstate.Chain{full, child}, second)

			// An increment of ours stands on theirs.
			third := changed(second)
			clear(third[6<<20 : 7<<20])
			grandchild := back(t, d, "11111111-2222-4333-8444-777777777777", child, third)
			to := filepath.Join(t.TempDir(), "restored")
			peer(t, "restore", "--store", store, "--backup", grandchild.ID, "--to", to, "--compression", codec)
			assertFile(t, third, to)
		})
	}
}

func inspect(t *testing.T, d driverstate.Driver, id string) *driverstate.Backup {
	t.Helper()
	f, err := d.(driverstate.Scanner).Inspect(t.Context(), &driverstate.Backup{ID: id})
	require.NoError(t, err)
	require.Equal(t, driverstate.ConditionWhole, f.Condition, f.Reason)
	return &f.Backup
}

func restoreAndCompare(t *testing.T, d driverstate.Driver, c driverstate.Chain, want []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	target, err := volume.OpenTarget(path, volume.TargetOptions{})
	require.NoError(t, err)
	defer target.Close()
	_, err = d.Restore(t.Context(), c, target, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	require.NoError(t, target.Commit())
	assertFile(t, want, path)

	var pipe bytes.Buffer
	_, err = d.Restore(t.Context(), c, volume.NewPipe(&pipe, 0), driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, pipe.Bytes()), "the pipe's bytes differ")
}

func assertFile(t *testing.T, want []byte, path string) {
	t.Helper()
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, have), "%d bytes are not the %d of the image", len(have), len(want))
}
