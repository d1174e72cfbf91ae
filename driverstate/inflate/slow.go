package inflate

import "io"

// slow decodes one symbol at a time with every bound checked, until the block,
// the window or the stream ends, or there is input for the fast loop again.
func (z *Reader) slow() error {
	for z.out < history+window && (z.eof || len(z.in)-z.pos <= fastInput) {
		if !z.eof && len(z.in)-z.pos <= 8 {
			if err := z.fill(fastInput + 1); err != nil {
				return err
			}
		}
		z.top()
		e := z.lit[z.bits&(1<<litBits-1)]
		if e&(isSpecial|isEnd|isInvalid) == isSpecial && e&isLiteral == 0 {
			if !z.drop(e) {
				return io.ErrUnexpectedEOF
			}
			e = z.lit[(uint64(e>>16)+z.bits&(1<<(e>>8&31)-1))&uint64(len(z.lit)-1)]
		}
		switch {
		case e&isLiteral != 0:
			if !z.drop(e) {
				return io.ErrUnexpectedEOF
			}
			z.buf[z.out] = byte(e >> 16)
			z.out++
		case e&isSpecial == 0:
			if err := z.match(e); err != nil {
				return err
			}
		case e&isEnd != 0:
			if !z.drop(e) {
				return io.ErrUnexpectedEOF
			}
			z.state = atBlock
			return nil
		default:
			return z.noCode(e)
		}
	}
	return nil
}

// top takes as many bytes of input as bits has room for.
func (z *Reader) top() {
	z.bits &= 1<<z.nbits - 1
	for z.nbits <= 56 && z.pos < len(z.in) {
		z.bits |= uint64(z.in[z.pos]) << z.nbits
		z.pos++
		z.nbits += 8
	}
}

// drop passes over the bits of an entry, if the stream has so many.
func (z *Reader) drop(e uint32) bool {
	n := uint(e & 0xff)
	if n > z.nbits {
		return false
	}
	z.bits >>= n
	z.nbits -= n
	return true
}

// noCode is the error of bits that are no code, or not enough for one.
func (z *Reader) noCode(e uint32) error {
	if uint(e&0xff) > z.nbits {
		return io.ErrUnexpectedEOF
	}
	return corrupt("a code that is not there")
}

// extra is the value of a length or distance whose code comes next.
func (z *Reader) extra(e uint32) (int, bool) {
	value := int(e>>16) + int(z.bits&(1<<(e&63)-1)>>(e>>8&31))
	return value, z.drop(e)
}

func (z *Reader) match(e uint32) error {
	length, ok := z.extra(e)
	if !ok {
		return io.ErrUnexpectedEOF
	}
	z.top()
	d := z.dist[z.bits&(1<<distBits-1)]
	if d&(isSpecial|isInvalid) == isSpecial {
		if !z.drop(d) {
			return io.ErrUnexpectedEOF
		}
		d = z.dist[(uint64(d>>16)+z.bits&(1<<(d>>8&31)-1))&uint64(len(z.dist)-1)]
	}
	if d&isSpecial != 0 {
		return z.noCode(d)
	}
	distance, ok := z.extra(d)
	if !ok {
		return io.ErrUnexpectedEOF
	}
	if distance > z.out-z.base {
		return errTooFar
	}
	for range length {
		z.buf[z.out] = z.buf[z.out-distance]
		z.out++
	}
	return nil
}

var errTooFar = corrupt("a match begins before the stream")
