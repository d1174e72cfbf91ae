package drivertest

import (
	"context"
	"errors"
	"runtime"
	"slices"
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
	objects := 0
	if l.chunked {
		objects = 10
	}
	b := l.row(t, d, nil)
	var backup, restore, verify events
	_, err := d.Backup(t.Context(), b, nil, &source{image: image}, &backup)
	require.NoError(t, err)
	backup.require(t, "backup", b, len(image), objects)
	var increment events
	inc := l.row(t, d, b)
	_, err = d.Backup(t.Context(), inc, b, &source{image: changed(image, objectSize, text(20, 1))}, &increment)
	require.NoError(t, err)
	increment.require(t, "backup", inc, len(image), objects)
	_, err = d.Restore(t.Context(), driverstate.Chain{b}, &target{}, driverstate.RestoreOptions{}, &restore)
	require.NoError(t, err)
	restore.require(t, "restore", b, len(image), objects)
	_, err = d.(driverstate.Verifier).Verify(t.Context(), driverstate.Chain{b}, driverstate.DepthData, &verify)
	require.NoError(t, err)
	verify.require(t, "verify", b, len(image), objects)
}

// goroutines counts those that run, but for the two that net/http keeps for
// each connection that waits for its next request.
func goroutines() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if !strings.Contains(stack, "net/http.(*persistConn)") {
			n++
		}
	}
	return n
}

// requireNoGoroutines waits until as many goroutines run as before.
func requireNoGoroutines(t *testing.T, before int) {
	t.Helper()
	require.Eventually(t, func() bool { return goroutines() <= before+1 }, time.Minute, 5*time.Millisecond)
}

func cancelledBackup(t *testing.T, l *lab) {
	before := goroutines()
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
			found, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
			if !errors.Is(err, driverstate.ErrNotFound) {
				require.NoError(t, err)
				assert.Equal(t, driverstate.ConditionPartial, found.Condition)
			}
			require.NoError(t, d.Delete(t.Context(), b))
			l.requireNothing(t, b)
		}
	}
}

// manyWrites is an image that no driver writes with one or two writes.
const manyWrites = 100 * objectSize

func cancelledRestore(t *testing.T, l *lab) {
	before := goroutines()
	d := l.open(t, Settings{Workers: 4})
	image := text(manyWrites, 1)
	full := l.backup(t, d, nil, image)
	inc := l.backup(t, d, full, changed(image, 3*objectSize, text(4*objectSize, 2)))
	for _, n := range []int64{1, 3} {
		for name, dst := range targets(len(image)) {
			ctx, wrote := cancelAfter(t, n)
			dst.write = func() error { wrote(); return nil }
			_, err := d.Restore(ctx, driverstate.Chain{full, inc}, dst, driverstate.RestoreOptions{}, nil)
			require.ErrorIs(t, err, context.Canceled, "%s target", name)
			assert.False(t, dst.synced)
			requireNoGoroutines(t, before)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	untouched := &target{}
	_, err := d.Restore(ctx, driverstate.Chain{full}, untouched, driverstate.RestoreOptions{}, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, untouched.begun)
	_, err = d.(driverstate.Verifier).Verify(ctx, driverstate.Chain{full}, driverstate.DepthData, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func failingTarget(t *testing.T, l *lab) {
	before := goroutines()
	d := l.open(t, Settings{Workers: 4})
	image := text(manyWrites, 1)
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
		_, got := d.Restore(t.Context(), driverstate.Chain{b}, dst, driverstate.RestoreOptions{}, nil)
		require.ErrorIs(t, got, broken, "%s target", name)
		assert.NotErrorIs(t, got, driverstate.ErrCorrupt, "%s target", name)
		requireNoGoroutines(t, before)
	}
}

func deleteOne(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(3*objectSize, 1)
	gone, stays := l.backup(t, d, nil, image), l.backup(t, d, nil, image)
	neighbour := gone.ServiceMetadata + "0-00001"
	if l.chunked {
		// A neighbour whose prefix begins with that of the backup.
		l.store.Write(t, gone.Container, neighbour, []byte("another's"))
		l.store.Write(t, gone.Container, gone.ServiceMetadata+"-00077", []byte("late"))
	}
	before := l.store.Names(t, gone.Container)
	require.NoError(t, d.Delete(t.Context(), gone))
	kept := slices.DeleteFunc(before, func(name string) bool { return name != neighbour && strings.Contains(name, gone.ID) })
	assert.Equal(t, kept, l.store.Names(t, gone.Container), "nothing else is gone")
	require.NoError(t, d.Delete(t.Context(), gone), "a second time")
	requireRestores(t, d, driverstate.Chain{stays}, image)
}

func deleteForged(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(objectSize, 1)
	b, other := l.backup(t, d, nil, image), l.backup(t, d, nil, image)
	forgeries := map[string]func(*driverstate.Backup){
		"empty prefix":     func(b *driverstate.Backup) { b.ServiceMetadata = "" },
		"short prefix":     func(b *driverstate.Backup) { b.ServiceMetadata = "volume_" },
		"another's prefix": func(b *driverstate.Backup) { b.Container, b.ServiceMetadata = other.Container, other.ServiceMetadata },
		"empty container":  func(b *driverstate.Backup) { b.Container = "" },
		"parent directory": func(b *driverstate.Backup) { b.Container = "../" + b.Container },
	}
	if !l.chunked {
		delete(forgeries, "empty prefix") // what Cinder stores for images of two kinds
	}
	for name, change := range forgeries {
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
	l.requireNothing(t, fresh)
	requireRestores(t, d, driverstate.Chain{b}, image)
}
