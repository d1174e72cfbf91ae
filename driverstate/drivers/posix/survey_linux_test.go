package posix_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// plainTour lists within as Containers and List do, one line each.
func plainTour(t *testing.T, s objectstore.Store, within string) []string {
	t.Helper()
	var lines []string
	for container, err := range s.Containers(t.Context()) {
		if within != "" && container != within && !strings.HasPrefix(container, within+"/") {
			continue
		}
		if err == nil {
			lines = append(lines, fmt.Sprintf("%q %s", container, contents(t, s, container)))
		} else {
			lines = append(lines, fmt.Sprintf("%q %v", container, err))
		}
	}
	slices.Sort(lines)
	return lines
}

// surveyTour is the same by Survey.
func surveyTour(t *testing.T, s objectstore.Store, within string) []string {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	err := s.(objectstore.Surveyor).Survey(t.Context(), within, func(container string, in objectstore.Store, err error) error {
		line := fmt.Sprintf("%q %v", container, err)
		if err == nil {
			line = fmt.Sprintf("%q %s", container, contents(t, in, container))
		}
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
		return nil
	})
	require.NoError(t, err)
	slices.Sort(lines)
	return lines
}

// contents are the names, sizes, times and bytes of a container's objects.
func contents(t *testing.T, s objectstore.Store, container string) string {
	var all []string
	for info, err := range s.List(t.Context(), container, "") {
		if err != nil {
			return err.Error()
		}
		r, err := s.Get(t.Context(), container, info.Name, 1, -1)
		if !assert.NoError(t, err) {
			return ""
		}
		text, err := io.ReadAll(r)
		assert.NoError(t, err)
		assert.NoError(t, r.Close())
		all = append(all, fmt.Sprintf("%q %d %s %s", info.Name, info.Size, info.Modified, text))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// TestASurveyShowsWhatListingsShow: a survey and a walk by path tell the same
// of a tree, whatever is in it.
func TestASurveyShowsWhatListingsShow(t *testing.T) {
	root := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	put("stray", "in the root")
	put(".cinder-go-tmp/x", "temporary")
	put("ab/cd/one/object-00001", "some text")
	put("ab/cd/one/.cinder-go-1", "being written")
	put("ab/cd/one/below/more", "a container in a container")
	put("ab/cd/two/long", strings.Repeat("0123456789", 40000))
	put("ab/bad\nname/x", "control character")
	put("flat/empty", "")
	for i := range 1500 { // several buffers of entries
		put(fmt.Sprintf("flat/%s-%05d", strings.Repeat("x", 60), i), "y")
	}
	require.NoError(t, os.MkdirAll(filepath.Join(root, "void/deeper"), 0o755))
	require.NoError(t, os.Symlink("ab/cd", filepath.Join(root, "link")))
	require.NoError(t, os.Symlink("../stray", filepath.Join(root, "ab/file-link")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(root, "ab/cd/broken")))
	require.NoError(t, unix.Mkfifo(filepath.Join(root, "ab/cd/pipe"), 0o644))

	s := posix.NewStore(root)
	for _, within := range []string{"", "ab", "ab/cd/one", "flat", "void", "link"} {
		want := plainTour(t, s, within)
		assert.Equal(t, want, surveyTour(t, s, within), "within %q", within)
		assert.Equal(t, want, surveyTour(t, objectstore.ReadOnly(s), within), "read-only, within %q", within)
	}
	assert.Len(t, plainTour(t, s, ""), 6, "the name with a control character and the link are told of")

	err := s.Survey(t.Context(), "ab/xy", func(string, objectstore.Store, error) error { return nil })
	assert.ErrorIs(t, err, objectstore.ErrNoContainer)
	err = s.Survey(t.Context(), "../"+filepath.Base(root), func(string, objectstore.Store, error) error { return nil })
	assert.ErrorIs(t, err, objectstore.ErrBadName)
	err = posix.NewObjectsStore(root).Survey(t.Context(), "", nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

// TestASurveyEndsWithTheFirstError, and leaves no directory open.
func TestASurveyEndsWithTheFirstError(t *testing.T) {
	root := t.TempDir()
	for i := range 200 {
		path := filepath.Join(root, fmt.Sprintf("%02x/%d", i%50, i))
		require.NoError(t, os.MkdirAll(path, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(path, "x"), nil, 0o644))
	}
	before := len(openFiles(t))
	stop := errors.New("enough")
	var mu sync.Mutex
	visits := 0
	err := posix.NewStore(root).Survey(t.Context(), "", func(string, objectstore.Store, error) error {
		mu.Lock()
		defer mu.Unlock()
		if visits++; visits >= 40 {
			return stop
		}
		return nil
	})
	assert.ErrorIs(t, err, stop)
	assert.Less(t, visits, 100)
	assert.Len(t, openFiles(t), before)
}

func openFiles(t *testing.T) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return list
}

// /proc/PID/mem is a regular file, and what is mapped nowhere, such as its first
// page, cannot be read: EIO, as of a disk.
func TestWhatTheMediumCannotReadIsDamage(t *testing.T) {
	store := posix.NewStore("/proc")
	of := strconv.Itoa(os.Getpid())
	r, err := store.Get(t.Context(), of, "mem", 0, 4096)
	require.NoError(t, err)
	defer r.Close()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, objectstore.ErrDamaged)
	require.ErrorIs(t, err, unix.EIO)
	assert.False(t, objectstore.Repeatable(err))
}

// TestALimitedStoreIsSurveyed, and what is read in it counts.
func TestALimitedStoreIsSurveyed(t *testing.T) {
	root := t.TempDir()
	const size = 1000
	for i := range 3 {
		dir := filepath.Join(root, "ab", "cd", "box"+strconv.Itoa(i))
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "object"), make([]byte, size+1), 0o600))
	}
	const burst = 1 << 20
	l := rate.NewLimiter(1e-6, burst) // what is taken does not come back
	s := objectstore.ReadOnly(objectstore.Limit(posix.NewStore(root), l))
	lines := surveyTour(t, s, "")
	assert.NotEmpty(t, lines)
	assert.InDelta(t, burst-3*size, l.Tokens(), 1)
	assert.Equal(t, plainTour(t, posix.NewStore(root), ""), lines)
}

// Who asks whether an object is there that no listing has shown must not be told
// of what is none.
func TestWhatIsNoFileIsNotThereInASurvey(t *testing.T) {
	root := t.TempDir()
	box := filepath.Join(root, "box")
	require.NoError(t, os.MkdirAll(filepath.Join(box, "directory"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(box, "file"), nil, 0o600))
	require.NoError(t, os.Symlink("file", filepath.Join(box, "link")))
	require.NoError(t, unix.Mkfifo(filepath.Join(box, "pipe"), 0o600))
	err := posix.NewStore(root).Survey(t.Context(), "", func(container string, in objectstore.Store, err error) error {
		require.NoError(t, err)
		body, err := in.Get(t.Context(), container, "file", 0, 0)
		require.NoError(t, err)
		require.NoError(t, body.Close())
		for _, name := range []string{"directory", "link", "pipe"} {
			_, err := in.Get(t.Context(), container, name, 0, 0)
			assert.ErrorIs(t, err, objectstore.ErrForbidden, name)
		}
		return nil
	})
	require.NoError(t, err)
}
