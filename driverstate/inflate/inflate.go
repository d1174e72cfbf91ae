// Package inflate decodes zlib streams (RFC 1950, RFC 1951) at more than twice
// the speed of compress/zlib, with bounded memory whatever the stream is long.
//
// It is safe on any input: what a stream may make it do is bounded before any
// memory is touched without a check (see fast.go), and a stream that is not
// what RFC 1951 allows ends with ErrCorrupt after the bytes that were right.
// It decodes what C zlib's inflate decodes, which is what Cinder reads with,
// but for preset dictionaries, which Cinder does not write.
//
// It does not check the Adler-32 unless told to: the blocks of a backup are
// proven by SHA-256.
package inflate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
)

// ErrCorrupt is what every fault of a stream answers to, but for one that ends
// too early: that is io.ErrUnexpectedEOF.
var ErrCorrupt = errors.New("zlib stream is damaged")

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

const (
	history   = 32 << 10  // how far back a match may reach
	window    = 192 << 10 // of new bytes; with tables and input it stays in a 512 KiB cache
	maxMatch  = 258
	copyWords = 48 // bytes beyond its end that a copy in the fast loop may write

	// headerRoom is more than the longest header of a block has bytes: 3 + 14
	// bits, 19 code lengths of 3 and 316 of at most 7 + 7.
	headerRoom = 640
)

// MinBuffer is the least size of the bufio.Reader that a Reader needs.
const MinBuffer = 4 << 10

// The states of a stream.
type state uint8

const (
	atHeader state = iota // of the stream
	atBlock               // at the header of a block
	inStored
	inCodes
	atTrailer
	ended
)

// Reader decodes one zlib stream. It is used by one goroutine at a time. It
// keeps about 256 KiB.
type Reader struct {
	src *bufio.Reader
	in  []byte // what src has buffered; pos bytes of it are taken
	pos int
	eof bool // nothing follows in

	bits  uint64 // taken from in and not used yet, the next one lowest
	nbits uint   // how many of them count; the rest of bits is either 0 or what follows in in

	state  state
	last   bool // the block is the last one
	stored int  // bytes that follow of a stored block
	lit    *litTable
	dist   *distTable

	buf  []byte // history, then window, then copyWords
	out  int    // end of what is decoded
	read int    // end of what was read; history before it
	base int    // begin of history that the stream has

	err    error
	adler  bool
	digest uint32

	used   int64 // bytes of the stream before in
	slid   int64 // plain bytes before the window
	every  int64 // plain bytes between checkpoints
	marked int64 // plain bytes before the last one
	mark   func(Checkpoint)

	dynamic struct {
		lit  litTable
		dist distTable
	}
	builder builder
}

// NewReader returns a reader of the stream that src is at. It takes no more of
// src than the stream is long. src must have a buffer of at least MinBuffer
// bytes.
func NewReader(src *bufio.Reader) *Reader {
	z := &Reader{buf: make([]byte, history+window+maxMatch+copyWords)}
	z.Reset(src)
	return z
}

// Reset makes z read the stream that src is at.
func (z *Reader) Reset(src *bufio.Reader) {
	z.src, z.in, z.pos, z.eof = src, nil, 0, false
	z.bits, z.nbits = 0, 0
	z.state, z.last, z.stored = atHeader, false, 0
	z.out, z.read, z.base = history, history, history
	z.err, z.adler, z.digest = nil, false, 1
	z.used, z.slid, z.mark = 0, 0, nil
}

// CheckAdler has the stream's Adler-32 checked, at a fifth of the speed. It is
// to be called before the first Read.
func (z *Reader) CheckAdler() { z.adler = true }

// Read gives decoded bytes. io.EOF is the end of the stream, after its
// checksum. Errors of src are given as they are.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for z.read == z.out {
		if z.err != nil {
			return 0, z.err
		}
		z.step()
	}
	n := copy(p, z.buf[z.read:z.out])
	z.read += n
	return n, nil
}

// step decodes until the window is full or the stream ends.
func (z *Reader) step() {
	if z.out >= history+window {
		z.slide()
	}
	begin := z.out
	for z.err == nil && z.out < history+window {
		z.err = z.advance()
	}
	if z.adler {
		z.digest = updateAdler(z.digest, z.buf[begin:z.out])
	}
	if errors.Is(z.err, errTrailer) {
		z.err = z.trailer()
	}
	if z.err != nil {
		z.giveBack()
	}
}

// errTrailer is the end of the last block.
var errTrailer = errors.New("trailer")

func (z *Reader) advance() error {
	switch z.state {
	case atHeader:
		return z.header()
	case atBlock:
		return z.block()
	case inStored:
		return z.copyStored()
	case inCodes:
		return z.codes()
	}
	return errTrailer
}

// slide keeps the history and makes room for a window.
func (z *Reader) slide() {
	moved := z.out - history
	copy(z.buf[:history], z.buf[moved:z.out])
	z.out, z.read = history, history
	z.base = max(0, z.base-moved)
	z.slid += int64(moved)
}

