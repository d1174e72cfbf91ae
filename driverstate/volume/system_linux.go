package volume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// punchHole deallocates a range. done is false when it must be written
// instead; supported is false when that will be so for every other range too.
func punchHole(f *os.File, off, n int64) (done, supported bool, err error) {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		switch {
		case err == nil:
			return true, true, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EINVAL):
			// A range of a device that is not made of whole sectors.
			return false, true, nil
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
			return false, false, nil
		default:
			return false, true, &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
		}
	}
}

// lockRange takes the lock that QEMU holds on an image in use.
func lockRange(f *os.File) error {
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}

// renameNew renames without replacing: fs.ErrExist when the name is taken.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return renameChecked(from, to)
	}
	return err
}

// deviceSize is the number of bytes that a block device holds.
func deviceSize(f *os.File) (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size == 0 {
		err = errors.New("device without a medium")
	}
	return size, err
}

func deviceReadOnly(f *os.File) bool {
	flag, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKROGET)
	return err == nil && flag != 0
}

// mountPoint names where a block device is mounted; empty when it is not, or
// not as itself.
func mountPoint(path string) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return ""
	}
	device := fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[2] == device {
			return fields[4]
		}
	}
	return ""
}

// clone makes dst share the blocks of src; false when the file system cannot.
func clone(dst, src *os.File) bool {
	return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil
}

// nextData is the next range at off or after it that is not a hole; start is
// size when only holes follow.
func nextData(f *os.File, off, size int64) (start, end int64) {
	start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size
	}
	if err != nil {
		return off, size
	}
	if end, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE); err != nil {
		end = size
	}
	return min(start, size), min(end, size)
}

// reopenDirect opens the file that f is, whatever its name is now.
func reopenDirect(f *os.File) (*os.File, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.O_WRONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
