package chunked

import (
	"bytes"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHexadecimalDigitsAreThoseOfTheStandardLibrary, every byte in every place
// of a word, both ways.
func TestHexadecimalDigitsAreThoseOfTheStandardLibrary(t *testing.T) {
	for place := range 4 {
		for b := range 256 {
			src := []byte{0x5a, 0xa5, 0x09, 0xf0}
			src[place] = byte(b)
			var digits [8]byte
			hexdigits(digits[:], src)
			require.Equal(t, hex.EncodeToString(src), string(digits[:]))
			back := make([]byte, 4)
			require.True(t, unhex(back, digits[:]))
			require.Equal(t, src, back)
		}
	}
}

// TestADigestInOtherThanSmallLettersIsNotCinders: every byte in every place but
// the sixteen digits is refused.
func TestADigestInOtherThanSmallLettersIsNotCinders(t *testing.T) {
	want, err := hex.DecodeString(digest)
	require.NoError(t, err)
	for place := range 64 {
		for c := range 256 {
			text, sum := [64]byte([]byte(digest)), [32]byte{}
			text[place] = byte(c)
			ok := unhexDigest(&sum, &text)
			require.Equal(t, strings.IndexByte("0123456789abcdef", byte(c)) >= 0, ok, "%q in place %d", c, place)
			if byte(c) == digest[place] {
				require.Equal(t, want, sum[:])
			}
		}
	}
}

// TestHashListsOfAnyLengthAreWrittenAsByPython: what is written many digests at
// a time is spelt as by json.dumps, also around where one write ends.
func TestHashListsOfAnyLengthAreWrittenAsByPython(t *testing.T) {
	random := rand.NewChaCha8([32]byte{3})
	for _, n := range []int{0, 1, 2, 511, 512, 513, 1024, 1025, 5000} {
		h := Hashes{BackupID: backupID, VolumeID: volumeID, BlockSize: 32768, Sums: make([]byte, 32*n)}
		random.Read(h.Sums)
		var digests []string
		for i := range n {
			digests = append(digests, hex.EncodeToString(h.Sum(i)))
		}
		name := "nm"
		var got bytes.Buffer
		require.NoError(t, writeHashes(&got, &h, &name, nil, time.Date(2026, 11, 21, 5, 54, 23, 0, time.UTC)))
		assert.True(t, hashDocument(digests...) == got.String(), "%d digests", n)
		back, err := parseHashes(strings.NewReader(got.String()), int64(n))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(h.Sums, back.Sums), "%d digests", n)
	}
}

// BenchmarkWriteHashes writes the list of a volume of 1 GiB.
func BenchmarkWriteHashes(b *testing.B) {
	h := Hashes{BackupID: backupID, VolumeID: volumeID, BlockSize: 32768, Sums: make([]byte, 32*32768)}
	rand.NewChaCha8([32]byte{3}).Read(h.Sums)
	var sized bytes.Buffer
	require.NoError(b, writeHashes(&sized, &h, nil, nil, time.Time{}))
	b.SetBytes(int64(sized.Len()))
	for b.Loop() {
		if err := writeHashes(io.Discard, &h, nil, nil, time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
}
