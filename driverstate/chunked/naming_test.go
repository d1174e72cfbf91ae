package chunked

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestNamesOfAllGenerationsAreRecognised(t *testing.T) {
	start := time.Date(2026, 11, 21, 5, 54, 23, 0, time.UTC)
	for _, c := range []struct {
		name string
		kind objectKind
		n    int
		id   identity
	}{
		{fileP + "-00001", kindChunk, 1, identity{volumeID: volumeID, backupID: backupID, start: start}},
		{fileP + "-100000", kindChunk, 100000, identity{volumeID: volumeID, backupID: backupID, start: start}},
		{fileP + "_metadata", kindMetadata, 0, identity{volumeID: volumeID, backupID: backupID, start: start}},
		{fileP + "_sha256file", kindHashes, 0, identity{volumeID: volumeID, backupID: backupID, start: start}},
		{objectP + "-99999", kindChunk, 99999, identity{volumeID: volumeID, backupID: backupID, start: start, zone: "nova"}},
		{strings.Replace(objectP, "nova", "a_backup_b/c", 1) + "_metadata", kindMetadata, 0,
			identity{volumeID: volumeID, backupID: backupID, start: start, zone: "a_backup_b/c"}},
		{"backup-00001", kindChunk, 1, identity{old: true}},
		{"backup_metadata", kindMetadata, 0, identity{old: true}},
		{"backup_sha256file", kindHashes, 0, identity{old: true}},
	} {
		prefix, kind, n, ok := splitName(c.name)
		require.True(t, ok, c.name)
		assert.Equal(t, c.kind, kind, c.name)
		assert.Equal(t, c.n, n, c.name)
		id, ok := parsePrefix(prefix)
		require.True(t, ok, c.name)
		assert.Equal(t, c.id, id, c.name)
	}
}

func TestOtherNamesAreNotRecognised(t *testing.T) {
	for _, name := range []string{
		"", "-", "-00001", "_metadata", "_sha256file", "backup", "backup-", "backup-1", "backup-0000a", "backup-000001",
		"backup-00000", "backup-99999999999", "backup-00001.tmp", "backup_metadata~", "backup.metadata",
	} {
		_, _, _, ok := splitName(name)
		assert.False(t, ok, "%q", name)
	}
	for _, prefix := range []string{
		"", "b", "volume_", "backups", "xbackup", " backup", fileP + "x", "x" + fileP, fileP[:len(fileP)-1],
		strings.ToUpper(fileP), strings.Replace(fileP, "20261121055423", "2026112105542x", 1),
		strings.Replace(fileP, volumeID, strings.ToUpper(volumeID), 1), strings.Replace(fileP, "_backup_", "_BACKUP_", 1),
		strings.Replace(objectP, "/az_nova", "/az_", 1), strings.Replace(objectP, "/20261121055423/", "/", 1),
		strings.Replace(objectP, "nova", "no\nva", 1), "volume_" + volumeID + "/20261121055423",
		"volume_" + volumeID + "/20261121055423/az_" + backupID,
	} {
		_, ok := parsePrefix(prefix)
		assert.False(t, ok, "%q", prefix)
	}
}

func TestLayoutsNameWhatTheyRecognise(t *testing.T) {
	b := &driverstate.Backup{ID: backupID, VolumeID: volumeID}
	start := time.Date(2026, 11, 21, 6, 54, 23, 0, time.FixedZone("CET", 3600))
	assert.Equal(t, fileP, FileLayout{}.Prefix(b, start))
	assert.Equal(t, ownDir, FileLayout{}.Container(b))
	assert.Equal(t, "all", FileLayout{Default: "all"}.Container(b))
	assert.Equal(t, objectP, ObjectLayout{}.Prefix(b, start))
	assert.Equal(t, "volumebackups", ObjectLayout{Default: "volumebackups"}.Container(b))
	for _, l := range []Layout{FileLayout{}, ObjectLayout{Default: "c", Zone: "z"}} {
		_, err := ownPrefix(b, l.Prefix(b, start))
		assert.NoError(t, err)
		assert.NoError(t, l.CheckContainer(l.Container(b)))
	}
}

func TestContainersThatLeaveTheStoreAreRefused(t *testing.T) {
	both := []string{"", ".", "..", "/", "/etc", "nul\x00", "line\n", "\x7f", strings.Repeat("x", 257)}
	for _, c := range append(both, "../x", "a/../b", "a/..", "a//b", "a/", "./a", "a/.") {
		assert.ErrorIs(t, FileLayout{}.CheckContainer(c), driverstate.ErrInvalidInput, "%q", c)
	}
	for _, c := range append(both, "a/b") {
		assert.ErrorIs(t, ObjectLayout{}.CheckContainer(c), driverstate.ErrInvalidInput, "%q", c)
	}
	assert.NoError(t, FileLayout{}.CheckContainer("tenant-a/monthly..x"))
	assert.NoError(t, ObjectLayout{}.CheckContainer("volume backups"))
}

func TestAPrefixMustBeTheBackupsOwn(t *testing.T) {
	b := &driverstate.Backup{ID: backupID, VolumeID: volumeID}
	for _, prefix := range []string{
		"", "v", "volume_", "volume_" + volumeID, fileP[:len(fileP)-1], "../" + fileP,
		strings.Replace(fileP, backupID, otherID, 1), strings.Replace(fileP, volumeID, otherID, 1),
		strings.Replace(objectP, backupID, otherID, 1),
	} {
		_, err := ownPrefix(b, prefix)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, "%q", prefix)
	}
	_, err := ownPrefix(&driverstate.Backup{ID: "x"}, oldPrefix)
	assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{fileP + "-00001", objectP + "_metadata", "backup_sha256file", "backup-100000", "", "-", "volume_/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		prefix, kind, n, ok := splitName(name)
		if !ok {
			return
		}
		switch kind {
		case kindChunk:
			require.Equal(t, name, chunkName(prefix, n))
		case kindMetadata:
			require.Equal(t, name, metadataName(prefix))
		case kindHashes:
			require.Equal(t, name, hashesName(prefix))
		}
		id, ok := parsePrefix(prefix)
		if !ok || id.old {
			return
		}
		require.True(t, driverstate.IsUUID(id.backupID) && driverstate.IsUUID(id.volumeID))
		_, err := ownPrefix(&driverstate.Backup{ID: id.backupID, VolumeID: id.volumeID}, prefix)
		require.NoError(t, err)
		if FileLayout.CheckContainer(FileLayout{}, name) == nil && id.zone == "" {
			require.NotContains(t, prefix, "/")
		}
	})
}
