package dbtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

func clusters(t *testing.T, d db.DB) {
	ctx := t.Context()
	c := &driverstate.Cluster{Name: "c@file", Binary: driverstate.BinaryVolume}
	require.NoError(t, d.ClusterEnsure(ctx, c))
	require.NoError(t, d.ClusterEnsure(ctx, &driverstate.Cluster{Name: "c@file", Binary: driverstate.BinaryBackup}))
	c.Disabled, c.DisabledReason = true, "maintenance"
	require.NoError(t, d.ClusterUpdate(ctx, c))
	require.NoError(t, d.ClusterEnsure(ctx, &driverstate.Cluster{Name: "c@file", Binary: driverstate.BinaryVolume}))
	all, err := d.ClusterGetAll(ctx)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, got := range all {
		assert.False(t, got.CreatedAt.IsZero())
		if got.Binary == driverstate.BinaryVolume {
			assert.Equal(t, c, got, "what is there is left as it is")
			continue
		}
		assert.False(t, got.Disabled)
		assert.True(t, got.UpdatedAt.IsZero())
	}
	c.Name = "absent"
	require.ErrorIs(t, d.ClusterUpdate(ctx, c), driverstate.ErrNotFound)
}

func messages(t *testing.T, d db.DB) {
	ctx := t.Context()
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	m := &driverstate.Message{ID: id(1), ProjectID: "p", RequestID: "req-1", ResourceType: driverstate.MessageOfBackup, ResourceID: id(9),
		Action: driverstate.MessageBackupCreate, Detail: driverstate.MessageCreateFailed, Level: "ERROR", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
	require.NoError(t, d.MessageCreate(ctx, m))
	require.ErrorIs(t, d.MessageCreate(ctx, m), driverstate.ErrConflict)
	later := *m
	later.ID, later.ProjectID, later.CreatedAt, later.ExpiresAt = id(2), "q", at.Add(time.Minute), at.Add(2*time.Hour)
	require.NoError(t, d.MessageCreate(ctx, &later))

	got, err := d.MessageGet(ctx, m.ID)
	require.NoError(t, err)
	assert.Equal(t, m, got)
	all, err := d.MessageGetAll(ctx, "")
	require.NoError(t, err)
	assert.Equal(t, []*driverstate.Message{&later, m}, all)
	mine, err := d.MessageGetAll(ctx, "p")
	require.NoError(t, err)
	assert.Equal(t, []*driverstate.Message{m}, mine)

	require.NoError(t, d.MessagesExpire(ctx, at.Add(90*time.Minute)))
	_, err = d.MessageGet(ctx, m.ID)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	require.NoError(t, d.MessageDestroy(ctx, later.ID))
	require.ErrorIs(t, d.MessageDestroy(ctx, later.ID), driverstate.ErrNotFound)
}

func usage(t *testing.T, d db.DB) {
	ctx := t.Context()
	for n := range 6 { // sizes 0 to 5, projects p0 and p1 in turn
		require.NoError(t, d.BackupCreate(ctx, backup(n)))
	}
	require.NoError(t, d.BackupDestroy(ctx, id(4)))
	count, gigabytes, err := d.BackupUsage(ctx, "p0")
	require.NoError(t, err)
	assert.EqualValues(t, 2, count)
	assert.EqualValues(t, 0+2, gigabytes)
	count, gigabytes, err = d.BackupUsage(ctx, "nobody")
	require.NoError(t, err)
	assert.Zero(t, count+gigabytes)
}
