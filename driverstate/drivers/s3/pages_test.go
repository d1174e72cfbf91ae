package s3_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// A page of S3 has a thousand objects.
func TestABackupOfSeveralPagesIsRestoredAndDeletedWhole(t *testing.T) {
	for _, s := range both {
		t.Run(s.name, func(t *testing.T) {
			const objects, size = 1005, 4096
			a := newBucket(t, s.config(t))
			d := a.Open(t, drivertest.Settings{ObjectSize: size, BlockSize: size, Compression: chunked.CompressionNone, Workers: 8})
			defer d.Close()
			image := make([]byte, objects*size-100)
			rand.NewChaCha8([32]byte{7}).Read(image)
			b := &driverstate.Backup{
				ID: "11111111-2222-4333-8444-555555555555", VolumeID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
				Size: 1, CreatedAt: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), Service: d.Service(),
			}
			var err error
			b.Container, b.ServiceMetadata, err = d.Place(b, nil, b.CreatedAt)
			require.NoError(t, err)
			neighbour := strings.Replace(b.ServiceMetadata, b.ID, "11111111-2222-4333-8444-555555555556", 1) + "-00001"
			a.Write(t, b.Container, neighbour, []byte("another's"))

			path := filepath.Join(t.TempDir(), "volume")
			writeFile(t, path, image)
			src, err := volume.OpenSource(path, nil)
			require.NoError(t, err)
			defer src.Close()
			stored, err := d.Backup(t.Context(), b, nil, src, nil)
			require.NoError(t, err)
			assert.Equal(t, objects, stored.ObjectCount)
			assert.Len(t, a.Names(t, b.Container), objects+3)

			found, err := d.(driverstate.Scanner).Inspect(t.Context(), &driverstate.Backup{ID: b.ID})
			require.NoError(t, err)
			assert.Equal(t, driverstate.ConditionWhole, found.Condition, found.Reason)
			assert.Equal(t, objects, found.Backup.ObjectCount)
			_, last := examine(t, a.cfg, driverstate.ExamineOptions{})
			require.NoError(t, last.Err)
			assert.Equal(t, "the metadata document of backup "+b.ID, last.Detail)
			restored := filepath.Join(t.TempDir(), "restored")
			target, err := volume.OpenTarget(restored, volume.TargetOptions{})
			require.NoError(t, err)
			defer target.Close()
			_, err = d.Restore(t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{}, nil)
			require.NoError(t, err)
			require.NoError(t, target.Commit())
			got, err := os.ReadFile(restored)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(image, got))

			require.NoError(t, d.Delete(t.Context(), b))
			assert.Equal(t, []string{neighbour}, a.Names(t, b.Container))
		})
	}
}
