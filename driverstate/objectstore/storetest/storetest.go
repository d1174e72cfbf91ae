// Package storetest is the contract of objectstore.Store as tests: one case
// per sentence of its comments. Every store runs it against its real server.
// Only tests import it.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Harness says what the suite may expect of a store.
type Harness struct {
	// Open returns an empty store; the suite closes it.
	Open func(t *testing.T) objectstore.Store
	// Slashes: object names may hold slashes.
	Slashes bool
	// NestedContainers: container names may hold slashes.
	NestedContainers bool
	// KeepsEmpty: Containers also yields containers without an object.
	KeepsEmpty bool
}

// Run runs every case.
func Run(t *testing.T, h Harness) {
	cases := []struct {
		name string
		run  func(*testing.T, fixture)
	}{
		{"making a container twice succeeds", containerTwice},
		{"every container is yielded", containers},
		{"a list holds every object with the prefix", list},
		{"a prefix is a string and not a directory", prefixIsString},
		{"a list has all pages", manyObjects},
		{"listing a container that is not there is ErrNoContainer", listAbsent},
		{"a listing says size and time", info},
		{"get reads ranges", ranges},
		{"get of what is not there is ErrNotFound or ErrNoContainer", getAbsent},
		{"put replaces an object whole", replace},
		{"put of too few bytes leaves the old object", shortPut},
		{"put with a cancelled context leaves nothing", cancelledPut},
		{"put reads from where its reader stands", putFromOffset},
		{"put stores an empty object", emptyPut},
		{"delete removes one object and no other", deleteOne},
		{"delete of what is not there succeeds", deleteAbsent},
		{"an empty container is removed", removeEmpty},
		{"a container that holds something stays", removeFull},
		{"removing a container that is not there succeeds", removeAbsent},
		{"names that leave the container are refused", badNames},
		{"containers that leave the store are refused", badContainers},
		{"objects are written and read by many at once", concurrent},
		{"a cancelled context ends a listing", cancelledList},
		{"a read-only store refuses every write", readOnly},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := h.Open(t)
			t.Cleanup(func() { assert.NoError(t, s.Close()) })
			c.run(t, fixture{Store: s, h: h, ctx: t.Context()})
		})
	}
}

const box = "box"

type fixture struct {
	objectstore.Store
	h   Harness
	ctx context.Context
}

func (f fixture) put(t *testing.T, container, name, content string) {
	t.Helper()
	require.NoError(t, f.PutContainer(f.ctx, container))
	require.NoError(t, f.Put(f.ctx, container, name, strings.NewReader(content), int64(len(content))))
}

func (f fixture) read(t *testing.T, container, name string, off, n int64) string {
	t.Helper()
	r, err := f.Get(f.ctx, container, name, off, n)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(content)
}

func (f fixture) names(t *testing.T, container, prefix string) []string {
	t.Helper()
	names := []string{}
	for i, err := range f.List(f.ctx, container, prefix) {
		require.NoError(t, err)
		names = append(names, i.Name)
	}
	slices.Sort(names)
	return names
}

