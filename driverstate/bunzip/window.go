package bunzip

import (
	"encoding/binary"
	"errors"
	"io"
)

// window is the part of the file that may still be wanted.
type window struct {
	buf  []byte
	base int64 // of buf in the file
	eof  bool
	err  error // of the source, after what is in buf
}

func (w *window) reset() { *w = window{buf: w.buf[:0]} }

// end is how far of the file was read.
func (w *window) end() int64 { return w.base + int64(len(w.buf)) }

// from is what there is from a byte of the file on.
func (w *window) from(at int64) []byte { return w.buf[at-w.base:] }

// forget gives up what is before a byte of the file.
func (w *window) forget(at int64) {
	n := copy(w.buf, w.from(at))
	w.buf, w.base = w.buf[:n], at
}

// fill sees to it that n bytes are there from one of the file on, or all up to
// its end.
func (w *window) fill(src io.Reader, at int64, n int) error {
	for !w.eof && w.end() < at+int64(n) {
		if w.err != nil {
			return w.err
		}
		w.more(src)
	}
	return nil
}

func (w *window) more(src io.Reader) {
	have := len(w.buf)
	if cap(w.buf) < have+readBytes {
		w.buf = append(make([]byte, 0, 2*have+readBytes), w.buf...)
	}
	n, err := io.ReadAtLeast(src, w.buf[have:have+readBytes], 1)
	w.buf = w.buf[:have+n]
	if errors.Is(err, io.EOF) {
		w.eof = true
	} else if err != nil {
		w.err = err
	}
}

// mark finds the first of two magics at or after a bit of the file. ok is false
// if there is none up to the end, or if more than room bytes had to be kept.
func (w *window) mark(src io.Reader, from int64, room int, one, other uint64) (bit int64, ok bool, err error) {
	hints := hintsOf(one, other)
	at := from / 8
	for {
		for b := w.from(at); len(b) >= 8; b = b[1:] {
			// The third byte lies within the magic whatever bit it begins at.
			if hints[b[2]] {
				v := binary.BigEndian.Uint64(b)
				for s := int64(0); s < 8; s++ {
					if m := v >> (64 - magicBits - s) & (1<<magicBits - 1); (m == one || m == other) && at*8+s >= from {
						return at*8 + s, true, nil
					}
				}
			}
			at++
		}
		if w.eof {
			return w.markAtEnd(max(from, at*8), one, other)
		}
		if len(w.buf) > room {
			return 0, false, nil
		}
		if w.err != nil {
			return 0, false, w.err
		}
		w.more(src)
	}
}

// markAtEnd is mark for the last bytes of the file.
func (w *window) markAtEnd(from int64, one, other uint64) (int64, bool, error) {
	var last [8]byte
	n := copy(last[:], w.from(from/8))
	v := binary.BigEndian.Uint64(last[:])
	for s := from % 8; s+magicBits <= int64(n)*8; s++ {
		if m := v >> (64 - magicBits - s) & (1<<magicBits - 1); m == one || m == other {
			return from/8*8 + s, true, nil
		}
	}
	return 0, false, nil
}

// hintsOf tells which bytes can be the third of those in which one of two
// magics begins.
func hintsOf(one, other uint64) *[256]bool {
	hints := new([256]bool)
	for s := range 8 {
		hints[byte(one>>(magicBits-24+s))] = true
		hints[byte(other>>(magicBits-24+s))] = true
	}
	return hints
}
