package chunked

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// namings are the names of today, and those before Pike: every backup has its
// objects named alike, in a directory of its own.
var namings = map[string]bool{"names of today": false, "names before Pike": true}

// chainOfImages backs images up, each as an increment of the one before it, in
// objects of 8 blocks.
func chainOfImages(t *testing.T, old bool, block int64, images ...[]byte) (*Driver, *storetest.Memory, driverstate.Chain) {
	t.Helper()
	d, store := newDriver(t, FileLayout{})
	d.cfg.ObjectSize, d.cfg.BlockSize, d.cfg.Compression = 8*block, block, CompressionNone
	var chain driverstate.Chain
	var parent *driverstate.Backup
	for i, image := range images {
		b := &driverstate.Backup{ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i+1), VolumeID: volumeID, Size: 1, CreatedAt: time.Unix(int64(i), 0).UTC()}
		if parent != nil {
			b.ParentID = parent.ID
		}
		var err error
		b.Container, b.ServiceMetadata, err = d.Place(b, parent, time.Unix(int64(i), 0))
		require.NoError(t, err)
		if old {
			b.ServiceMetadata = oldPrefix
		}
		_, err = d.Backup(t.Context(), b, parent, ram{image}, nil)
		require.NoError(t, err)
		chain, parent = append(chain, b), b
	}
	return d, store, chain
}

// changed is image with the first byte of some blocks changed.
func changed(image []byte, blocks ...int) []byte {
	image = bytes.Clone(image)
	for _, i := range blocks {
		image[i*sampleBlock]++
	}
	return image
}

// restoredTo restores c to a file and returns its content.
func restoredTo(t *testing.T, d *Driver, c driverstate.Chain, path string, o driverstate.RestoreOptions) ([]byte, driverstate.Restored, error) {
	t.Helper()
	target, err := volume.OpenTarget(path, volume.TargetOptions{Overwrite: true})
	require.NoError(t, err)
	defer target.Close()
	done, err := d.Restore(t.Context(), c, target, o, nil)
	if err != nil {
		return nil, done, err
	}
	require.NoError(t, target.Commit())
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	return got, done, nil
}

func TestDamageIsOfTheBackupWhoseObjectItIs(t *testing.T) {
	for name, old := range namings {
		t.Run(name, func(t *testing.T) {
			full := words(4 * sampleObject)
			tip := changed(full, 1, 9, 30) // an object -00003 as well
			d, store, chain := chainOfImages(t, old, sampleBlock, full, tip)
			object := chunkName(chain[0].ServiceMetadata, 3)
			require.Contains(t, store.Names(chain[1].Container), chunkName(chain[1].ServiceMetadata, 3))
			bad := bytes.Clone(full[2*sampleObject:][:sampleObject])
			bad[sampleBlock+7] ^= 1
			store.Set(chain[0].Container, object, string(bad))

			_, _, err := restoredTo(t, d, chain, filepath.Join(t.TempDir(), "disk"), driverstate.RestoreOptions{})
			require.ErrorIs(t, err, driverstate.ErrCorrupt)
			assert.ErrorContains(t, err, chain[0].ID, "whose object it is")
			got, done, err := restoredTo(t, d, chain, filepath.Join(t.TempDir(), "disk"), driverstate.RestoreOptions{Salvage: true})
			require.NoError(t, err)
			hole := driverstate.Range{Offset: 2*sampleObject + sampleBlock, Length: sampleBlock}
			assert.Equal(t, []driverstate.Range{hole}, done.Holes)
			want := bytes.Clone(tip)
			clear(want[hole.Offset:][:hole.Length])
			assert.True(t, bytes.Equal(want, got))
		})
	}
}

func TestAnObjectOfWhichNothingIsNeededMayBeMissing(t *testing.T) {
	for name, old := range namings {
		t.Run(name, func(t *testing.T) {
			full := words(2 * sampleObject)
			tip := changed(full, 0, 1, 2, 3, 4, 5, 6, 7)
			d, store, chain := chainOfImages(t, old, sampleBlock, full, tip)
			object := chunkName(chain[0].ServiceMetadata, 1)
			require.NoError(t, store.Delete(t.Context(), chain[0].Container, object))
			got, done, err := restoredTo(t, d, chain, filepath.Join(t.TempDir(), "disk"), driverstate.RestoreOptions{})
			require.NoError(t, err)
			assert.True(t, bytes.Equal(tip, got))
			assert.Equal(t, []string{fmt.Sprintf("backup %s: object %s is missing; nothing of it is needed", chain[0].ID, object)}, done.Warnings)
		})
	}
}

// That the structure condemned an object of one backup says nothing of the
// object of that name of another, and damage of the two is not one.
func TestAVerificationTellsTheObjectsOfTwoBackupsApart(t *testing.T) {
	for name, old := range namings {
		t.Run(name, func(t *testing.T) {
			full := words(4 * sampleObject)
			tip := changed(full, 1, 9, 30)
			d, store, chain := chainOfImages(t, old, sampleBlock, full, tip)
			require.NoError(t, store.Delete(t.Context(), chain[0].Container, chunkName(chain[0].ServiceMetadata, 1)))
			bad := changed(tip[sampleBlock:][:sampleBlock], 0)
			store.Set(chain[1].Container, chunkName(chain[1].ServiceMetadata, 1), string(bad))
			report, err := d.Verify(t.Context(), chain, driverstate.DepthData, nil)
			require.NoError(t, err)
			assert.Equal(t, driverstate.ConditionDamaged, report.Condition)
			var told [][2]string
			for _, p := range report.Problems {
				told = append(told, [2]string{p.BackupID, p.Object})
			}
			assert.ElementsMatch(t, [][2]string{
				{chain[0].ID, chunkName(chain[0].ServiceMetadata, 1)}, {chain[1].ID, chunkName(chain[1].ServiceMetadata, 1)},
			}, told)
		})
	}
}

func TestDamageGoesOnInOneObjectOnly(t *testing.T) {
	f := newFindings(nil)
	for i, id := range []string{"a", "a", "b", "b", "a"} {
		f.add(&damage{Problem: driverstate.Problem{BackupID: id, Object: "backup-00001", Reason: "bad", Offset: int64(i), Length: 1}})
	}
	assert.Equal(t, []driverstate.Problem{
		{BackupID: "a", Object: "backup-00001", Reason: "bad", Offset: 0, Length: 2},
		{BackupID: "b", Object: "backup-00001", Reason: "bad", Offset: 2, Length: 2},
		{BackupID: "a", Object: "backup-00001", Reason: "bad", Offset: 4, Length: 1},
	}, f.fresh)
}
