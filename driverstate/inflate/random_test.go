package inflate_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStreamsThatNoEncoderMakesDecodeToEqualBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for i := range 1500 {
		packed, plain := composed(r, false)
		got, taken, err := inflated(append(packed, 1, 2, 3), 1<<(12+i%7), true)
		require.NoError(t, err, "stream %d", i)
		require.True(t, bytes.Equal(plain, got), "stream %d", i)
		require.Equal(t, len(packed), taken, "stream %d", i)
	}
}

func TestStreamsThatNoEncoderMakesMayBeDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	for range 1500 {
		packed, _ := composed(r, true)
		sameAsStandard(t, hurt(r, packed))
	}
}

// hurt damages a stream, or cuts it short.
func hurt(r *rand.Rand, packed []byte) []byte {
	if r.IntN(4) == 0 {
		return packed[:r.IntN(len(packed))]
	}
	for range 1 + r.IntN(3) {
		packed[r.IntN(len(packed))] ^= 1 << r.IntN(8)
	}
	return packed
}
