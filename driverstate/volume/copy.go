package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
)

// copyBlock is how much is read at once; a block of zeros is not written.
const copyBlock = len(zeros)

// Copy makes the file to a copy of size bytes of the file or device from: one
// that shares its blocks if the file system can, else a sparse one. The name
// appears when everything is on stable storage; an interrupted copy leaves
// to+PartialSuffix at most, which the next one writes anew. From must not be
// written meanwhile: ErrConflict if a restore has it open.
func Copy(ctx context.Context, from, to string, size int64) (err error) {
	src, err := os.OpenFile(from, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return pathError("source", from, err)
	}
	defer src.Close()
	if err := unix.Flock(int(src.Fd()), unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("source %s is being written by another program", from))
	}
	partial := to + PartialSuffix
	dst, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return pathError("target", partial, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(partial))
		}
	}()
	err = copyTo(ctx, dst, src, size)
	if err = errors.Join(err, dst.Close()); err != nil {
		return err
	}
	if err = os.Rename(partial, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func copyTo(ctx context.Context, dst, src *os.File, size int64) error {
	if !clone(dst, src) {
		if err := copySparse(ctx, dst, src, size); err != nil {
			return err
		}
	}
	if err := dst.Truncate(size); err != nil {
		return err
	}
	return dst.Sync()
}

// copySparse copies what is not a hole, and not zeros, of the first size bytes.
func copySparse(ctx context.Context, dst, src *os.File, size int64) error {
	buf := make([]byte, copyBlock)
	for off := int64(0); off < size; {
		start, end := nextData(src, off, size)
		for off = start; off < end; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n, err := src.ReadAt(buf[:min(int64(copyBlock), end-off)], off)
			if n > 0 && !isZero(buf[:n]) {
				if _, err := dst.WriteAt(buf[:n], off); err != nil {
					return err
				}
			}
			off += int64(n)
			if errors.Is(err, io.EOF) {
				return nil // shorter than the volume: the rest reads as zeros
			}
			if err != nil {
				return err
			}
		}
		off = end
	}
	return nil
}

func isZero(p []byte) bool { return bytes.Equal(p, zeros[:len(p)]) }

// Space tells how many bytes the file system of dir holds, and how many of them
// are free.
func Space(dir string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}
