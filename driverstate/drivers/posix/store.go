package posix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Store is a directory tree as an object store. Below its root no symbolic
// link is followed and nothing but regular files is read, so that no name
// leads out of it.
type Store struct {
	root string
	// objects: a container is a directory of the root and names hold slashes.
	// Otherwise a container is a directory at any depth and names hold none.
	objects bool
	guard   func(root *os.File) error // nil for none
}

// NewStore is the store whose containers are directories below root, as the
// posix, nfs and glusterfs drivers use it. Nothing is opened yet.
func NewStore(root string) *Store { return &Store{root: root} }

// NewObjectsStore is a directory copy of an object store account: root holds a
// directory per container, which holds the objects by name, every slash a
// directory.
func NewObjectsStore(root string) *Store { return &Store{root: root, objects: true} }

var (
	_ objectstore.Store   = (*Store)(nil)
	_ objectstore.Checker = (*Store)(nil)
	_ objectstore.Sweeper = (*Store)(nil)
)

// Check returns nil when the root is a directory that can be listed.
func (s *Store) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := s.openRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return rootError(s.root, err)
	}
	return nil
}

// Close has nothing to close: no file stays open between calls.
func (s *Store) Close() error { return nil }

// segments splits a container or name and refuses what could leave its
// directory.
func segments(path string) ([]string, error) {
	bad := func(why string) error {
		return fmt.Errorf("%.300q %s: %w", path, why, objectstore.ErrBadName)
	}
	if path == "" {
		return nil, bad("is empty")
	}
	for _, c := range []byte(path) {
		if c < 0x20 || c == 0x7f {
			return nil, bad("holds a control character")
		}
	}
	parts := strings.Split(path, "/")
	for _, part := range parts {
		switch {
		case part == "" || part == "." || part == "..":
			return nil, bad("is not a plain relative path")
		case isTemp(part):
			return nil, bad("is a temporary file's")
		}
	}
	return parts, nil
}

func (s *Store) containerPath(container string) ([]string, error) {
	parts, err := segments(container)
	if err == nil && s.objects && len(parts) > 1 {
		return nil, fmt.Errorf("container %.300q holds a slash: %w", container, objectstore.ErrBadName)
	}
	return parts, err
}

// namePath splits name into the directories below the container and the file.
func (s *Store) namePath(name string) (dirs []string, file string, err error) {
	parts, err := segments(name)
	if err != nil {
		return nil, "", err
	}
	if !s.objects && len(parts) > 1 {
		return nil, "", fmt.Errorf("object name %.300q holds a slash: %w", name, objectstore.ErrBadName)
	}
	return parts[:len(parts)-1], parts[len(parts)-1], nil
}

// openContainer opens the directory of container.
func (s *Store) openContainer(container string) (*dir, error) {
	parts, err := s.containerPath(container)
	if err != nil {
		return nil, err
	}
	root, err := s.openRoot()
	if err != nil {
		return nil, err
	}
	d, err := root.descend(parts)
	if err != nil {
		return nil, containerError(container, err)
	}
	return d, nil
}

// openParent opens the directory that holds the object and returns the file's
// name in it.
func (s *Store) openParent(container, name string) (*dir, string, error) {
	dirs, file, err := s.namePath(name)
	if err != nil {
		return nil, "", err
	}
	d, err := s.openContainer(container)
	if err != nil {
		return nil, "", err
	}
	if d, err = d.descend(dirs); err != nil {
		return nil, "", objectError(container, name, err)
	}
	return d, file, nil
}

// Containers yields every container. A directory that cannot be read, or is a
// symbolic link, is yielded with its error, and the walk goes on.
func (s *Store) Containers(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		root, err := s.openRoot()
		if err != nil {
			yield("", err)
			return
		}
		w := walker{ctx: ctx, yield: yield, flat: s.objects}
		w.walk(root, "")
	}
}

type walker struct {
	ctx   context.Context
	yield func(string, error) bool
	flat  bool // directories of the root only
}

