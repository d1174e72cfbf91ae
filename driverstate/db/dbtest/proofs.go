package dbtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

func proofs(t *testing.T, d db.DB) {
	ctx := t.Context()
	_, err := d.ProofGet(ctx, id(1))
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	layout := driverstate.Layout{BackupID: id(1), Identity: "content", Lengths: []int64{1 << 30, 1 << 30, 5}}
	p := driverstate.NewProof(layout, []int64{1_800_000_000, 0, 1_700_000_000})
	p.Faults = []driverstate.ObjectFault{{Object: 1, Reason: "missing", At: time.Unix(9, 0).UTC()}}
	require.NoError(t, d.ProofPut(ctx, p))
	assert.False(t, p.UpdatedAt.IsZero())
	got, err := d.ProofGet(ctx, id(1))
	require.NoError(t, err)
	assert.Equal(t, p, got)

	again := driverstate.NewProof(driverstate.Layout{BackupID: id(1), Identity: "other", Lengths: []int64{7}}, []int64{0})
	require.NoError(t, d.ProofPut(ctx, again))
	got, err = d.ProofGet(ctx, id(1))
	require.NoError(t, err)
	assert.Equal(t, again, got, "in the place of what there was")

	require.NoError(t, d.BackupCreate(ctx, backup(1)))
	require.NoError(t, d.ProofPut(ctx, driverstate.NewProof(driverstate.Layout{BackupID: id(2), Identity: "i"}, nil)))
	later := time.Now().Add(time.Hour)
	require.NoError(t, d.ProofsExpire(ctx, later.Add(-48*time.Hour)))
	_, err = d.ProofGet(ctx, id(2))
	require.NoError(t, err, "written since")
	require.NoError(t, d.ProofsExpire(ctx, later))
	_, err = d.ProofGet(ctx, id(2))
	require.ErrorIs(t, err, driverstate.ErrNotFound, "of a backup without a row")
	_, err = d.ProofGet(ctx, id(1))
	require.NoError(t, err)

	require.NoError(t, d.BackupDestroy(ctx, id(1)))
	_, err = d.ProofGet(ctx, id(1))
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}
