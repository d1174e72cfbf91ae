package inflate

import "bufio"

// Checkpoint is a place in a stream, between two blocks, at which a Reader can
// begin.
type Checkpoint struct {
	Plain  int64 // bytes that the stream has decoded before it
	Stored int64 // bytes of the stream that were taken before it
	// History is what matches after it may reach: the last bytes before it, at
	// most 32 KiB.
	History []byte

	bits  uint8 // of the last byte that was taken, and not used yet
	nbits uint8 // how many; fewer than 8
}

// Checkpoints has f called at the first begin of a block that is at least every
// plain bytes after the last one that f was called at, or after the begin. It
// is to be called before the first Read; Reset ends it. A stream of which no
// block begins for long gives none for as long: C zlib's are at most 4 MiB.
func (z *Reader) Checkpoints(every int64, f func(Checkpoint)) {
	z.every, z.mark, z.marked = every, f, z.plain()
}

// plain is how many bytes the stream has decoded.
func (z *Reader) plain() int64 { return z.slid + int64(z.out-history) }

// checkpoint tells of the begin of a block.
func (z *Reader) checkpoint() {
	at := z.plain()
	if at-z.marked < z.every {
		return
	}
	z.marked = at
	z.untake()
	begin := max(z.base, z.out-history)
	z.mark(Checkpoint{
		Plain: at, Stored: z.used + int64(z.pos), bits: uint8(z.bits), nbits: uint8(z.nbits),
		History: append([]byte(nil), z.buf[begin:z.out]...),
	})
}

// ResetAt makes z go on at c: src is at byte c.Stored of the stream that c was
// told of. The Adler-32 cannot be checked then.
func (z *Reader) ResetAt(src *bufio.Reader, c Checkpoint) {
	z.Reset(src)
	z.base = history - copy(z.buf[history-len(c.History):history], c.History)
	z.bits, z.nbits, z.state = uint64(c.bits), uint(c.nbits), atBlock
	z.used, z.slid = c.Stored, c.Plain
}
