package inflate

import (
	"math/bits"
	"sync"
)

// Tables are looked up with the next bits of the stream. A code that is longer
// than the table's bits has an entry that points to a second table, behind the
// first. An entry is 32 bits:
//
//	literal    bit 31; byte in 16-23; bits to drop in 0-7
//	length,    base in 16-30; length of the code in 8-12; code and extra bits
//	distance   to drop together in 0-7
//	special    bit 15, with one of:
//	  second   start of the table in 16-30; its bits in 8-12; bits to drop in 0-7
//	  end      bit 14; bits to drop in 0-7
//	  invalid  bit 13: no such code
const (
	isLiteral = 1 << 31
	isSpecial = 1 << 15
	isEnd     = 1 << 14
	isInvalid = 1 << 13

	litBits  = 11
	distBits = 8

	maxCode  = 15 // bits of the longest code
	maxExtra = 13 // bits that follow the code of a distance
	numLit   = 288
	numDist  = 32
)

// The sizes are more than the most entries that any code needs: 2342 for 288
// symbols in tables of 11 bits, 402 for 32 in tables of 8 (zlib's enough.c).
// Powers of two, so that a mask proves an index.
type (
	litTable  [4096]uint32
	distTable [512]uint32
)

// Base and extra bits of lengths and distances (RFC 1951, 3.2.5).
var (
	lengthBase = [...]uint32{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthMore = [...]uint32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [...]uint32{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distMore   = [...]uint32{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// litEntry and distEntry are the entries of symbols without the length of
// their codes.
var (
	litEntry  [numLit]uint32
	distEntry [numDist]uint32
)

// entries fills litEntry and distEntry; once, when the first stream wants it.
var entries = sync.OnceFunc(func() {
	for s := range litEntry {
		switch {
		case s < 256:
			litEntry[s] = isLiteral | uint32(s)<<16
		case s == 256:
			litEntry[s] = isSpecial | isEnd
		case s-257 < len(lengthBase):
			litEntry[s] = lengthBase[s-257]<<16 | lengthMore[s-257]
		default:
			litEntry[s] = isSpecial | isInvalid
		}
	}
	for s := range distEntry {
		distEntry[s] = isSpecial | isInvalid
		if s < len(distBase) {
			distEntry[s] = distBase[s]<<16 | distMore[s]
		}
	}
})

type tables struct {
	lit  litTable
	dist distTable
}

// fixedTables are those of the fixed codes (RFC 1951, 3.2.6).
var fixedTables = sync.OnceValue(func() *tables {
	var lens [numLit + numDist]uint8
	for s := range numLit {
		switch {
		case s < 144:
			lens[s] = 8
		case s < 256:
			lens[s] = 9
		case s < 280:
			lens[s] = 7
		default:
			lens[s] = 8
		}
	}
	for s := range numDist {
		lens[numLit+s] = 5
	}
	entries()
	t := new(tables)
	var b builder
	b.build(t.lit[:], litBits, lens[:numLit], litEntry[:], true)
	b.build(t.dist[:], distBits, lens[numLit:], distEntry[:], true)
	return t
})

// builder makes tables of canonical codes.
type builder struct {
	count  [maxCode + 1]uint16
	next   [maxCode + 2]uint16
	sorted [numLit]uint16
}

// build fills table, whose first part has 1<<root entries, for the codes whose
// lengths are lens; 0 is no code. It reports whether they are a code: neither
// more codes than their lengths allow, nor fewer, except one alone of one bit,
// or none at all, if partial is allowed.
func (b *builder) build(table []uint32, root uint, lens []uint8, entry []uint32, partial bool) bool {
	clear(b.count[:])
	for _, n := range lens {
		b.count[n]++
	}
	longest := uint(maxCode)
	for longest > 0 && b.count[longest] == 0 {
		longest--
	}
	left := 1
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - int(b.count[n])
		if left < 0 {
			return false
		}
	}
	if left > 0 {
		if !partial || longest > 1 {
			return false
		}
		for i := range table[:1<<root] {
			table[i] = isSpecial | isInvalid | 1
		}
	}
	if longest == 0 {
		return true
	}
	b.next[1] = 0
	for n := 1; n <= maxCode; n++ {
		b.next[n+1] = b.next[n] + b.count[n]
	}
	for s, n := range lens {
		if n > 0 {
			b.sorted[b.next[n]] = uint16(s)
			b.next[n]++
		}
	}
	b.fill(table, root, longest, entry)
	return true
}

// withCode is the entry of a symbol whose code has n bits, after some of them
// were dropped for a second table.
func withCode(e uint32, n uint) uint32 {
	if e&isLiteral != 0 || e&isSpecial != 0 {
		return e | uint32(n)
	}
	return e + uint32(n)<<8 + uint32(n)
}

// fill walks the symbols in the order of their codes. code is the current one,
// its first bit lowest, as the stream has them.
func (b *builder) fill(table []uint32, root, longest uint, entry []uint32) {
	var (
		code   uint32
		symbol int
		size   = 1 << root // of what is used of table
		second = -1        // start of the current second table
		inside uint32      // the first bits of the codes in it
		width  uint        // its bits
	)
	for n := uint(1); n <= longest; n++ {
		for range b.count[n] {
			e := entry[b.sorted[symbol]]
			symbol++
			if n <= root {
				for i := int(code); i < 1<<root; i += 1 << n {
					table[i] = withCode(e, n)
				}
			} else {
				if first := code & (1<<root - 1); second < 0 || first != inside {
					inside, second = first, size
					width = b.width(n, root, longest)
					size += 1 << width
					table[first] = isSpecial | uint32(second)<<16 | uint32(width)<<8 | uint32(root)
				}
				for i := int(code >> root); i < 1<<width; i += 1 << (n - root) {
					table[second+i] = withCode(e, n-root)
				}
			}
			b.count[n]--
			code = increment(code, n)
		}
	}
}

// width is how many bits a second table needs whose first code has n bits: as
// many as make room for the codes that follow.
func (b *builder) width(n, root, longest uint) uint {
	w := n - root
	room := 1 << w
	for w+root < longest {
		room -= int(b.count[w+root])
		if room <= 0 {
			break
		}
		w++
		room <<= 1
	}
	return w
}

// increment is the next canonical code of n bits, its first bit lowest: what
// adding one to the number read the other way round gives.
func increment(code uint32, n uint) uint32 {
	mask := uint32(1)<<n - 1
	if code == mask {
		return 0
	}
	bit := uint32(1) << (bits.Len32(code^mask) - 1)
	return code&(bit-1) | bit
}
