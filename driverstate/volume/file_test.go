package volume_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

func open(t *testing.T, path string, o volume.TargetOptions) volume.Target {
	t.Helper()
	target, err := volume.OpenTarget(path, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = target.Close() })
	return target
}

func fill(t *testing.T, target volume.Target, length int64, off int64, content string) {
	t.Helper()
	require.NoError(t, target.Begin(length))
	_, err := target.WriteAt([]byte(content), off)
	require.NoError(t, err)
	require.NoError(t, target.Sync())
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

func TestANewFileGetsItsNameOnlyByCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	target := open(t, path, volume.TargetOptions{})
	assert.True(t, target.Blank())
	fill(t, target, 10, 3, "abc")
	assert.NoFileExists(t, path)
	assert.FileExists(t, path+volume.PartialSuffix)
	require.NoError(t, target.Commit())
	require.NoError(t, target.Close())
	assert.Equal(t, "\x00\x00\x00abc\x00\x00\x00\x00", string(content(t, path)))
	assert.NoFileExists(t, path+volume.PartialSuffix)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "volumes hold secrets")
}

func TestWithoutCommitNothingIsLeftOfANewFile(t *testing.T) {
	for name, end := range map[string]func(volume.Target) error{
		"abort": volume.Target.Abort,
		"close": volume.Target.Close,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := open(t, filepath.Join(dir, "image"), volume.TargetOptions{})
			fill(t, target, 4, 0, "abcd")
			require.NoError(t, end(target))
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

func TestCommitReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	target := open(t, path, volume.TargetOptions{})
	fill(t, target, 4, 0, "abcd")
	require.NoError(t, os.WriteFile(path, []byte("another's"), 0o600))
	require.ErrorIs(t, target.Commit(), driverstate.ErrConflict)
	assert.Equal(t, "another's", string(content(t, path)))
}

// What a restore does with its target then: Abort, and Close.
func TestAWholeImageThatGetsNoNameIsKept(t *testing.T) {
	for name, test := range map[string]struct {
		before, after func(t *testing.T, path string)
		kind          error
	}{
		"the name is taken": {
			before: func(t *testing.T, path string) {
				require.NoError(t, os.WriteFile(path, []byte("another's"), 0o600))
			},
			kind: driverstate.ErrConflict,
		},
		"the directory is not there": {
			before: func(t *testing.T, path string) {
				require.NoError(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+"-away"))
			},
			after: func(t *testing.T, path string) {
				require.NoError(t, os.Rename(filepath.Dir(path)+"-away", filepath.Dir(path)))
			},
			kind: driverstate.ErrNotFound,
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dir", "image")
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
			target := open(t, path, volume.TargetOptions{})
			fill(t, target, 4, 0, "abcd")
			test.before(t, path)
			err := target.Commit()
			require.ErrorIs(t, err, test.kind)
			require.ErrorContains(t, err, "the image is in "+path+volume.PartialSuffix)
			if test.after != nil {
				test.after(t, path)
			}
			require.NoError(t, target.Abort())
			require.NoError(t, target.Close())
			assert.Equal(t, "abcd", string(content(t, path+volume.PartialSuffix)))
		})
	}
}

func TestAPartialFileLeftBehindIsWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(path+volume.PartialSuffix, bytes.Repeat([]byte("x"), 100), 0o600))
	target := open(t, path, volume.TargetOptions{})
	fill(t, target, 4, 0, "a")
	require.NoError(t, target.Commit())
	assert.Equal(t, "a\x00\x00\x00", string(content(t, path)))
}

func TestThePartOfAKilledRestoreIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	require.NoError(t, volume.DropPartial(path), "there is none")
	target := open(t, path, volume.TargetOptions{})
	fill(t, target, 10, 3, "abc")
	require.NoError(t, volume.DropPartial(path))
	assert.FileExists(t, path+volume.PartialSuffix, "a restore is writing it")
	require.NoError(t, target.Close())

	require.NoError(t, os.WriteFile(path+volume.PartialSuffix, []byte("half"), 0o600))
	require.NoError(t, volume.DropPartial(path))
	assert.NoFileExists(t, path+volume.PartialSuffix)

	elsewhere := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(elsewhere, []byte("data"), 0o600))
	require.NoError(t, os.Symlink(elsewhere, path+volume.PartialSuffix))
	require.Error(t, volume.DropPartial(path))
	assert.FileExists(t, elsewhere)
}

func TestTwoRestoresToOneNameAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	open(t, path, volume.TargetOptions{})
	_, err := volume.OpenTarget(path, volume.TargetOptions{})
	require.ErrorIs(t, err, driverstate.ErrConflict)
}

func TestAFileThatHoldsDataNeedsOverwrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(path, []byte("old old old"), 0o600))
	_, err := volume.OpenTarget(path, volume.TargetOptions{})
	require.ErrorIs(t, err, driverstate.ErrConflict)
	assert.ErrorContains(t, err, "holds 11 bytes already")

	target := open(t, path, volume.TargetOptions{Overwrite: true})
	assert.False(t, target.Blank())
	fill(t, target, 6, 0, "new")
	require.NoError(t, target.ZeroRange(3, 3))
	require.NoError(t, target.Commit())
	assert.Equal(t, "new\x00\x00\x00", string(content(t, path)), "the length is that of the image")
}

func TestAnEmptyFileIsBlankAndEmptyAgainAfterAFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	target := open(t, path, volume.TargetOptions{})
	assert.True(t, target.Blank())
	fill(t, target, 4, 0, "abcd")
	require.NoError(t, target.Abort())
	assert.Empty(t, content(t, path))
}

