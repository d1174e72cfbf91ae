package posix

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	t.Run("directories", func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			NestedContainers: true,
			Open:             func(t *testing.T) objectstore.Store { return NewStore(t.TempDir()) },
		})
	})
	t.Run("copy of an object store", func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			Slashes: true, KeepsEmpty: true,
			Open: func(t *testing.T) objectstore.Store { return NewObjectsStore(t.TempDir()) },
		})
	})
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func listed(t *testing.T, s objectstore.Store, container string) (names []string, err error) {
	t.Helper()
	for info, err := range s.List(t.Context(), container, "") {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

func TestNoSymbolicLinkBelowTheRootIsFollowed(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "secret"), "secret")
	write(t, filepath.Join(root, "box", "good"), "good")
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(root, "box", "file")))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "dir")))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "a"), 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "a", "b")))
	// Also one that stays within the root.
	require.NoError(t, os.Symlink("box", filepath.Join(root, "inner")))
	s := NewStore(root)
	ctx := t.Context()

	for _, c := range []struct{ container, name string }{
		{"box", "file"}, {"dir", "secret"}, {"a/b", "secret"}, {"inner", "good"},
	} {
		_, err := s.Get(ctx, c.container, c.name, 0, -1)
		assert.ErrorIs(t, err, objectstore.ErrForbidden, "%v", c)
	}
	for _, container := range []string{"dir", "a/b", "inner"} {
		_, err := listed(t, s, container)
		assert.ErrorIs(t, err, objectstore.ErrForbidden, container)
		assert.Error(t, s.PutContainer(ctx, container+"/new"))
		assert.Error(t, s.Put(ctx, container, "new", strings.NewReader("x"), 1))
		assert.Error(t, s.Delete(ctx, container, "secret"))
		assert.Error(t, s.RemoveContainer(ctx, container))
	}
	names, err := listed(t, s, "box")
	require.NoError(t, err)
	assert.Equal(t, []string{"good"}, names, "a link is no object")

	require.NoError(t, s.Put(ctx, "box", "file", strings.NewReader("mine"), 4))
	secret, err := os.ReadFile(filepath.Join(outside, "secret"))
	require.NoError(t, err)
	assert.Equal(t, "secret", string(secret), "a put replaces a link and does not write through it")
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestTheRootItselfMayBeALink(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "box", "o"), "1")
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(root, link))
	names, err := listed(t, NewStore(link), "box")
	require.NoError(t, err)
	assert.Equal(t, []string{"o"}, names)
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "box", "sub"), 0o755))
	require.NoError(t, unix.Mkfifo(filepath.Join(root, "box", "pipe"), 0o600))
	s := NewStore(root)
	for _, name := range []string{"pipe", "sub"} {
		_, err := s.Get(t.Context(), "box", name, 0, -1)
		assert.ErrorIs(t, err, objectstore.ErrForbidden, name)
	}
	names, err := listed(t, s, "box")
	require.NoError(t, err)
	assert.Empty(t, names)
}

func TestAWalkGoesOnPastWhatCannotBeRead(t *testing.T) {
	root := t.TempDir()
	for _, c := range []string{"a", "b/deep/er", "z"} {
		write(t, filepath.Join(root, c, "o"), "1")
	}
	require.NoError(t, os.Symlink("z", filepath.Join(root, "link")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(root, "dangling")))
	shut := filepath.Join(root, "lost+found")
	require.NoError(t, os.Mkdir(shut, 0o000))
	t.Cleanup(func() { os.Chmod(shut, 0o700) })

	var names, failed []string
	for name, err := range NewStore(root).Containers(t.Context()) {
		if err != nil {
			assert.ErrorIs(t, err, objectstore.ErrForbidden)
			failed = append(failed, name)
			continue
		}
		names = append(names, name)
	}
	assert.ElementsMatch(t, []string{"a", "b/deep/er", "z"}, names)
	want := []string{"link"}
	if os.Getuid() != 0 {
		want = append(want, "lost+found")
	}
	assert.ElementsMatch(t, want, failed)
}

