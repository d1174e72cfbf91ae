package tape

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

var payloads = sync.Pool{New: func() any { return new([maxPayload]byte) }}

// reader reads one object, block by block. Every block is proven by its
// checksum; an object that is read from its beginning to its end by its SHA-256
// as well.
type reader struct {
	media  []*medium
	o      *object
	buffer *[maxPayload]byte // from payloads
	block  []byte            // of buffer: what of the block is not read yet
	where  at                // the next block
	number uint64            // that it must have; 0 before the first
	pos    int64             // in the object, of the end of block
	left   int64             // bytes that are wanted
	sum    hash.Hash
	err    error
}

// newReader begins at byte off of o and ends after n; n < 0 is all of it.
func newReader(media []*medium, o *object, off, n int64) *reader {
	rest := max(0, o.end.Size-off)
	if n < 0 || n > rest {
		n = rest
	}
	r := &reader{media: media, o: o, where: o.at, left: n, buffer: payloads.Get().(*[maxPayload]byte)}
	if off == 0 && n == o.end.Size {
		r.sum = sha256.New()
	}
	if n > 0 {
		r.err = r.seek(off)
	} else {
		r.err = r.whole()
	}
	return r
}

func (r *reader) damaged(format string, args ...any) error {
	return fmt.Errorf("object %s: %w: %s", r.o.head.Name, objectstore.ErrDamaged, fmt.Sprintf(format, args...))
}

// next reads the header of the next block that is not that of a volume, and
// moves behind it.
func (r *reader) next() (h header, payload int64, err error) {
	for {
		if r.where.medium >= len(r.media) {
			return h, 0, r.damaged("the tape ends in it")
		}
		m := r.media[r.where.medium]
		if r.where.offset >= m.size {
			r.where = at{r.where.medium + 1, 0}
			continue
		}
		var raw [headerSize]byte
		n, err := m.ReadAt(raw[:], r.where.offset)
		if n < headerSize && err != nil && !errors.Is(err, io.EOF) {
			return h, 0, fmt.Errorf("%s: %w", m.name, err)
		}
		if h, err = parseHeader(raw[:n]); err != nil || h.tape != r.o.tape {
			return h, 0, r.damaged("%s: no block begins at byte %d", m.name, r.where.offset)
		}
		if r.number != 0 && h.number != r.number {
			return h, 0, r.damaged("%s: block %d follows block %d", m.name, h.number, r.number-1)
		}
		r.number = h.number + 1
		payload := r.where.offset + headerSize
		r.where.offset = payload + int64(h.length)
		if h.kind != kindVolume {
			return h, payload, nil
		}
	}
}

// load reads the payload of a block of the medium where next found it.
func (r *reader) load(h header, payload int64) error {
	b, err := readPayload(r.media[r.where.medium], payload, h, r.buffer[:])
	if err != nil {
		return r.damaged("%v", err)
	}
	r.block = b
	return nil
}

// seek passes over whole blocks until off is in the block at hand.
func (r *reader) seek(off int64) error {
	h, _, err := r.next()
	if err == nil && h.kind != kindObject {
		err = r.damaged("its head is not where it was")
	}
	for err == nil {
		var payload int64
		if h, payload, err = r.next(); err != nil {
			break
		}
		if h.kind != kindData {
			return r.damaged("it ends after %d of %d bytes", r.pos, r.o.end.Size)
		}
		r.pos += int64(h.length)
		if r.pos > off {
			if err = r.load(h, payload); err == nil {
				r.block = r.block[int64(h.length)-(r.pos-off):]
			}
			break
		}
	}
	return err
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for r.err == nil && len(r.block) == 0 && r.left > 0 {
		h, payload, err := r.next()
		switch {
		case err != nil:
			r.err = err
		case h.kind != kindData:
			r.err = r.damaged("it ends after %d of %d bytes", r.pos, r.o.end.Size)
		default:
			r.pos += int64(h.length)
			r.err = r.load(h, payload)
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.block)
	if r.sum != nil {
		r.sum.Write(r.block[:n])
	}
	r.block, r.left = r.block[n:], r.left-int64(n)
	if r.left == 0 {
		// An error is told before the last bytes are believed.
		if r.err = r.whole(); r.err != nil {
			return 0, r.err
		}
	}
	return n, nil
}

// whole compares what was read with the object's SHA-256.
func (r *reader) whole() error {
	if r.sum == nil {
		return nil
	}
	want, err := hex.DecodeString(r.o.end.SHA256)
	if err != nil || !bytes.Equal(want, r.sum.Sum(nil)) {
		return r.damaged("its sha256 differs")
	}
	return nil
}

// Close gives the buffer back.
func (r *reader) Close() error {
	if r.buffer != nil {
		payloads.Put(r.buffer)
		r.buffer, r.block = nil, nil
		r.err = errors.New("read after close")
	}
	return nil
}
