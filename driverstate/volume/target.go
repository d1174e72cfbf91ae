// Package volume opens what backups are read from and restores are written
// to: raw files, block devices, and a pipe to a writer. It knows nothing of
// backups.
//
// A file that restores make gets its name only when all its bytes are there;
// until then it is called <path>.partial. A file or device that was there
// before is written in place, and after a failure holds a part of the image:
// its owner must mark it.
package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/cinder-go/cinder-go/driverstate"
)

// StdoutPath is the path that stands for TargetOptions.Stdout.
const StdoutPath = "-"

// Target is a restore target that is opened for one restore. Exactly one of
// Commit and Abort takes effect, the first; then Close.
type Target interface {
	driverstate.Target
	// Commit makes what was written the content of the target, on stable
	// storage. It fails with driverstate.ErrConflict if a file of that name
	// came up meanwhile. Whatever the cause, a new file that could not be named
	// stays <path>.partial, also after Abort.
	Commit() error
	// Abort leaves no good name on what was written: a new file is removed, or
	// stays <path>.partial with Resume; one that was empty is empty again.
	// Anything else stays as it is.
	Abort() error
	// Keep has Abort leave what was written since Begin, as with Resume, and
	// returns the file that it is in; empty for a pipe.
	Keep() string
	// Close releases the target. Without Commit it aborts first.
	Close() error
}

// TargetOptions say how a target may be opened.
type TargetOptions struct {
	// Size is the size of the volume in bytes, which the image must not
	// exceed. An existing file of this very size is the volume itself and
	// keeps it; any other gets the length of the image. 0 is no limit.
	Size int64
	// Overwrite allows a regular file that holds data already.
	Overwrite bool
	// Resume keeps what an interrupted restore has left in <path>.partial, and
	// Abort keeps it again. In a file or device that is there it is as ever.
	Resume bool
	// Stdout is what StdoutPath writes to; nil forbids that path.
	Stdout io.Writer
}

// OpenTarget opens the file or block device at path, or a pipe to o.Stdout. A
// file that is not there is made. Nothing is changed in one that is before
// Begin.
//
// ErrConflict: the file holds data and Overwrite is not set, or the target is
// mounted or in use. ErrForbidden: it must not be written. ErrInvalidInput: it
// is neither a file nor a block device.
func OpenTarget(path string, o TargetOptions) (Target, error) {
	if path == StdoutPath {
		if o.Stdout == nil {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, `target "-": there is no standard output to write to`)
		}
		return NewPipe(o.Stdout, o.Size), nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return createFile(path, o)
	case err != nil:
		return nil, pathError("target", path, err)
	case info.Mode().IsRegular():
		return openFile(path, o)
	case isBlockDevice(info):
		return openDevice(path, o)
	}
	return nil, notAVolume("target", path, info)
}

func isBlockDevice(info fs.FileInfo) bool {
	return info.Mode()&(fs.ModeDevice|fs.ModeCharDevice) == fs.ModeDevice
}

func notAVolume(what, path string, info fs.FileInfo) error {
	kind := "neither a regular file nor a block device"
	if info.IsDir() {
		kind = "a directory"
	}
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("%s %s is %s", what, path, kind))
}

// pathError gives an error of opening path its kind.
func pathError(what, path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	text := fmt.Sprintf("%s %s: %v", what, path, err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return driverstate.Fail(driverstate.ErrForbidden, text)
	case errors.Is(err, fs.ErrNotExist):
		return driverstate.Fail(driverstate.ErrNotFound, text)
	}
	return fmt.Errorf("%s %s: %w", what, path, err)
}

// checkFit refuses an image that is longer than the volume or than what holds
// it.
func checkFit(path string, length, limit int64) error {
	if length > limit {
		return driverstate.Fail(driverstate.ErrTooSmall,
			fmt.Sprintf("target %s holds %d bytes, the image has %d", path, limit, length))
	}
	return nil
}

// outcome is how a target ended: once, by Commit or Abort.
type outcome int

const (
	undecided outcome = iota
	committed
	aborted
)
