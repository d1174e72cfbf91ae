package swift_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// TestABackupOfMoreThanOnePageOfNames lists, restores and deletes a backup of
// more objects than Swift lists at once, which is 10,000.
func TestABackupOfMoreThanOnePageOfNames(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: 10,100 objects take their time")
	}
	const chunks, block = 10100, 512
	image := make([]byte, chunks*block)
	rand.NewChaCha8([32]byte{9}).Read(image)
	c := config(t)
	c.ObjectSize, c.BlockSize, c.Compression, c.Workers = block, block, chunked.CompressionNone, 16
	a := newAccount(t, c)

	// Written in memory, for one writer at Swift would take minutes, and then
	// put there by many.
	memory := storetest.NewMemory()
	format := chunked.Config{Service: swift.Service, ObjectSize: block, BlockSize: block, Compression: chunked.CompressionNone}
	writer, err := chunked.New(memory, chunked.ObjectLayout{Default: c.Container}, format)
	require.NoError(t, err)
	b := write(t, writer, imageSource(image), "bbbbbbbb-0000-4000-8000-000000000001", a.cfg.Credentials.ProjectID)
	begun := time.Now()
	lap := func(what string) {
		t.Logf("%s: %s", what, time.Since(begun).Round(time.Millisecond))
		begun = time.Now()
	}
	copyAll(t, memory, a.store, c.Container)
	lap("put")

	assert.Len(t, a.Names(t, c.Container), chunks+2)
	lap("listed")
	d := open(t, a.cfg)
	found, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionWhole, found.Condition, found.Reason)
	assert.Equal(t, chunks, found.Backup.ObjectCount)
	lap("inspected")
	path := t.TempDir() + "/image"
	target, err := volume.OpenTarget(path, volume.TargetOptions{})
	require.NoError(t, err)
	defer target.Close()
	done, err := d.Restore(t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	require.NoError(t, target.Commit())
	assert.Equal(t, chunks, done.ObjectsRead)
	assertFile(t, image, path)
	lap("restored")
	require.NoError(t, d.Delete(t.Context(), b))
	assert.Empty(t, a.Names(t, c.Container))
	lap("deleted")
}

func copyAll(t *testing.T, from, to objectstore.Store, container string) {
	t.Helper()
	require.NoError(t, to.PutContainer(t.Context(), container))
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(16)
	for info, err := range from.List(t.Context(), container, "") {
		require.NoError(t, err)
		g.Go(func() error { return copyOne(ctx, from, to, container, info.Name) })
	}
	require.NoError(t, g.Wait())
}

func copyOne(ctx context.Context, from, to objectstore.Store, container, name string) error {
	r, err := from.Get(ctx, container, name, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return to.Put(ctx, container, name, bytes.NewReader(content), int64(len(content)))
}
