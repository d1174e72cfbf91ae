package bunzip_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// bz2Peer is libbz2, in the hands of Python.
type bz2Peer struct {
	in  io.Writer
	out io.Reader
}

// newPeer starts the peer. Where there is no python3 the test is skipped; in
// the lane that must have it, it fails.
func newPeer(t *testing.T) *bz2Peer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", filepath.Join("testdata", "bz2peer.py"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	if err := cmd.Start(); err != nil {
		if os.Getenv("CINDER_GO_REQUIRE_PEER") != "" {
			require.FailNow(t, "there is no python3 to ask libbz2 with", "%v", err)
		}
		t.Skip("SKIPPED: libbz2 is not here to check against (python3 is not installed; CINDER_GO_REQUIRE_PEER=1 makes this a failure)")
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // it may have been killed, with the test's context
	})
	return &bz2Peer{in, out}
}

func (p *bz2Peer) ask(t *testing.T, kind byte, data []byte) (n uint32) {
	t.Helper()
	_, err := p.in.Write(append(binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(data))), data...))
	require.NoError(t, err)
	require.NoError(t, binary.Read(p.out, binary.LittleEndian, &n))
	return n
}

func (p *bz2Peer) compress(t *testing.T, level int, plain []byte) []byte {
	t.Helper()
	packed := make([]byte, p.ask(t, '0'+byte(level), plain))
	_, err := io.ReadFull(p.out, packed)
	require.NoError(t, err)
	return packed
}

// decompress is nil for what the peer refuses.
func (p *bz2Peer) decompress(t *testing.T, packed []byte) *[sha256.Size]byte {
	t.Helper()
	if p.ask(t, 'D', packed) == ^uint32(0) {
		return nil
	}
	sum := new([sha256.Size]byte)
	_, err := io.ReadFull(p.out, sum[:])
	require.NoError(t, err)
	return sum
}

// Files of one stream or two that libbz2 wrote, as they are and damaged. In the
// lane that must have the peer there are ten times as many.
func TestPeerDecodesAsWeDo(t *testing.T) {
	if testing.Short() {
		t.Skip("one file after the other: nothing for the race detector")
	}
	p := newPeer(t)
	r := rand.New(rand.NewPCG(41, 42))
	files, refused := 100, 0
	if os.Getenv("CINDER_GO_REQUIRE_PEER") != "" {
		files = 1000
	}
	for i := range files {
		plain := image(r.Uint64(), r.IntN(1<<(4+r.IntN(18))))
		cut := r.IntN(len(plain) + 1)
		raw := p.compress(t, 1+r.IntN(9), plain)
		if i%4 == 0 {
			raw = append(p.compress(t, 1+r.IntN(9), plain[:cut]), p.compress(t, 1+r.IntN(9), plain[cut:])...)
		}
		got, err := unpacked(raw, 1+r.IntN(3))
		require.NoError(t, err, "file %d", i)
		require.True(t, bytes.Equal(plain, got), "file %d", i)
		if i%4 == 0 || len(raw) > 200_000 {
			continue // Python leaves out a second stream that is none at all
		}
		if r.IntN(3) == 0 {
			raw = raw[:1+r.IntN(len(raw)-1)]
		} else {
			raw[r.IntN(len(raw))] ^= 1 << r.IntN(8)
		}
		want := p.decompress(t, raw)
		got, err = unpacked(raw, 1+r.IntN(3))
		require.Equal(t, want == nil, err != nil, "damaged file %d: %v", i, err)
		if err == nil {
			require.Equal(t, *want, sha256.Sum256(got))
		} else {
			refused++
		}
	}
	t.Logf("%d files, and %d damaged ones that both refuse", files, refused)
}
