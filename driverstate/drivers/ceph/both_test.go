package ceph_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// TestWhatCinderWrote has Cinder's own driver write backups of each kind:
// B1 full and B2 incremental of an RBD volume, B3 another full one, B4 of a
// snapshot, F1 of a plain file.
func TestWhatCinderWrote(t *testing.T) {
	s := newSite(t)
	v := s.volume(uuid(), s.disk("volume", gib))
	s.cleanUp(v.id)
	b1, b2, b3, b4 := uuid(), uuid(), uuid(), uuid()
	w, f1 := uuid(), uuid()
	s.cleanUp(w)

	v.write(0, noise(3<<20))
	v.write(512<<20-100, noise(5<<20))
	s.cinder("backup", "--source", "rbd:"+volumePool, "--volume-id", v.id, "--id", b1)
	at1 := v.copy("at1")
	v.write(1<<20, noise(1<<20))
	v.write(512<<20, make([]byte, 4<<20)) // zeros over data
	v.write(gib-4096, noise(4096))
	s.cinder("backup", "--source", "rbd:"+volumePool, "--volume-id", v.id, "--id", b2, "--parent", b1)
	at2 := v.copy("at2")
	v.write(200<<20, noise(70000))
	s.cinder("backup", "--source", "rbd:"+volumePool, "--volume-id", v.id, "--id", b3)
	s.cinder("backup", "--source", "rbd:"+volumePool, "--volume-id", v.id, "--id", b4, "--snapshot-id", uuid())
	file := s.disk("file", 900<<20)
	file.write(5<<20, noise(1<<20))
	s.cinder("backup", "--source", "file:"+file.path, "--volume-id", w, "--id", f1)

	d := s.ours()
	found := s.found(d, v.id)
	require.Len(t, found, 4, "all of the volume and no more: %v", s.left(v.id))
	for id, f := range found {
		row := s.row(id)
		assert.Equal(t, driverstate.ConditionWhole, f.Condition, f.Reason)
		assert.Equal(t, driverstate.StatusAvailable, f.Backup.Status)
		assert.Equal(t, row.Container, f.Backup.Container)
		assert.Equal(t, row.ServiceMetadata, f.Backup.ServiceMetadata, "byte for byte what Cinder has in its row")
		assert.Equal(t, row.Service, f.Backup.Service)
		assert.Equal(t, row.Size, f.Backup.Size)
		assert.Equal(t, row.ParentID, f.Backup.ParentID)
		assert.Equal(t, "pppppppppppppppppppppppppppppppp", f.Backup.ProjectID)
		assert.False(t, f.Backup.CreatedAt.IsZero())
		again, err := d.(driverstate.Scanner).Inspect(t.Context(), &driverstate.Backup{ID: id})
		require.NoError(t, err, "found by its id alone")
		again.Backup.NumDependentBackups = f.Backup.NumDependentBackups
		assert.Equal(t, f, again)
		for _, contents := range []struct {
			id   string
			want *disk
		}{{b1, at1}, {b2, at2}, {b3, v.disk}, {b4, v.disk}} {
			if contents.id == id {
				done := s.restores(d, row, contents.want)
				assert.Contains(t, string(done.VolumeMeta), `"volume-metadata": {"purpose": "test"}`)
			}
		}
	}
	assert.Equal(t, 1, found[b1].Backup.NumDependentBackups)

	// A record that is rebuilt from the store restores in Cinder.
	record := found[b2].Backup
	s.give(&record)
	s.cinderRestores(b2, at2)

	lone := s.found(d, w)
	require.Len(t, lone, 1)
	assert.Equal(t, driverstate.ConditionWhole, lone[f1].Condition)
	assert.Empty(t, lone[f1].Backup.ServiceMetadata)
	s.restores(d, s.row(f1), s.padded(file))
	_, err := s.try("restore", "--backup", f1, "--to", "file:"+filepath.Join(s.dir, "never"))
	require.Error(t, err, "Cinder cannot restore it itself")
	require.Len(t, lone[f1].Warnings, 1)
	s.follow(lone[f1].Warnings[0])
	after := s.found(d, w)[f1]
	assert.NotEmpty(t, after.Backup.ServiceMetadata)
	s.give(&after.Backup)
	s.cinderRestores(f1, file) // it can, after what the warning told

	s.deletes(d, v, []string{b1, b2, b3, b4}, at2)
	require.NoError(t, d.Delete(t.Context(), s.row(f1)))
	assert.Empty(t, s.left(w))
}

