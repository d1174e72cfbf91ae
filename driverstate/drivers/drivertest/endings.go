package drivertest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// events keeps what an observer is told.
type events struct {
	mu  sync.Mutex
	all []driverstate.Event
}

func (e *events) Observe(event driverstate.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) require(t *testing.T, op string, b *driverstate.Backup, n, objects int) {
	t.Helper()
	require.NotEmpty(t, e.all, op)
	var before driverstate.Event
	for _, event := range e.all {
		assert.Equal(t, op, event.Op)
		assert.Equal(t, b.ID, event.BackupID)
		assert.GreaterOrEqual(t, event.BytesDone, before.BytesDone)
		assert.GreaterOrEqual(t, event.ObjectsDone, before.ObjectsDone)
		assert.False(t, event.Time.IsZero())
		before = event
	}
	assert.Equal(t, driverstate.EventStart, e.all[0].Type, op)
	assert.Equal(t, driverstate.EventEnd, before.Type, op)
	assert.EqualValues(t, n, before.BytesDone, op)
	assert.EqualValues(t, n, before.BytesTotal, op)
	assert.Equal(t, objects, before.ObjectsDone, op)
	assert.Equal(t, objects, before.ObjectsTotal, op)
}

func progress(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(9*objectSize+1, 1)
	b := l.row(t, d, nil)
	var backup, restore, verify events
	_, err := d.Backup(t.Context(), b, nil, &source{image: image}, &backup)
	require.NoError(t, err)
	backup.require(t, "backup", b, len(image), 10)
	var increment events
	inc := l.row(t, d, b)
	_, err = d.Backup(t.Context(), inc, b, &source{image: changed(image, objectSize, text(20, 1))}, &increment)
	require.NoError(t, err)
	increment.require(t, "backup", inc, len(image), 10)
	_, err = d.Restore(t.Context(), driverstate.Chain{b}, &target{}, &restore)
	require.NoError(t, err)
	restore.require(t, "restore", b, len(image), 10)
	_, err = d.(driverstate.Verifier).Verify(t.Context(), driverstate.Chain{b}, driverstate.DepthData, &verify)
	require.NoError(t, err)
	verify.require(t, "verify", b, len(image), 10)
}

// requireNoGoroutines waits until as many goroutines run as before.
func requireNoGoroutines(t *testing.T, before int) {
	t.Helper()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 5*time.Second, time.Millisecond)
}

func cancelledBackup(t *testing.T, l *lab) {
	before := runtime.NumGoroutine()
	d := l.open(t, Settings{Workers: 2})
	image := mixed(20*objectSize, 1)
	full := l.backup(t, d, nil, image)
	for _, parent := range []*driverstate.Backup{nil, full} {
		for _, n := range []int64{1, 2, 7} {
			ctx, read := cancelAfter(t, n)
			b := l.row(t, d, parent)
			_, err := d.Backup(ctx, b, parent, &source{image: text(len(image), 1), read: read}, nil)
			require.ErrorIs(t, err, context.Canceled)
			requireNoGoroutines(t, before)
			assert.NotContains(t, l.store.Names(t, b.Container), b.ServiceMetadata+"_metadata")
			require.NoError(t, d.Delete(t.Context(), b))
			assert.Empty(t, l.chunks(t, b))
		}
	}
}

