package inflate

// codeOrder is the order in which the lengths of the code of code lengths
// come (RFC 1951, 3.2.7).
var codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lengthEntry is the symbol itself: what build adds is taken off again.
var lengthEntry = [19]uint32{}

func init() {
	for s := range lengthEntry {
		lengthEntry[s] = isLiteral | uint32(s)<<16
	}
}

const codeBits = 7 // of the longest code of code lengths

// dynamicHeader reads the codes of a block (RFC 1951, 3.2.7).
func (z *Reader) dynamicHeader() error {
	if err := z.fill(headerRoom); err != nil {
		return err
	}
	entries()
	if err := z.need(14); err != nil {
		return err
	}
	nlit, ndist, ncode := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if nlit > 286 || ndist > 30 {
		return corrupt("a block has too many codes")
	}
	var codeLens [19]uint8
	for _, s := range codeOrder[:ncode] {
		if err := z.need(3); err != nil {
			return err
		}
		codeLens[s] = uint8(z.take(3))
	}
	var lengths [1 << codeBits]uint32
	if !z.builder.build(lengths[:], codeBits, codeLens[:], lengthEntry[:], false) {
		return corrupt("a block has code lengths that are no code")
	}
	var lens [286 + 30]uint8
	if err := z.codeLengths(lens[:nlit+ndist], &lengths); err != nil {
		return err
	}
	switch {
	case lens[256] == 0:
		return corrupt("a block has no end")
	case !z.builder.build(z.dynamic.lit[:], litBits, lens[:nlit], litEntry[:], true):
		return corrupt("a block has literals that are no code")
	case !z.builder.build(z.dynamic.dist[:], distBits, lens[nlit:nlit+ndist], distEntry[:], true):
		return corrupt("a block has distances that are no code")
	}
	z.lit, z.dist, z.state = &z.dynamic.lit, &z.dynamic.dist, inCodes
	return nil
}

// codeLengths reads the lengths of the codes, in the code that table has.
func (z *Reader) codeLengths(lens []uint8, table *[1 << codeBits]uint32) error {
	for i := 0; i < len(lens); {
		if err := z.symbol(table); err != nil {
			return err
		}
		e := table[z.bits&(1<<codeBits-1)]
		z.take(uint(e & 0xff))
		s := uint8(e >> 16)
		if s < 16 {
			lens[i] = s
			i++
			continue
		}
		more := [3]struct{ bits, base uint }{{2, 3}, {3, 3}, {7, 11}}[s-16]
		if err := z.need(more.bits); err != nil {
			return err
		}
		n, value := int(uint(z.take(more.bits))+more.base), uint8(0)
		if s == 16 {
			if i == 0 {
				return corrupt("a block repeats a code length before the first")
			}
			value = lens[i-1]
		}
		if n > len(lens)-i {
			return corrupt("a block repeats a code length too often")
		}
		for range n {
			lens[i] = value
			i++
		}
	}
	return nil
}

// symbol has the bits of one code of code lengths in bits. Near the end of the
// stream there may be fewer than the longest code has.
func (z *Reader) symbol(table *[1 << codeBits]uint32) error {
	for n := uint(1); ; n++ {
		if err := z.need(n); err != nil {
			return err
		}
		if uint(table[z.bits&(1<<codeBits-1)]&0xff) <= z.nbits {
			return nil
		}
	}
}