// walk closes d. It returns false when the walk is over.
func (w *walker) walk(d *dir, path string) bool {
	defer d.Close()
	holdsFile := false
	var below []string
	for entry, err := range d.entries() {
		if err := w.ctx.Err(); err != nil {
			w.yield("", err)
			return false
		}
		if err != nil {
			if path == "" {
				w.yield("", rootError(d.Name(), err))
				return false
			}
			if !w.yield(path, containerError(path, err)) {
				return false
			}
			break
		}
		if isTemp(entry.name) {
			continue
		}
		switch entry.kind {
		case kindFile:
			holdsFile = true
		case kindDir:
			below = append(below, entry.name)
		case kindLink:
			full := join(path, entry.name)
			if isLinkToDir(d, entry.name) && !w.yield(full, containerError(full, unix.ELOOP)) {
				return false
			}
		}
	}
	if holdsFile && path != "" && !w.flat && !w.yield(path, nil) {
		return false
	}
	for _, name := range below {
		full := join(path, name)
		if w.flat {
			if !w.yield(full, nil) {
				return false
			}
			continue
		}
		if !w.into(d, name, full) {
			return false
		}
	}
	return true
}

func (w *walker) into(d *dir, name, full string) bool {
	sub, err := d.openDir(name)
	if errors.Is(err, unix.ENOENT) {
		return true
	}
	if err != nil {
		return w.yield(full, containerError(full, err))
	}
	return w.walk(sub, full)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// List yields the regular files of container; anything else in it is no
// object.
func (s *Store) List(ctx context.Context, container, prefix string) iter.Seq2[objectstore.Info, error] {
	return func(yield func(objectstore.Info, error) bool) {
		d, err := s.openContainer(container)
		if err != nil {
			yield(objectstore.Info{}, err)
			return
		}
		l := lister{ctx: ctx, yield: yield, container: container, prefix: prefix, deep: s.objects}
		l.list(d, "")
	}
}

type lister struct {
	ctx               context.Context
	yield             func(objectstore.Info, error) bool
	container, prefix string
	deep              bool
}

// list closes d. It returns false when the listing is over.
func (l *lister) list(d *dir, path string) bool {
	defer d.Close()
	var below []string
	for entry, err := range d.entries() {
		if err == nil {
			err = l.ctx.Err()
		}
		if err != nil {
			return l.fail(path, err)
		}
		name := join(path, entry.name)
		switch {
		case isTemp(entry.name):
		case entry.kind == kindDir && l.deep:
			// Only directories that can hold a name with the prefix.
			if strings.HasPrefix(name+"/", l.prefix) || strings.HasPrefix(l.prefix, name+"/") {
				below = append(below, entry.name)
			}
		case entry.kind == kindFile && strings.HasPrefix(name, l.prefix):
			info, ok, err := d.stat(entry.name)
			if err != nil {
				return l.fail(name, err)
			}
			if ok && !l.yield(objectstore.Info{Name: name, Size: info.size, Modified: info.modified}, nil) {
				return false
			}
		}
	}
	for _, name := range below {
		full := join(path, name)
		sub, err := d.openDir(name)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return l.fail(full, err)
		}
		if !l.list(sub, full) {
			return false
		}
	}
	return true
}

func (l *lister) fail(path string, err error) bool {
	if !isContextError(err) {
		err = containerError(join(l.container, path), err)
	}
	l.yield(objectstore.Info{}, err)
	return false
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Get opens n bytes of a regular file from off.
func (s *Store) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	if off < 0 {
		return nil, fmt.Errorf("object %s: offset %d is negative", join(container, name), off)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, file, err := s.openParent(container, name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f, err := d.openFile(file)
	if err != nil {
		return nil, objectError(container, name, err)
	}
	if off > 0 {
		if _, err := f.Seek(off, io.SeekStart); err != nil {
			f.Close()
			return nil, objectError(container, name, err)
		}
	}
	return &reader{ctx: ctx, f: f, left: n}, nil
}

// reader reads a file until its context ends. left < 0 means to its end.
type reader struct {
	ctx  context.Context
	f    *os.File
	left int64
}

// unreadable tells an error of reading fd, or what the directory fd holds, that
// is the medium's: it concerns this object, and more of it may be had elsewhere.
// A file system of another machine has the same error for a server that does not
// answer (mount(8) soft).
func unreadable(fd int, err error) error {
	for _, errno := range mediumErrors {
		if errors.Is(err, errno) && !network(fd) {
			return fmt.Errorf("%w: %w", errno, objectstore.ErrDamaged)
		}
	}
	return err
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.f.Read(p)
	if r.left > 0 {
		r.left -= int64(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreadable(int(r.f.Fd()), err)
	}
	return n, err
}

func (r *reader) Close() error { return r.f.Close() }

// fileInfo is what a listing needs of a file.
type fileInfo struct {
	size     int64
	modified time.Time
}
