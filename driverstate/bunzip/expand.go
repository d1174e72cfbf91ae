package bunzip

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// expander expands the runs of a block: after four equal bytes comes how many
// more there are.
type expander struct {
	in    []byte
	run   int // bytes of value that are still to come
	same  int // how many of the last bytes before in are value, 0 to 3
	value byte
	crc   uint32 // of what was given out, with all bits the other way round
	swap  [4096]byte
}

func (x *expander) reset(in []byte) { x.in, x.run, x.same, x.crc = in, 0, 0, 0 }

// read gives as much as there is and p has room for; 0 is the end of the block.
func (x *expander) read(p []byte) (n int) {
	for n < len(p) {
		if x.run > 0 {
			m := min(x.run, len(p)-n)
			fill(p[n:n+m], x.value)
			n += m
			x.run -= m
			continue
		}
		if len(x.in) == 0 {
			break
		}
		n += x.literals(p[n:])
	}
	x.add(p[:n])
	return n
}

// literals copies up to the end of four equal bytes, and takes what follows
// them.
func (x *expander) literals(p []byte) int {
	in := x.in[:min(len(x.in), len(p))]
	same, value := x.same, x.value
	for i, c := range in {
		p[i] = c
		if c != value || same == 0 {
			same, value = 1, c
			continue
		}
		if same++; same < 4 {
			continue
		}
		x.in = x.in[i+1:]
		x.same, x.value = 0, value
		if len(x.in) > 0 {
			x.run, x.in = int(x.in[0]), x.in[1:]
		}
		return i + 1
	}
	x.in = x.in[len(in):]
	x.same, x.value = same, value
	return len(in)
}

func fill(p []byte, v byte) {
	if v == 0 {
		clear(p)
		return
	}
	for i := range p {
		p[i] = v
	}
}

// add goes on with the CRC. That of bz2 takes the highest bit of a byte first,
// that which processors compute the lowest.
func (x *expander) add(p []byte) {
	for len(p) > 0 {
		n := min(len(p), len(x.swap))
		swapBits(x.swap[:(n+7)/8*8], p[:n])
		x.crc = crc32.Update(x.crc, crc32.IEEETable, x.swap[:n])
		p = p[n:]
	}
}

// sum is the block's CRC, as bz2 has it.
func (x *expander) sum() uint32 { return bits.Reverse32(x.crc) }

// swapBits reverses the bits of each byte. to has room for whole words.
func swapBits(to, from []byte) {
	for len(from) >= 8 {
		binary.LittleEndian.PutUint64(to, swapWord(binary.LittleEndian.Uint64(from)))
		to, from = to[8:], from[8:]
	}
	for i, b := range from {
		to[i] = bits.Reverse8(b)
	}
}

func swapWord(v uint64) uint64 {
	v = v>>1&0x5555555555555555 | v&0x5555555555555555<<1
	v = v>>2&0x3333333333333333 | v&0x3333333333333333<<2
	return v>>4&0x0f0f0f0f0f0f0f0f | v&0x0f0f0f0f0f0f0f0f<<4
}
