package posix

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// The modes that Cinder sets (cinder/backup/drivers/posix.py put_container,
// get_object_writer): group access, so that a changed service user can read.
const (
	leafMode = 0o770
	fileMode = 0o660
)

// attempts bounds how often a directory that another delete removes meanwhile
// is made again.
const attempts = 8

// PutContainer makes the directory and those above it.
func (s *Store) PutContainer(ctx context.Context, container string) error {
	parts, err := s.containerPath(container)
	if err != nil {
		return err
	}
	for range attempts {
		if err = ctx.Err(); err != nil {
			return err
		}
		root, rootErr := s.openRoot()
		if rootErr != nil {
			return rootErr
		}
		var d *dir
		if d, err = root.makeAll(parts); err == nil {
			return d.Close()
		}
		if !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return containerError(container, err)
}

// makeAll opens the directory at parts below d, making what is missing, and
// closes d.
func (d *dir) makeAll(parts []string) (*dir, error) {
	for i, part := range parts {
		next, err := d.makeDir(part, i == len(parts)-1)
		d.Close()
		if err != nil {
			return nil, err
		}
		d = next
	}
	return d, nil
}

// makeDir opens the directory name of d or makes it. The leaf gets its mode
// whatever the umask; those above it are left to it.
func (d *dir) makeDir(name string, leaf bool) (*dir, error) {
	next, err := d.openDir(name)
	if !errors.Is(err, unix.ENOENT) {
		return next, err
	}
	err = unix.Mkdirat(int(d.Fd()), name, 0o777)
	made := err == nil
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, err
	}
	if next, err = d.openDir(name); err != nil || !made {
		return next, err
	}
	if leaf {
		err = unix.Fchmod(int(next.Fd()), leafMode)
	}
	if err == nil {
		err = d.sync()
	}
	if err != nil {
		next.Close()
		return nil, err
	}
	return next, nil
}

// sync puts the directory's entries on stable storage. File systems that
// cannot sync a directory say EINVAL and need none.
func (d *dir) sync() error {
	if err := unix.Fsync(int(d.Fd())); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// Put writes a temporary file, syncs it and renames it.
func (s *Store) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	d, file, err := s.openForPut(ctx, container, name)
	if err != nil {
		return err
	}
	defer d.Close()
	f, err := d.temporary(ctx)
	if err != nil {
		if isContextError(err) {
			return err
		}
		return objectError(container, name, err)
	}
	defer f.Close() // after the rename: until then its lock keeps a sweep off
	temp := f.Name()
	err = d.fill(ctx, f, r, size)
	if err == nil {
		fault.Point("posix.put.temporary")
		err = unix.Renameat(int(d.Fd()), temp, int(d.Fd()), file)
	}
	if err != nil {
		// The cause matters more than a temporary file that stays.
		_ = unix.Unlinkat(int(d.Fd()), temp, 0)
		if isContextError(err) {
			return err
		}
		return objectError(container, name, err)
	}
	if err := d.sync(); err != nil {
		return objectError(container, name, err)
	}
	return nil
}