func TestARootThatIsNotThereIsNoEmptyStore(t *testing.T) {
	gone := NewStore(filepath.Join(t.TempDir(), "gone"))
	err := gone.Check(t.Context())
	assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "is the share mounted?")
	_, err = listed(t, gone, "box")
	assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.NotErrorIs(t, err, objectstore.ErrNoContainer)
	_, err = gone.Get(t.Context(), "box", "o", 0, -1)
	assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorIs(t, gone.Delete(t.Context(), "box", "o"), driverstate.ErrUnavailable)
	for _, err := range gone.Containers(t.Context()) {
		assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	}

	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	err = NewStore(file).Check(t.Context())
	assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "not a directory")
}

func TestWhatIsWrittenHasCindersModes(t *testing.T) {
	root := t.TempDir()
	s := NewStore(root)
	require.NoError(t, s.PutContainer(t.Context(), "af/74/leaf"))
	require.NoError(t, s.Put(t.Context(), "af/74/leaf", "o", strings.NewReader("1"), 1))
	leaf, err := os.Stat(filepath.Join(root, "af/74/leaf"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o770), leaf.Mode().Perm())
	file, err := os.Stat(filepath.Join(root, "af/74/leaf/o"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o660), file.Mode().Perm())
}

func TestRemovingABackupsDirectoryRemovesTheEmptyOnesAbove(t *testing.T) {
	root := t.TempDir()
	s := NewStore(root)
	ctx := t.Context()
	require.NoError(t, s.PutContainer(ctx, "af/74/first"))
	require.NoError(t, s.PutContainer(ctx, "af/75/second"))
	require.NoError(t, s.RemoveContainer(ctx, "af/74/first"))
	assert.NoDirExists(t, filepath.Join(root, "af/74"))
	assert.DirExists(t, filepath.Join(root, "af/75/second"))
	require.NoError(t, s.RemoveContainer(ctx, "af/75/second"))
	assert.NoDirExists(t, filepath.Join(root, "af"))
	assert.DirExists(t, root)
}

func TestATemporaryFileOfADeadWriterDoesNotKeepADirectory(t *testing.T) {
	root := t.TempDir()
	s := NewStore(root)
	write(t, filepath.Join(root, "box", tempPrefix+"dead"), "half")
	names, err := listed(t, s, "box")
	require.NoError(t, err)
	assert.Empty(t, names)
	_, err = s.Get(t.Context(), "box", tempPrefix+"dead", 0, -1)
	assert.ErrorIs(t, err, objectstore.ErrBadName)
	require.NoError(t, s.RemoveContainer(t.Context(), "box"))
	assert.NoDirExists(t, filepath.Join(root, "box"))
}

// A container of many backups is never removed, so nothing else would.
func TestASweepLeavesOnlyWhatIsAlive(t *testing.T) {
	root := t.TempDir()
	s := NewStore(root)
	box := filepath.Join(root, "box")
	for _, name := range []string{"an-object-00001", tempPrefix + "dead", "zz-object-00001", tempPrefix + "dead-too"} {
		write(t, filepath.Join(box, name), "1")
	}
	d, err := s.openContainer("box")
	require.NoError(t, err)
	defer d.Close()
	alive, err := d.temporary(t.Context())
	require.NoError(t, err)
	defer alive.Close()
	require.NoError(t, s.Sweep(t.Context(), "box"))
	left, err := os.ReadDir(box)
	require.NoError(t, err)
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	assert.ElementsMatch(t, []string{"an-object-00001", "zz-object-00001", alive.Name()}, names)
	require.NoError(t, s.Sweep(t.Context(), "absent"))
}

// NFS has flock(2) by locks of byte ranges, and those that exclude others are
// for files that are open for writing only.
func TestASweepLocksWhatItMayWrite(t *testing.T) {
	root := t.TempDir()
	dead := filepath.Join(root, "box", tempPrefix+"dead")
	write(t, dead, "half")
	lock := flock
	t.Cleanup(func() { flock = lock })
	flock = func(fd, how int) error {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err == nil && how&unix.LOCK_EX != 0 && flags&unix.O_ACCMODE == unix.O_RDONLY {
			err = unix.EBADF
		}
		if err != nil {
			return err
		}
		return lock(fd, how)
	}
	require.NoError(t, NewStore(root).Sweep(t.Context(), "box"))
	assert.NoFileExists(t, dead)
}