func (f fixture) containerNames(t *testing.T) []string {
	t.Helper()
	names := []string{}
	for name, err := range f.Containers(f.ctx) {
		require.NoError(t, err)
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func containerTwice(t *testing.T, f fixture) {
	require.NoError(t, f.PutContainer(f.ctx, box))
	require.NoError(t, f.PutContainer(f.ctx, box))
	assert.Empty(t, f.names(t, box, ""))
}

func containers(t *testing.T, f fixture) {
	assert.Empty(t, f.containerNames(t))
	want := []string{"one", "two"} // the shortest that S3 takes
	if f.h.NestedContainers {
		want = []string{"one", "one/c/d", "two"}
	}
	for _, name := range want {
		f.put(t, name, "x", "1")
	}
	require.NoError(t, f.PutContainer(f.ctx, "empty"))
	if f.h.KeepsEmpty {
		want = append(want, "empty")
	}
	slices.Sort(want)
	assert.Equal(t, want, f.containerNames(t))
}

func list(t *testing.T, f fixture) {
	for _, name := range []string{"backup-00001", "backup-00002", "backup_metadata", "other"} {
		f.put(t, box, name, name)
	}
	f.put(t, "second", "backup-00009", "x")
	assert.Equal(t, []string{"backup-00001", "backup-00002", "backup_metadata", "other"}, f.names(t, box, ""))
	assert.Equal(t, []string{"backup-00001", "backup-00002"}, f.names(t, box, "backup-"))
	assert.Empty(t, f.names(t, box, "nothing"))
}

func prefixIsString(t *testing.T, f fixture) {
	if !f.h.Slashes {
		f.put(t, box, "volume_1", "")
		f.put(t, box, "volume_12", "")
		assert.Equal(t, []string{"volume_1", "volume_12"}, f.names(t, box, "volume_1"))
		return
	}
	all := []string{"vol", "volume_1/2026/az_nova-00001", "volume_1/2026/az_nova-00002", "volume_12/2026/az_nova-00001"}
	for _, name := range all {
		f.put(t, box, name, name)
	}
	assert.Equal(t, all, f.names(t, box, "vol"))
	assert.Equal(t, all[1:], f.names(t, box, "volume_1"))
	assert.Equal(t, all[1:3], f.names(t, box, "volume_1/"))
	assert.Equal(t, all[2:3], f.names(t, box, "volume_1/2026/az_nova-00002"))
	assert.Equal(t, all[1:3], f.names(t, box, "volume_1/20"))
}

func manyObjects(t *testing.T, f fixture) {
	const n = 1100 // more than any server's page that is known
	require.NoError(t, f.PutContainer(f.ctx, box))
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := w; i < n; i += 8 {
				assert.NoError(t, f.Put(f.ctx, box, fmt.Sprintf("o-%05d", i), strings.NewReader(""), 0))
			}
		})
	}
	writers.Wait()
	assert.Len(t, f.names(t, box, "o-"), n)
}

func listAbsent(t *testing.T, f fixture) {
	var got []error
	for _, err := range f.List(f.ctx, "absent", "") {
		got = append(got, err)
	}
	require.Len(t, got, 1)
	assert.ErrorIs(t, got[0], objectstore.ErrNoContainer)
}

func info(t *testing.T, f fixture) {
	f.put(t, box, "five", "12345")
	for i, err := range f.List(f.ctx, box, "five") {
		require.NoError(t, err)
		assert.Equal(t, int64(5), i.Size)
		assert.WithinDuration(t, time.Now(), i.Modified, time.Hour)
	}
}

func ranges(t *testing.T, f fixture) {
	f.put(t, box, "digits", "0123456789")
	for _, c := range []struct {
		off, n int64
		want   string
	}{
		{0, -1, "0123456789"}, {3, -1, "3456789"}, {3, 4, "3456"}, {0, 0, ""},
		{8, 100, "89"}, {10, 5, ""}, {99, -1, ""},
	} {
		assert.Equal(t, c.want, f.read(t, box, "digits", c.off, c.n), "%d bytes from %d", c.n, c.off)
	}
	_, err := f.Get(f.ctx, box, "digits", -1, 1)
	assert.Error(t, err)
}

func getAbsent(t *testing.T, f fixture) {
	require.NoError(t, f.PutContainer(f.ctx, box))
	_, err := f.Get(f.ctx, box, "absent", 0, -1)
	assert.ErrorIs(t, err, objectstore.ErrNotFound)
	_, err = f.Get(f.ctx, "absent", "absent", 0, -1)
	assert.True(t, errors.Is(err, objectstore.ErrNoContainer) || errors.Is(err, objectstore.ErrNotFound), "%v", err)
}

