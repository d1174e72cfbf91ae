package inflate_test

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/inflate"
)

// marked decodes a stream with checkpoints.
func marked(t testing.TB, src io.Reader, every int64) (plain []byte, marks []inflate.Checkpoint) {
	t.Helper()
	z := inflate.NewReader(bufio.NewReaderSize(src, inflate.MinBuffer))
	z.Checkpoints(every, func(c inflate.Checkpoint) { marks = append(marks, c) })
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	return plain, marks
}

func TestAReaderGoesOnAtEveryCheckpoint(t *testing.T) {
	plain := image(21, 3<<20+17)
	z := inflate.NewReader(bufio.NewReader(bytes.NewReader(nil)))
	for _, level := range []int{zlib.NoCompression, zlib.BestSpeed, 6, zlib.BestCompression, zlib.HuffmanOnly} {
		packed := deflated(t, level, plain)
		got, marks := marked(t, iotest.HalfReader(bytes.NewReader(packed)), 100_000)
		require.True(t, bytes.Equal(plain, got), "level %d: they change nothing", level)
		require.Greater(t, len(marks), 5, "level %d", level)
		last := int64(0)
		for i, c := range marks {
			assert.GreaterOrEqual(t, c.Plain-last, int64(100_000), "level %d", level)
			last = c.Plain
			require.Len(t, c.History, 32<<10)
			require.True(t, bytes.Equal(plain[c.Plain-32<<10:c.Plain], c.History))
			under := bytes.NewReader(packed[c.Stored:])
			src := bufio.NewReaderSize(under, inflate.MinBuffer)
			z.ResetAt(src, c)
			again := []inflate.Checkpoint{}
			z.Checkpoints(100_000, func(c inflate.Checkpoint) { again = append(again, c) })
			rest, err := io.ReadAll(z)
			require.NoError(t, err, "level %d, checkpoint at %d", level, c.Plain)
			require.True(t, bytes.Equal(plain[c.Plain:], rest), "level %d, checkpoint at %d", level, c.Plain)
			require.Zero(t, under.Len()+src.Buffered(), "the stream ends where it ended")
			require.Equal(t, marks[i+1:], again, "the same checkpoints follow")
		}
	}
}

func TestTheHistoryOfAnEarlyCheckpointIsAllThatThereWas(t *testing.T) {
	plain := image(22, 50_000)
	packed := deflated(t, 0, plain[:20_000])
	_, marks := marked(t, bytes.NewReader(packed), 1)
	for _, c := range marks {
		assert.Equal(t, plain[max(0, c.Plain-32<<10):c.Plain], c.History)
	}
	// A match that reaches beyond the history of a checkpoint is refused as one
	// that reaches beyond the begin of a stream is.
	z := inflate.NewReader(bufio.NewReader(bytes.NewReader(nil)))
	z.ResetAt(bufio.NewReader(bytes.NewReader([]byte("\x63\x00\x22\x00\x00\x00"))), inflate.Checkpoint{})
	_, err := io.ReadAll(z)
	assert.ErrorIs(t, err, inflate.ErrCorrupt)
}

// FuzzCheckpoint decodes any bytes from any checkpoint of a good stream: it may
// fail, and must not do more.
func FuzzCheckpoint(f *testing.F) {
	plain := image(23, 400_000)
	packed := deflated(f, 6, plain)
	_, marks := marked(f, bytes.NewReader(packed), 30_000)
	f.Add(uint8(0), packed[marks[0].Stored:])
	f.Add(uint8(3), packed[:1000])
	f.Fuzz(func(t *testing.T, i uint8, raw []byte) {
		c := marks[int(i)%len(marks)]
		z := inflate.NewReader(bufio.NewReader(bytes.NewReader(nil)))
		z.ResetAt(bufio.NewReaderSize(bytes.NewReader(raw), inflate.MinBuffer), c)
		got, err := io.ReadAll(z)
		if err == nil && bytes.HasPrefix(raw, packed[c.Stored:]) {
			require.True(t, bytes.Equal(plain[c.Plain:], got))
		}
	})
}

func TestCheckpointsOfRandomStreams(t *testing.T) {
	r := rand.New(rand.NewPCG(24, 1))
	z := inflate.NewReader(bufio.NewReader(bytes.NewReader(nil)))
	for range 100 {
		plain := image(r.Uint64(), r.IntN(300_000))
		packed := deflated(t, []int{0, 1, 6, 9, -2}[r.IntN(5)], plain)
		_, marks := marked(t, bytes.NewReader(packed), 4000+r.Int64N(50_000))
		for _, c := range marks {
			z.ResetAt(bufio.NewReader(bytes.NewReader(packed[c.Stored:])), c)
			rest, err := io.ReadAll(z)
			require.NoError(t, err)
			require.True(t, bytes.Equal(plain[c.Plain:], rest))
		}
	}
}