// A sweep may come between the making of a temporary file and its lock.
func TestWritersAndSweepsOfOneContainerGetAlong(t *testing.T) {
	s := NewStore(t.TempDir())
	ctx := t.Context()
	require.NoError(t, s.PutContainer(ctx, "box"))
	var work errgroup.Group
	stop := make(chan struct{})
	work.Go(func() error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			if err := s.Sweep(ctx, "box"); err != nil {
				return err
			}
		}
	})
	for range 300 {
		require.NoError(t, s.Put(ctx, "box", "o", strings.NewReader("1"), 1))
	}
	close(stop)
	require.NoError(t, work.Wait())
	names, err := listed(t, s, "box")
	require.NoError(t, err)
	assert.Equal(t, []string{"o"}, names)
}

func TestATemporaryFileBeingWrittenStays(t *testing.T) {
	root := t.TempDir()
	s := NewStore(root)
	path := filepath.Join(root, "box", tempPrefix+"alive")
	write(t, path, "half")
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer writer.Close()
	require.NoError(t, unix.Flock(int(writer.Fd()), unix.LOCK_EX))
	require.NoError(t, s.RemoveContainer(t.Context(), "box"))
	assert.FileExists(t, path)
}

func TestDeletingTheLastObjectOfANameRemovesItsDirectories(t *testing.T) {
	root := t.TempDir()
	s := NewObjectsStore(root)
	ctx := t.Context()
	require.NoError(t, s.PutContainer(ctx, "box"))
	for _, name := range []string{"v/1/a", "v/2/b"} {
		require.NoError(t, s.Put(ctx, "box", name, strings.NewReader("1"), 1))
	}
	require.NoError(t, s.Delete(ctx, "box", "v/1/a"))
	assert.NoDirExists(t, filepath.Join(root, "box/v/1"))
	require.NoError(t, s.Delete(ctx, "box", "v/2/b"))
	assert.NoDirExists(t, filepath.Join(root, "box/v"))
	assert.DirExists(t, filepath.Join(root, "box"))
}

func TestReadingNeedsNoRightToWrite(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "box", "o"), "1")
	require.NoError(t, os.Chmod(filepath.Join(root, "box", "o"), 0o400))
	require.NoError(t, os.Chmod(filepath.Join(root, "box"), 0o500))
	require.NoError(t, os.Chmod(root, 0o500))
	t.Cleanup(func() { os.Chmod(root, 0o700); os.Chmod(filepath.Join(root, "box"), 0o700) })
	s := NewStore(root)
	require.NoError(t, s.Check(t.Context()))
	names, err := listed(t, s, "box")
	require.NoError(t, err)
	assert.Equal(t, []string{"o"}, names)
	r, err := s.Get(t.Context(), "box", "o", 0, -1)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "1", string(content))
}

// Large objects are written past the page cache, where the file system has such
// writes: every byte of them, at any length.
func TestALargeObjectIsWrittenWhole(t *testing.T) {
	// Not in memory: there all writes go through the page cache.
	dir, err := os.MkdirTemp(".", "large-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := NewStore(dir)
	require.NoError(t, s.PutContainer(t.Context(), "box"))
	content := make([]byte, 6<<20+12345)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	clear(content[1<<20 : 3<<20]) // a whole piece of zeros, and more
	clear(content[5<<20-1000 : 5<<20+1000])
	for _, n := range []int{4 << 20, 4<<20 + 1, 5 << 20, 6<<20 + 4096, len(content)} {
		require.NoError(t, s.Put(t.Context(), "box", "large", bytes.NewReader(content[:n]), int64(n)))
		r, err := s.Get(t.Context(), "box", "large", 0, -1)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.True(t, bytes.Equal(content[:n], got), "%d bytes", n)
	}

	err = s.Put(t.Context(), "box", "short", bytes.NewReader(content[:5<<20]), 6<<20)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	names, err := os.ReadDir(filepath.Join(dir, "box"))
	require.NoError(t, err)
	require.Len(t, names, 1, "%v", names)
}