// openForPut opens the directory that will hold the object. In an objects
// store the directories within the container are part of the name and are made.
func (s *Store) openForPut(ctx context.Context, container, name string) (*dir, string, error) {
	dirs, file, err := s.namePath(name)
	if err != nil {
		return nil, "", err
	}
	for range attempts {
		if err = ctx.Err(); err != nil {
			return nil, "", err
		}
		d, openErr := s.openContainer(container)
		if openErr != nil {
			return nil, "", openErr
		}
		if d, err = d.makeAll(dirs); err == nil {
			return d, file, nil
		}
		if !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return nil, "", objectError(container, name, err)
}

// temporary makes a file to be written, with a lock that tells a sweep that its
// writer lives. One that a sweep took between the two is made again, as often
// as it takes: a busy machine may let many sweeps in between.
func (d *dir) temporary(ctx context.Context) (*os.File, error) {
	for ctx.Err() == nil {
		temp := tempPrefix + rand.Text()
		fd, err := retry(func() (int, error) {
			return unix.Openat(int(d.Fd()), temp,
				unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, fileMode)
		})
		if err != nil {
			return nil, err
		}
		// A file system without locks has none for a sweep either.
		locked := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		var info unix.Stat_t
		if err := unix.Fstat(fd, &info); !errors.Is(locked, unix.EWOULDBLOCK) && (err != nil || info.Nlink > 0) {
			return os.NewFile(uintptr(fd), temp), nil
		}
		unix.Close(fd)
	}
	return nil, ctx.Err()
}

// fill writes size bytes of r to f, the temporary file, and syncs it.
func (d *dir) fill(ctx context.Context, f *os.File, r io.Reader, size int64) error {
	n, err := fillFile(f, io.LimitReader(objectstore.Until(ctx, r), size), size)
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("%d bytes where %d were promised: %w", n, size, io.ErrUnexpectedEOF)
	}
	if err := f.Chmod(fileMode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return ctx.Err()
}

// fillFile writes the size bytes that r should have, and returns how many it
// had.
func fillFile(f *os.File, r io.Reader, size int64) (int64, error) {
	past, err := openDirect(f, size)
	if err != nil {
		return 0, err
	}
	if past == nil {
		return io.Copy(f, r)
	}
	defer past.Close()
	return past.copy(r)
}

// Delete removes a file. Directories that only made up the names of an objects
// store go with their last object.
func (s *Store) Delete(ctx context.Context, container, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, file, err := s.openParent(container, name)
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrNoContainer) {
		return nil
	}
	if err != nil {
		return err
	}
	err = unix.Unlinkat(int(d.Fd()), file, 0)
	d.Close()
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return objectError(container, name, err)
	}
	dirs, _, err := s.namePath(name)
	if err != nil || len(dirs) == 0 {
		return err
	}
	if d, err = s.openContainer(container); err != nil {
		return err
	}
	return objectErrorOrNil(container, name, d.prune(dirs))
}

func objectErrorOrNil(container, name string, err error) error {
	if err == nil {
		return nil
	}
	return objectError(container, name, err)
}

// RemoveContainer removes the directory and those above it that are empty
// then, up to the root.
func (s *Store) RemoveContainer(ctx context.Context, container string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	parts, err := s.containerPath(container)
	if err != nil {
		return err
	}
	root, err := s.openRoot()
	if err != nil {
		return err
	}
	if err := root.prune(parts); err != nil {
		return containerError(container, err)
	}
	return nil
}

// Sweep removes the temporary files of writers that died.
func (s *Store) Sweep(ctx context.Context, container string) error {
	if err := ctx.Err(); err != nil || s.objects {
		return err // directories of an objects store are swept when they are pruned
	}
	d, err := s.openContainer(container)
	if errors.Is(err, objectstore.ErrNoContainer) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	d.sweep()
	return nil
}

// prune removes the directory at parts below d, and then those above it, while
// they are empty. It closes d, which stays.
func (d *dir) prune(parts []string) error {
	if len(parts) == 0 {
		return d.Close()
	}
	// Descend with every directory kept open: a removal needs its parent.
	chain := []*dir{d}
	defer func() {
		for _, open := range chain {
			open.Close()
		}
	}()
	for _, part := range parts {
		next, err := chain[len(chain)-1].openDir(part)
		if errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return err
		}
		chain = append(chain, next)
	}
	for i := len(chain) - 1; i > 0; i-- {
		if chain[i].isUsed() {
			return nil
		}
		chain[i].sweep()
		err := unix.Unlinkat(int(chain[i-1].Fd()), parts[i-1], unix.AT_REMOVEDIR)
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
			fault.Point("posix.remove.directory")
		case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST), errors.Is(err, unix.EBUSY):
			return nil
		default:
			return err
		}
	}
	return nil
}

// isUsed reports whether the first entry there is no temporary file. It costs
// one read of a directory, however large: a backup of 100,000 objects looks as
// often. When in doubt the directory is not used.
func (d *dir) isUsed() bool {
	names, err := d.Readdirnames(1)
	if err == nil && !isTemp(names[0]) {
		return true
	}
	_, _ = d.Seek(0, io.SeekStart) // a sweep that finds nothing is no harm
	return false
}

// sweep removes temporary files whose writer died: those that nobody locks.
func (d *dir) sweep() {
	for entry, err := range d.entries() {
		if err != nil {
			return
		}
		if !isTemp(entry.name) {
			continue
		}
		// NFS locks against others only what is open for writing (flock(2)); a
		// local file system also what another user let this one read.
		f, err := d.openFor(entry.name, unix.O_RDWR)
		if errors.Is(err, unix.EACCES) {
			f, err = d.openFile(entry.name)
		}
		if err != nil {
			continue
		}
		if flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = unix.Unlinkat(int(d.Fd()), entry.name, 0)
		}
		f.Close()
	}
}