func replace(t *testing.T, f fixture) {
	f.put(t, box, "o", "a longer first version")
	f.put(t, box, "o", "second")
	assert.Equal(t, "second", f.read(t, box, "o", 0, -1))
	assert.Equal(t, []string{"o"}, f.names(t, box, ""))
}

func shortPut(t *testing.T, f fixture) {
	f.put(t, box, "o", "old")
	require.Error(t, f.Put(f.ctx, box, "o", strings.NewReader("new"), 4))
	require.Error(t, f.Put(f.ctx, box, "fresh", strings.NewReader("new"), 4))
	assert.Equal(t, "old", f.read(t, box, "o", 0, -1))
	assert.Equal(t, []string{"o"}, f.names(t, box, ""))
}

func cancelledPut(t *testing.T, f fixture) {
	require.NoError(t, f.PutContainer(f.ctx, box))
	ctx, cancel := context.WithCancel(f.ctx)
	r := &cancelling{Reader: bytes.NewReader(make([]byte, 1<<20)), cancel: cancel}
	assert.ErrorIs(t, f.Put(ctx, box, "o", r, 1<<20), context.Canceled)
	assert.Equal(t, int64(1), r.reads.Load(), "what is read later may be sent, and stored when all of it is")
	assert.Empty(t, f.names(t, box, ""))
}

// cancelling cancels a context once it is read from.
type cancelling struct {
	*bytes.Reader
	cancel context.CancelFunc
	reads  atomic.Int64
}

func (c *cancelling) Read(p []byte) (int, error) {
	c.cancel()
	c.reads.Add(1)
	return c.Reader.Read(p[:min(len(p), 4096)])
}

func (c *cancelling) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}

func putFromOffset(t *testing.T, f fixture) {
	require.NoError(t, f.PutContainer(f.ctx, box))
	r := strings.NewReader("0123456789")
	_, err := r.Seek(4, io.SeekStart)
	require.NoError(t, err)
	require.NoError(t, f.Put(f.ctx, box, "o", r, 3))
	assert.Equal(t, "456", f.read(t, box, "o", 0, -1))
}

func emptyPut(t *testing.T, f fixture) {
	f.put(t, box, "o", "")
	assert.Empty(t, f.read(t, box, "o", 0, -1))
	assert.Equal(t, []string{"o"}, f.names(t, box, ""))
}

func deleteOne(t *testing.T, f fixture) {
	f.put(t, box, "backup-00001", "1")
	f.put(t, box, "backup-000010", "2")
	require.NoError(t, f.Delete(f.ctx, box, "backup-00001"))
	assert.Equal(t, []string{"backup-000010"}, f.names(t, box, ""))
}

func deleteAbsent(t *testing.T, f fixture) {
	assert.NoError(t, f.Delete(f.ctx, "absent", "o"))
	f.put(t, box, "o", "1")
	require.NoError(t, f.Delete(f.ctx, box, "o"))
	assert.NoError(t, f.Delete(f.ctx, box, "o"))
}

func removeEmpty(t *testing.T, f fixture) {
	f.put(t, box, "o", "1")
	require.NoError(t, f.Delete(f.ctx, box, "o"))
	require.NoError(t, f.RemoveContainer(f.ctx, box))
	for _, err := range f.List(f.ctx, box, "") {
		assert.ErrorIs(t, err, objectstore.ErrNoContainer)
	}
}

func removeFull(t *testing.T, f fixture) {
	f.put(t, box, "o", "1")
	require.NoError(t, f.RemoveContainer(f.ctx, box))
	assert.Equal(t, "1", f.read(t, box, "o", 0, -1))
}

func removeAbsent(t *testing.T, f fixture) {
	assert.NoError(t, f.RemoveContainer(f.ctx, "absent"))
}

