package chunked

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	bz2 "github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds what a zstd frame may make us keep. Cinder compresses
// at level 3, whose window is 2 MiB; the highest level without --long has 8.
const maxZstdWindow = 8 << 20

// decoder yields the plain bytes of a stored stream. It takes no more of r
// than its stream is long, so that what follows it can be seen.
func decoder(c Compression, r *bufio.Reader) (io.ReadCloser, error) {
	switch c {
	case CompressionNone:
		return io.NopCloser(r), nil
	case CompressionZlib:
		return zlib.NewReader(r)
	case CompressionBz2:
		return io.NopCloser(bzip2.NewReader(r)), nil
	case CompressionZstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("compression %q", c)
}

// encoder compresses size bytes written to it as Cinder can read them: one
// zlib stream, one bz2 stream, or one zstd frame that tells its content size
// (python-zstd refuses a frame without).
func encoder(c Compression, w io.Writer, size int64) (io.WriteCloser, error) {
	switch c {
	case CompressionZlib:
		return zlib.NewWriterLevel(w, 6)
	case CompressionBz2:
		return bz2.NewWriter(w, &bz2.WriterConfig{Level: bz2.BestCompression})
	case CompressionZstd:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxZstdWindow/2))
		if err != nil {
			return nil, err
		}
		z.ResetContentSize(w, size)
		return z, nil
	}
	return nil, errors.New("nothing to compress with")
}
