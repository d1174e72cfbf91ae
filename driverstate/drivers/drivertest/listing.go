package drivertest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// tiny is the length of an object of a listing, and of a block.
const tiny = 512

// Listing proves that a backup of n objects is found, restored, proven and
// deleted whole: more than a page of a listing holds, and, above 99,999, by
// offset, since the names have six digits then and sort before shorter ones.
// The objects are written behind the driver's back, as Cinder would name them.
func Listing(t *testing.T, h Harness, n int) {
	l := &lab{store: h.New(t), chunked: true}
	d := l.open(t, Settings{ObjectSize: tiny, BlockSize: tiny})
	image := make([]byte, n*tiny-1) // the last one is short
	for i := range n {
		binary.BigEndian.PutUint64(image[i*tiny:], uint64(i)+1)
	}
	neighbour := l.backup(t, d, nil, image[:3*tiny])
	b := l.backup(t, d, nil, image[:tiny]) // makes the container
	l.lay(t, b, image)

	found := map[string]driverstate.Found{}
	for f, err := range d.(driverstate.Scanner).Scan(t.Context(), b.Container) {
		require.NoError(t, err)
		found[f.Backup.ID] = f
	}
	require.Contains(t, found, b.ID)
	assert.Equal(t, driverstate.ConditionWhole, found[b.ID].Condition, found[b.ID].Reason)
	assert.Equal(t, n, found[b.ID].Backup.ObjectCount)

	to := targets(len(image))["new"]
	done, err := d.Restore(t.Context(), driverstate.Chain{b}, to, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	assert.Equal(t, n, done.ObjectsRead)
	require.True(t, bytes.Equal(image, to.image), "the restored bytes are those of the volume")
	report := verify(t, d, driverstate.Chain{b})
	assert.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)

	require.NoError(t, d.Delete(t.Context(), b))
	assert.Empty(t, l.chunks(t, b))
	_, err = d.(driverstate.Scanner).Inspect(t.Context(), b)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	requireRestores(t, d, driverstate.Chain{neighbour}, image[:3*tiny])
}

// lay writes image as backup b, an object for each block, as Cinder does
// (cinder/backup/chunkeddriver.py _backup_chunk, _write_sha256file and
// _write_metadata).
func (l *lab) lay(t *testing.T, b *driverstate.Backup, image []byte) {
	t.Helper()
	var objects []map[string]any
	var sums []string
	for off := 0; off < len(image); off += tiny {
		block := image[off:min(off+tiny, len(image))]
		name := fmt.Sprintf("%s-%05d", b.ServiceMetadata, len(objects)+1)
		l.store.Write(t, b.Container, name, block)
		md5sum, sha := md5.Sum(block), sha256.Sum256(block)
		objects = append(objects, map[string]any{name: map[string]any{
			"offset": off, "length": len(block), "compression": "none", "md5": hex.EncodeToString(md5sum[:]),
		}})
		sums = append(sums, hex.EncodeToString(sha[:]))
	}
	document := func(suffix string, more map[string]any) {
		all := map[string]any{
			"version": "1.0.0", "backup_id": b.ID, "volume_id": b.VolumeID, "backup_name": b.Name, "backup_description": nil,
			"created_at": b.CreatedAt.Format("2006-01-02 15:04:05.000000+00:00"),
		}
		for key, value := range more {
			all[key] = value
		}
		raw, err := json.Marshal(all)
		require.NoError(t, err)
		l.store.Write(t, b.Container, b.ServiceMetadata+suffix, raw)
	}
	document("_sha256file", map[string]any{"chunk_size": tiny, "sha256s": sums})
	document("_metadata", map[string]any{"objects": objects, "parent_id": nil, "volume_meta": nil})
}
