package chunked

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

const (
	digestDigits = 2 * sha256.Size
	// digestStride is what one digest takes in a list as Cinder writes it:
	// four blanks, two quotes, a comma and a newline around the digits.
	digestStride = digestDigits + 8
	// maxHashBlock bounds chunk_size; it cannot exceed the object size.
	maxHashBlock = maxExtent
	// maxBlocks is the longest list that is read: 16 TiB in blocks of 32 KiB.
	maxBlocks = 512 << 20
	// maxHashHead is all that a hash list may hold beside its digests.
	maxHashHead = 1 << 20
)

// parseHashes reads a <prefix>_sha256file document of at most maxBlocks
// digests. A list that must not be used answers to driverstate.ErrCorrupt.
func parseHashes(r io.Reader, maxBlocks int64) (*Hashes, error) {
	var sums []byte
	h, _, err := scanHashes(r, maxBlocks, func(more []byte) error {
		sums = appendSums(sums, more)
		return nil
	})
	if err == nil {
		h.Sums = sums
	}
	return h, err
}

// appendSums is append, which would have large ones copied again and again: it
// makes them longer by a quarter.
func appendSums(sums, more []byte) []byte {
	if len(more) > cap(sums)-len(sums) {
		sums = slices.Grow(sums, max(len(sums), len(more)))
	}
	return append(sums, more...)
}

// listShape is where the digests of a list are.
type listShape struct {
	blocks int64
	first  int64 // where in the document the first digest has its first quote
	odd    bool  // not each of them follows the one before by digestStride
}

// scanHashes is parseHashes with the digests given to keep, some at a time; it
// may be nil. The bytes that keep gets are its only until it returns.
func scanHashes(r io.Reader, maxBlocks int64, keep func(sums []byte) error) (*Hashes, listShape, error) {
	// White space may double a document, no more.
	p := hashesParser{scanner: newScanner(r, maxHashHead+maxBlocks*2*digestStride), max: maxBlocks, keep: keep}
	defer p.release()
	if err := p.document(); err != nil {
		return nil, listShape{}, fmt.Errorf("hash list: %w", err)
	}
	list := p.h
	return &list, p.shape, nil
}

type hashesParser struct {
	*scanner
	head
	h     Hashes
	shape listShape
	max   int64
	keep  func([]byte) error
	list  bool
}

func (p *hashesParser) document() error {
	if err := p.object(p.field); err != nil {
		return err
	}
	if err := p.finish(); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	if !p.list {
		return refusal("has no sha256s")
	}
	p.h.BackupID, p.h.VolumeID = p.backupID, p.volumeID
	return checkHashBlock(p.h.BlockSize)
}

func checkHashBlock(n int64) error {
	if n <= 0 || n%512 != 0 || n > maxHashBlock {
		return refusal("chunk_size %d is not a multiple of 512 of at most %d", n, int64(maxHashBlock))
	}
	return nil
}

func (p *hashesParser) field(key string) (err error) {
	if known, err := p.head.field(p.scanner, key); known {
		return err
	}
	switch key {
	case "chunk_size":
		p.h.BlockSize, err = p.integer()
		return err
	case "sha256s":
		p.list = true
		return p.array(p.digest)
	}
	return p.skip(1)
}

// digest reads one digest and, in the form that Cinder writes, all but the
// last of those after it.
func (p *hashesParser) digest() error {
	if err := p.digests(); err != nil {
		return err
	}
	if err := p.expect('"'); err != nil {
		return err
	}
	if err := p.fill(digestDigits + 1); err != nil {
		return p.cutAt(err)
	}
	var sum [sha256.Size]byte
	digits := p.buf[p.pos : p.pos+digestDigits+1]
	if digits[digestDigits] != '"' || !unhex(sum[:], digits[:digestDigits]) {
		if strings.IndexByte(string(digits), 0) >= 0 {
			return &badDocument{off: p.before + int64(p.pos), msg: "holds zeros", cut: true}
		}
		return p.fail("digest that is not 64 hexadecimal digits")
	}
	p.pos += digestDigits + 1
	return p.accept(sum[:], p.pos-digestDigits-2)
}

