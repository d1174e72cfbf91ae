package chunked_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/volume"
	"github.com/cinder-go/cinder-go/testdata/corpus"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

const cinderBlock = 32 << 10 // backup_posix sha block size of the store

// drill is a driver over a copy of a store that a real Cinder wrote, in dir.
func drill(t *testing.T) (d driverstate.Driver, found map[string]driverstate.Found, dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("images of 1 GiB take minutes under the race detector")
	}
	dir = t.TempDir()
	require.NoError(t, drillstore.Unpack(dir))
	d, err := drivers.Open("posix://"+dir, drivers.Options{ReadOnly: true, Workers: 3})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	found = map[string]driverstate.Found{}
	for f, err := range d.(driverstate.Scanner).Scan(t.Context(), "") {
		require.NoError(t, err)
		found[f.Backup.ID] = f
	}
	return d, found, dir
}

func chainTo(found map[string]driverstate.Found, id string) (c driverstate.Chain) {
	for ; id != ""; id = found[id].Backup.ParentID {
		b := found[id].Backup
		c = append(driverstate.Chain{&b}, c...)
	}
	return c
}

// watching is a file that remembers what a restore did to it. before is called
// before each change.
type watching struct {
	volume.Target
	io.ReaderAt
	before func() error

	mu      sync.Mutex
	data    int64
	changed map[int64]bool // by block
}

