package chunked

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnhexKnowsEveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 8 {
			src := []byte("01abCDeF")
			src[at] = byte(c)
			want, err := hex.DecodeString(string(src))
			got := make([]byte, 4)
			ok := unhex(got, src)
			require.Equal(t, err == nil, ok, "%q", src)
			if ok {
				require.Equal(t, want, got, "%q", src)
			}
		}
	}
}

func TestStringsAcrossTheBufferAreWhole(t *testing.T) {
	for _, n := range []int{1, 64<<10 - 3, 64<<10 - 2, 64<<10 - 1, 64 << 10, 200_000} {
		want := strings.Repeat("ä", n/2) + "☃"
		s := newScanner(strings.NewReader(`"`+want+`"  "b\u2603"`), 1<<30)
		got, err := s.str(1 << 20)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		got, err = s.str(10)
		require.NoError(t, err)
		assert.Equal(t, "b☃", string(got))
		assert.NoError(t, s.finish())
	}
}

func TestStringsLongerThanTheirLimitAreRefused(t *testing.T) {
	s := newScanner(strings.NewReader(`"`+strings.Repeat("x", 1<<20)), 1<<30)
	_, err := s.str(1000)
	assert.ErrorContains(t, err, "longer than 1000")
	assert.Less(t, len(s.scratch), 200_000)
}
