//go:build (amd64 || arm64) && !inflate_safe

package inflate

import "unsafe"

// fastInput is how many bytes of input the fast loop wants at the begin of
// each turn. A turn loads 8 bytes at most twice, the second time at most 7
// bytes after the first: 15 in all.
const fastInput = 16

// fast decodes until the block ends (done), or input or window are nearly at
// their ends. Loads, stores and copies go without a check; what makes that
// right:
//
//   - a turn begins with p <= len(in)-fastInput, and so no load of the turn
//     reaches beyond in;
//   - a turn begins with o < history+window and stores at most 3 literals or,
//     after at most 2, a match of at most 258 bytes and what its last copy writes
//     beyond it: buf is longer than that (maxMatch+copyWords);
//   - a match is copied only after its distance is known to reach no further
//     than the history, and no distance is 0;
//   - tables are looked up with a mask of their size.
//
// A turn begins with 56 bits at least and the entry that they name, e: it is
// looked up before the match of the turn before is copied, so that the next
// turn need not wait for it. Two literals, and what comes after them, take at
// most 42 bits; a distance takes 28.
//
// Of bits, what is above n is always what follows in the input: each refill ORs
// the same bits again. Only the lowest 8 bits of n count, as entries are
// subtracted from it whole.
func (z *Reader) fast() (done bool, err error) {
	z.untake()
	_, _ = z.in[z.pos+fastInput-1], z.buf[history+window+maxMatch+copyWords-1]
	var (
		p     = unsafe.Pointer(&z.in[z.pos])
		pEnd  = unsafe.Pointer(&z.in[len(z.in)-fastInput])
		o     = unsafe.Pointer(&z.buf[z.out])
		oEnd  = unsafe.Pointer(&z.buf[history+window])
		first = unsafe.Pointer(&z.buf[z.base])
		lit   = z.lit
		dist  = z.dist
		n     = uint64(z.nbits)
		bits  = z.bits | *(*uint64)(p)<<(n&63)
	)
	p = unsafe.Add(p, 7-n>>3&7)
	n |= 56
	e := lit[bits&(1<<litBits-1)]
	for uintptr(p) <= uintptr(pEnd) && uintptr(o) < uintptr(oEnd) {
		if e&isLiteral != 0 {
			*(*byte)(o) = byte(e >> 16)
			o = unsafe.Add(o, 1)
			bits >>= e & 63
			n -= uint64(e)
			e = lit[bits&(1<<litBits-1)]
			if e&isLiteral != 0 {
				*(*byte)(o) = byte(e >> 16)
				o = unsafe.Add(o, 1)
				bits >>= e & 63
				n -= uint64(e)
				e = lit[bits&(1<<litBits-1)]
				if e&isLiteral != 0 {
					*(*byte)(o) = byte(e >> 16)
					o = unsafe.Add(o, 1)
					bits >>= e & 63
					n -= uint64(e)
					bits |= *(*uint64)(p) << (n & 63)
					p = unsafe.Add(p, 7-n>>3&7)
					n |= 56
					e = lit[bits&(1<<litBits-1)]
					continue
				}
			}
		}
		if e&isSpecial != 0 {
			if e&isEnd != 0 {
				bits >>= e & 63
				n -= uint64(e)
				z.state, done = atBlock, true
				break
			}
			if e&isInvalid != 0 {
				err = corrupt("a code that is not there")
				break
			}
			bits >>= litBits
			n -= litBits
			e = lit[(uint64(e>>16)+bits&(1<<(e>>8&31)-1))&uint64(len(lit)-1)]
			if e&isLiteral != 0 {
				*(*byte)(o) = byte(e >> 16)
				o = unsafe.Add(o, 1)
				bits >>= e & 63
				n -= uint64(e)
				bits |= *(*uint64)(p) << (n & 63)
				p = unsafe.Add(p, 7-n>>3&7)
				n |= 56
				e = lit[bits&(1<<litBits-1)]
				continue
			}
			if e&isSpecial != 0 {
				bits >>= e & 63
				n -= uint64(e)
				if e&isEnd == 0 {
					err = corrupt("a code that is not there")
					break
				}
				z.state, done = atBlock, true
				break
			}
		}
		length := int(e>>16) + int(bits&(1<<(e&63)-1)>>(e>>8&31))
		bits >>= e & 63
		n -= uint64(e)
		if uint8(n) < maxCode+maxExtra {
			bits |= *(*uint64)(p) << (n & 63)
			p = unsafe.Add(p, 7-n>>3&7)
			n |= 56
		}
		d := dist[bits&(1<<distBits-1)]
		if d&isSpecial != 0 {
			if d&isInvalid != 0 {
				err = corrupt("a code that is not there")
				break
			}
			bits >>= distBits
			n -= distBits
			d = dist[(uint64(d>>16)+bits&(1<<(d>>8&31)-1))&uint64(len(dist)-1)]
			if d&isSpecial != 0 {
				err = corrupt("a code that is not there")
				break
			}
		}
		distance := int(d>>16) + int(bits&(1<<(d&63)-1)>>(d>>8&31))
		bits >>= d & 63
		n -= uint64(d)
		if distance > int(uintptr(o)-uintptr(first)) {
			err = errTooFar
			break
		}
		bits |= *(*uint64)(p) << (n & 63)
		p = unsafe.Add(p, 7-n>>3&7)
		n |= 56
		e = lit[bits&(1<<litBits-1)]
		copyMatch(o, distance, length)
		o = unsafe.Add(o, length)
	}
	n &= 0xff
	z.pos = int(uintptr(p) - uintptr(unsafe.Pointer(unsafe.SliceData(z.in))))
	z.out = int(uintptr(o) - uintptr(unsafe.Pointer(unsafe.SliceData(z.buf))))
	z.bits, z.nbits = bits&(1<<n-1), uint(n)
	return done, err
}

type word16 = [2]uint64

// copyMatch writes length bytes, and up to copyWords more, at to from distance
// before it.
func copyMatch(to unsafe.Pointer, distance, length int) {
	from := unsafe.Add(to, -distance)
	switch {
	case distance >= 16:
		*(*word16)(to) = *(*word16)(from)
		*(*word16)(unsafe.Add(to, 16)) = *(*word16)(unsafe.Add(from, 16))
		for i := 32; i < length; i += 32 {
			*(*word16)(unsafe.Add(to, i)) = *(*word16)(unsafe.Add(from, i))
			*(*word16)(unsafe.Add(to, i+16)) = *(*word16)(unsafe.Add(from, i+16))
		}
	case distance == 1:
		v := uint64(*(*byte)(from)) * 0x0101010101010101
		for i := 0; i < length; i += 16 {
			*(*word16)(unsafe.Add(to, i)) = word16{v, v}
		}
	case distance >= 8:
		for i := 0; i < length; i += 8 {
			*(*uint64)(unsafe.Add(to, i)) = *(*uint64)(unsafe.Add(from, i))
		}
	default:
		// Each copy leaves one more distance of the pattern right.
		for i := 0; i < length; i += distance {
			*(*uint64)(unsafe.Add(to, i)) = *(*uint64)(unsafe.Add(from, i))
		}
	}
}
