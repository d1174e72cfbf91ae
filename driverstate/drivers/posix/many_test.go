package posix_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// memoryDir is a directory in memory where there is one: 100,000 files that
// are each brought to a disk take minutes.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cinder-go-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// TestABackupOfMoreThan99999Chunks: the numbers of chunks get a sixth digit, so
// that their names are no longer in the order of the volume.
func TestABackupOfMoreThan99999Chunks(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: 100,010 objects take their time")
	}
	const chunks, block = 100010, 512
	image := make([]byte, chunks*block)
	rand.NewChaCha8([32]byte{9}).Read(image)
	root := memoryDir(t)
	d, err := posix.New(t.Context(), posix.Config{Path: root, ObjectSize: block, BlockSize: block, Compression: chunked.CompressionNone})
	require.NoError(t, err)
	defer d.Close()
	b := &driverstate.Backup{ID: fullID, VolumeID: volumeID, Size: 1, CreatedAt: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)}
	b.Container, b.ServiceMetadata, err = d.Place(b, nil, b.CreatedAt)
	require.NoError(t, err)
	src, err := volume.OpenSource(writeFile(t, "volume", image), nil)
	require.NoError(t, err)
	defer src.Close()
	stored, err := d.Backup(t.Context(), b, nil, src, nil)
	require.NoError(t, err)
	assert.Equal(t, chunks, stored.ObjectCount)
	for _, number := range []string{"-00001", "-99999", "-100000", "-100010"} {
		assert.FileExists(t, filepath.Join(root, b.Container, b.ServiceMetadata+number))
	}

	found := inspect(t, d, fullID)
	assert.Equal(t, chunks, found.ObjectCount)
	path := filepath.Join(t.TempDir(), "image")
	target, err := volume.OpenTarget(path, volume.TargetOptions{})
	require.NoError(t, err)
	defer target.Close()
	done, err := d.Restore(t.Context(), driverstate.Chain{found}, target, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	require.NoError(t, target.Commit())
	assert.Equal(t, chunks, done.ObjectsRead)
	assertFile(t, image, path)
	require.NoError(t, d.Delete(t.Context(), found))
	assert.NoDirExists(t, filepath.Join(root, b.Container))
}