// digests reads elements as long as they are spelt as Cinder does, with a
// comma behind. The first that is not is left for digest to judge.
func (p *hashesParser) digests() error {
	const before, after = "\n    \"", "\","
	var sums [64 * sha256.Size]byte
	for p.fill(digestStride) == nil {
		first, n := p.pos, 0
		for ; n < len(sums) && p.end-p.pos >= digestStride; n += sha256.Size {
			line := (*[digestStride]byte)(p.buf[p.pos:])
			digits := (*[digestDigits]byte)(line[len(before):])
			if string(line[:len(before)]) != before || string(line[len(before)+digestDigits:]) != after || !unhexDigest((*[sha256.Size]byte)(sums[n:]), digits) {
				break
			}
			p.pos += digestStride
		}
		if n == 0 {
			return nil
		}
		if err := p.accept(sums[:n], first+len(before)-1); err != nil {
			return err
		}
	}
	return nil
}

// accept takes digests, digestStride from each other, of which the first has its
// first quote at quote in buf.
func (p *hashesParser) accept(sums []byte, quote int) error {
	s, at := &p.shape, p.before+int64(quote)
	if s.blocks == 0 {
		s.first = at
	}
	s.odd = s.odd || at != s.first+s.blocks*digestStride
	if s.blocks += int64(len(sums) / sha256.Size); s.blocks > p.max {
		return refusal("has more than %d digests", p.max)
	}
	if p.keep == nil {
		return nil
	}
	return p.keep(sums)
}

// loadHashes reads the hash list of the backup whose objects begin with
// prefix, all of it into memory. objectstore.ErrNotFound or ErrNoContainer when there is none;
// driverstate.ErrCorrupt when it must not be used or is another backup's.
func (d *Driver) loadHashes(ctx context.Context, container, prefix string) (h *Hashes, err error) {
	err = twice(ctx, func() error {
		h, err = d.readHashes(ctx, container, prefix)
		return err
	})
	return h, err
}

func (d *Driver) readHashes(ctx context.Context, container, prefix string) (*Hashes, error) {
	r, err := d.store.Get(ctx, container, hashesName(prefix), 0, -1)
	if err != nil {
		return nil, fmt.Errorf("hash list: %w", err)
	}
	defer r.Close()
	h, err := parseHashes(r, maxBlocks)
	if err != nil {
		return nil, err
	}
	if err := h.belongs(container, prefix); err != nil {
		return nil, fmt.Errorf("hash list: %w", err)
	}
	return h, nil
}

// belongs checks that h is the list of prefix in container.
func (h *Hashes) belongs(container, prefix string) error {
	m := Metadata{BackupID: h.BackupID, VolumeID: h.VolumeID}
	return m.belongs(container, prefix)
}

// hashShape is what a scan needs of a hash list.
type hashShape struct {
	blocks, blockSize int64
}

// loadHashShape learns the shape of a list of size bytes. Cinder gives every
// digest the same room, so its first and last bytes tell; a list of any other
// form is read through, without keeping it.
func (d *Driver) loadHashShape(ctx context.Context, container, prefix string, size int64) (shape hashShape, err error) {
	read := func() error {
		h, blocks, err := d.strideShape(ctx, container, prefix, size)
		if errors.Is(err, errNoStride) {
			h, blocks, err = d.readShape(ctx, container, prefix)
		}
		if err != nil {
			return err
		}
		if err := h.belongs(container, prefix); err != nil {
			return fmt.Errorf("hash list: %w", err)
		}
		shape = hashShape{blocks: blocks, blockSize: h.BlockSize}
		return nil
	}
	if size == 0 {
		err = read()
	} else {
		err = twice(ctx, read)
	}
	return shape, err
}

// readOwner is the list of prefix without its digests: whose it is.
func (d *Driver) readOwner(ctx context.Context, container, prefix string) (h *Hashes, err error) {
	err = twice(ctx, func() error {
		h, _, err = d.readShape(ctx, container, prefix)
		return err
	})
	return h, err
}