// deletes deletes in turn what Cinder wrote, and looks at what stays.
func (s *site) deletes(d driverstate.Driver, v *volumeImage, ids []string, at2 *disk) {
	t := s.t
	b1, b2, b3, b4 := ids[0], ids[1], ids[2], ids[3]
	// A second backup of a snapshot fails in Cinder; its delete there takes the
	// data of the first one with it.
	b5 := uuid()
	_, err := s.try("backup", "--source", "rbd:"+volumePool, "--volume-id", v.id, "--id", b5, "--snapshot-id", uuid())
	require.Error(t, err)
	failed := s.row(b4)
	failed.ID = b5
	before := s.left(v.id)
	require.NoError(t, d.Delete(t.Context(), failed))
	assert.Equal(t, before, s.left(v.id), "the failed backup has nothing, and takes nothing")
	s.restores(d, s.row(b4), v.disk)

	// Rows of the volume that have nothing on the store take nothing either.
	imported := s.row(b1)
	imported.ID = uuid()
	require.NoError(t, d.Delete(t.Context(), imported))
	assert.Equal(t, before, s.left(v.id))

	require.NoError(t, d.Delete(t.Context(), s.row(b1)))
	assert.False(t, s.hasMeta(b1))
	assert.Contains(t, s.left(v.id), "volume-"+v.id+".backup."+b1, "the chain goes on in the image")
	found := s.found(d, v.id)
	assert.NotContains(t, found, b1)
	assert.Equal(t, driverstate.ConditionWhole, found[b2].Condition)
	assert.Empty(t, found[b2].Backup.ParentID)
	s.restores(d, s.row(b2), at2)
	require.NoError(t, d.Delete(t.Context(), s.row(b2)))
	assert.NotContains(t, s.left(v.id), "volume-"+v.id+".backup."+b1)
	for _, id := range []string{b3, b4, b4} {
		require.NoError(t, d.Delete(t.Context(), s.row(id)))
		assert.False(t, s.hasMeta(id))
	}
	assert.Empty(t, s.left(v.id))
}

// TestWhatWeWrote has Cinder's own driver restore and delete our backups.
func TestWhatWeWrote(t *testing.T) {
	s := newSite(t)
	d := s.ours()
	volumeID := uuid()
	s.cleanUp(volumeID)
	from := s.disk("volume", 900<<20) // no whole number of GiB
	from.write(1<<20, noise(3<<20+17))
	from.write(600<<20, noise(1<<20))
	full := s.place(d, volumeID, nil, from)
	at1 := from.copy("at1")
	from.write(2<<20, noise(100000))
	from.write(600<<20, make([]byte, 1<<20))
	from.write(900<<20-1, []byte{7})
	inc := s.place(d, volumeID, full, from)
	assert.Equal(t, full.ServiceMetadata, inc.ServiceMetadata)

	for _, c := range []struct {
		b    *driverstate.Backup
		want *disk
	}{{full, at1}, {inc, from}} {
		s.restores(d, c.b, c.want)
		s.give(c.b)
	}
	s.cinderRestores(full.ID, at1)
	fresh := uuid()
	t.Cleanup(func() { s.removeImage(volumePool, "volume-"+fresh) })
	s.cinder("restore", "--backup", inc.ID, "--to", "rbd:"+volumePool, "--volume-id", fresh)
	out := filepath.Join(s.dir, "exported")
	tool(t, "", "rbd", "export", "--no-progress", volumePool+"/volume-"+fresh, out)
	requireSameFile(t, from.path, out, gib)

	found := s.found(d, volumeID)
	require.Len(t, found, 2)
	assert.Equal(t, full.ID, found[inc.ID].Backup.ParentID)
	for id, f := range found {
		assert.Equal(t, driverstate.ConditionWhole, f.Condition, id)
		assert.Empty(t, f.Warnings, id)
		assert.Equal(t, "p1", f.Backup.ProjectID)
		assert.Equal(t, int64(1), f.Backup.Size)
	}
	s.cinder("delete", "--backup", inc.ID)
	s.restores(d, full, at1)
	s.cinder("delete", "--backup", full.ID)
	assert.Empty(t, s.left(volumeID))
	assert.False(t, s.hasMeta(full.ID) || s.hasMeta(inc.ID))
}
