package dbtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

func volumeTypes(t *testing.T, d db.DB) {
	ctx := t.Context()
	fast := &driverstate.VolumeTypeRow{
		ID: id(1), Name: "fast", Description: "d", Public: true, ExtraSpecs: map[string]string{"volume_backend_name": "file"},
		Projects: []string{"p", "q"}, CreatedAt: time.Unix(1, 0).UTC(),
	}
	require.NoError(t, d.VolumeTypeCreate(ctx, fast))
	require.ErrorIs(t, d.VolumeTypeCreate(ctx, fast), driverstate.ErrConflict)
	require.ErrorIs(t, d.VolumeTypeCreate(ctx, &driverstate.VolumeTypeRow{ID: id(2), Name: "fast"}), driverstate.ErrConflict)
	bare := &driverstate.VolumeTypeRow{ID: id(2), Name: "bare", CreatedAt: time.Unix(2, 0).UTC()}
	require.NoError(t, d.VolumeTypeCreate(ctx, bare))
	all, err := d.VolumeTypeGetAll(ctx)
	require.NoError(t, err)
	assert.Equal(t, []*driverstate.VolumeTypeRow{bare, fast}, all)

	fast.Public, fast.ExtraSpecs = false, nil
	require.NoError(t, d.VolumeTypeUpdate(ctx, fast))
	got, err := d.VolumeTypeGet(ctx, fast.ID)
	require.NoError(t, err)
	assert.Equal(t, fast, got)
	require.NoError(t, d.VolumeTypeDestroy(ctx, fast.ID))
	require.ErrorIs(t, d.VolumeTypeDestroy(ctx, fast.ID), driverstate.ErrNotFound)
	require.ErrorIs(t, d.VolumeTypeUpdate(ctx, fast), driverstate.ErrNotFound)
	_, err = d.VolumeTypeGet(ctx, fast.ID)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}

func renamedType(t *testing.T, d db.DB) {
	ctx := t.Context()
	fast := &driverstate.VolumeTypeRow{ID: id(1), Name: "fast_one"}
	require.NoError(t, d.VolumeTypeCreate(ctx, fast))
	volume := func(n int, project, kind string) {
		require.NoError(t, d.VolumeCreate(ctx, &driverstate.Volume{
			ID: id(n), ProjectID: project, Size: int64(n), VolumeType: kind, Status: driverstate.VolumeAvailable,
		}))
	}
	volume(10, "p", "fast_one")
	volume(11, "p", "")
	volume(12, "q", "fast_one")
	for n, of := range map[int]int{20: 10, 21: 11, 22: 99} {
		require.NoError(t, d.SnapshotCreate(ctx, &driverstate.Snapshot{
			ID: id(n), VolumeID: id(of), ProjectID: "p", Size: 1, Status: driverstate.SnapshotAvailable,
		}))
	}
	require.NoError(t, d.QuotaSet(ctx, "p", "gigabytes_fast_one", 7))
	require.NoError(t, d.QuotaSet(ctx, "p", "gigabytes", 8))
	require.NoError(t, d.QuotaClassSet(ctx, "default", "volumes_fast_one", 3))
	require.NoError(t, d.QuotaClassSet(ctx, "default", "volumes_fast_one", 9))
	require.NoError(t, d.QuotaClassSet(ctx, "other", "volumes", 1))

	fast.Name = "slow"
	require.NoError(t, d.Update(ctx, func(tx db.Tx) error { return tx.VolumeTypeUpdate(ctx, fast) }))
	usage, err := d.UsageOfTypes(ctx, "p")
	require.NoError(t, err)
	assert.Equal(t, map[string]driverstate.TypeUsage{
		"slow":                 {Volumes: 1, Gigabytes: 11, Snapshots: 1},
		driverstate.VolumeType: {Volumes: 1, Gigabytes: 13, Snapshots: 2}, // one of a volume that is gone
	}, usage)
	n, err := d.VolumesOfType(ctx, "slow")
	require.NoError(t, err)
	assert.EqualValues(t, 2, n)
	limits, err := d.QuotaGetAll(ctx, "p")
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{"gigabytes_slow": 7, "gigabytes": 8}, limits)
	limits, err = d.QuotaClassGetAll(ctx, "default")
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{"volumes_slow": 9}, limits)
}

func transfers(t *testing.T, d db.DB) {
	ctx := t.Context()
	offer := func(n int, project string) *driverstate.Transfer {
		x := &driverstate.Transfer{
			ID: id(n), VolumeID: id(100 + n), Name: "n", Salt: "0123abcd", CryptHash: "ff", SourceProjectID: project,
			NoSnapshots: true, CreatedAt: time.Unix(int64(n), 0).UTC(),
		}
		require.NoError(t, d.TransferCreate(ctx, x))
		return x
	}
	first, second := offer(1, "p"), offer(2, "q")
	require.ErrorIs(t, d.TransferCreate(ctx, first), driverstate.ErrConflict)
	got, err := d.TransferGet(ctx, first.ID)
	require.NoError(t, err)
	assert.Equal(t, first, got)
	for project, want := range map[string][]*driverstate.Transfer{"": {first, second}, "q": {second}, "r": nil} {
		all, err := d.TransferGetAll(ctx, project)
		require.NoError(t, err)
		assert.Equal(t, want, all, project)
	}
	require.NoError(t, d.TransferDestroy(ctx, first.ID))
	require.ErrorIs(t, d.TransferDestroy(ctx, first.ID), driverstate.ErrNotFound)
	for range 2 {
		require.NoError(t, d.TransfersOfVolumeDestroy(ctx, second.VolumeID))
	}
	_, err = d.TransferGet(ctx, second.ID)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}
