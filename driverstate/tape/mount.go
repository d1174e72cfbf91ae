package tape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// mount opens the files.
func (s *store) mount(ctx context.Context) error {
	switch {
	case s.out != nil:
		return nil
	case s.in != nil:
		return s.takeIn(ctx)
	}
	paths, err := s.volumes()
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		if s.append {
			return nil
		}
		return driverstate.Fail(driverstate.ErrUnavailable, fmt.Sprintf("tape %s: neither it nor %s.001 is there", s.path, filepath.Base(s.path)))
	}
	for _, path := range paths {
		if err := s.mountFile(path); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) mountFile(path string) error {
	flags := os.O_RDONLY
	if s.append {
		flags = os.O_RDWR
	}
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return driverstate.Fail(driverstate.ErrForbidden, fmt.Sprintf("tape %s: permission denied", path))
	}
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("tape %s is not a regular file; a pipe is read as file:-", path))
	}
	if err == nil && s.append {
		err = lock(f)
	}
	if err != nil {
		return err
	}
	s.media = append(s.media, &medium{f, path, info.Size()})
	return nil
}

// volumes are the files of the tape, in their order.
func (s *store) volumes() ([]string, error) {
	_, err := os.Stat(s.path)
	single := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = driverstate.Fail(driverstate.ErrUnavailable, fmt.Sprintf("tape %s: no such directory; is the share mounted?", s.path))
		}
		return nil, err
	}
	var parts []string
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), filepath.Base(s.path)+".")
		if ok && len(digits) >= 3 && strings.Trim(digits, "0123456789") == "" {
			parts = append(parts, filepath.Join(filepath.Dir(s.path), e.Name()))
		}
	}
	switch {
	case single && len(parts) > 0:
		return nil, driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("tape %s: both it and %s are there: which is it?", s.path, filepath.Base(parts[0])))
	case single && s.append && s.volumeSize > 0:
		return nil, driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("tape %s is there in one volume: it cannot be continued in several", s.path))
	case len(parts) > 0 && s.append && s.volumeSize == 0:
		return nil, driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("tape %s is there in %d volumes: say the size of the next", s.path, len(parts)))
	case single:
		return []string{s.path}, nil
	}
	slices.SortFunc(parts, func(a, b string) int { // 1000 comes after 999
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return parts, nil
}

// takeIn keeps what a pipe brings in a file without a name, while the store is
// open: objects are read more than once, and not in their order.
func (s *store) takeIn(ctx context.Context) error {
	dir := "/var/tmp" // /tmp is memory on many machines
	if os.Getenv("TMPDIR") != "" {
		dir = ""
	}
	f, err := os.CreateTemp(dir, "cinder-go-tape-")
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	n, err := io.Copy(f, objectstore.Until(ctx, s.in))
	if err != nil {
		return fmt.Errorf("reading the tape from the pipe: %w", err)
	}
	s.media = append(s.media, &medium{f, "the tape in the pipe", n})
	return nil
}
