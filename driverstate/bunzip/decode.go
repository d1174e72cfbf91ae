package bunzip

import (
	"encoding/binary"
	"sync/atomic"
)

const (
	groupSymbols = 50
	maxSelectors = 1<<15 - 1 // that the format has room for; libbz2 uses 18,002
	maxTables    = 6
	maxSymbols   = 258
	longestCode  = 20
	fastBits     = 10 // codes no longer than these are looked up

	runA, runB = 0, 1
)

// tables are what a block is decoded with.
type tables struct {
	codes     [maxTables]code
	selectors [maxSelectors]uint8
	values    [256]byte // most recent first
	symbols   int
	groups    int // of 50 symbols that have a selector
}

// code is a prefix code. Codes of one length are numbers in a row.
type code struct {
	fast [1 << fastBits]uint16 // symbol<<5 | length; 0 for a longer code
	// limit[n] is the first number of n bits, moved to the top of 20, that is
	// beyond the codes of n bits; first[n] makes of a number its place in sorted.
	limit  [longestCode + 1]uint32
	first  [longestCode + 1]int32
	sorted [maxSymbols]uint16
}

// reader takes bits, the highest first. What is not there reads as zeros.
type reader struct {
	b    []byte
	pos  int
	acc  uint64
	have uint
}

// more has 56 bits in acc at least, if pos is at least 8 before the end of b.
func (r *reader) more() {
	if r.pos+8 > len(r.b) {
		r.pos = len(r.b) - 8 // of the padding: whoever comes here is beyond the end
	}
	r.acc |= binary.BigEndian.Uint64(r.b[r.pos:]) >> (r.have & 63)
	r.pos += int((63 - r.have) >> 3)
	r.have |= 56
}

// take returns n bits, at most 32.
func (r *reader) take(n uint) uint32 {
	if r.have < n {
		r.more()
	}
	v := uint32(r.acc >> (64 - n))
	r.acc <<= n
	r.have -= n
	return v
}

// taken is how many bits were taken.
func (r *reader) taken() int64 { return int64(r.pos)*8 - int64(r.have) }

// short reports whether more was taken than the block was given.
func (r *reader) short() bool { return r.taken() > int64(len(r.b)-padding)*8 }

// decode does all but walk.
func (b *block) decode(cancelled *atomic.Bool) error {
	if b.next == nil {
		b.next, b.plain = make([]uint32, mostPlain), make([]byte, mostPlain)
	}
	r := &reader{b: b.packed}
	r.take(b.skip)
	if err := b.header(r); err != nil {
		if r.short() {
			return errShort
		}
		return err
	}
	n, err := b.moves(r, cancelled)
	if r.short() {
		return errShort
	}
	if err != nil {
		return err
	}
	if int(b.origin) >= n {
		return corrupt("a block begins behind its end")
	}
	b.n = n
	b.end = b.start - int64(b.skip) + r.taken()
	b.link()
	return nil
}

func (b *block) header(r *reader) error {
	r.take(24) // the magic is known to be there
	r.take(24)
	b.crc = r.take(32)
	if r.take(1) != 0 {
		return corrupt("a block is randomised, which bzip2 gave up in 1999")
	}
	b.origin = r.take(24)
	used := 0
	rows := r.take(16)
	for row := range 16 {
		if rows>>(15-row)&1 == 0 {
			continue
		}
		for columns, c := r.take(16), 0; c < 16; c++ {
			if columns>>(15-c)&1 == 1 {
				b.values[used] = byte(row*16 + c)
				used++
			}
		}
	}
	if used == 0 {
		return corrupt("a block has no bytes")
	}
	b.symbols = used + 2
	count := int(r.take(3))
	if count < 2 || count > maxTables {
		return corrupt("a block has too many codes, or too few")
	}
	if err := b.readSelectors(r, count); err != nil {
		return err
	}
	for i := range count {
		if err := b.readCode(r, &b.codes[i]); err != nil {
			return err
		}
	}
	return nil
}

// readSelectors reads which code each 50 symbols have.
func (b *block) readSelectors(r *reader, count int) error {
	n := int(r.take(15))
	if n == 0 {
		return corrupt("a block has no selectors")
	}
	recent := [maxTables]uint8{0, 1, 2, 3, 4, 5}
	for i := range n {
		if r.short() {
			return errShort
		}
		j := 0
		for r.take(1) == 1 {
			if j++; j >= count {
				return corrupt("a block wants a code that it does not have")
			}
		}
		v := recent[j]
		copy(recent[1:j+1], recent[:j])
		recent[0] = v
		b.selectors[i] = v
	}

	b.groups = n
	return nil
}

