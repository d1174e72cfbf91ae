package ceph_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/ceph"
)

// What is removed for a backup that never finished is its own, and nothing
// else.
func TestOnlyWhatIsSurelyUnfinishedIsRemoved(t *testing.T) {
	pool(t)
	d, image := open(t), noise(1<<20)
	remover := d.(driverstate.PartialRemover)
	neighbour := backUp(t, d, nil, image)
	kept := names(t, testPool)

	// Nothing at all; an image with some bytes and a length; a metadata object.
	b := placed(t, d, nil)
	require.NoError(t, remover.RemovePartial(t.Context(), b))
	create(t, imageOf(b))
	require.Error(t, importDiff(t, imageOf(b), stream("", "backup."+b.ID+".snap.1.5", gib, 0, image, false)))
	require.NoError(t, remover.RemovePartial(t.Context(), b))
	assert.Equal(t, kept, names(t, testPool))
	tool(t, metaOf(volumeID), "rados", "--pool", testPool, "put", "backup."+b.ID+".meta", "-")
	require.NoError(t, remover.RemovePartial(t.Context(), b))
	assert.Equal(t, kept, names(t, testPool))
	_, err := d.Backup(t.Context(), b, nil, content{Reader: bytes.NewReader(image)}, nil)
	require.NoError(t, err, "it can be written anew")

	refused := func(b *driverstate.Backup, text string) {
		t.Helper()
		before := names(t, testPool)
		err := remover.RemovePartial(t.Context(), b)
		require.ErrorIs(t, err, driverstate.ErrConflict)
		assert.ErrorContains(t, err, "backup "+b.ID)
		assert.ErrorContains(t, err, text)
		assert.Equal(t, before, names(t, testPool))
	}
	refused(b, "it is whole in pool "+testPool+", and nothing was removed")
	increment := backUp(t, d, b, image)
	refused(increment, "it is whole")

	// The full backup was deleted, and an increment stands in its image.
	require.NoError(t, d.Delete(t.Context(), b))
	require.NoError(t, remover.RemovePartial(t.Context(), b), "nothing of it is there")
	assert.True(t, bytes.Equal(image, restored(t, d, increment)))

	// Somebody has made a snapshot of what never finished.
	foreign := placed(t, d, nil)
	create(t, imageOf(foreign))
	tool(t, "", "rbd", "snap", "create", "--no-progress", testPool+"/"+imageOf(foreign)+"@mine")
	refused(foreign, "has more in it than an unfinished copy")

	readOnly := open(t, func(c *ceph.Config) { c.ReadOnly = true })
	last := placed(t, d, nil)
	create(t, imageOf(last))
	require.ErrorIs(t, readOnly.(driverstate.PartialRemover).RemovePartial(t.Context(), last), driverstate.ErrReadOnly)
	assert.True(t, bytes.Equal(image, restored(t, d, neighbour)))
}