func TestAVolumeKeepsItsSizeAndNothingOldBeyondTheImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("o"), 9000), 0o600))
	target := open(t, path, volume.TargetOptions{Size: 9000, Overwrite: true})
	fill(t, target, 5000, 0, string(bytes.Repeat([]byte("n"), 5000)))
	require.NoError(t, target.Commit())
	got := content(t, path)
	assert.Equal(t, bytes.Repeat([]byte("n"), 5000), got[:5000])
	assert.Equal(t, make([]byte, 4000), got[5000:])
}

func TestAnImageLongerThanTheVolumeIsRefusedUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	target := open(t, path, volume.TargetOptions{Size: 3, Overwrite: true})
	require.ErrorIs(t, target.Begin(4), driverstate.ErrTooSmall)
	require.NoError(t, target.Close())
	assert.Equal(t, "old", string(content(t, path)))
}

func TestZeroRangeReadsAsZerosWhateverItsAlignment(t *testing.T) {
	const size = 1 << 20
	for _, r := range [][2]int64{{0, size}, {4096, 8192}, {1, 1}, {4095, 4098}, {size - 5, 5}, {100, 0}} {
		path := filepath.Join(t.TempDir(), "image")
		want := bytes.Repeat([]byte("x"), size)
		require.NoError(t, os.WriteFile(path, want, 0o600))
		target := open(t, path, volume.TargetOptions{Overwrite: true})
		require.NoError(t, target.Begin(size))
		require.NoError(t, target.ZeroRange(r[0], r[1]))
		require.NoError(t, target.Commit())
		clear(want[r[0] : r[0]+r[1]])
		assert.True(t, bytes.Equal(want, content(t, path)), "%v", r)
	}
}

func TestWhatIsNoVolumeIsRefused(t *testing.T) {
	dir := t.TempDir()
	dangling := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere"), dangling))
	for _, path := range []string{dir, dangling, "/dev/null", "-"} {
		_, err := volume.OpenTarget(path, volume.TargetOptions{Overwrite: true})
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, path)
	}
	_, err := volume.OpenTarget(filepath.Join(dir, "no", "image"), volume.TargetOptions{})
	assert.ErrorIs(t, err, driverstate.ErrNotFound)
	_, err = volume.OpenSource(dir, nil)
	assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
	_, err = volume.OpenSource(filepath.Join(dir, "image"), nil)
	assert.ErrorIs(t, err, driverstate.ErrNotFound)
}

func TestAPartialNameThatIsALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("keep"), 0o600))
	require.NoError(t, os.Symlink(victim, filepath.Join(dir, "image"+volume.PartialSuffix)))
	_, err := volume.OpenTarget(filepath.Join(dir, "image"), volume.TargetOptions{})
	require.Error(t, err)
	assert.Equal(t, "keep", string(content(t, victim)))
}

func TestASourceReadsAFileAndCarriesItsMetadata(t *testing.T) {
	path := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	s, err := volume.OpenSource(path, []byte(`{"version": 2}`))
	require.NoError(t, err)
	defer s.Close()
	assert.EqualValues(t, 7, s.Size())
	got := make([]byte, 4)
	_, err = s.ReadAt(got, 3)
	require.NoError(t, err)
	assert.Equal(t, "tent", string(got))
	meta, err := s.Metadata()
	require.NoError(t, err)
	assert.Equal(t, `{"version": 2}`, string(meta))
}

// Nothing is in a hole, and nothing is behind the end: only the first is the
// volume's content.
func TestTheEndOfAFileThatGotShorterIsNoHole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600))
	require.NoError(t, os.Truncate(path, 3<<20))
	s, err := volume.OpenSource(path, nil)
	require.NoError(t, err)
	defer s.Close()
	holes := s.(driverstate.Sparse)
	if start, _ := holes.NextData(2 << 20); start == 2<<20 {
		t.Skip("no holes can be seen here")
	}
	require.NoError(t, os.Truncate(path, 3<<20-1))
	start, _ := holes.NextData(2 << 20)
	assert.EqualValues(t, 2<<20, start, "who reads there learns it")
}

func TestWhatARestoreLeavesCanBeResumed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	target := open(t, path, volume.TargetOptions{Resume: true})
	assert.True(t, target.Blank(), "nothing is there yet")
	require.NoError(t, target.Close())
	assert.NoFileExists(t, path+volume.PartialSuffix, "nothing was begun")

	target = open(t, path, volume.TargetOptions{Resume: true})
	fill(t, target, 4, 1, "bc")
	require.NoError(t, target.Abort())
	require.NoError(t, target.Close())
	assert.NoFileExists(t, path)
	assert.Equal(t, "\x00bc\x00", string(content(t, path+volume.PartialSuffix)))

	target = open(t, path, volume.TargetOptions{Resume: true})
	assert.False(t, target.Blank(), "zeros must be written over what is there")
	fill(t, target, 4, 0, "a")
	require.NoError(t, target.Commit())
	assert.Equal(t, "abc\x00", string(content(t, path)))
	assert.NoFileExists(t, path+volume.PartialSuffix)
}

func TestWhatIsKeptOutlivesAnAbort(t *testing.T) {
	dir := t.TempDir()
	path, empty := filepath.Join(dir, "image"), filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for path, at := range map[string]string{path: path + volume.PartialSuffix, empty: empty} {
		target := open(t, path, volume.TargetOptions{})
		fill(t, target, 4, 0, "abcd")
		assert.Equal(t, at, target.Keep())
		require.NoError(t, target.Abort())
		require.NoError(t, target.Close())
		assert.Equal(t, "abcd", string(content(t, at)))
	}
	assert.NoFileExists(t, path, "it is not called good")
}
