package chunked

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

// inPages is a store whose listings come in pages of a thousand names, as S3's.
// A listing of a part of a container answers when all of them have been asked
// for: who asks for one after the other waits for ever.
type inPages struct {
	*storetest.Memory
	together sync.WaitGroup
	mu       sync.Mutex
	pages    map[string]int // of each listing
}

func (p *inPages) List(ctx context.Context, container, prefix string) iter.Seq2[objectstore.Info, error] {
	return func(yield func(objectstore.Info, error) bool) {
		if prefix != "" {
			p.together.Done()
			p.together.Wait()
		}
		names := 0
		for info, err := range p.Memory.List(ctx, container, prefix) {
			if names%1000 == 0 {
				p.mu.Lock()
				p.pages[prefix]++
				p.mu.Unlock()
			}
			names++
			if !yield(info, err) {
				return
			}
		}
	}
}

// TestALargeContainerIsListedInPartsSideBySide: the same backups are found as
// by one listing, in a fraction of its round trips one after the other.
func TestALargeContainerIsListedInPartsSideBySide(t *testing.T) {
	const container, backups = "volumebackups", 12000
	store := &inPages{Memory: storetest.NewMemory(), pages: map[string]int{}}
	store.together.Add(len(scanPrefixes))
	d, err := New(store, ObjectLayout{Default: container}, Config{
		Service: "cinder.backup.drivers.swift.SwiftBackupDriver", ObjectSize: 1 << 20, BlockSize: 32768, Compression: CompressionZlib,
	})
	require.NoError(t, err)
	want := make(map[string]bool)
	names := 0
	for i := range backups {
		id := fmt.Sprintf("%08x-0000-4000-8000-000000000001", i*2654435761&0xffffffff)
		volume := fmt.Sprintf("%08x-0000-4000-8000-000000000002", i*2246822519&0xffffffff)
		prefix := d.layout.Prefix(&driverstate.Backup{ID: id, VolumeID: volume}, time.Unix(int64(i), 0))
		own := strings.NewReplacer(backupID, id, volumeID, volume)
		store.Set(container, chunkName(prefix, 1), strings.Repeat("x", 512))
		store.Set(container, metadataName(prefix), own.Replace(document(entry(chunkName(prefix, 1), 0, 512, "none"))))
		store.Set(container, hashesName(prefix), own.Replace(hashDocument(digest)))
		want[id] = true
		names += 3
	}
	store.Set(container, "another program's", "")

	var last driverstate.Backup
	for f, err := range d.Scan(t.Context(), "") {
		require.NoError(t, err)
		b := f.Backup
		require.Equal(t, driverstate.ConditionWhole, f.Condition, f.Reason)
		require.True(t, want[b.ID], b.ID)
		require.True(t, last.CreatedAt.Before(b.CreatedAt) || last.ID < b.ID, "out of order: %s", b.ID)
		delete(want, b.ID)
		last = b
	}
	assert.Empty(t, want)

	oneAfterTheOther, longest := names/1000, 0
	for _, prefix := range scanPrefixes {
		longest = max(longest, store.pages[prefix])
	}
	t.Logf("%d names: %d round trips of listings one after the other, not %d", names, store.pages[""]+longest, oneAfterTheOther)
	assert.Less(t, store.pages[""]+longest, oneAfterTheOther/2)
}

// TestASmallContainerIsListedOnce, page after page, and not in parts.
func TestASmallContainerIsListedOnce(t *testing.T) {
	store := &inPages{Memory: storetest.NewMemory(), pages: map[string]int{}}
	d, err := New(store, ObjectLayout{Default: "c"}, Config{
		Service: "cinder.backup.drivers.swift.SwiftBackupDriver", ObjectSize: 1 << 20, BlockSize: 32768, Compression: CompressionZlib,
	})
	require.NoError(t, err)
	for i := range oneListing {
		store.Set("c", fmt.Sprintf("stray-%05d", i+1), "")
	}
	for range d.Scan(t.Context(), "") {
		t.Error("nothing is a backup's")
	}
	assert.Equal(t, map[string]int{"": oneListing / 1000}, store.pages)
}

// TestThePartsOfAContainerAreAllThatAScanKnows: no prefix of a backup is
// outside of them, and none is in two.
func TestThePartsOfAContainerAreAllThatAScanKnows(t *testing.T) {
	for _, prefix := range []string{oldPrefix, fileP, ObjectLayout{}.Prefix(&driverstate.Backup{ID: backupID, VolumeID: volumeID}, time.Now())} {
		_, ok := parsePrefix(prefix)
		require.True(t, ok, prefix)
		parts := 0
		for _, p := range scanPrefixes {
			if strings.HasPrefix(prefix, p) {
				parts++
			}
		}
		assert.Equal(t, 1, parts, prefix)
	}
	for c := range 256 {
		prefix := "volume_" + string([]byte{byte(c)}) + fileP[len("volume_0"):]
		if _, ok := parsePrefix(prefix); ok {
			assert.Contains(t, scanPrefixes, prefix[:len("volume_0")])
		}
	}
}
