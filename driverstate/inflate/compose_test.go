package inflate_test

import (
	"encoding/binary"
	"hash/adler32"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// composer writes streams symbol by symbol, as RFC 1951 allows them and no
// encoder makes them: codes of any shape, matches that end where the history
// does, blocks of nothing.
type composer struct {
	r     *rand.Rand
	out   []byte
	acc   uint64
	n     uint
	plain []byte
}

// composed is a stream and what it decodes to. One in eight has, if wrong is
// set, a match that begins before the stream; its plain bytes mean nothing.
func composed(r *rand.Rand, wrong bool) (packed, plain []byte) {
	c := &composer{r: r, out: []byte{0x78, 0x9c}}
	if r.IntN(2) == 0 { // a match far back needs something there
		c.stored(r.IntN(1<<r.IntN(17)), false)
	}
	for range r.IntN(6) {
		c.block(false)
	}
	if wrong && r.IntN(8) == 0 && len(c.plain) < 30_000 {
		c.fixed(func() { c.match(3+r.IntN(256), len(c.plain)+1+r.IntN(2000), fixedLit, fixedDist) })
	}
	c.block(true)
	c.flush()
	return binary.BigEndian.AppendUint32(c.out, adler32.Checksum(c.plain)), c.plain
}

// put writes n bits, at most 32, the lowest first.
func (c *composer) put(v, n uint) {
	c.acc |= uint64(v) << c.n
	for c.n += n; c.n >= 8; c.n -= 8 {
		c.out = append(c.out, byte(c.acc))
		c.acc >>= 8
	}
}

func (c *composer) flush() {
	if c.n > 0 {
		c.put(uint(c.r.IntN(256)), 8-c.n) // what fills the byte does not matter
		c.acc, c.n = 0, 0
	}
}

func (c *composer) block(last bool) {
	final := bit(last)
	switch c.r.IntN(4) {
	case 0:
		c.stored([]int{0, 1, 100, 65535}[c.r.IntN(4)], last)
	case 1:
		c.put(final|1<<1, 3)
		c.symbols(fixedLit, fixedDist)
	default:
		c.put(final|2<<1, 3)
		c.dynamic()
	}
}

func bit(set bool) uint {
	if set {
		return 1
	}
	return 0
}

func (c *composer) fixed(body func()) {
	c.put(1<<1, 3)
	body()
	fixedLit.put(c, 256)
}

func (c *composer) stored(n int, last bool) {
	c.put(bit(last), 3)
	c.flush()
	c.out = binary.LittleEndian.AppendUint16(c.out, uint16(n))
	c.out = binary.LittleEndian.AppendUint16(c.out, ^uint16(n))
	for range n {
		c.plain = append(c.plain, byte(c.r.Uint32()))
	}
	c.out = append(c.out, c.plain[len(c.plain)-n:]...)
}

// code is a canonical code: its lengths, and its words with the first bit
// lowest.
type code struct{ lens, words []uint }

func newCode(lens []uint) *code {
	c := &code{lens, make([]uint, len(lens))}
	next := uint(0)
	for n := uint(1); n <= 15; n++ {
		for s, l := range lens {
			if l == n {
				c.words[s] = uint(bits.Reverse16(uint16(next)) >> (16 - n))
				next++
			}
		}
		next <<= 1
	}
	return c
}

func (c *code) put(to *composer, s int) { to.put(c.words[s], c.lens[s]) }

// The fixed codes (RFC 1951, 3.2.6).
var fixedLit, fixedDist = func() (*code, *code) {
	lit, dist := make([]uint, 288), make([]uint, 30)
	for s := range lit {
		switch {
		case s < 144, s >= 280:
			lit[s] = 8
		case s < 256:
			lit[s] = 9
		default:
			lit[s] = 7
		}
	}
	for s := range dist {
		dist[s] = 5
	}
	return newCode(lit), newCode(dist)
}()

// lengths gives of n symbols the wanted and some others lengths of a whole code,
// or one symbol alone a length of 1, which is the only part of a code that is
// allowed.
func (c *composer) lengths(n int, deepest uint, wanted ...int) []uint {
	lens := make([]uint, n)
	symbols := c.r.Perm(n)[:1+c.r.IntN(n)]
	for _, w := range wanted {
		if !slices.Contains(symbols, w) {
			symbols = append(symbols, w)
		}
	}
	leaves := []uint{0}
	steep := c.r.IntN(3) == 0
	for len(leaves) < len(symbols) {
		i := len(leaves) - 1
		if !steep || leaves[i] == deepest {
			i = c.r.IntN(len(leaves))
		}
		if leaves[i] == deepest {
			continue
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	if len(leaves) == 1 {
		leaves[0] = 1
	}
	for i, s := range symbols {
		lens[s] = leaves[i]
	}
	return lens
}

// dynamic writes a block of codes of its own after its first 3 bits.
func (c *composer) dynamic() {
	nlit, ndist := 257+c.r.IntN(30), 1+c.r.IntN(30)
	lit := c.lengths(nlit, 15, 256)
	dist := make([]uint, ndist) // none, in one of eight
	if c.r.IntN(8) > 0 {
		dist = c.lengths(ndist, 15)
	}
	type item struct{ symbol, extra, bits uint }
	var items []item
	all := slices.Concat(lit, dist)
	for i := 0; i < len(all); {
		run := 1
		for i+run < len(all) && all[i+run] == all[i] {
			run++
		}
		run = 1 + c.r.IntN(run)
		switch {
		case all[i] == 0 && run >= 11:
			run = min(run, 138)
			items = append(items, item{18, uint(run - 11), 7})
		case all[i] == 0 && run >= 3:
			run = min(run, 10)
			items = append(items, item{17, uint(run - 3), 3})
		case run >= 3 && i > 0 && all[i-1] == all[i]:
			run = min(run, 6)
			items = append(items, item{16, uint(run - 3), 2})
		default:
			run = 1
			items = append(items, item{all[i], 0, 0})
		}
		i += run
	}
	wanted := []int{0, 18} // two at least: one alone is no code here
	for _, it := range items {
		wanted = append(wanted, int(it.symbol))
	}
	lengths := newCode(c.lengths(19, 7, wanted...))
	c.put(uint(nlit-257), 5)
	c.put(uint(ndist-1), 5)
	c.put(19-4, 4)
	for _, s := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		c.put(lengths.lens[s], 3)
	}
	for _, it := range items {
		lengths.put(c, int(it.symbol))
		c.put(it.extra, it.bits)
	}
	c.symbols(newCode(lit), newCode(dist))
}

// symbols writes what a block holds, and its end.
func (c *composer) symbols(lit, dist *code) {
	lits, dists := lit.used(), dist.used()
	for range c.r.IntN(1 << c.r.IntN(13)) {
		s := lits[c.r.IntN(len(lits))]
		switch {
		case s < 256:
			lit.put(c, s)
			c.plain = append(c.plain, byte(s))
		case s > 256 && s < 286 && len(dists) > 0:
			i := s - 257
			more := c.r.IntN(1 << lengthMore[i])
			if s == 284 {
				more = c.r.IntN(31) // 258 has a code of its own
			}
			d := dists[c.r.IntN(len(dists))]
			most := len(c.plain) - distBase[d]
			if most < 0 {
				continue
			}
			far := c.r.IntN(1 << distMore[d])
			if c.r.IntN(4) == 0 {
				far = 1<<distMore[d] - 1
			}
			far = min(far, most) // to the begin of the stream, or 32 KiB back
			lit.put(c, s)
			c.put(uint(more), lengthMore[i])
			dist.put(c, d)
			c.put(uint(far), distMore[d])
			c.copy(lengthBase[i]+more, distBase[d]+far)
		}
	}
	lit.put(c, 256)
}

// match writes a match of given length and distance in codes that have all of
// them.
func (c *composer) match(length, distance int, lit, dist *code) {
	i, d := last(lengthBase, length), last(distBase, distance)
	lit.put(c, 257+i)
	c.put(uint(length-lengthBase[i]), lengthMore[i])
	dist.put(c, d)
	c.put(uint(distance-distBase[d]), distMore[d])
}

func (c *composer) copy(length, distance int) {
	for range length {
		c.plain = append(c.plain, c.plain[len(c.plain)-distance])
	}
}

func (c *code) used() (symbols []int) {
	for s, n := range c.lens {
		if n > 0 {
			symbols = append(symbols, s)
		}
	}
	return symbols
}

// last is the index of the last of bases that is not more than v.
func last(bases []int, v int) int {
	i, found := slices.BinarySearch(bases, v)
	if !found {
		i--
	}
	return i
}

// Base and extra bits of lengths and distances (RFC 1951, 3.2.5), counted
// rather than copied from the package.
var lengthBase, lengthMore, distBase, distMore = func() (lb []int, lm []uint, db []int, dm []uint) {
	for i, at := 0, 3; i < 28; i++ {
		more := uint(max(0, i/4-1))
		lb, lm = append(lb, at), append(lm, more)
		at += 1 << more
	}
	lb, lm = append(lb, 258), append(lm, 0)
	for i, at := 0, 1; i < 30; i++ {
		more := uint(max(0, i/2-1))
		db, dm = append(db, at), append(dm, more)
		at += 1 << more
	}
	return lb, lm, db, dm
}()