func cancelledRestore(t *testing.T, l *lab) {
	before := runtime.NumGoroutine()
	d := l.open(t, Settings{Workers: 4})
	image := text(20*objectSize, 1)
	full := l.backup(t, d, nil, image)
	inc := l.backup(t, d, full, changed(image, 3*objectSize, text(4*objectSize, 2)))
	for _, n := range []int64{1, 3} {
		for name, dst := range targets(len(image)) {
			ctx, wrote := cancelAfter(t, n)
			dst.write = func() error { wrote(); return nil }
			_, err := d.Restore(ctx, driverstate.Chain{full, inc}, dst, nil)
			require.ErrorIs(t, err, context.Canceled, "%s target", name)
			assert.False(t, dst.synced)
			requireNoGoroutines(t, before)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	untouched := &target{}
	_, err := d.Restore(ctx, driverstate.Chain{full}, untouched, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, untouched.begun)
	_, err = d.(driverstate.Verifier).Verify(ctx, driverstate.Chain{full}, driverstate.DepthData, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func failingTarget(t *testing.T, l *lab) {
	before := runtime.NumGoroutine()
	d := l.open(t, Settings{Workers: 4})
	image := text(20*objectSize, 1)
	b := l.backup(t, d, nil, image)
	broken := errors.New("no space left on device")
	for name, dst := range targets(len(image)) {
		var err error
		failNow := countdown(3, func() { err = broken })
		dst.write = func() error {
			dst.mu.Lock()
			defer dst.mu.Unlock()
			failNow()
			return err
		}
		_, got := d.Restore(t.Context(), driverstate.Chain{b}, dst, nil)
		require.ErrorIs(t, got, broken, "%s target", name)
		assert.NotErrorIs(t, got, driverstate.ErrCorrupt, "%s target", name)
		requireNoGoroutines(t, before)
	}
}

func deleteOne(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(3*objectSize, 1)
	gone, stays := l.backup(t, d, nil, image), l.backup(t, d, nil, image)
	// A neighbour whose prefix begins with that of the backup.
	neighbour := gone.ServiceMetadata + "0-00001"
	l.store.Write(t, gone.Container, neighbour, []byte("another's"))
	l.store.Write(t, gone.Container, gone.ServiceMetadata+"-00077", []byte("late"))
	require.NoError(t, d.Delete(t.Context(), gone))
	for _, name := range l.store.Names(t, gone.Container) {
		assert.True(t, name == neighbour || strings.HasPrefix(name, stays.ServiceMetadata), name)
	}
	assert.Contains(t, l.store.Names(t, gone.Container), neighbour)
	require.NoError(t, d.Delete(t.Context(), gone), "a second time")
	requireRestores(t, d, driverstate.Chain{stays}, image)
}

func deleteForged(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(objectSize, 1)
	b, other := l.backup(t, d, nil, image), l.backup(t, d, nil, image)
	for name, change := range map[string]func(*driverstate.Backup){
		"empty prefix":     func(b *driverstate.Backup) { b.ServiceMetadata = "" },
		"short prefix":     func(b *driverstate.Backup) { b.ServiceMetadata = "volume_" },
		"another's prefix": func(b *driverstate.Backup) { b.Container, b.ServiceMetadata = other.Container, other.ServiceMetadata },
		"empty container":  func(b *driverstate.Backup) { b.Container = "" },
		"parent directory": func(b *driverstate.Backup) { b.Container = "../" + b.Container },
	} {
		forged := *b
		change(&forged)
		require.ErrorIs(t, d.Delete(t.Context(), &forged), driverstate.ErrInvalidInput, name)
	}
	requireRestores(t, d, driverstate.Chain{b}, image)
	requireRestores(t, d, driverstate.Chain{other}, image)
}

func readOnly(t *testing.T, l *lab) {
	image := mixed(2*objectSize, 1)
	b := l.backup(t, l.open(t, Settings{}), nil, image)
	d := l.open(t, Settings{ReadOnly: true})
	requireRestores(t, d, driverstate.Chain{b}, image)
	fresh := l.row(t, d, nil)
	_, err := d.Backup(t.Context(), fresh, nil, &source{image: image}, nil)
	require.ErrorIs(t, err, driverstate.ErrReadOnly)
	require.ErrorIs(t, err, objectstore.ErrReadOnly)
	require.ErrorIs(t, d.Delete(t.Context(), b), driverstate.ErrReadOnly)
	assert.Empty(t, l.chunks(t, fresh))
	requireRestores(t, d, driverstate.Chain{b}, image)
}
