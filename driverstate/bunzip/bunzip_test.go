package bunzip_test

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/iotest"
	"time"

	writer "github.com/dsnet/compress/bzip2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate/bunzip"
)

func packed(t testing.TB, level int, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := writer.NewWriter(&b, &writer.WriterConfig{Level: level})
	require.NoError(t, err)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func unpacked(raw []byte, most int) ([]byte, error) {
	z := bunzip.NewReader(bytes.NewReader(raw), most)
	defer z.Close()
	return io.ReadAll(z)
}

// image is n bytes of what volumes hold: zeros, text, structures, noise.
func image(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	words := []string{"volume", "backup ", "\x00\x00\x00\x00", "chunk", "the ", "of ", "\xff\xfe", "incremental", "aaaa", "eeeee", "i", "\n"}
	for len(b) < n {
		run := r.IntN(1 << r.IntN(18))
		switch r.IntN(4) {
		case 0:
			b = append(b, bytes.Repeat([]byte{byte(r.IntN(3))}, run)...)
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

func TestFilesDecodeToEqualBytes(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 258, 259, 260, 1000, 99_981, 100_000, 100_001, 600_000, 2_000_000} {
		plain := image(uint64(n), n)
		for _, level := range []int{1, 2, 9} {
			raw := packed(t, level, plain)
			for most := 1; most <= 4; most++ {
				got, err := unpacked(raw, most)
				require.NoError(t, err, "%d bytes, level %d", n, level)
				require.True(t, bytes.Equal(plain, got), "%d bytes, level %d, %d at once", n, level, most)
			}
		}
	}
}

func TestRunsOfEveryLength(t *testing.T) {
	if testing.Short() {
		t.Skip("one file after the other: nothing for the race detector")
	}
	var plain []byte
	for n := range 600 {
		plain = append(plain, bytes.Repeat([]byte{byte(n)}, n)...)
	}
	got, err := unpacked(packed(t, 1, plain), 2)
	require.NoError(t, err)
	require.True(t, bytes.Equal(plain, got))
	z := bunzip.NewReader(bytes.NewReader(packed(t, 9, plain)), 2)
	defer z.Close()
	got, err = io.ReadAll(iotest.OneByteReader(z))
	require.NoError(t, err)
	require.True(t, bytes.Equal(plain, got))
}

func TestStreamsInARowAreOneFile(t *testing.T) {
	var raw, plain []byte
	for i := range 12 {
		part := image(uint64(i), i*40_000)
		raw, plain = append(raw, packed(t, 1+i%9, part)...), append(plain, part...)
	}
	got, err := unpacked(raw, 3)
	require.NoError(t, err)
	require.True(t, bytes.Equal(plain, got))
}

// The table of bytes that a block uses can spell what a block begins with: rows
// of 16 bits for 16 values each.
func spelling(magic uint64, n int) []byte {
	var values []byte
	for bit := range 48 {
		if magic>>(47-bit)&1 == 1 {
			values = append(values, byte(bit))
		}
	}
	r := rand.New(rand.NewPCG(magic, 2))
	plain := make([]byte, n)
	for i := range plain {
		plain[i] = values[r.IntN(len(values))]
	}
	return plain
}

func TestWhatLooksLikeABlockInsideOfOneIsNone(t *testing.T) {
	for _, magic := range []uint64{0x314159265359, 0x177245385090} {
		plain := append(append(image(1, 150_000), spelling(magic, 450_000)...), image(2, 150_000)...)
		raw := packed(t, 1, plain)
		for most := 1; most <= 4; most++ {
			got, err := unpacked(raw, most)
			require.NoError(t, err)
			require.True(t, bytes.Equal(plain, got), "%x", magic)
		}
	}
}

func TestAFileCutAnywhereEndsTooEarly(t *testing.T) {
	if testing.Short() {
		t.Skip("one file after the other: nothing for the race detector")
	}
	plain := image(3, 250_000)
	raw := packed(t, 1, plain)
	for n := 0; n < len(raw); n += 1 + n/50 {
		got, err := unpacked(raw[:n], 2)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
		require.True(t, bytes.HasPrefix(plain, got), "%d bytes", n)
	}
}

func TestAReaderMayBeUsedAgain(t *testing.T) {
	z := bunzip.NewReader(bytes.NewReader(nil), 3)
	defer z.Close()
	_, err := io.ReadAll(z)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	for n := range uint64(4) {
		plain := image(n, 700_000)
		raw := packed(t, 1, plain)
		z.Reset(bytes.NewReader(raw), 3)
		some := make([]byte, 1000)
		_, err := io.ReadFull(z, some)
		require.NoError(t, err)
		assert.Equal(t, plain[:1000], some)
		z.Reset(bytes.NewReader(raw), 3)
		got, err := io.ReadAll(z)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))
	}
	z.Close()
	_, err = z.Read(make([]byte, 1))
	require.ErrorContains(t, err, "closed")
}

func TestAnErrorOfTheSourceComesAfterTheBytesBeforeIt(t *testing.T) {
	plain := image(5, 900_000)
	raw := packed(t, 1, plain)
	z := bunzip.NewReader(io.MultiReader(bytes.NewReader(raw[:len(raw)/2]), iotest.ErrReader(io.ErrNoProgress)), 3)
	defer z.Close()
	got, err := io.ReadAll(z)
	require.ErrorIs(t, err, io.ErrNoProgress)
	require.True(t, bytes.HasPrefix(plain, got))
	require.Greater(t, len(got), len(plain)/4)
}

// sameAsStandard decodes raw with the standard library too.
func sameAsStandard(t *testing.T, raw []byte) {
	t.Helper()
	got, err := unpacked(raw, 2)
	want, werr := io.ReadAll(bzip2.NewReader(bytes.NewReader(raw)))
	if werr == nil && err != nil {
		// It takes an encoder's superfluous bit, which libbz2 refuses.
		require.ErrorContains(t, err, "a code that is not there")
		return
	}
	if werr != nil && err == nil {
		// It refuses more words than there can be, which libbz2 takes.
		require.ErrorContains(t, werr, "equal symbols in Huffman tree")
		return
	}
	require.Equal(t, werr == nil, err == nil, "%v, %v", werr, err)
	if err == nil {
		require.True(t, bytes.Equal(want, got))
	}
}

func TestDamagedFilesAreRefusedAsTheStandardLibraryRefusesThem(t *testing.T) {
	if testing.Short() {
		t.Skip("one file after the other: nothing for the race detector")
	}
	r := rand.New(rand.NewPCG(11, 12))
	for range 400 {
		raw := packed(t, 1, image(r.Uint64(), r.IntN(3000)))
		for range 1 + r.IntN(3) {
			raw[r.IntN(len(raw))] ^= 1 << r.IntN(8)
		}
		sameAsStandard(t, raw)
	}
}

func FuzzReader(f *testing.F) {
	for _, n := range []int{0, 10, 3000, 30_000} {
		f.Add(packed(f, 1, image(uint64(n), n)))
	}
	f.Add(append(packed(f, 1, []byte("one")), packed(f, 9, []byte("two"))...))
	f.Add(packed(f, 1, spelling(0x314159265359, 4000)))
	f.Fuzz(sameAsStandard)
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	raw := packed(t, 1, image(8, 1_500_000))
	before := runtime.NumGoroutine()
	for n := range 20 {
		z := bunzip.NewReader(bytes.NewReader(raw), 4)
		_, err := io.ReadFull(z, make([]byte, 1+n*60_000))
		require.NoError(t, err)
		require.NoError(t, z.Close())
	}
	// One that has told its end may still be returning. Eventually has one of its own.
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before && time.Now().Before(end); {
		runtime.Gosched()
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

// Goroutines that each read several files at once, as a worker does that
// restores a chain, do not wait for each other's blocks.
func TestManyReadersAtOnce(t *testing.T) {
	plain := image(9, 500_000)
	raw := packed(t, 1, plain)
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			var files [5]*bunzip.Reader
			for i := range files {
				files[i] = bunzip.NewReader(bytes.NewReader(raw), 0)
				defer files[i].Close()
			}
			got := make([]byte, 50_000)
			for at := 0; at < len(plain); at += len(got) {
				for _, z := range files {
					if _, err := io.ReadFull(z, got); err != nil {
						return err
					}
					if !bytes.Equal(plain[at:at+len(got)], got) {
						return errors.New("bytes differ")
					}
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

func BenchmarkReader(b *testing.B) {
	raw := packed(b, 9, image(99, 16<<20))
	for name, open := range map[string]func() io.Reader{
		"ours":     func() io.Reader { return bunzip.NewReader(bytes.NewReader(raw), 1) },
		"standard": func() io.Reader { return bzip2.NewReader(bytes.NewReader(raw)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(16 << 20)
			for b.Loop() {
				if _, err := io.Copy(io.Discard, open()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
