package ceph

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

const (
	volumeV = "11111111-2222-3333-4444-555555555555"
	backup1 = "00000001-aaaa-bbbb-cccc-dddddddddddd"
	backup2 = "00000002-aaaa-bbbb-cccc-dddddddddddd"
	backup3 = "00000003-aaaa-bbbb-cccc-dddddddddddd"
)

// Names that Cinder's driver gave on a real cluster.
func TestNamesOfSnapshotsAreTakenApart(t *testing.T) {
	for name, want := range map[string]time.Time{
		"backup." + backup1 + ".snap.1795244571.7035584": time.Unix(1795244571, 703558400).UTC(),
		"backup." + backup1 + ".snap.1795244636.841001":  time.Unix(1795244636, 841001000).UTC(),
		"backup." + backup1 + ".snap.1400000000.5":       time.Unix(1400000000, 500000000).UTC(),
		"backup." + backup1 + ".snap.1400000000":         time.Unix(1400000000, 0).UTC(),
	} {
		id, at, ok := parseSnap(name)
		require.True(t, ok, name)
		assert.Equal(t, backup1, id)
		assert.Equal(t, want, at, name)
	}
	for _, name := range []string{
		"", "backup", "backup." + backup1 + ".snap.", "backup." + backup1 + ".snap.1e9", "backup." + backup1 + ".snap.-1",
		"backup." + backup1 + ".snap.1.2.3", "backup.base.snap.1", "xbackup." + backup1 + ".snap.1", "backup." + backup1 + ".snap.1 ",
		"backup." + backup1 + ".snap.9999999999999", "--help",
	} {
		_, _, ok := parseSnap(name)
		assert.False(t, ok, name)
	}
}

func TestSnapshotsAreNamedAsPythonWritesTheTime(t *testing.T) {
	for at, want := range map[time.Time]string{
		time.Unix(1795244571, 703558400): "1795244571.703558",
		time.Unix(1795244571, 0):         "1795244571.0",
		time.Unix(1795244571, 500000000): "1795244571.5",
	} {
		name := snapName(backup1, at)
		assert.Equal(t, "backup."+backup1+".snap."+want, name)
		_, back, ok := parseSnap(name)
		assert.True(t, ok)
		assert.Equal(t, at.Truncate(time.Microsecond).UTC(), back)
	}
}

func TestABaseIsAnImageOfTheVolume(t *testing.T) {
	own, base := imageName(volumeV, backup1), imageName(volumeV, sharedOwner)
	for text, want := range map[string]string{"": "", baseText(own): own, baseText(base): base, `{"base":"` + own + `"}`: own} {
		got, err := parseBase(text, volumeV)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	assert.Equal(t, `{"base": "volume-`+volumeV+`.backup.base"}`, baseText(base))
	for _, text := range []string{
		"{}", "null", "base", own, `{"base": ""}`, `{"base": 1}`, `{"base": "--help"}`, `{"base": "` + own + `", "x": "y"}`,
		`{"base": "other/` + own + `"}`, `{"base": "` + own + `@s"}`, `{"base": "volume-` + volumeV + `"}`, baseText(imageName(backup1, backup1)),
	} {
		_, err := parseBase(text, volumeV)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, text)
	}
}

func TestConfigurationsThatCannotBeUsedAreRefused(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"backup_ceph_pool", "a/b", "is not a pool's name"},
		{"backup_ceph_pool", "a@b", "is not a pool's name"},
		{"backup_ceph_pool", "-p", "is not a pool's name"},
		{"backup_ceph_pool", "a\nb", "is not a pool's name"},
		{"backup_ceph_pool", "", "backup_ceph_pool is empty"},
		{"backup_ceph_user", "", "backup_ceph_user is empty"},
		{"backup_ceph_user", "--conf=x", "is not a Ceph user"},
		{"backup_ceph_user", "client.cinder", "leave out"},
		{"backup_ceph_conf", "-c", "is not a path"},
		{"backup_ceph_conf", "", "backup_ceph_conf is empty"},
		{"backup_ceph_stripe_unit", "65536", "go together"},
		{"backup_ceph_chunk_size", "12", "between 512"},
		{"backup_ceph_image_journals", "perhaps", "is not true or false"},
		{"restore_discard_excess_bytes", "perhaps", "is not true or false"},
	} {
		_, err := NewConfig(oslo.Values{c.name: c.value})
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, c)
		assert.ErrorContains(t, err, c.want)
	}
	_, err := NewConfig(oslo.Values{"backup_ceph_stripe_unit": "65537", "backup_ceph_stripe_count": "4"})
	assert.ErrorContains(t, err, "divides 4194304")
	c, err := NewConfig(nil)
	require.NoError(t, err)
	assert.Equal(t, Config{Conf: "/etc/ceph/ceph.conf", User: "cinder", Pool: "backups", ChunkSize: 128 << 20}, c)
}

func TestAnIncrementIsPlacedInTheImageOfItsParent(t *testing.T) {
	made, err := New(t.Context(), Config{})
	require.NoError(t, err)
	full := &driverstate.Backup{ID: backup1, VolumeID: volumeV}
	full.Container, full.ServiceMetadata, err = made.Place(full, nil, time.Time{})
	require.NoError(t, err)
	assert.Equal(t, "backups", full.Container)
	assert.Equal(t, baseText(imageName(volumeV, backup1)), full.ServiceMetadata)

	inc := &driverstate.Backup{ID: backup2, VolumeID: volumeV, ParentID: backup1}
	pool, place, err := made.Place(inc, full, time.Time{})
	require.NoError(t, err)
	assert.Equal(t, [2]string{full.Container, full.ServiceMetadata}, [2]string{pool, place})

	old := *full
	old.ServiceMetadata = "" // before Train
	_, place, err = made.Place(inc, &old, time.Time{})
	require.NoError(t, err)
	assert.Equal(t, baseText(imageName(volumeV, sharedOwner)), place)

	inc.Container = "elsewhere"
	_, _, err = made.Place(inc, full, time.Time{})
	assert.ErrorContains(t, err, "do a full backup")
	_, _, err = made.Place(&driverstate.Backup{ID: backup1, VolumeID: volumeV, Container: "a/b"}, nil, time.Time{})
	assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
	_, _, err = made.Place(&driverstate.Backup{ID: "x", VolumeID: volumeV}, nil, time.Time{})
	assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
}

// a makes an image with the snapshots of backups, in the order they were made.
func a(owner string, ids ...string) *image {
	i := &image{name: imageName(volumeV, owner), volumeID: volumeV, owner: owner, size: gib}
	for n, id := range ids {
		i.add("backup."+id+".snap."+string(rune('1'+n))+".5", int64(n+1), gib)
	}
	return i
}

func TestABackupIsFoundByWhatExists(t *testing.T) {
	for _, c := range []struct {
		name   string
		images []*image
		claims []string
		want   string // image, with the snapshot; empty for nothing
		fault  string
	}{
		{name: "nothing at all"},
		{"its snapshot on its own image", []*image{a(backup1, backup1, backup2)}, nil, imageName(volumeV, backup1) + "@backup." + backup1 + ".snap.1.5", ""},
		{"its snapshot on the image of a deleted full", []*image{a(backup2, backup1)}, nil, imageName(volumeV, backup2) + "@backup." + backup1 + ".snap.1.5", ""},
		{"its snapshot on the shared image, before Train", []*image{a(sharedOwner, backup2, backup1)}, nil, imageName(volumeV, sharedOwner) + "@backup." + backup1 + ".snap.2.5", ""},
		{"its image without snapshots", []*image{a(backup1)}, nil, imageName(volumeV, backup1), ""},
		{"its image goes on without it", []*image{a(backup1, backup2)}, nil, "", ""},
		{"the shared image, which it alone claims", []*image{a(sharedOwner)}, []string{backup1}, imageName(volumeV, sharedOwner), ""},
		{"the shared image, which another claims", []*image{a(sharedOwner)}, []string{backup2}, "", ""},
		{"the shared image, which nobody claims", []*image{a(sharedOwner)}, nil, "", ""},
		{"the shared image, which two claim", []*image{a(sharedOwner)}, []string{backup1, backup2}, "", "can be that of any of the backups"},
		{"the shared image with snapshots of others", []*image{a(sharedOwner, backup2)}, []string{backup1}, "", ""},
		{"two snapshots", []*image{a(backup1, backup1, backup1)}, nil, "", "it has 2 snapshots"},
		{"snapshots on two images", []*image{a(backup1, backup1), a(backup2, backup1)}, nil, "", "it has 2 snapshots"},
		{"an image that cannot be opened", []*image{{name: imageName(volumeV, backup1), owner: backup1, fault: "no header"}}, nil, "", "cannot be opened: no header"},
	} {
		p := whereIs(backup1, c.images, claims{volumeV: c.claims})
		got := ""
		if p.image != nil && p.fault == "" {
			got = p.image.name
			if p.snap != nil {
				got += "@" + p.snap.name
			}
		}
		assert.Equal(t, c.want, got, c.name)
		if c.fault == "" {
			assert.Empty(t, p.fault, c.name)
		} else {
			assert.Contains(t, p.fault, c.fault, c.name)
			assert.ErrorIs(t, mayDelete(sighting{pool: "p", place: p}, ""), driverstate.ErrConflict, "never guess on delete")
		}
	}
}

func TestASnapshotThatOnlyCinderTakesForABackupsKeepsItsImage(t *testing.T) {
	i := a(backup1)
	i.add("backup.someone.snap.x", 9, gib)
	i.add("by hand", 10, gib)
	assert.Len(t, i.snaps, 1)
	assert.Equal(t, []string{"by hand"}, i.others)
	assert.Nil(t, whereIs(backup1, []*image{i}, nil).image, "it may be what the image is for")
}

func FuzzNames(f *testing.F) {
	f.Add("backup." + backup1 + ".snap.1795244571.7035584")
	f.Add("volume-" + volumeV + ".backup.base")
	f.Add(baseText(imageName(volumeV, backup1)))
	f.Fuzz(func(t *testing.T, text string) {
		if id, at, ok := parseSnap(text); ok {
			require.True(t, driverstate.IsUUID(id))
			require.False(t, at.IsZero())
			require.True(t, looseSnapForm().MatchString(text), "Cinder takes it too")
		}
		if volumeID, owner, ok := parseImage(text); ok {
			require.Equal(t, text, imageName(volumeID, owner))
		}
		if base, err := parseBase(text, volumeV); err == nil && base != "" {
			volumeID, _, ok := parseImage(base)
			require.True(t, ok)
			require.Equal(t, volumeV, volumeID)
		}
		parseMeta([]byte(text))
	})
}
