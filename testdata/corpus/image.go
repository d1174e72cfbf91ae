package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// SHA256 is the digest of an image file, in hex. Holes are not read: an image
// of the corpus is 1 GiB with a few MB of data.
func SHA256(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	sum := sha256.New()
	var zeros [1 << 20]byte
	buffer := make([]byte, len(zeros))
	for at := int64(0); at < info.Size(); {
		data, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if err != nil { // ENXIO: a hole to the end, or a file system without holes
			data = info.Size()
			if err != unix.ENXIO {
				data = at
			}
		}
		for ; at < data; at += min(int64(len(zeros)), data-at) {
			sum.Write(zeros[:min(int64(len(zeros)), data-at)])
		}
		hole, err := unix.Seek(int(f.Fd()), at, unix.SEEK_HOLE)
		if err != nil {
			hole = info.Size()
		}
		_, err = io.CopyBuffer(sum, io.NewSectionReader(f, at, hole-at), buffer)
		require.NoError(t, err)
		at = max(at, hole)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
