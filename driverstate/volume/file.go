package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
)

// PartialSuffix is added to the name of a file while a restore makes it.
const PartialSuffix = ".partial"

// File is a regular file or a block device as a target.
type File struct {
	*zeroer
	path  string
	limit int64 // bytes that it can hold; 0 is no limit
	// partial is the name of a file that is being made; empty for one that is
	// written in place.
	partial string
	empty   bool // there before, without a byte
	device  bool
	resume  bool  // the partial file outlives a failure
	begun   bool  // Begin was called
	kept    bool  // Keep was called
	held    bool  // something is in the partial file from before
	keep    int64 // the size that a file keeps; 0 makes it that of the image
	direct  *direct

	mu    sync.Mutex
	ended outcome
}

// createFile opens <path>.partial. One that another restore left behind is
// written anew, unless this one resumes it.
func createFile(path string, o TargetOptions) (*File, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("target %s is a symbolic link that leads nowhere", path))
	}
	partial := path + PartialSuffix
	f, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, pathError("target", partial, err)
	}
	held, err := claimPartial(f, o.Resume)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &File{zeroer: &zeroer{File: f}, path: path, limit: o.Size, partial: partial, resume: o.Resume, held: held}, nil
}

// DropPartial removes the partial file of a restore to path that was killed. One
// that is being written stays, and one that is not there is success.
func DropPartial(path string) error {
	f, err := os.OpenFile(path+PartialSuffix, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return pathError("target", path+PartialSuffix, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err // no restore made it
	}
	if lock(f) != nil {
		return nil
	}
	return os.Remove(f.Name())
}

// claimPartial locks a partial file and empties it, unless keep is set; held
// says that it holds something then.
func claimPartial(f *os.File, keep bool) (held bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, notAVolume("target", f.Name(), info)
	}
	if err := lock(f); err != nil {
		return false, err
	}
	if keep {
		return info.Size() > 0, nil
	}
	return false, f.Truncate(0)
}

// openFile opens a file that is written in place.
func openFile(path string, o TargetOptions) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, pathError("target", path, err)
	}
	t := &File{zeroer: &zeroer{File: f}, path: path, limit: o.Size}
	if err := t.claim(o); err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

func (t *File) claim(o TargetOptions) error {
	info, err := t.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size > 0 && !o.Overwrite {
		return driverstate.Fail(driverstate.ErrConflict,
			fmt.Sprintf("target %s holds %d bytes already and may not be overwritten", t.path, size))
	}
	t.empty = size == 0
	if size == o.Size {
		t.keep = size
	}
	return lock(t.File)
}

// lock refuses a file that another restore, or a virtual machine, has open.
func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = lockRange(f)
	}
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EACCES) {
		return driverstate.Fail(driverstate.ErrConflict,
			fmt.Sprintf("target %s is in use by another program", f.Name()))
	}
	// File systems without locks have nothing to say.
	return nil
}

// Begin gives a file the length of the image. What lies beyond the image in a
// file that keeps its size reads as zeros.
func (t *File) Begin(length int64) error {
	if t.limit > 0 {
		if err := checkFit(t.path, length, t.limit); err != nil {
			return err
		}
	}
	t.direct = openDirect(t.File)
	t.begun = true
	if t.device {
		return nil
	}
	size := max(length, t.keep)
	if err := t.Truncate(size); err != nil {
		return pathError("target", t.path, err)
	}
	if t.Blank() || size == length {
		return nil
	}
	return t.ZeroRange(length, size-length)
}

// Sequential implements driverstate.Target.
func (t *File) Sequential() bool { return false }

// Blank is true for a file that was not there, or empty.
func (t *File) Blank() bool { return t.partial != "" && !t.held || t.empty }

// Depth is 1 where all writes go through the page cache: there they wait for
// each other.
func (t *File) Depth() int {
	if t.direct.usable() {
		return directDepth
	}
	return 1
}

// WriteAt writes past the page cache what can be.
func (t *File) WriteAt(b []byte, off int64) (int, error) {
	if t.direct.fits(b, off) {
		if done, err := t.direct.writeAt(b, off); err != nil {
			return 0, err
		} else if done {
			return len(b), nil
		}
	}
	return t.File.WriteAt(b, off)
}

// Commit gives a new file its name. It replaces nothing.
func (t *File) Commit() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != undecided {
		return fmt.Errorf("target %s: %w", t.path, errEnded)
	}
	if err := t.Sync(); err != nil {
		return pathError("target", t.path, err)
	}
	// The image is whole: if it cannot be named, it must outlive the Abort.
	t.ended = committed
	if t.partial != "" {
		if err := renameNew(t.partial, t.path); err != nil {
			if errors.Is(err, fs.ErrExist) {
				return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf(
					"target %s was made by another program meanwhile; the image is in %s", t.path, t.partial))
			}
			return pathError("target", t.path, fmt.Errorf("%w; the image is in %s", err, t.partial))
		}
		if err := syncDir(filepath.Dir(t.path)); err != nil {
			return pathError("target", t.path, err)
		}
	}
	return nil
}

var errEnded = errors.New("already committed or aborted")

// Abort removes a new file, unless it may be resumed, and empties one that was
// empty.
func (t *File) Abort() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.abort()
}

func (t *File) abort() error {
	if t.ended != undecided {
		return nil
	}
	t.ended = aborted
	switch {
	case t.partial != "" && t.resume && (t.held || t.begun):
	case t.partial != "":
		return os.Remove(t.partial)
	case t.empty && !t.device && !t.kept:
		return t.Truncate(0)
	}
	return nil
}

// Keep has Abort leave what was written.
func (t *File) Keep() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.resume, t.kept = true, true
	return t.Name()
}

// Close releases the file.
func (t *File) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := errors.Join(t.abort(), t.direct.close())
	if closing := t.File.Close(); err == nil {
		err = closing
	}
	return err
}

// syncDir puts a directory's entries on stable storage. File systems that
// cannot sync a directory say EINVAL and need none.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// renameChecked is renameNew where the system cannot do both in one step.
func renameChecked(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

var (
	_ Target               = (*File)(nil)
	_ driverstate.Readable = (*File)(nil)
)
