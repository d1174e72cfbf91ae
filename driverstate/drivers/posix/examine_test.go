package posix_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

func examine(t *testing.T, c posix.Config, write bool) (names []string, last driverstate.Step) {
	t.Helper()
	d, err := posix.New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	steps := slices.Collect(d.(driverstate.Examiner).Examine(t.Context(), driverstate.ExamineOptions{Write: write}))
	for i, s := range steps {
		names = append(names, s.Name)
		if i < len(steps)-1 {
			require.NoError(t, s.Err, s.Name)
		}
	}
	return names, steps[len(steps)-1]
}

// mount makes a file system of its own at a new directory.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
			t.Fatalf("a file system must be mounted, and cannot be: %s", out)
		}
		t.Skipf("SKIPPED, no file system can be mounted (root is needed): %s", out)
	}
	t.Cleanup(func() { assert.NoError(t, exec.Command("umount", dir).Run()) })
	return dir
}

func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}

func TestExaminationOfASoundStoreLeavesNothing(t *testing.T) {
	root := t.TempDir()
	names, last := examine(t, posix.Config{Path: root}, false)
	assert.Equal(t, []string{"configuration", "directory", "space", "list", "read"}, names)
	require.NoError(t, last.Err)
	require.NoError(t, drillstore.Unpack(root))
	before := files(t, root)
	names, last = examine(t, posix.Config{Path: root}, true)
	assert.Equal(t, []string{"configuration", "directory", "space", "list", "read", "write"}, names)
	require.NoError(t, last.Err)
	assert.Equal(t, before, files(t, root))
	names, last = examine(t, posix.Config{Path: root, Container: "all"}, true)
	assert.Equal(t, []string{"configuration", "directory", "space", "container", "list", "read", "write"}, names)
	require.NoError(t, last.Err)
	assert.Equal(t, before, files(t, root), "the container was made and removed")
}

func TestExaminationSaysWhatFails(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	full := mount(t, "size=1m")
	require.NoError(t, os.WriteFile(filepath.Join(full, "x"), make([]byte, 1<<20), 0o600))
	frozen := mount(t, "ro,size=1g")
	for name, c := range map[string]struct {
		config posix.Config
		write  bool
		step   string
		kind   error
		advice string
	}{
		"no directory":        {posix.Config{Path: filepath.Join(root, "none")}, false, "directory", driverstate.ErrUnavailable, "make the directory"},
		"a file":              {posix.Config{Path: file}, false, "directory", nil, "make the directory"},
		"no container":        {posix.Config{Path: root, Container: "all"}, false, "container", driverstate.ErrNotFound, "is made by the first backup"},
		"a full disk":         {posix.Config{Path: full}, false, "space", driverstate.ErrOverLimit, "delete backups that are not needed"},
		"mounted read-only":   {posix.Config{Path: frozen}, true, "write", driverstate.ErrReadOnly, "mount the file system for writing"},
		"opened read-only":    {posix.Config{Path: root, Runtime: chunked.Runtime{ReadOnly: true}}, true, "write", driverstate.ErrReadOnly, "the right to read and, for new backups, to write"},
		"container is a file": {posix.Config{Path: root, Container: "file"}, true, "container", nil, "give the user the right"},
	} {
		t.Run(name, func(t *testing.T) {
			_, last := examine(t, c.config, c.write)
			require.Error(t, last.Err)
			assert.Equal(t, c.step, last.Name)
			if c.kind != nil {
				require.ErrorIs(t, last.Err, c.kind)
			}
			assert.Contains(t, last.Advice, c.advice)
		})
	}
}
