package posix

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// badInode has the kernel answer errno of what is called name, as it does of an
// inode that is damaged, until the test ends.
func badInode(t *testing.T, name string, errno unix.Errno) {
	t.Helper()
	where, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer where.Close()
	if network(int(where.Fd())) {
		t.Skip("the temporary directory is on a file system of another machine, whose errors are a server's")
	}
	open, stat := openat, fstatat
	t.Cleanup(func() { openat, fstatat = open, stat })
	openat = func(at int, file string, flags int, mode uint32) (int, error) {
		if file == name {
			return -1, errno
		}
		return open(at, file, flags, mode)
	}
	fstatat = func(at int, file string, st *unix.Stat_t, flags int) error {
		if file == name {
			return errno
		}
		return stat(at, file, st, flags)
	}
}

type image struct{ *bytes.Reader }

func (image) Metadata() ([]byte, error) { return nil, nil }

// One inode that the file system cannot read is damage of that object. It hides
// no backup, and what else is left of its own is salvaged.
func TestABadInodeIsDamageOfOneObject(t *testing.T) {
	const size, piece = 3<<20 + 1000, 1 << 20
	for _, errno := range []unix.Errno{unix.EIO, unix.EBADMSG, unix.EUCLEAN} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			made, err := New(t.Context(), Config{Path: t.TempDir(), ObjectSize: piece})
			require.NoError(t, err)
			defer made.Close()
			var backups []*driverstate.Backup
			content := make([]byte, size)
			for i := range 2 {
				b := &driverstate.Backup{ID: uuid.NewString(), VolumeID: uuid.NewString(), Size: 1, CreatedAt: time.Now().UTC().Truncate(time.Second)}
				b.Container, b.ServiceMetadata, err = made.Place(b, nil, b.CreatedAt)
				require.NoError(t, err)
				for at := range content {
					content[at] = byte(at>>12 + i + 1)
				}
				_, err = made.Backup(t.Context(), b, nil, image{bytes.NewReader(content)}, nil)
				require.NoError(t, err)
				backups = append(backups, b)
			}
			bad := backups[1]
			badInode(t, bad.ServiceMetadata+"-00002", errno)

			want := map[string]driverstate.Condition{backups[0].ID: driverstate.ConditionWhole, bad.ID: driverstate.ConditionDamaged}
			found := map[string]driverstate.Condition{}
			for f, err := range made.(driverstate.Scanner).Scan(t.Context(), "") {
				require.NoError(t, err)
				found[f.Backup.ID] = f.Condition
			}
			assert.Equal(t, want, found)
			seen, err := made.(driverstate.Scanner).Inspect(t.Context(), bad)
			require.NoError(t, err)
			assert.Equal(t, driverstate.ConditionDamaged, seen.Condition)

			disk := filepath.Join(t.TempDir(), "disk")
			target, err := volume.OpenTarget(disk, volume.TargetOptions{})
			require.NoError(t, err)
			defer target.Close()
			_, err = made.Restore(t.Context(), driverstate.Chain{bad}, target, driverstate.RestoreOptions{}, nil)
			require.ErrorIs(t, err, driverstate.ErrCorrupt)
			done, err := made.Restore(t.Context(), driverstate.Chain{bad}, target, driverstate.RestoreOptions{Salvage: true}, nil)
			require.NoError(t, err)
			require.NoError(t, target.Commit())
			assert.Equal(t, []driverstate.Range{{Offset: piece, Length: piece}}, done.Holes)
			clear(content[piece : 2*piece])
			got, err := os.ReadFile(disk)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content, got))
		})
	}
}

// Whichever way the store is asked, it knows that it is damage; and it lists
// what it cannot tell the size of.
func TestABadInodeIsListedAndKnownAsDamaged(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"box/good", "box/bad", "bad/object", "box/v/bad"} {
		write(t, filepath.Join(root, name), "text")
	}
	badInode(t, "bad", unix.EUCLEAN)
	get := func(s objectstore.Store, container, name string) error {
		r, err := s.Get(t.Context(), container, name, 0, -1)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			assert.NoError(t, r.Close())
		}
		return err
	}
	look := func(s objectstore.Store) {
		sizes := map[string]int64{}
		for info, err := range s.List(t.Context(), "box", "") {
			require.NoError(t, err)
			sizes[info.Name] = info.Size
		}
		assert.EqualValues(t, 0, sizes["bad"])
		assert.Contains(t, sizes, "bad")
		assert.EqualValues(t, 4, sizes["good"])
		assert.NoError(t, get(s, "box", "good"))
		assert.ErrorIs(t, get(s, "box", "bad"), objectstore.ErrDamaged)
	}
	s := NewStore(root)
	look(s)
	look(NewObjectsStore(root))
	assert.ErrorIs(t, get(s, "bad", "object"), objectstore.ErrDamaged, "its directory")
	assert.ErrorIs(t, get(NewObjectsStore(root), "box", "v/bad"), objectstore.ErrDamaged)
	surveyed := 0
	err := s.Survey(t.Context(), "box", func(container string, in objectstore.Store, err error) error {
		require.NoError(t, err)
		if container == "box" {
			surveyed++
			look(in)
		}
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 1, surveyed)
	_, err = s.Get(t.Context(), "box", "absent", 0, -1)
	assert.ErrorIs(t, err, objectstore.ErrNotFound)
}
