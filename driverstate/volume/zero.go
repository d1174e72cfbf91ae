package volume

import (
	"io"
	"os"
	"sync/atomic"
)

// zeros is what ZeroRange writes where no hole can be made.
var zeros [256 << 10]byte

// zeroer is an open file or device of which ranges can be made to read as
// zeros.
type zeroer struct {
	*os.File
	noHoles atomic.Bool // the system said that it cannot make any
}

// ZeroRange makes n bytes at off read as zeros: as a hole where the system can
// make one, else by writing.
func (z *zeroer) ZeroRange(off, n int64) error {
	if n <= 0 {
		return nil
	}
	if !z.noHoles.Load() {
		done, supported, err := punchHole(z.File, off, n)
		if done || err != nil {
			return err
		}
		if !supported {
			z.noHoles.Store(true)
		}
	}
	return writeZeros(z, off, n)
}

// writeZeros writes n zeros to w at off.
func writeZeros(w io.WriterAt, off, n int64) error {
	for n > 0 {
		piece := zeros[:min(n, int64(len(zeros)))]
		if _, err := w.WriteAt(piece, off); err != nil {
			return err
		}
		off += int64(len(piece))
		n -= int64(len(piece))
	}
	return nil
}
