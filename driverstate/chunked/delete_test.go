package chunked

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

func row(container, prefix string) *driverstate.Backup {
	return &driverstate.Backup{ID: backupID, VolumeID: volumeID, Container: container, ServiceMetadata: prefix}
}

// fillBackup stores a backup of three chunks under prefix.
func fillBackup(store *storetest.Memory, container, prefix string) {
	var entries []string
	for n := 1; n <= 3; n++ {
		store.Set(container, chunkName(prefix, n), strings.Repeat("x", 512))
		entries = append(entries, entry(chunkName(prefix, n), (n-1)*512, 512, "none"))
	}
	store.Set(container, hashesName(prefix), hashDocument(digest))
	store.Set(container, metadataName(prefix), document(strings.Join(entries, ",")))
}

func TestDeleteRemovesTheDocumentsFirst(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	store.Set(ownDir, chunkName(fileP, 99999), "a late chunk that no document lists")
	require.NoError(t, d.Delete(t.Context(), row(ownDir, fileP)))
	var deleted []string
	for _, call := range store.Calls() {
		if name, ok := strings.CutPrefix(call, "delete "+ownDir+" "); ok {
			deleted = append(deleted, name)
		}
	}
	require.Len(t, deleted, 6)
	assert.Equal(t, []string{metadataName(fileP), hashesName(fileP)}, deleted[:2])
	assert.Contains(t, store.Calls(), "remove-container "+ownDir)
	require.NoError(t, d.Delete(t.Context(), row(ownDir, fileP)), "a second delete finds nothing and succeeds")
}

func TestDeleteLeavesEverythingElse(t *testing.T) {
	for _, layout := range []Layout{FileLayout{}, ObjectLayout{}} {
		d, store := newDriver(t, layout)
		fillBackup(store, "box", fileP)
		others := []string{
			// Its name begins with the prefix of the one deleted.
			fileP + "1-00001", fileP + "-00001.bak", fileP + "-1", fileP + "_other", fileP,
			strings.Replace(fileP, "2026", "2027", 1) + "-00001",
			strings.Replace(fileP, backupID, otherID, 1) + "-00001",
			"backup-00001", "README",
		}
		for _, name := range others {
			store.Set("box", name, "1")
		}
		require.NoError(t, d.Delete(t.Context(), row("box", fileP)))
		assert.ElementsMatch(t, others, store.Names("box"))
		assert.NotContains(t, store.Calls(), "remove-container box", "a container that the user named stays")
	}
}

func TestDeleteRefusesWhatIsNotTheBackups(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	fillBackup(store, "box", oldPrefix)
	before := store.Names(ownDir)
	for _, c := range []struct{ container, prefix string }{
		{ownDir, ""}, {ownDir, "v"}, {ownDir, "volume_"}, {ownDir, "volume_" + volumeID},
		{ownDir, strings.Replace(fileP, backupID, otherID, 1)}, {"", fileP}, {"..", fileP}, {"/", fileP},
		{"af/74/../74/" + backupID, fileP}, {ownDir + "/", fileP},
	} {
		err := d.Delete(t.Context(), row(c.container, c.prefix))
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, "%v", c)
	}
	other := row("box", oldPrefix)
	other.ID = otherID
	assert.ErrorIs(t, d.Delete(t.Context(), other), driverstate.ErrInvalidInput, "the document says whose they are")
	assert.Equal(t, before, store.Names(ownDir))
	assert.Len(t, store.Names("box"), 5)
	for _, call := range store.Calls() {
		assert.False(t, strings.HasPrefix(call, "delete"), call)
	}
}

