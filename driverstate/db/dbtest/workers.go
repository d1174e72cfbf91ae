package dbtest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

func claims(t *testing.T, d db.DB) {
	ctx := t.Context()
	w := &driverstate.Worker{ResourceType: "Volume", ResourceID: id(1), Status: "creating", ServiceID: 1}
	require.NoError(t, d.WorkerCreate(ctx, w))
	require.ErrorIs(t, d.WorkerCreate(ctx, &driverstate.Worker{ResourceType: "Volume", ResourceID: id(1), Status: "x"}), driverstate.ErrConflict)
	var group sync.WaitGroup
	won := make([]bool, 8)
	for i := range won {
		group.Go(func() {
			seen := *w
			ok, err := d.WorkerClaimForCleanup(ctx, &seen, int64(100+i))
			assert.NoError(t, err)
			won[i] = ok
		})
	}
	group.Wait()
	n := 0
	for _, ok := range won {
		if ok {
			n++
		}
	}
	assert.Equal(t, 1, n)
	mine, err := d.WorkerGetAll(ctx, 1)
	require.NoError(t, err)
	assert.Empty(t, mine, "the old service has lost it")
	require.NoError(t, d.WorkerDestroy(ctx, "Volume", id(1)))
	require.NoError(t, d.WorkerDestroy(ctx, "Volume", id(1)))
	mine, err = d.WorkerGetAll(ctx, 0)
	require.NoError(t, err)
	assert.Empty(t, mine)
}

func takeAndRelease(t *testing.T, d db.DB) {
	ctx := t.Context()
	_, err := d.WorkerClaim(ctx, "Backup", id(1), 1)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	_, err = d.WorkerGet(ctx, "Backup", id(1))
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	require.NoError(t, d.WorkerCreate(ctx, &driverstate.Worker{ResourceType: "Volume", ResourceID: id(1), Status: "creating"}))
	require.NoError(t, d.WorkerCreate(ctx, &driverstate.Worker{ResourceType: "Backup", ResourceID: id(1), Status: "creating"}))
	const claimants = 8
	won, errs := make([]*driverstate.Worker, claimants), make([]error, claimants)
	var group sync.WaitGroup
	for i := range claimants {
		group.Go(func() { won[i], errs[i] = d.WorkerClaim(ctx, "Backup", id(1), int64(100+i)) })
	}
	group.Wait()
	var w *driverstate.Worker
	for i, err := range errs {
		if err != nil {
			assert.ErrorIs(t, err, driverstate.ErrConflict)
			continue
		}
		assert.Nil(t, w, "one claimant has it")
		w = won[i]
		assert.Equal(t, int64(100+i), w.ServiceID)
		assert.Equal(t, "creating", w.Status)
	}
	require.NotNil(t, w)
	mine, err := d.WorkerGetAll(ctx, w.ServiceID)
	require.NoError(t, err)
	assert.Equal(t, []*driverstate.Worker{w}, mine)
	one, err := d.WorkerGet(ctx, "Backup", id(1))
	require.NoError(t, err)
	assert.Equal(t, w, one)

	again, err := d.WorkerClaim(ctx, "Backup", id(1), w.ServiceID)
	require.NoError(t, err, "who has it may claim it again")
	require.ErrorIs(t, d.WorkerRelease(ctx, w), driverstate.ErrConflict, "it moved since w was read")
	require.NoError(t, d.WorkerRelease(ctx, again))
	assert.Zero(t, again.ServiceID)
	other, err := d.WorkerClaim(ctx, "Backup", id(1), 7)
	require.NoError(t, err, "released, anyone may take it")
	assert.Equal(t, int64(7), other.ServiceID)
	require.NoError(t, d.WorkerDestroy(ctx, "Backup", id(1)))
	require.ErrorIs(t, d.WorkerRelease(ctx, other), driverstate.ErrNotFound)
}
