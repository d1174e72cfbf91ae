package chunked

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/zlib"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

var codecs = []Compression{CompressionNone, CompressionZlib, CompressionBz2, CompressionZstd}

// packed is plain as our own encoders store it.
func packed(t testing.TB, c Compression, plain []byte) []byte {
	t.Helper()
	if c == CompressionNone {
		return plain
	}
	var out bytes.Buffer
	w, err := newEncoder(c, LevelCinder, &out, int64(len(plain)))
	require.NoError(t, err)
	p := newPacker(&writer{}, LevelCinder)
	for len(plain) > 0 {
		n := min(len(plain), grainBytes)
		require.NoError(t, w.add(&grain{plain: plain[:n], packed: p.deflate(plain[:n], nil)}))
		plain = plain[n:]
	}
	require.NoError(t, w.close())
	return out.Bytes()
}

// unpacked reads an object of length plain bytes to its end through the reader
// of restores.
func unpacked(t testing.TB, c Compression, stored []byte, length int64) ([]byte, error) {
	t.Helper()
	d, store := newDriver(t, FileLayout{})
	e := &Extent{Name: fileP + "-00001", Length: length, Compression: c}
	store.Set(ownDir, e.Name, string(stored))
	x, err := d.open(t.Context(), newMeter(1), &layer{backup: row(ownDir, fileP)}, e)
	if err != nil {
		return nil, err
	}
	defer x.close()
	var plain []byte
	for x.pos < length {
		b := make([]byte, min(1000, length-x.pos))
		if err := x.read(b); err != nil {
			return plain, err
		}
		plain = append(plain, b...)
	}
	return plain, x.finish()
}

func TestEveryCodecReadsWhatItWrote(t *testing.T) {
	for _, c := range codecs {
		for _, n := range []int{1, 1000, 1001, 300_000} {
			plain := bytes.Repeat([]byte("chunk of a volume"), n/17+1)[:n]
			got, err := unpacked(t, c, packed(t, c, plain), int64(n))
			require.NoError(t, err, "%s, %d bytes", c, n)
			require.True(t, bytes.Equal(plain, got), "%s, %d bytes", c, n)
		}
	}
}

func TestAnObjectOfAnotherLengthIsDamage(t *testing.T) {
	plain := bytes.Repeat([]byte("chunk of a volume"), 5000)
	n := int64(len(plain))
	for _, c := range codecs {
		stored := packed(t, c, plain)
		for name, o := range map[string]struct {
			stored []byte
			length int64
		}{
			"a bomb":           {stored, 10},
			"one byte more":    {stored, n - 1},
			"one byte less":    {stored, n + 1},
			"empty":            {nil, n},
			"cut at its end":   {stored[:len(stored)-1], n},
			"cut at its start": {stored[:3], n},
			"a tail":           {append(bytes.Clone(stored), 0), n},
			"nothing like it":  {bytes.Repeat([]byte{0xa7}, 5000), n},
		} {
			got, err := unpacked(t, c, o.stored, o.length)
			require.ErrorIs(t, err, driverstate.ErrCorrupt, "%s: %s", c, name)
			assert.LessOrEqual(t, int64(len(got)), o.length, "%s: %s", c, name)
		}
	}
}

func TestSeveralStreamsInOneObject(t *testing.T) {
	one, two := bytes.Repeat([]byte("one"), 1000), bytes.Repeat([]byte("two"), 1000)
	both := append(bytes.Clone(one), two...)
	for _, c := range []Compression{CompressionBz2, CompressionZstd} {
		got, err := unpacked(t, c, append(packed(t, c, one), packed(t, c, two)...), int64(len(both)))
		require.NoError(t, err, c)
		assert.Equal(t, both, got, c)
	}
	// Cinder restores only the first of two zlib streams.
	_, err := unpacked(t, CompressionZlib, append(packed(t, CompressionZlib, one), packed(t, CompressionZlib, two)...), int64(len(both)))
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
}

func TestADecoderRemembersNothingOfTheObjectBefore(t *testing.T) {
	first, second := bytes.Repeat([]byte("first"), 40_000), bytes.Repeat([]byte("second"), 40_000)
	for _, c := range codecs {
		for range 4 { // pools may drop what they are given
			_, err := unpacked(t, c, packed(t, c, first), 10)
			require.ErrorIs(t, err, driverstate.ErrCorrupt)
			got, err := unpacked(t, c, packed(t, c, second), int64(len(second)))
			require.NoError(t, err, c)
			require.True(t, bytes.Equal(second, got), c)
		}
	}
}

// Cinder's python-zstd refuses a frame that does not tell its content size,
// and reads only the first of several.
func TestAZstdObjectIsOneFrameWithItsSize(t *testing.T) {
	for _, n := range []int{1, 255, 256, 70_000, 9 << 20} {
		stored := packed(t, CompressionZstd, bytes.Repeat([]byte("x"), n))
		var head zstd.Header
		require.NoError(t, head.Decode(stored))
		assert.True(t, head.HasFCS, "%d bytes", n)
		assert.EqualValues(t, n, head.FrameContentSize)
	}
}

func TestAStoreThatFailsIsNoDamage(t *testing.T) {
	broken := errors.New("input/output error")
	for _, c := range codecs {
		stored := packed(t, c, bytes.Repeat([]byte("chunk of a volume"), 50_000))
		source := &watched{Reader: io.MultiReader(bytes.NewReader(stored[:len(stored)/2]), failing{broken})}
		x := &extentReader{
			layer: &layer{backup: row(ownDir, fileP)}, source: source, buffer: bufio.NewReader(source),
			extent: &Extent{Name: "chunk", Length: 850_000, Compression: c},
		}
		var err error
		x.plain, err = newDecoder(c, x.buffer, 0)
		require.NoError(t, err)
		err = x.read(make([]byte, 850_000))
		require.ErrorIs(t, err, broken, c)
		assert.NotErrorIs(t, err, driverstate.ErrCorrupt, c)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzDecodeObject(f *testing.F) {
	plain := bytes.Repeat([]byte("chunk of a volume\x00\x00\x00\x00"), 200)
	for i, c := range codecs {
		f.Add(byte(i), uint32(len(plain)), packed(f, c, plain))
		f.Add(byte(i), uint32(1), packed(f, c, plain[:1]))
		f.Add(byte(i), uint32(100), packed(f, c, plain))
	}
	f.Fuzz(func(t *testing.T, codec byte, length uint32, stored []byte) {
		c, n := codecs[int(codec)%len(codecs)], int64(length%(4<<20))
		got, err := unpacked(t, c, stored, n)
		require.LessOrEqual(t, int64(len(got)), n)
		if err != nil {
			require.ErrorIs(t, err, driverstate.ErrCorrupt)
			return
		}
		require.Len(t, got, int(n))
		if want, known := reference(c, stored); known {
			require.True(t, bytes.Equal(want, got), "%s differs from the standard library", c)
		}
	})
}

// reference decodes with the standard library, where it knows the codec.
func reference(c Compression, stored []byte) (plain []byte, known bool) {
	var err error
	var r io.Reader
	switch c {
	case CompressionNone:
		return stored, true
	case CompressionZlib:
		r, err = zlib.NewReader(bytes.NewReader(stored))
	case CompressionBz2:
		r = bzip2.NewReader(bytes.NewReader(stored))
	default:
		return nil, false
	}
	if err == nil {
		plain, err = io.ReadAll(r)
	}
	return plain, err == nil
}
