package chunked

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds what a zstd frame may make us keep. Cinder compresses
// at level 3, whose window is 2 MiB; the highest level without --long has 8.
const maxZstdWindow = 8 << 20

// decoder yields the plain bytes of a stored stream. Close gives it back for
// another object.
type decoder interface {
	io.ReadCloser
	reset(r *bufio.Reader) error
}

// decoders keeps decoders that are not in use: their tables are many times as
// large as the blocks of an increment.
var decoders = map[Compression]*sync.Pool{
	CompressionNone: {New: func() any { return &plainDecoder{} }},
	CompressionZlib: {New: func() any { return &zlibDecoder{} }},
	CompressionBz2:  {New: func() any { return &bz2Decoder{} }},
	CompressionZstd: {New: func() any { return &zstdDecoder{} }},
}

// newDecoder returns a decoder of r. One of zlib takes no more of r than its
// stream is long, so that what follows it can be seen; the others take all of
// it for theirs.
func newDecoder(c Compression, r *bufio.Reader) (decoder, error) {
	pool := decoders[c]
	if pool == nil {
		return nil, fmt.Errorf("compression %q is not known", c)
	}
	d := pool.Get().(decoder)
	if err := d.reset(r); err != nil {
		return nil, err
	}
	return d, nil
}

type plainDecoder struct{ *bufio.Reader }

func (d *plainDecoder) reset(r *bufio.Reader) error {
	d.Reader = r
	return nil
}

func (d *plainDecoder) Close() error {
	d.Reader = nil
	decoders[CompressionNone].Put(d)
	return nil
}

type zlibDecoder struct{ io.ReadCloser }

func (d *zlibDecoder) reset(r *bufio.Reader) (err error) {
	if d.ReadCloser == nil {
		d.ReadCloser, err = zlib.NewReader(r)
		return err
	}
	return d.ReadCloser.(zlib.Resetter).Reset(r, nil)
}

func (d *zlibDecoder) Close() error {
	decoders[CompressionZlib].Put(d)
	return nil
}

type bz2Decoder struct {
	*bzip2.Reader
	ended bool
}

func (d *bz2Decoder) reset(r *bufio.Reader) (err error) {
	d.ended = false
	if d.Reader == nil {
		d.Reader, err = bzip2.NewReader(r, nil)
		return err
	}
	return d.Reader.Reset(r)
}

func (d *bz2Decoder) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	d.ended = errors.Is(err, io.EOF)
	return n, err
}

func (d *bz2Decoder) Close() error {
	// Reset forgets the source, but not the bytes of it that were not read
	// yet: only a reader at its end may be used again.
	if d.ended {
		decoders[CompressionBz2].Put(d)
	}
	return nil
}

type zstdDecoder struct{ *zstd.Decoder }

func (d *zstdDecoder) reset(r *bufio.Reader) (err error) {
	if d.Decoder == nil {
		// One goroutine: a second one makes a stream slower, and objects are
		// decoded side by side.
		d.Decoder, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		return err
	}
	return d.Decoder.Reset(r)
}

func (d *zstdDecoder) Close() error {
	// Lets go of the reader, not of the tables.
	if err := d.Decoder.Reset(nil); err != nil {
		return err
	}
	decoders[CompressionZstd].Put(d)
	return nil
}

// encoder compresses size bytes written to it as Cinder can read them: one
// zlib stream, one bz2 stream, or one zstd frame that tells its content size
// (python-zstd refuses a frame without).
func encoder(c Compression, w io.Writer, size int64) (io.WriteCloser, error) {
	switch c {
	case CompressionZlib:
		return zlib.NewWriterLevel(w, 6)
	case CompressionBz2:
		return bzip2.NewWriter(w, &bzip2.WriterConfig{Level: bzip2.BestCompression})
	case CompressionZstd:
		// A frame of fewer than 256 bytes has room for its content size only
		// if it is a single segment.
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxZstdWindow/2),
			zstd.WithSingleSegment(size < 256))
		if err != nil {
			return nil, err
		}
		z.ResetContentSize(w, size)
		return z, nil
	}
	return nil, errors.New("nothing to compress with")
}