func (d *Driver) readShape(ctx context.Context, container, prefix string) (*Hashes, int64, error) {
	r, err := d.store.Get(ctx, container, hashesName(prefix), 0, -1)
	if err != nil {
		return nil, 0, fmt.Errorf("hash list: %w", err)
	}
	defer r.Close()
	h, shape, err := scanHashes(r, maxBlocks, nil)
	return h, shape.blocks, err
}

var errNoStride = errors.New("not in the form that Cinder writes")

// strideShape joins the list's beginning up to its first digest with what
// follows its last, and reads that as a document of no digests.
func (d *Driver) strideShape(ctx context.Context, container, prefix string, size int64) (*Hashes, int64, error) {
	const piece = 4 << 10
	const opening, closing = "\"sha256s\": [\n", "\"\n  ],"
	if size <= 2*piece {
		return nil, 0, errNoStride
	}
	front, err := d.readRange(ctx, container, hashesName(prefix), 0, piece)
	if err != nil {
		return nil, 0, fmt.Errorf("hash list: %w", err)
	}
	back, err := d.readRange(ctx, container, hashesName(prefix), size-piece, piece)
	if err != nil {
		return nil, 0, fmt.Errorf("hash list: %w", err)
	}
	// In the tail the closing can only be that of the list: what follows it
	// are ids and a version.
	start, end := strings.Index(front, opening), strings.LastIndex(back, closing)
	if start < 0 || end < 0 {
		return nil, 0, errNoStride
	}
	start += len(opening)
	digests := size - piece + int64(end) + 1 - int64(start)
	// The last digest has neither comma nor newline after it.
	if (digests+2)%digestStride != 0 {
		return nil, 0, errNoStride
	}
	rest := front[:start] + back[end+len("\"\n"):]
	h, _, err := scanHashes(strings.NewReader(rest), 0, nil)
	if err != nil {
		return nil, 0, errNoStride
	}
	return h, (digests + 2) / digestStride, nil
}

func (d *Driver) readRange(ctx context.Context, container, name string, off, n int64) (string, error) {
	r, err := d.store.Get(ctx, container, name, off, n)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var b strings.Builder
	_, err = io.Copy(&b, io.LimitReader(r, n))
	return b.String(), err
}

// writeHashes writes h as Cinder does (chunkeddriver.py _write_sha256file).
func writeHashes(w io.Writer, h *Hashes, name, description *string, createdAt time.Time) error {
	e := newEmitter(w)
	e.head(h.BackupID, name, description)
	e.key("chunk_size").number(h.BlockSize)
	e.raw(",\n").key("created_at").text(formatTime(createdAt))
	e.raw(",\n").raw("  \"sha256s\": [")
	e.digests(h.Sums)
	if h.Blocks() > 0 {
		e.raw("\n  ")
	}
	e.raw("],\n").key("version").text(formatVersion)
	e.raw(",\n").key("volume_id").text(h.VolumeID)
	e.raw("\n}")
	return e.flush()
}

// digests writes the elements of a list of SHA-256 digests, many at a time.
func (e *emitter) digests(sums []byte) {
	if len(sums) == 0 {
		return
	}
	const before, between = "\n    \"", "\",\n    \""
	buf := make([]byte, min(len(sums)/sha256.Size, 512)*digestStride)
	hexdigits(buf[:digestDigits], sums[:sha256.Size])
	e.raw(before).w.Write(buf[:digestDigits])
	for rest := sums[sha256.Size:]; len(rest) > 0; {
		n := 0
		for ; n < len(buf) && len(rest) > 0; n += digestStride {
			line := buf[n : n+digestStride]
			hexdigits(line[copy(line, between):], rest[:sha256.Size])
			rest = rest[sha256.Size:]
		}
		e.w.Write(buf[:n])
	}
	e.raw(`"`)
}

// isAbsent reports whether err says that the store holds no such object.
func isAbsent(err error) bool {
	return errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrNoContainer)
}