// readCode reads the lengths of a code's words.
func (b *block) readCode(r *reader, c *code) error {
	var lens [maxSymbols]uint8
	n := int(r.take(5))
	for s := range b.symbols {
		for {
			if n < 1 || n > longestCode {
				return corrupt("a code is too long")
			}
			if r.take(1) == 0 {
				break
			}
			if r.short() {
				return errShort
			}
			n += 1 - 2*int(r.take(1))
		}
		lens[s] = uint8(n)
	}
	c.build(lens[:b.symbols])
	return nil
}

// build makes the tables for words of given lengths. If they are more than there
// can be, the last of them are never found, as in libbz2, which does not mind.
func (c *code) build(lens []uint8) {
	var count [longestCode + 1]int
	for _, n := range lens {
		count[n]++
	}
	var at [longestCode + 1]int
	next, sum := uint32(0), 0
	for n := 1; n <= longestCode; n++ {
		at[n] = sum
		c.first[n] = int32(sum) - int32(next)
		next += uint32(count[n])
		sum += count[n]
		c.limit[n] = next << (longestCode - n)
		next <<= 1
	}
	for s, n := range lens {
		c.sorted[at[n]] = uint16(s)
		at[n]++
	}
	clear(c.fast[:])
	for k, s := range c.sorted[:len(lens)] {
		n := lens[s]
		if n > fastBits {
			break
		}
		word := uint32(int32(k)-c.first[n]) << (fastBits - n)
		if word >= uint32(len(c.fast)) {
			break
		}
		for j := range uint32(1) << (fastBits - n) {
			c.fast[word+j] = s<<5 | uint16(n)
		}
	}
}

// slow finds a symbol whose code is longer than fastBits in the highest bits of
// acc. n is 0 if there is none.
func (c *code) slow(acc uint64) (symbol int, n uint) {
	v := uint32(acc >> (64 - longestCode))
	for n := uint(fastBits + 1); n <= longestCode; n++ {
		if v < c.limit[n] {
			return int(c.sorted[int32(v>>(longestCode-n))+c.first[n]]), n
		}
	}
	return 0, 0
}

// moves decodes symbols, runs and moves to the front, to next, whose entries
// are plain bytes afterwards.
func (b *block) moves(r *reader, cancelled *atomic.Bool) (int, error) {
	var (
		out    = b.next[:mostPlain]
		n      = 0
		run    = 0
		weight = 1
		end    = b.symbols - 1
		values = &b.values
	)
	for group := range b.groups {
		if r.short() {
			return 0, errShort
		}
		if group%64 == 0 && cancelled.Load() {
			return 0, errCancelled
		}
		c := &b.codes[b.selectors[group]]
		for range groupSymbols {
			if r.have < longestCode {
				r.more()
			}
			e := c.fast[r.acc>>(64-fastBits)]
			s, bits := int(e>>5), uint(e&31)
			if bits == 0 {
				if s, bits = c.slow(r.acc); bits == 0 {
					return 0, corrupt("a code that is not there")
				}
			}
			r.acc <<= bits & 63
			r.have -= bits
			if s <= runB {
				run += weight << s
				if weight <<= 1; weight > 1<<21 {
					return 0, corrupt("a run is too long")
				}
				continue
			}
			if weight > 1 {
				if run > len(out)-n {
					return 0, errTooLarge
				}
				v := uint32(values[0])
				for i := range out[n : n+run] {
					out[n+i] = v
				}
				n += run
				run, weight = 0, 1
			}
			if s == end {
				return n, nil
			}
			if n == len(out) {
				return 0, errTooLarge
			}
			at := s - 1
			v := values[at&0xff]
			if at < 8 {
				for i := at; i > 0; i-- {
					values[i] = values[i-1]
				}
			} else {
				copy(values[1:at+1], values[:at])
			}
			values[0] = v
			out[n] = uint32(v)
			n++
		}
	}
	return 0, corrupt("a block has no end")
}

var errTooLarge = corrupt("a block is too large")

// link makes of next, whose entries are the last bytes of the sorted rotations,
// what walk goes through.
func (b *block) link() {
	next := b.next[:b.n]
	var at [256]uint32
	for _, v := range next {
		at[v&0xff]++
	}
	sum := uint32(0)
	for i, n := range at {
		at[i] = sum
		sum += n
	}
	for i, v := range next {
		v &= 0xff
		next[at[v]] |= uint32(i) << 8
		at[v]++
	}
}
