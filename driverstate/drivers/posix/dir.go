package posix

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// dir is an open directory. Everything below it is reached through its
// descriptor, one component at a time, without following symbolic links.
type dir struct{ *os.File }

// What only the kernel can say of a damaged or foreign file system; tests answer
// for it.
var (
	openat  = unix.Openat
	fstatat = unix.Fstatat
	flock   = unix.Flock
)

const openDirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

// openRoot opens the root, which may be a symbolic link: it is the operator's
// own word.
func (s *Store) openRoot() (*dir, error) {
	fd, err := retry(func() (int, error) { return unix.Open(s.root, openDirFlags, 0) })
	if err != nil {
		return nil, rootError(s.root, err)
	}
	root := &dir{os.NewFile(uintptr(fd), s.root)}
	if s.guard != nil {
		if err := s.guard(root.File); err != nil {
			root.Close()
			return nil, err
		}
	}
	return root, nil
}

func retry(open func() (int, error)) (int, error) {
	for {
		fd, err := open()
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// openDir opens the directory name of d.
func (d *dir) openDir(name string) (*dir, error) {
	fd, err := retry(func() (int, error) {
		return openat(int(d.Fd()), name, openDirFlags|unix.O_NOFOLLOW, 0)
	})
	if err != nil {
		return nil, err
	}
	// The whole path, because on file systems that do not tell the type of a
	// directory's entries os.File looks them up by it.
	return &dir{os.NewFile(uintptr(fd), filepath.Join(d.Name(), name))}, nil
}

// descend opens the directory at parts below d and closes d.
func (d *dir) descend(parts []string) (*dir, error) {
	if len(parts) > 1 {
		if below, err := d.openBelow(parts); err == nil {
			d.Close()
			return below, nil
		}
	}
	for _, part := range parts {
		next, err := d.openDir(part)
		err = unreadable(int(d.Fd()), err)
		d.Close()
		if err != nil {
			return nil, err
		}
		d = next
	}
	return d, nil
}

// openFile opens the regular file name of d for reading.
func (d *dir) openFile(name string) (*os.File, error) { return d.openFor(name, unix.O_RDONLY) }

// openFor opens the regular file name of d for what access says. O_NONBLOCK
// keeps a pipe from holding the call up before its kind is known.
func (d *dir) openFor(name string, access int) (*os.File, error) {
	fd, err := retry(func() (int, error) {
		return openat(int(d.Fd()), name, access|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, unreadable(int(d.Fd()), err)
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNotRegular
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// stat tells of the regular file name of d; ok is false if it is gone or is no
// regular file. One that the medium cannot read is a file of no size: who reads
// it finds out, and the others are listed.
func (d *dir) stat(name string) (info fileInfo, ok bool, err error) {
	return statAt(int(d.Fd()), name)
}

func statAt(at int, name string) (info fileInfo, ok bool, err error) {
	var st unix.Stat_t
	err = fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return info, false, nil
	}
	if errors.Is(unreadable(at, err), objectstore.ErrDamaged) {
		return info, true, nil
	}
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return info, false, err
	}
	sec, nsec := st.Mtim.Unix()
	return fileInfo{size: st.Size, modified: time.Unix(sec, nsec).UTC()}, true, nil
}

// isLinkToDir reports whether the symbolic link name of d leads to a
// directory, and so may hide backups.
func isLinkToDir(d *dir, name string) bool { return linksToDir(int(d.Fd()), name) }

func linksToDir(at int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(at, name, &st, 0) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

type entryKind int

const (
	kindOther entryKind = iota
	kindFile
	kindDir
	kindLink
)

type dirEntry struct {
	name string
	kind entryKind
}

// entries yields what d holds. After an error it ends.
func (d *dir) entries() iter.Seq2[dirEntry, error] {
	return func(yield func(dirEntry, error) bool) {
		for {
			batch, err := d.ReadDir(512)
			for _, e := range batch {
				if !yield(dirEntry{e.Name(), d.kind(e)}, nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(dirEntry{}, err)
				return
			}
		}
	}
}

func (d *dir) kind(e fs.DirEntry) entryKind {
	switch mode := e.Type(); {
	case mode.IsRegular():
		return kindFile
	case mode.IsDir():
		return kindDir
	case mode&fs.ModeSymlink != 0:
		return kindLink
	}
	return kindOther
}

var errNotRegular = errors.New("not a regular file")

// rootError is an error of the root itself: the store is not there, which is
// another thing than an object that is not.
func rootError(root string, err error) error {
	kind := driverstate.ErrUnavailable
	why := err.Error()
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		kind = driverstate.ErrForbidden
	case errors.Is(err, unix.ENOENT):
		why = "no such directory; is the share mounted?"
	case errors.Is(err, unix.ENOTDIR):
		why = "not a directory"
	}
	return driverstate.Fail(kind, fmt.Sprintf("store %s: %s", root, why))
}

func containerError(container string, err error) error {
	return translate("container "+container, err, objectstore.ErrNoContainer)
}

func objectError(container, name string, err error) error {
	return translate("object "+join(container, name), err, objectstore.ErrNotFound)
}

// translate gives a system call's error the store's kind.
func translate(what string, err error, absent error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s: %w", what, absent)
	case errors.Is(err, unix.ELOOP):
		return fmt.Errorf("%s is a symbolic link, which is not followed: %w", what, objectstore.ErrForbidden)
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%s is not a directory, or a symbolic link, which is not followed: %w", what, objectstore.ErrForbidden)
	case errors.Is(err, errNotRegular), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%s is not a regular file: %w", what, objectstore.ErrForbidden)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: permission denied: %w", what, objectstore.ErrForbidden)
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%s: read-only file system: %w", what, objectstore.ErrReadOnly)
	case errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s: %w: %w", what, err, objectstore.ErrBadName)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// tempPrefix begins the names of files being written. They are no objects.
const tempPrefix = ".cinder-go-"

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }
