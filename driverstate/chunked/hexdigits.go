package chunked

import "encoding/binary"

// hexValue is the value of a hexadecimal digit, 0xff for any other byte.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// unhex decodes the 2*len(dst) hexadecimal digits of src; false if one is none.
// len(dst) is a multiple of 4. Eight digits are decoded at once, each in its
// byte of a word: hash lists are gigabytes.
func unhex(dst, src []byte) bool {
	const ones = 0x0101010101010101
	for ; len(dst) > 0; dst, src = dst[4:], src[8:] {
		x := binary.LittleEndian.Uint64(src)
		// With bit 5 set capitals become small. Bytes without bits 5 and 6
		// would become digits by it.
		y := x | 0x20*ones
		ascii := x&(0x80*ones) == 0 && (x|x<<1)&(0x40*ones) == 0x40*ones
		digit := (y + (0x80-'0')*ones) &^ (y + (0x80-'9'-1)*ones)
		letter := (y + (0x80-'a')*ones) &^ (y + (0x80-'f'-1)*ones) & (0x80 * ones)
		if !ascii || (digit|letter)&(0x80*ones) != 0x80*ones {
			return false
		}
		v := y&(0x0f*ones) + 9*(letter>>7)
		v = (v<<4 | v>>8) & 0x00ff00ff00ff00ff
		v = (v | v>>8) & 0x0000ffff0000ffff
		binary.LittleEndian.PutUint32(dst, uint32(v|v>>16))
	}
	return true
}

// hexdigits spells the bytes of src with 2*len(src) digits in dst. len(src) is a
// multiple of 4: four bytes are spelt at once, each digit in its byte of a word.
func hexdigits(dst, src []byte) {
	const ones = 0x0101010101010101
	for ; len(src) > 0; dst, src = dst[8:], src[4:] {
		x := uint64(binary.LittleEndian.Uint32(src))
		x = (x | x<<16) & 0x0000ffff0000ffff
		x = (x | x<<8) & 0x00ff00ff00ff00ff
		x = (x>>4 | x<<8) & (0x0f * ones)
		letter := (x + 6*ones) >> 4 & ones
		binary.LittleEndian.PutUint64(dst, x+'0'*ones+letter*('a'-'9'-1))
	}
}

// unhexDigest decodes a digest in small letters, as Cinder writes it; false if
// it is spelt in any other way. Whether it is is asked once for all digits: by
// spelling what was decoded again.
func unhexDigest(dst *[32]byte, src *[64]byte) bool {
	const ones = 0x0101010101010101
	var bad uint64
	for i := range len(dst) / 4 {
		x := binary.LittleEndian.Uint64(src[8*i : 8*i+8])
		v := x&(0x0f*ones) + 9*(x>>6&ones)
		letter := (v + 6*ones) >> 4 & ones
		bad |= (v + '0'*ones + letter*('a'-'9'-1)) ^ x | v&(0xf0*ones)
		v = (v<<4 | v>>8) & 0x00ff00ff00ff00ff
		v = (v | v>>8) & 0x0000ffff0000ffff
		binary.LittleEndian.PutUint32(dst[4*i:4*i+4], uint32(v|v>>16))
	}
	return bad == 0
}
