package remotefs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// examine takes all steps; the last is the one that failed, if any did.
func examine(t *testing.T, d *disk, files posix.Config, write bool) (names []string, last driverstate.Step) {
	t.Helper()
	driver := d.driver(t, files)
	defer driver.Close()
	for step := range driver.(driverstate.Examiner).Examine(t.Context(), driverstate.ExamineOptions{Write: write}) {
		require.NoError(t, last.Err, "a step was taken after one that failed")
		names, last = append(names, step.Name), step
	}
	return names, last
}

// tmpfs mounts a file system of its own in the place of the share.
func tmpfs(t *testing.T, d *disk, options string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(d.point(), 0o700))
	sh(t, "mount", "-t", "tmpfs", "-o", options, d.share, d.point())
}

func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}

var shares = map[string]string{"nfs": "127.0.0.1:/export", "glusterfs": "127.0.0.1:export"}

func TestAnExaminationGoesAsFarAsItCan(t *testing.T) {
	d := newDisk(t, "nfs", shares["nfs"])
	small := posix.Config{ObjectSize: 1 << 20} // the disk has less than other objects need
	all := []string{"configuration", "name resolution", "mount", "space", "list", "read", "write"}
	d.fail(t, "mount.nfs: No such device", "mount.nfs: No such device")
	passed, last := examine(t, d, small, true)
	assert.Equal(t, all[:3], passed)
	require.ErrorIs(t, last.Err, driverstate.ErrUnavailable)
	require.ErrorContains(t, last.Err, "No such device")
	assert.Equal(t, "see that the server is up and lets this host have the share, and that this kernel has a client for nfs; then: mount -t nfs -o vers=4,minorversion=1 127.0.0.1:/export "+d.point(), last.Advice)
	passed, last = examine(t, d, small, true)
	assert.Equal(t, all, passed)
	require.NoError(t, last.Err)
	assert.Equal(t, []string{"lost+found"}, d.Names(t, ""), "nothing is left")
	sh(t, "mount", "-o", "remount,ro", d.point())
	passed, last = examine(t, d, small, true)
	assert.Equal(t, all, passed)
	require.ErrorIs(t, last.Err, driverstate.ErrReadOnly)
	assert.Contains(t, last.Advice, "mount the file system for writing")
}

func TestAnExaminationReadsABackupOfTheShare(t *testing.T) {
	for kind, share := range shares {
		t.Run(kind, func(t *testing.T) {
			d := newDisk(t, kind, share)
			tmpfs(t, d, "size=256m")
			require.NoError(t, drillstore.Unpack(d.point()))
			before := tree(t, d.point())
			var steps []driverstate.Step
			for step := range d.driver(t, posix.Config{}).(driverstate.Examiner).Examine(t.Context(), driverstate.ExamineOptions{Write: true}) {
				require.NoError(t, step.Err, step.Name)
				steps = append(steps, step)
			}
			require.Len(t, steps, 7)
			assert.Regexp(t, `^\d+ of 256 MiB are free$`, steps[3].Detail)
			assert.Contains(t, steps[4].Detail, " 9 backups")
			assert.Contains(t, steps[5].Detail, "the metadata document of backup ")
			assert.Equal(t, "object cinder-go.driver-check was written, read back and removed", steps[6].Detail)
			assert.Equal(t, before, tree(t, d.point()), "nothing is left")
			assert.Empty(t, d.told(t), "the share was mounted already")

			documents, err := filepath.Glob(filepath.Join(d.point(), "*", "*", "*", "*_metadata"))
			require.NoError(t, err)
			require.NotEmpty(t, documents)
			for _, document := range documents {
				require.NoError(t, os.WriteFile(document, []byte("{"), 0o600))
			}
			names, last := examine(t, d, posix.Config{}, false)
			assert.Equal(t, []string{"configuration", "name resolution", "mount", "space", "list", "read"}, names)
			require.ErrorIs(t, last.Err, driverstate.ErrCorrupt)
			assert.ErrorContains(t, last.Err, "_metadata")
		})
	}
}

func TestAnExaminationOfAnotherShareSaysWhatToUnmount(t *testing.T) {
	d := newDisk(t, "nfs", shares["nfs"])
	require.NoError(t, os.MkdirAll(d.point(), 0o700))
	sh(t, "mount", "-t", "tmpfs", "-o", "size=1m", "other:/export", d.point())
	_, last := examine(t, d, posix.Config{}, true)
	assert.Equal(t, "mount", last.Name)
	require.ErrorIs(t, last.Err, driverstate.ErrInvalidInput)
	assert.Equal(t, "as root: umount "+d.point()+"; or correct backup_share", last.Advice)
	assert.Empty(t, d.Names(t, ""))
}

func TestAnExaminationSaysWhatFailsOnTheShare(t *testing.T) {
	for kind, share := range shares {
		for name, c := range map[string]struct {
			mount  string
			files  posix.Config
			write  bool
			step   string
			kind   error
			advice string
		}{
			"little room":      {"size=36m", posix.Config{}, true, "space", driverstate.ErrOverLimit, "delete backups that are not needed"},
			"no container":     {"size=1g", posix.Config{Container: "all"}, false, "container", driverstate.ErrNotFound, "is made by the first backup"},
			"opened read-only": {"size=1g", posix.Config{Runtime: chunked.Runtime{ReadOnly: true}}, true, "write", driverstate.ErrReadOnly, "the right to read and"},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				d := newDisk(t, kind, share)
				tmpfs(t, d, c.mount)
				_, last := examine(t, d, c.files, c.write)
				assert.Equal(t, c.step, last.Name)
				require.ErrorIs(t, last.Err, c.kind)
				assert.Contains(t, last.Advice, c.advice)
				assert.Empty(t, d.Names(t, ""))
			})
		}
	}
}