// fill looks at n bytes of input at least, or all that there are.
func (z *Reader) fill(n int) error {
	if len(z.in)-z.pos >= n || z.eof {
		return nil
	}
	z.untake()
	if _, err := z.src.Discard(z.pos); err != nil {
		return err
	}
	z.used += int64(z.pos)
	z.pos, z.in = 0, nil
	_, err := z.src.Peek(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	z.eof = err != nil
	z.in, err = z.src.Peek(z.src.Buffered())
	return err
}

// need has n bits in bits, n at most 48. Bits above nbits are 0 afterwards.
func (z *Reader) need(n uint) error {
	z.bits &= 1<<z.nbits - 1
	for z.nbits < n {
		if z.pos == len(z.in) {
			if err := z.fill(headerRoom); err != nil {
				return err
			}
			if z.pos == len(z.in) {
				return io.ErrUnexpectedEOF
			}
		}
		z.bits |= uint64(z.in[z.pos]) << z.nbits
		z.pos++
		z.nbits += 8
	}
	return nil
}

// take returns the next n bits, which must be there.
func (z *Reader) take(n uint) uint32 {
	v := uint32(z.bits & (1<<n - 1))
	z.bits >>= n
	z.nbits -= n
	return v
}

// untake gives back the whole bytes that are in bits.
func (z *Reader) untake() {
	z.pos -= int(z.nbits / 8)
	z.nbits %= 8
	z.bits &= 1<<z.nbits - 1
}

// align gives up the bits before the next byte.
func (z *Reader) align() {
	z.untake()
	z.bits, z.nbits = 0, 0
}

// giveBack leaves src right after what was used of it.
func (z *Reader) giveBack() {
	z.align()
	if _, err := z.src.Discard(z.pos); err != nil && z.err == nil {
		z.err = err
	}
	z.in, z.pos = nil, 0
}

// header reads the two bytes before the first block (RFC 1950, 2.2).
func (z *Reader) header() error {
	if err := z.need(16); err != nil {
		return err
	}
	cmf, flg := z.take(8), z.take(8)
	switch {
	case (cmf<<8|flg)%31 != 0:
		return corrupt("header check fails")
	case cmf&15 != 8:
		return corrupt("unknown method")
	case cmf>>4 > 7:
		return corrupt("window too large")
	case flg&0x20 != 0:
		return corrupt("it wants a preset dictionary")
	}
	z.state = atBlock
	return nil
}

// block reads the header of a block (RFC 1951, 3.2.3).
func (z *Reader) block() error {
	if z.last {
		z.state = atTrailer
		return nil
	}
	if z.mark != nil {
		z.checkpoint()
	}
	if err := z.need(3); err != nil {
		return err
	}
	z.last = z.take(1) == 1
	switch z.take(2) {
	case 0:
		return z.storedHeader()
	case 1:
		fixed := fixedTables()
		z.lit, z.dist, z.state = &fixed.lit, &fixed.dist, inCodes
		return nil
	case 2:
		return z.dynamicHeader()
	}
	return corrupt("unknown type of block")
}

func (z *Reader) storedHeader() error {
	z.align()
	if err := z.need(32); err != nil {
		return err
	}
	n, check := z.take(16), z.take(16)
	if n != check^0xffff {
		return corrupt("length of a stored block fails its check")
	}
	z.stored, z.state = int(n), inStored
	return nil
}

// copyStored copies of a stored block what input and window have room for.
func (z *Reader) copyStored() error {
	z.align()
	if z.stored == 0 {
		z.state = atBlock
		return nil
	}
	if err := z.fill(1); err != nil {
		return err
	}
	if z.pos == len(z.in) {
		return io.ErrUnexpectedEOF
	}
	n := copy(z.buf[z.out:min(history+window, z.out+z.stored)], z.in[z.pos:])
	z.out += n
	z.pos += n
	z.stored -= n
	return nil
}

// codes decodes a block of codes as far as input and window reach: fast where
// both have room to spare, checking every symbol near their ends.
func (z *Reader) codes() error {
	if err := z.fill(fastInput + 1); err != nil {
		return err
	}
	if len(z.in)-z.pos > fastInput && z.out < history+window {
		done, err := z.fast()
		if done || err != nil {
			return err
		}
	}
	if len(z.in)-z.pos > fastInput {
		return nil
	}
	return z.slow()
}

func (z *Reader) trailer() error {
	z.align()
	if err := z.need(32); err != nil {
		return err
	}
	var raw [4]byte
	binary.LittleEndian.PutUint32(raw[:], z.take(32))
	z.state = ended
	if z.adler && binary.BigEndian.Uint32(raw[:]) != z.digest {
		return corrupt("its Adler-32 is another one")
	}
	return io.EOF
}

// updateAdler goes on with an Adler-32, which the standard library cannot.
func updateAdler(digest uint32, p []byte) uint32 {
	const mod = 65521
	// That of p alone, and what the bytes before add to it (RFC 1950, 8).
	a, b := digest&0xffff, digest>>16
	next := adler32.Checksum(p)
	n := uint32(len(p) % mod)
	return (b+n*((a+mod-1)%mod)%mod+next>>16)%mod<<16 | (a+next&0xffff+mod-1)%mod
}
