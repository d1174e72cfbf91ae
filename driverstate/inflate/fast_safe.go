//go:build !(amd64 || arm64) || inflate_safe

package inflate

import "encoding/binary"

// fastInput is as in fast.go.
const fastInput = 16

// fast is that of fast.go where it has not been proven: every load, store and
// copy is checked.
func (z *Reader) fast() (done bool, err error) {
	z.untake()
	var (
		in, pos  = z.in, z.pos
		inLimit  = len(in) - fastInput
		buf, out = z.buf, z.out
		lit      = z.lit
		dist     = z.dist
		base     = z.base
		bits     = z.bits
		n        = z.nbits
	)
	_, _ = in[inLimit], buf[history+window+maxMatch+copyWords-1]
	for pos <= inLimit && out < history+window {
		bits |= load64(in, pos) << (n & 63)
		pos += int((63 - n) >> 3 & 7)
		n |= 56
		e := lit[bits&(1<<litBits-1)]
		if e&isLiteral != 0 {
			store8(buf, out, byte(e>>16))
			out++
			bits >>= e & 63
			n -= uint(e & 0xff)
			e = lit[bits&(1<<litBits-1)]
			if e&isLiteral != 0 {
				store8(buf, out, byte(e>>16))
				out++
				bits >>= e & 63
				n -= uint(e & 0xff)
				e = lit[bits&(1<<litBits-1)]
				if e&isLiteral != 0 {
					store8(buf, out, byte(e>>16))
					out++
					bits >>= e & 63
					n -= uint(e & 0xff)
					continue
				}
			}
			// 56 bits less two codes of at most 11: a length of 20 is there.
		}
		if e&isSpecial != 0 {
			if e&isEnd != 0 {
				bits >>= e & 63
				n -= uint(e & 0xff)
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
				store8(buf, out, byte(e>>16))
				out++
				bits >>= e & 63
				n -= uint(e & 0xff)
				continue
			}
			if e&isSpecial != 0 {
				bits >>= e & 63
				n -= uint(e & 0xff)
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
		n -= uint(e & 0xff)

		bits |= load64(in, pos) << (n & 63)
		pos += int((63 - n) >> 3 & 7)
		n |= 56
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
		n -= uint(d & 0xff)
		if distance > out-base {
			err = errTooFar
			break
		}
		copyMatch(buf, out, distance, length)
		out += length
	}
	z.pos, z.out, z.bits, z.nbits = pos, out, bits&(1<<n-1), n
	return done, err
}

func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

func store8(b []byte, i int, v byte) { b[i] = v }

// copyMatch writes length bytes at out from distance before it.
func copyMatch(b []byte, out, distance, length int) {
	for end := out + length; out < end; out++ {
		b[out] = b[out-distance]
	}
}
