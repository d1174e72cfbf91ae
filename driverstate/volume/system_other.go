//go:build !linux

package volume

import (
	"errors"
	"io"
	"os"
)

func punchHole(*os.File, int64, int64) (done, supported bool, err error) { return false, false, nil }

func lockRange(*os.File) error { return nil }

func renameNew(from, to string) error { return renameChecked(from, to) }

func deviceSize(f *os.File) (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size == 0 {
		err = errors.New("the size of the device cannot be learnt on this system")
	}
	return size, err
}

func deviceReadOnly(*os.File) bool { return false }

func mountPoint(string) string { return "" }

func clone(_, _ *os.File) bool { return false }

func nextData(_ *os.File, off, size int64) (start, end int64) { return off, size }

func reopenDirect(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }
