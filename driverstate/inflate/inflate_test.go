package inflate_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/inflate"
)

// inflated decodes one stream and tells how much of packed it took.
func inflated(packed []byte, buffer int, adler bool) (plain []byte, taken int, err error) {
	under := bytes.NewReader(packed)
	src := bufio.NewReaderSize(under, buffer)
	z := inflate.NewReader(src)
	if adler {
		z.CheckAdler()
	}
	plain, err = io.ReadAll(z)
	return plain, len(packed) - under.Len() - src.Buffered(), err
}

func deflated(t testing.TB, level int, plain []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := zlib.NewWriterLevel(&packed, level)
	require.NoError(t, err)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

// image is n bytes of what volumes hold: zeros, text, structures, noise.
func image(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	words := []string{"volume", "backup ", "\x00\x00\x00\x00", "chunk", "the ", "of ", "\xff\xfe", "incremental", "a", "e", "i", "\n"}
	for len(b) < n {
		run := r.IntN(1 << r.IntN(18))
		switch r.IntN(4) {
		case 0:
			b = append(b, make([]byte, run)...)
		case 1:
			for range run / 4 {
				b = append(b, words[r.IntN(len(words))]...)
			}
		case 2:
			for range run / 8 {
				v := r.Uint32() >> (r.IntN(4) * 8)
				b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), 0, 0, 1, byte(r.IntN(3)))
			}
		case 3:
			for range run {
				b = append(b, byte(r.Uint32()))
			}
		}
	}
	return b[:n]
}

func TestStreamsOfEveryLevelDecodeToEqualBytes(t *testing.T) {
	for _, n := range []int{0, 1, 2, 255, 256, 257, 32767, 32768, 32769, 196607, 196608, 196609, 229376, 1 << 20, 3<<20 + 17} {
		plain := image(uint64(n), n)
		for _, level := range []int{zlib.NoCompression, zlib.BestSpeed, 6, zlib.BestCompression, zlib.HuffmanOnly} {
			packed := deflated(t, level, plain)
			got, taken, err := inflated(append(bytes.Clone(packed), "more"...), 64<<10, true)
			require.NoError(t, err, "%d bytes, level %d", n, level)
			require.True(t, bytes.Equal(plain, got), "%d bytes, level %d", n, level)
			require.Equal(t, len(packed), taken, "what follows the stream is left, %d bytes, level %d", n, level)
		}
	}
}

func TestTheSizeOfReadsDoesNotMatter(t *testing.T) {
	plain := image(7, 500_000)
	packed := deflated(t, 6, plain)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "halves": iotest.HalfReader, "data with its end": iotest.DataErrReader,
	} {
		z := inflate.NewReader(bufio.NewReaderSize(wrap(bytes.NewReader(packed)), inflate.MinBuffer))
		got, err := io.ReadAll(iotest.OneByteReader(z))
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(plain, got), name)
	}
}

func TestAReaderMayBeUsedAgain(t *testing.T) {
	z := inflate.NewReader(bufio.NewReader(bytes.NewReader(nil)))
	_, err := io.ReadAll(z)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	for n := range 5 {
		plain := image(uint64(n), 300_000)
		packed := deflated(t, 6, plain)
		z.Reset(bufio.NewReader(bytes.NewReader(packed[:len(packed)/2])))
		half, err := io.ReadAll(z)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.True(t, bytes.HasPrefix(plain, half), "what comes before the end is right")
		z.Reset(bufio.NewReader(bytes.NewReader(packed)))
		got, err := io.ReadAll(z)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))
	}
}

func TestAStreamCutAnywhereGivesOnlyRightBytes(t *testing.T) {
	plain := image(3, 9000)
	packed := deflated(t, 6, plain)
	for n := range packed {
		got, _, err := inflated(packed[:n], inflate.MinBuffer, false)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
		require.True(t, bytes.HasPrefix(plain, got), "%d bytes", n)
	}
}

func TestAnErrorOfTheSourceIsGivenAsItIs(t *testing.T) {
	packed := deflated(t, 6, image(4, 100_000))
	gone := errors.New("connection reset")
	for _, n := range []int{0, 1, 2, 100, len(packed) / 2, len(packed) - 1} {
		src := io.MultiReader(bytes.NewReader(packed[:n]), iotest.ErrReader(gone))
		_, err := io.ReadAll(inflate.NewReader(bufio.NewReader(src)))
		assert.ErrorIs(t, err, gone, "after %d bytes", n)
	}
}

func TestAFlippedChecksumIsFoundOnlyWhenAsked(t *testing.T) {
	packed := deflated(t, 6, image(5, 1000))
	packed[len(packed)-1] ^= 1
	_, _, err := inflated(packed, 4096, false)
	assert.NoError(t, err)
	_, _, err = inflated(packed, 4096, true)
	assert.ErrorIs(t, err, inflate.ErrCorrupt)
}

// Streams that C zlib refuses, each for its own reason (zlib's
// test/infcover.c has most of them).
func TestWhatIsNoStreamIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"nothing":                        {"", io.ErrUnexpectedEOF},
		"header check":                   {"\x78\x9d", inflate.ErrCorrupt},
		"method":                         {"\x77\x85", inflate.ErrCorrupt},
		"window":                         {"\x88\x1c", inflate.ErrCorrupt},
		"dictionary":                     {"\x78\xbb\x00\x00\x00\x01", inflate.ErrCorrupt},
		"block type":                     {"\x78\x9c\x06", inflate.ErrCorrupt},
		"stored length":                  {"\x78\x9c\x01\x01\x00\xfe\xfe\x00", inflate.ErrCorrupt},
		"too many codes":                 {"\x78\x9c\xfc\x00\x00", inflate.ErrCorrupt},
		"code lengths over-subscribed":   {"\x78\x9c\x04\x00\xfe\xff", inflate.ErrCorrupt},
		"repeat without a first":         {"\x78\x9c\x04\x00\x24\x49\x00", inflate.ErrCorrupt},
		"repeat too long":                {"\x78\x9c\x04\x00\x24\xe9\xff\xff", inflate.ErrCorrupt},
		"no end of block":                {"\x78\x9c\x04\x00\x24\xe9\xff\x6d", inflate.ErrCorrupt},
		"literals over-subscribed":       {"\x78\x9c\x04\x80\x49\x92\x24\x49\x92\x24\x71\xff\xff\x93\x11\x00", inflate.ErrCorrupt},
		"distances over-subscribed":      {"\x78\x9c\x04\x80\x49\x92\x24\x0f\xb4\xff\xff\xc3\x84", inflate.ErrCorrupt},
		"invalid literal":                {"\x78\x9c\x04\xc0\x81\x08\x00\x00\x00\x00\x20\x7f\xeb\x0b\x00\x00", inflate.ErrCorrupt},
		"fixed code that is not there":   {"\x78\x9c\x1b\x07", inflate.ErrCorrupt},
		"distance that is not there":     {"\x78\x9c\x02\x7e\xff\xff", inflate.ErrCorrupt},
		"distance before the stream":     {"\x78\x9c\x63\x00\x22\x00\x00\x00", inflate.ErrCorrupt},
		"nothing after the last block":   {"\x78\x9c\x03\x00", io.ErrUnexpectedEOF},
		"stored block that is too short": {"\x78\x9c\x01\x02\x00\xfd\xff\x00", io.ErrUnexpectedEOF},
	} {
		_, _, err := inflated([]byte(c.raw), 4096, true)
		assert.ErrorIs(t, err, c.want, name)
		std, zerr := zlib.NewReader(bytes.NewReader([]byte(c.raw)))
		if zerr == nil {
			_, zerr = io.ReadAll(std)
		}
		assert.Error(t, zerr, "%s: the standard library takes it", name)
	}
}

// sameAsStandard decodes raw with the standard library too.
func sameAsStandard(t *testing.T, raw []byte) {
	t.Helper()
	got, _, err := inflated(raw, 4096, true)
	var want []byte
	std, werr := zlib.NewReader(bytes.NewReader(raw))
	if werr == nil {
		want, werr = io.ReadAll(std)
	}
	if err == nil {
		require.NoError(t, werr)
		require.True(t, bytes.Equal(want, got))
		return
	}
	require.True(t, bytes.HasPrefix(got, want) || bytes.HasPrefix(want, got), "what was decoded differs")
	if werr == nil {
		// C zlib, and so this package, wants an end code, and no lone code
		// among the code lengths; the standard library does without. And it takes
		// a preset dictionary of no bytes, which C zlib asks its caller for.
		require.ErrorIs(t, err, inflate.ErrCorrupt)
		require.Regexp(t, "has no end|code lengths that are no code|preset dictionary", err.Error())
	}
}

func FuzzReader(f *testing.F) {
	for _, level := range []int{0, 1, 6, 9, flate.HuffmanOnly} {
		for _, n := range []int{0, 10, 3000, 70_000} {
			f.Add(deflated(f, level, image(uint64(n+level+2), n)))
		}
	}
	f.Fuzz(sameAsStandard)
}

func TestDamagedStreamsDecodeAsTheStandardLibraryDecodesThem(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 4000 {
		packed := deflated(t, []int{0, 1, 6, 9, -2}[r.IntN(5)], image(r.Uint64(), r.IntN(6000)))
		for range 1 + r.IntN(3) {
			packed[r.IntN(len(packed))] ^= 1 << r.IntN(8)
		}
		sameAsStandard(t, packed)
	}
}

func BenchmarkReader(b *testing.B) {
	plain := image(99, 16<<20)
	packed := deflated(b, 6, plain)
	src, buf := bufio.NewReaderSize(nil, 256<<10), make([]byte, 256<<10)
	z := inflate.NewReader(src)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		src.Reset(bytes.NewReader(packed))
		z.Reset(src)
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{z}, buf); err != nil {
			b.Fatal(err)
		}
	}
}
