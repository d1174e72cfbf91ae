package chunked

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/zstd"

	"github.com/cinder-go/cinder-go/driverstate/bunzip"
	"github.com/cinder-go/cinder-go/driverstate/inflate"
)

// maxZstdWindow bounds what a zstd frame may make us keep. Cinder compresses
// at level 3, whose window is 2 MiB; the highest level without --long has 8.
const maxZstdWindow = 8 << 20

// decoder yields the plain bytes of a stored stream. Close gives it back for
// another object.
type decoder interface {
	io.ReadCloser
	reset(r *bufio.Reader, most int) error
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
// it for theirs. One of bz2 decodes up to most blocks at once; 0 is one per
// processor.
func newDecoder(c Compression, r *bufio.Reader, most int) (decoder, error) {
	pool := decoders[c]
	if pool == nil {
		return nil, fmt.Errorf("compression %q is not known", c)
	}
	d := pool.Get().(decoder)
	if err := d.reset(r, most); err != nil {
		return nil, err
	}
	return d, nil
}

type plainDecoder struct{ *bufio.Reader }

func (d *plainDecoder) reset(r *bufio.Reader, _ int) error {
	d.Reader = r
	return nil
}

func (d *plainDecoder) Close() error {
	d.Reader = nil
	decoders[CompressionNone].Put(d)
	return nil
}

// zlibDecoder does not check the Adler-32: the bytes are proven by SHA-256 or
// by MD5.
type zlibDecoder struct{ *inflate.Reader }

func (d *zlibDecoder) reset(r *bufio.Reader, _ int) error {
	if d.Reader == nil {
		d.Reader = inflate.NewReader(r)
		return nil
	}
	d.Reset(r)
	return nil
}

func (d *zlibDecoder) Close() error {
	decoders[CompressionZlib].Put(d)
	return nil
}

// bz2Decoder decodes the blocks of one object side by side where no other
// object wants the processors.
type bz2Decoder struct{ *bunzip.Reader }

func (d *bz2Decoder) reset(r *bufio.Reader, most int) error {
	if d.Reader == nil {
		d.Reader = bunzip.NewReader(r, most)
		return nil
	}
	d.Reset(r, most)
	return nil
}

func (d *bz2Decoder) Close() error {
	err := d.Reader.Close()
	decoders[CompressionBz2].Put(d)
	return err
}

type zstdDecoder struct{ *zstd.Decoder }

func (d *zstdDecoder) reset(r *bufio.Reader, _ int) (err error) {
	if d.Decoder == nil {
		// One goroutine: a second one makes a stream slower, and objects are
		// decoded side by side. The checksum of a frame, which costs 6 %, is
		// not looked at: the bytes are proven by SHA-256 or by MD5.
		d.Decoder, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.IgnoreChecksum(true))
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

// encoder makes of grains what Cinder can read.
type encoder interface {
	add(g *grain) error
	// close ends the stream, and the encoder.
	close() error
}

// newEncoder compresses size bytes as Cinder can read them: one zlib stream, one
// bz2 stream, or one zstd frame that tells its content size (python-zstd refuses
// a frame without).
func newEncoder(c Compression, l Level, w io.Writer, size int64) (encoder, error) {
	switch c {
	case CompressionZlib:
		return newZlibStream(w)
	case CompressionBz2:
		z, err := bzip2.NewWriter(w, &bzip2.WriterConfig{Level: bzip2.BestCompression})
		return stream{z}, err
	case CompressionZstd:
		return newZstdStream(l, w, size)
	}
	return nil, errors.New("nothing to compress with")
}

// zstdStream is an encoder that goes back to the others when it is closed.
type zstdStream struct {
	stream
	pool *sync.Pool
}

// zstdEncoders keeps encoders that are not in use: an increment has thousands of
// small objects. A frame of fewer than 256 bytes has room for its content size
// only if it is a single segment.
var zstdEncoders = map[Level]*sync.Pool{
	LevelCinder: zstdPool(false, LevelCinder), LevelFast: zstdPool(false, LevelFast), LevelFastest: zstdPool(false, LevelFastest),
}

var zstdSegments = zstdPool(true, LevelCinder)

func zstdPool(single bool, l Level) *sync.Pool {
	return &sync.Pool{New: func() any {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(l.zstd()), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxZstdWindow/2), zstd.WithSingleSegment(single))
		if err != nil {
			panic(err) // an option that the library does not take
		}
		return z
	}}
}

func newZstdStream(l Level, w io.Writer, size int64) (*zstdStream, error) {
	pool := zstdEncoders[l]
	if size < 256 {
		pool = zstdSegments
	}
	z := pool.Get().(*zstd.Encoder)
	z.ResetContentSize(w, size)
	return &zstdStream{stream{z}, pool}, nil
}

func (z *zstdStream) close() error {
	err := z.Close()
	encoder := z.WriteCloser.(*zstd.Encoder)
	encoder.Reset(nil)
	z.pool.Put(encoder)
	return err
}

// compressor makes grains of what is written to it.
type compressor struct {
	out    encoder
	packer *packer
	grain  grain
}

// newCompressor compresses size bytes as newEncoder says.
func newCompressor(c Compression, l Level, w io.Writer, size int64) (io.WriteCloser, error) {
	out, err := newEncoder(c, l, w, size)
	if err != nil {
		return nil, err
	}
	z := &compressor{out: out}
	if c == CompressionZlib {
		z.packer = newPacker(nil, l)
	}
	return z, nil
}

func (z *compressor) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+grainBytes-len(z.grain.plain))]
		z.grain.plain = append(z.grain.plain, piece...)
		n += len(piece)
		if len(z.grain.plain) == grainBytes {
			err = z.flush()
		}
	}
	return n, err
}

func (z *compressor) flush() error {
	if z.packer != nil {
		z.grain.packed = z.packer.deflate(z.grain.plain, z.grain.packed.data[:0])
	}
	err := z.out.add(&z.grain)
	z.grain.plain = z.grain.plain[:0]
	return err
}

// Close ends the stream.
func (z *compressor) Close() error {
	var err error
	if len(z.grain.plain) > 0 {
		err = z.flush()
	}
	return errors.Join(err, z.out.close())
}
