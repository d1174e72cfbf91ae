package volume

import (
	"errors"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// directAlign is what direct I/O wants of addresses, offsets and lengths: the
// largest sector that disks have.
const directAlign = 4096

// directDepth is how many direct writes keep a disk busy.
const directDepth = 4

// direct is a second way to write a file or device, past the page cache: it
// costs a fifth of the processor's time, and two writers of one file do not
// wait for each other. It is nil, or off, where the file system has none.
type direct struct {
	file *os.File
	off  atomic.Bool
}

// openDirect opens f a second time for direct I/O; nil where that is not to be
// had, such as on tmpfs.
func openDirect(f *os.File) *direct {
	d, err := reopenDirect(f)
	if err != nil {
		return nil
	}
	return &direct{file: d}
}

func (d *direct) usable() bool { return d != nil && !d.off.Load() }

// fits reports whether b may be written at off directly.
func (d *direct) fits(b []byte, off int64) bool {
	return d.usable() && len(b) > 0 && (uintptr(unsafe.Pointer(unsafe.SliceData(b)))|uintptr(len(b))|uintptr(off))%directAlign == 0
}

// writeAt reports whether it wrote b. A file system that does not take it after
// all is not asked again.
func (d *direct) writeAt(b []byte, off int64) (bool, error) {
	_, err := d.file.WriteAt(b, off)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		d.off.Store(true)
		return false, nil
	}
	return true, err
}

func (d *direct) close() error {
	if d == nil {
		return nil
	}
	return d.file.Close()
}