func TestDeleteOfTheOldPrefixNeedsAnOwner(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	ctx := t.Context()
	fillBackup(store, ownDir, oldPrefix)
	require.NoError(t, d.Delete(ctx, row(ownDir, oldPrefix)), "its own directory")
	assert.Empty(t, store.Names(ownDir))

	fillBackup(store, "box", oldPrefix)
	require.NoError(t, d.Delete(ctx, row("box", oldPrefix)), "its own document")
	assert.Empty(t, store.Names("box"))
	require.NoError(t, d.Delete(ctx, row("box", oldPrefix)), "nothing left")

	store.Set("box", hashesName(oldPrefix), hashDocument(digest))
	store.Set("box", chunkName(oldPrefix, 1), "1")
	require.NoError(t, d.Delete(ctx, row("box", oldPrefix)), "the hash list tells too")
	assert.Empty(t, store.Names("box"))

	store.Set("box", chunkName(oldPrefix, 1), "1")
	assert.ErrorIs(t, d.Delete(ctx, row("box", oldPrefix)), driverstate.ErrInvalidInput, "nothing tells whose")
	assert.Len(t, store.Names("box"), 1)
}

func TestDeleteTellsWhatItCouldNotRemove(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	broken := errors.New("disk on fire")
	store.Fail = func(op, _, name string) error {
		if op == "delete" && name == chunkName(fileP, 2) {
			return broken
		}
		return nil
	}
	err := d.Delete(t.Context(), row(ownDir, fileP))
	require.ErrorIs(t, err, broken)
	assert.ErrorContains(t, err, "backup "+backupID+": object "+chunkName(fileP, 2))
	assert.NotContains(t, store.Names(ownDir), metadataName(fileP), "what is left is no backup")
	store.Fail = nil
	require.NoError(t, d.Delete(t.Context(), row(ownDir, fileP)))
	assert.Empty(t, store.Names(ownDir))
}

func TestAReadOnlyStoreIsNotDeletedFrom(t *testing.T) {
	_, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	d, err := New(objectstore.ReadOnly(store), FileLayout{}, Config{
		Service: "s", ObjectSize: 32768, BlockSize: 32768, Compression: CompressionNone,
	})
	require.NoError(t, err)
	assert.ErrorIs(t, d.Delete(t.Context(), row(ownDir, fileP)), driverstate.ErrReadOnly)
	assert.Len(t, store.Names(ownDir), 5)
}

func TestPlaceNamesContainerAndPrefix(t *testing.T) {
	start := time.Date(2026, 11, 21, 5, 54, 23, 0, time.UTC)
	d, _ := newDriver(t, FileLayout{})
	container, prefix, err := d.Place(row("", ""), nil, start)
	require.NoError(t, err)
	assert.Equal(t, ownDir, container)
	assert.Equal(t, fileP, prefix)
	container, _, err = d.Place(row("tenant-a/monthly", ""), nil, start)
	require.NoError(t, err)
	assert.Equal(t, "tenant-a/monthly", container)
	for _, b := range []*driverstate.Backup{
		row("../x", ""), {ID: "x", VolumeID: volumeID}, {ID: backupID, VolumeID: "../x"},
	} {
		_, _, err := d.Place(b, nil, start)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
	}
}

func TestConfigurationsThatTheFormatCannotHoldAreRefused(t *testing.T) {
	good := Config{Service: "s", ObjectSize: 1 << 20, BlockSize: 32768, Compression: CompressionZlib}
	require.NoError(t, good.Validate())
	for name, change := range map[string]func(*Config){
		"no service":                    func(c *Config) { c.Service = "" },
		"no block size":                 func(c *Config) { c.BlockSize = 0 },
		"an odd block size":             func(c *Config) { c.BlockSize = 1000 },
		"no object size":                func(c *Config) { c.ObjectSize = 0 },
		"an object size over the cap":   func(c *Config) { c.ObjectSize = maxExtent * 2 },
		"an object size between blocks": func(c *Config) { c.ObjectSize = 1<<20 + 512 },
		"a compression that is not one": func(c *Config) { c.Compression = "lz4" },
		"a compression not normalised":  func(c *Config) { c.Compression = "gzip" },
		"workers below none":            func(c *Config) { c.Workers = -1 },
	} {
		c := good
		change(&c)
		_, err := New(storetest.NewMemory(), FileLayout{}, c)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, name)
	}
}