func (w *watching) note(off, n int64) error {
	if w.before != nil {
		if err := w.before(); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for at := off; at < off+n; at += cinderBlock {
		w.changed[at/cinderBlock] = true
	}
	return nil
}

func (w *watching) WriteAt(b []byte, off int64) (int, error) {
	if err := w.note(off, int64(len(b))); err != nil {
		return 0, err
	}
	w.mu.Lock()
	w.data += int64(len(b))
	w.mu.Unlock()
	return w.Target.WriteAt(b, off)
}

func (w *watching) ZeroRange(off, n int64) error {
	if err := w.note(off, n); err != nil {
		return err
	}
	return w.Target.ZeroRange(off, n)
}

// resumed restores c to path with --resume, and commits if that went well.
func resumed(ctx context.Context, t *testing.T, d driverstate.Driver, c driverstate.Chain, path string, before func() error) (*watching, driverstate.Restored, error) {
	t.Helper()
	target, err := volume.OpenTarget(path, volume.TargetOptions{Overwrite: true, Resume: true})
	require.NoError(t, err)
	w := &watching{Target: target, ReaderAt: target.(driverstate.Readable), before: before, changed: map[int64]bool{}}
	defer target.Close()
	done, err := d.Restore(ctx, c, w, driverstate.RestoreOptions{Resume: true}, nil)
	if err == nil {
		require.NoError(t, target.Commit())
	}
	return w, done, err
}

// differing are the blocks in which two files differ, and how many bytes of the
// second are in such blocks and not zero as a whole.
func differing(t *testing.T, a, b string) (blocks map[int64]bool, data int64) {
	t.Helper()
	left, right := open(t, a), open(t, b)
	blocks = map[int64]bool{}
	l, r, zeros := make([]byte, cinderBlock), make([]byte, cinderBlock), make([]byte, cinderBlock)
	for i := int64(0); ; i++ {
		n, err := io.ReadFull(right, r)
		if n == 0 {
			require.ErrorIs(t, err, io.EOF)
			return blocks, data
		}
		_, err = io.ReadFull(left, l)
		require.NoError(t, err)
		if !bytes.Equal(l[:n], r[:n]) {
			blocks[i] = true
			if !bytes.Equal(r[:n], zeros[:n]) {
				data += int64(n)
			}
		}
	}
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOfAnOlderStateOnlyWhatChangedIsWritten(t *testing.T) {
	d, found, _ := drill(t)
	chain := chainTo(found, drillstore.ChainTip)
	require.Len(t, chain, 4)
	dir := t.TempDir()
	older, newer, path := filepath.Join(dir, "older"), filepath.Join(dir, "newer"), filepath.Join(dir, "disk")
	for name, c := range map[string]driverstate.Chain{older: chain[:2], newer: chain, path: chain[:2]} {
		_, err := restoreTo(t.Context(), d, c, name, volume.TargetOptions{})
		require.NoError(t, err)
	}
	want, data := differing(t, older, newer)
	require.NotEmpty(t, want)

	w, done, err := resumed(t.Context(), t, d, chain, path, nil)
	require.NoError(t, err)
	assert.Equal(t, drillstore.Expected()[drillstore.ChainTip], corpus.SHA256(t, path))
	assert.Equal(t, want, w.changed)
	assert.Equal(t, data, done.BytesWritten)
	assert.Equal(t, data, w.data)
	assert.EqualValues(t, 1<<30-int64(len(want))*cinderBlock, done.BytesKept)

	w, done, err = resumed(t.Context(), t, d, chain, path, nil)
	require.NoError(t, err)
	assert.Empty(t, w.changed, "all of it is right")
	assert.Zero(t, done.ObjectsRead)
	assert.EqualValues(t, 1<<30, done.BytesKept)
}

func TestAnInterruptedRestoreGoesOnWhereItWas(t *testing.T) {
	d, found, _ := drill(t)
	chain := chainTo(found, drillstore.Full)
	dir := t.TempDir()
	path := filepath.Join(dir, "disk")
	ctx, cancel := context.WithCancel(t.Context())
	var writes atomic.Int32
	first, _, err := resumed(ctx, t, d, chain, path, func() error {
		if writes.Add(1) == 3 {
			cancel()
		}
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NotZero(t, first.data)
	assert.NoFileExists(t, path, "it is not whole")
	assert.FileExists(t, path+volume.PartialSuffix)

	second, done, err := resumed(t.Context(), t, d, chain, path, nil)
	require.NoError(t, err)
	assert.Equal(t, drillstore.Expected()[drillstore.Full], corpus.SHA256(t, path))
	assert.NoFileExists(t, path+volume.PartialSuffix)
	for block := range second.changed {
		assert.False(t, first.changed[block], "block %d was written twice", block)
	}
	whole := filepath.Join(dir, "whole")
	all, err := restoreTo(t.Context(), d, chain, whole, volume.TargetOptions{})
	require.NoError(t, err)
	assert.LessOrEqual(t, first.data+done.BytesWritten, all.BytesWritten)
}

// The part of an image at an odd offset goes on, too.
func TestARangeGoesOn(t *testing.T) {
	d, found, _ := drill(t)
	chain := chainTo(found, drillstore.ChainTip)
	dir := t.TempDir()
	whole, path := filepath.Join(dir, "whole"), filepath.Join(dir, "part")
	_, err := restoreTo(t.Context(), d, chain, whole, volume.TargetOptions{})
	require.NoError(t, err)
	o := driverstate.RestoreOptions{Offset: 1<<20 + 5, Length: 3<<20 + 1, Resume: true}
	want := make([]byte, o.Length)
	_, err = open(t, whole).ReadAt(want, o.Offset)
	require.NoError(t, err)
	have := bytes.Clone(want)
	have[0] ^= 1
	have[2<<20] ^= 1
	have[o.Length-1] ^= 1
	require.NoError(t, os.WriteFile(path+volume.PartialSuffix, have, 0o600))

	target, err := volume.OpenTarget(path, volume.TargetOptions{Resume: true})
	require.NoError(t, err)
	defer target.Close()
	done, err := d.Restore(t.Context(), chain, target, o, nil)
	require.NoError(t, err)
	require.NoError(t, target.Commit())
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got))
	assert.EqualValues(t, o.Length, done.Length)
	assert.Greater(t, done.BytesKept, o.Length-4*cinderBlock)
	assert.Less(t, done.BytesKept, o.Length)
}
