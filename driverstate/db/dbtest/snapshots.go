package dbtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

func snapshots(t *testing.T, d db.DB) {
	ctx := t.Context()
	s := &driverstate.Snapshot{ID: id(1), VolumeID: id(2), ProjectID: "p", UserID: "u", Name: "n", Description: "d",
		Status: driverstate.SnapshotCreating, Size: 3, Metadata: map[string]string{"a": "b"}, Path: "/x", Progress: "80%", CreatedAt: time.Unix(1, 0).UTC()}
	require.NoError(t, d.SnapshotCreate(ctx, s))
	require.ErrorIs(t, d.SnapshotCreate(ctx, s), driverstate.ErrConflict)
	got, err := d.SnapshotGet(ctx, s.ID)
	require.NoError(t, err)
	assert.Equal(t, s, got)
	s.Status = driverstate.SnapshotAvailable
	require.NoError(t, d.SnapshotUpdate(ctx, s, driverstate.SnapshotCreating))
	require.ErrorIs(t, d.SnapshotUpdate(ctx, s, driverstate.SnapshotCreating), driverstate.ErrConflict)
	later := *s
	later.ID, later.VolumeID, later.Size, later.CreatedAt = id(3), id(4), 5, time.Unix(2, 0).UTC()
	require.NoError(t, d.SnapshotCreate(ctx, &later))
	for _, c := range []struct {
		project, volume string
		want            []string
	}{
		{"", "", []string{id(3), id(1)}},
		{"p", "", []string{id(3), id(1)}},
		{"p", id(2), []string{id(1)}},
		{"", id(4), []string{id(3)}},
		{"q", "", nil},
		{"q", id(2), nil},
	} {
		all, err := d.SnapshotGetAll(ctx, c.project, c.volume)
		require.NoError(t, err)
		var have []string
		for _, s := range all {
			have = append(have, s.ID)
		}
		assert.Equal(t, c.want, have, "%q %q", c.project, c.volume)
	}
	count, gigabytes, err := d.SnapshotUsage(ctx, "p")
	require.NoError(t, err)
	assert.Equal(t, []int64{2, 8}, []int64{count, gigabytes})
	require.NoError(t, d.SnapshotDestroy(ctx, s.ID))
	require.ErrorIs(t, d.SnapshotDestroy(ctx, s.ID), driverstate.ErrNotFound)
	require.ErrorIs(t, d.SnapshotUpdate(ctx, s), driverstate.ErrNotFound)
}

func quotas(t *testing.T, d db.DB) {
	ctx := t.Context()
	none, err := d.QuotaGetAll(ctx, "p")
	require.NoError(t, err)
	assert.Empty(t, none)
	require.NoError(t, d.QuotaSet(ctx, "p", "backups", 10))
	require.NoError(t, d.QuotaSet(ctx, "p", "backups", 0))
	require.NoError(t, d.QuotaSet(ctx, "p", "backup_gigabytes", -1))
	require.NoError(t, d.QuotaSet(ctx, "q", "backups", 3))
	set, err := d.QuotaGetAll(ctx, "p")
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{"backups": 0, "backup_gigabytes": -1}, set)
	require.NoError(t, d.QuotaDestroy(ctx, "p"))
	require.NoError(t, d.QuotaDestroy(ctx, "p"))
	set, err = d.QuotaGetAll(ctx, "p")
	require.NoError(t, err)
	assert.Empty(t, set)
	set, err = d.QuotaGetAll(ctx, "q")
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{"backups": 3}, set)
}