func badNames(t *testing.T, f fixture) {
	f.put(t, box, "o", "1")
	names := []string{"", ".", "..", "../o", "/o", "/etc/passwd", "a/../o", "a//b", "a/.", "./o", "a/", "nul\x00", "line\n", "\x7f"}
	if !f.h.Slashes {
		names = append(names, "a/b")
	}
	for _, name := range names {
		_, err := f.Get(f.ctx, box, name, 0, -1)
		assert.ErrorIs(t, err, objectstore.ErrBadName, "get %q", name)
		assert.ErrorIs(t, f.Put(f.ctx, box, name, strings.NewReader(""), 0), objectstore.ErrBadName, "put %q", name)
		assert.ErrorIs(t, f.Delete(f.ctx, box, name), objectstore.ErrBadName, "delete %q", name)
	}
	assert.Equal(t, []string{"o"}, f.names(t, box, ""))
}

func badContainers(t *testing.T, f fixture) {
	containers := []string{"", ".", "..", "../x", "/", "/tmp", "a/../..", "a//b", "a/", "a/.", "nul\x00"}
	if !f.h.NestedContainers {
		containers = append(containers, "a/b")
	}
	for _, c := range containers {
		assert.ErrorIs(t, f.PutContainer(f.ctx, c), objectstore.ErrBadName, "make %q", c)
		assert.ErrorIs(t, f.RemoveContainer(f.ctx, c), objectstore.ErrBadName, "remove %q", c)
		_, err := f.Get(f.ctx, c, "o", 0, -1)
		assert.ErrorIs(t, err, objectstore.ErrBadName, "get from %q", c)
		assert.ErrorIs(t, f.Put(f.ctx, c, "o", strings.NewReader(""), 0), objectstore.ErrBadName, "put to %q", c)
		assert.ErrorIs(t, f.Delete(f.ctx, c, "o"), objectstore.ErrBadName, "delete from %q", c)
		for _, err := range f.List(f.ctx, c, "") {
			assert.ErrorIs(t, err, objectstore.ErrBadName, "list %q", c)
		}
	}
	assert.Empty(t, f.containerNames(t))
}

func concurrent(t *testing.T, f fixture) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			container, content := fmt.Sprintf("box%d", i%2), strings.Repeat(string(rune('a'+i)), 10000)
			name := fmt.Sprintf("o%d", i)
			if !assert.NoError(t, f.PutContainer(f.ctx, container)) {
				return
			}
			for range 5 {
				assert.NoError(t, f.Put(f.ctx, container, name, strings.NewReader(content), int64(len(content))))
				r, err := f.Get(f.ctx, container, name, 0, -1)
				if !assert.NoError(t, err) {
					return
				}
				got, err := io.ReadAll(r)
				r.Close()
				assert.NoError(t, err)
				assert.Equal(t, content, string(got))
			}
		})
	}
	all.Wait()
	assert.Len(t, f.names(t, "box0", ""), 4)
}

func cancelledList(t *testing.T, f fixture) {
	f.put(t, box, "o", "1")
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	for _, err := range f.List(ctx, box, "") {
		assert.ErrorIs(t, err, context.Canceled)
	}
	_, err := f.Get(ctx, box, "o", 0, -1)
	assert.ErrorIs(t, err, context.Canceled)
}

func readOnly(t *testing.T, f fixture) {
	f.put(t, box, "o", "1")
	ro := objectstore.ReadOnly(f.Store)
	assert.ErrorIs(t, ro.PutContainer(f.ctx, "new"), objectstore.ErrReadOnly)
	assert.ErrorIs(t, ro.Put(f.ctx, box, "o", strings.NewReader("2"), 1), objectstore.ErrReadOnly)
	assert.ErrorIs(t, ro.Delete(f.ctx, box, "o"), objectstore.ErrReadOnly)
	assert.ErrorIs(t, ro.RemoveContainer(f.ctx, box), objectstore.ErrReadOnly)
	assert.Equal(t, "1", fixture{Store: ro, ctx: f.ctx}.read(t, box, "o", 0, -1))
	assert.Equal(t, []string{box}, f.containerNames(t))
}
