package posix

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openBelow opens the directory at parts below d in one call, which follows no
// symbolic link and leads nowhere else. Why it could not is not to be had from
// its error: kernels before 5.6 and some filters of system calls have none.
func (d *dir) openBelow(parts []string) (*dir, error) {
	path := strings.Join(parts, "/")
	fd, err := retry(func() (int, error) {
		return unix.Openat2(int(d.Fd()), path, &unix.OpenHow{
			Flags: openDirFlags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		})
	})
	if err != nil {
		return nil, err
	}
	return &dir{os.NewFile(uintptr(fd), filepath.Join(d.Name(), path))}, nil
}
