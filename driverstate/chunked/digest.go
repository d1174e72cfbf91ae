package chunked

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// digester computes the digests of blocks. Those of zeros are constants.
type digester struct {
	sha      hash.Hash
	zeroSums map[int][sha256.Size]byte // by length of the block
}

func newDigester() *digester {
	return &digester{sha: sha256.New(), zeroSums: map[int][sha256.Size]byte{}}
}

func (d *digester) sum(block []byte) (sum [sha256.Size]byte) {
	if isZero(block) {
		sum, ok := d.zeroSums[len(block)]
		if !ok {
			sum = sha256.Sum256(block)
			d.zeroSums[len(block)] = sum
		}
		return sum
	}
	d.sha.Reset()
	d.sha.Write(block)
	d.sha.Sum(sum[:0])
	return sum
}

func isZero(b []byte) bool { return bytes.Equal(b, zeroPage[:len(b)]) }
