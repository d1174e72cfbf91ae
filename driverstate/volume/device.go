package volume

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
)

// openDevice opens a block device that nothing else uses.
func openDevice(path string, o TargetOptions) (*File, error) {
	// O_EXCL claims the device: Linux refuses it for one that is mounted, is
	// swap, or is part of another device, whole or by a partition.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_EXCL, 0)
	if err != nil {
		return nil, deviceError(path, err)
	}
	t := &File{zeroer: &zeroer{File: f}, path: path, device: true}
	if err := t.measure(o.Size); err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

func (t *File) measure(volume int64) error {
	if deviceReadOnly(t.File) {
		return deviceError(t.path, unix.EROFS)
	}
	size, err := deviceSize(t.File)
	if err != nil {
		return pathError("target", t.path, err)
	}
	t.limit = size
	if volume > 0 {
		t.limit = min(size, volume)
	}
	return nil
}

func deviceError(path string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		text := fmt.Sprintf("target device %s is in use", path)
		if where := mountPoint(path); where != "" {
			text = fmt.Sprintf("target device %s is mounted at %s", path, where)
		}
		return driverstate.Fail(driverstate.ErrConflict, text)
	case errors.Is(err, unix.EROFS):
		return driverstate.Fail(driverstate.ErrForbidden, fmt.Sprintf("target device %s is read-only", path))
	}
	return pathError("target device", path, err)
}
