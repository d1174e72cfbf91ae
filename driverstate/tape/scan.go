package tape

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// medium is one file that holds blocks: a volume, or several one after another.
type medium struct {
	io.ReaderAt
	name string
	size int64
}

// maxHead bounds the first block of a volume, generously.
const maxHead = 512

// unwritten reports whether the medium is a volume that was made and got no
// head: empty, or with a part of one, or with the zeros that a power cut leaves.
func (m *medium) unwritten() bool {
	if m.size >= maxHead {
		return false
	}
	b := make([]byte, m.size)
	if n, _ := m.ReadAt(b, 0); n < len(b) {
		return false
	}
	head := append(magic[:], byte(kindVolume))
	return bytes.HasPrefix(b, head[:min(len(b), len(head))]) || len(bytes.Trim(b, "\x00")) == 0
}

// at is where a block begins.
type at struct {
	medium int
	offset int64
}

func (a at) before(b at) bool {
	return a.medium < b.medium || a.medium == b.medium && a.offset < b.offset
}

// object is one whole object of a tape.
type object struct {
	tape tapeID
	head objectHead
	end  objectEnd
	at   at // of its first block
}

// record is one export record of a tape.
type record struct {
	driverstate.ExportedRecord
	id string
	at at
}

// content is what a tape holds.
type content struct {
	tape  tapeID
	known bool // tape is
	// headless: the first block is lost. What follows can be read.
	headless bool
	objects  map[string]map[string]*object
	records  []record
	// indexes together name all that is before the last of them, the oldest
	// first; nil if the next must name all.
	indexes []index
	// damage is what was found before something that is whole; empty for none.
	// What it covers may be readable another time: no new index may hide it.
	damage string
	// next is the number of the next block; end is where it would begin. What
	// lies behind end is of an object that never ended.
	next   uint64
	end    at
	volume int // that end is in
	// tapes is how many there are, one after another; 0 for one that was not
	// walked.
	tapes int
	// problems say what is not whole, in the order of the tape.
	problems []string
}

func (c *content) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *content) put(o *object) {
	of := c.objects[o.head.Container]
	if of == nil {
		of = map[string]*object{}
		c.objects[o.head.Container] = of
	}
	of[o.head.Name] = o
}

func (c *content) remove(container, name string) {
	c.indexes = nil // no index says that something is gone
	delete(c.objects[container], name)
	if len(c.objects[container]) == 0 {
		delete(c.objects, container)
	}
}

func (c *content) count() (objects int, bytes int64) {
	for _, of := range c.objects {
		objects += len(of)
		for _, o := range of {
			bytes += o.end.Size
		}
	}
	return objects, bytes
}

// scanner walks the blocks of a tape by their headers. Data is passed over: it
// is proven when it is read.
type scanner struct {
	media   []*medium
	c       *content
	earlier []*content // of the tapes before this one
	buffer  []byte
	// The object that is open; nil for none.
	open *object
	have int64 // bytes of it so far
	// whole is the end of the last block that is part of nothing unfinished,
	// and number that of the next.
	whole  at
	number uint64
	hurt   string // the damage behind it; empty for none
	// behead takes the next block for the tape's, though it is not the first.
	behead bool
}

func newContent() *content { return &content{objects: map[string]map[string]*object{}} }

// scan reads a tape through. A part that cannot be read is a problem, not an
// error: what is whole is found before it and behind it. ErrInvalidInput: this
// is no tape, or one of a later version.
func scan(media []*medium) (*content, error) {
	s := &scanner{media: media, c: newContent(), buffer: make([]byte, maxPayload)}
	for i := range media {
		if err := s.medium(i); err != nil {
			return nil, err
		}
	}
	s.drop("at the end of the tape")
	s.c.end, s.c.next = s.whole, s.number
	if !s.c.known {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, media[0].name+" is no tape of cinder-go")
	}
	return s.joined(), nil
}

func (s *scanner) drop(why string) {
	if s.open != nil {
		s.c.problem("object %s is cut short %s", s.open.head.Name, why)
		s.open = nil
	}
}

// damaged notes a problem that is more than an object that did not end.
func (s *scanner) damaged(format string, args ...any) {
	s.c.problem(format, args...)
	if s.hurt == "" {
		s.hurt = s.c.problems[len(s.c.problems)-1]
	}
}

// passed notes a block that ends at end and is part of nothing unfinished.
func (s *scanner) passed(h header, end at) {
	if s.c.damage == "" {
		s.c.damage = s.hurt
	}
	s.whole, s.number = end, h.number+1
}

func (s *scanner) medium(i int) error {
	m := s.media[i]
	var raw [headerSize]byte
	last := int64(-1) // where the block before began
	for off := int64(0); off < m.size; {
		n, err := m.ReadAt(raw[:], off)
		if n < headerSize && err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		h, err := parseHeader(raw[:n])
		if err == nil && s.isHead(m, h, nil, off) {
			if err := s.another(m, h, off); err != nil {
				return err
			}
		}
		foreign := !errors.Is(err, errNoBlock) && s.c.known && h.tape != s.c.tape
		switch {
		case errors.Is(err, errNoBlock), foreign:
			next, found := s.resync(m, off+1)
			if !found {
				s.damaged("%s: nothing can be read from byte %d to its end", m.name, off)
				return s.hidden(m, last)
			}
			s.damaged("%s: bytes %d to %d are damaged", m.name, off, next-1)
			s.drop("there")
			off = next
			s.behead = !s.c.known
			continue
		case off+headerSize+int64(h.length) > m.size:
			s.damaged("%s ends in the middle of block %d", m.name, h.number)
			return s.hidden(m, off)
		}
		if s.behead && h.kind != kindVolume {
			s.c.tape, s.c.known, s.c.headless, s.c.next = h.tape, true, true, h.number
		}
		s.behead = false
		if s.c.known && h.number != s.c.next {
			s.damaged("%s: block %d follows block %d", m.name, h.number, int64(s.c.next)-1)
			s.drop("before it")
		}
		if err == nil {
			if err := s.block(m, h, at{i, off}); err != nil {
				return err
			}
		} else { // a kind of a later version is passed over
			s.passed(h, at{i, off + headerSize + int64(h.length)})
		}
		last = off
		off += headerSize
		if s.c.known { // else what follows is not what the head says: another tape may begin in it
			off += int64(h.length)
		}
		s.c.next = h.number + 1
	}
	return s.hidden(m, last)
}

// resync finds the next block of this tape at or behind off.
func (s *scanner) resync(m *medium, off int64) (int64, bool) {
	return s.seek(m, off, func(h header, err error, _ int64) bool {
		return err == nil && (!s.c.known || h.tape == s.c.tape && h.number >= s.c.next)
	})
}

// seek finds the first header at or behind off that is wanted.
func (s *scanner) seek(m *medium, off int64, wanted func(h header, err error, at int64) bool) (int64, bool) {
	const piece = 256 << 10
	for off < m.size {
		b := s.buffer[:min(piece, m.size-off)]
		n, _ := m.ReadAt(b, off)
		b = b[:n]
		if n < headerSize {
			return 0, false
		}
		for i := 0; ; {
			j := bytes.Index(b[i:], magic[:])
			if j < 0 || i+j+headerSize > n {
				break
			}
			i += j
			h, err := parseHeader(b[i:])
			if wanted(h, err, off+int64(i)) {
				return off + int64(i), true
			}
			i++
		}
		off += int64(n - headerSize + 1)
	}
	return 0, false
}

// block takes one block in. Its payload is read unless it is data.
func (s *scanner) block(m *medium, h header, where at) error {
	if h.kind == kindData {
		s.have += int64(h.length)
		return nil
	}
	end := at{where.medium, where.offset + headerSize + int64(h.length)}
	payload, err := readPayload(m, where.offset+headerSize, h, s.buffer)
	switch {
	case err != nil && (h.kind == kindIndex || h.kind == kindFinal): // the walk does without
		s.c.problem("%s: byte %d: %v", m.name, where.offset, err)
	case err != nil:
		s.damaged("%s: byte %d: %v", m.name, where.offset, err)
		if h.kind != kindRecord {
			s.drop("there")
		}
	case h.kind == kindVolume:
		if err := s.volume(m, h, payload); err != nil {
			return err
		}
		s.passed(h, end)
	case !s.c.known:
		return driverstate.Fail(driverstate.ErrInvalidInput, m.name+" does not begin with a volume of a tape")
	default:
		if err := s.take(h, payload, where); err != nil {
			s.damaged("%s: block %d: %v", m.name, h.number, err)
			s.drop("there")
		} else if h.kind != kindObject {
			s.passed(h, end)
		}
	}
	return nil
}

func (s *scanner) volume(m *medium, h header, payload []byte) error {
	head, err := parseVolume(payload, h.tape)
	if err != nil {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("%s: %v", m.name, err))
	}
	if s.c.known && h.tape != s.c.tape {
		return nil // of another tape; scan has told
	}
	if head.Volume != s.c.volume+1 {
		s.hurt = "" // this says why blocks are missing
		s.damaged("volume %d is missing before %s", s.c.volume+1, m.name)
		s.drop("there")
	}
	s.c.tape, s.c.known, s.c.volume = h.tape, true, head.Volume
	return nil
}

func parseVolume(payload []byte, id tapeID) (volumeHead, error) {
	var head volumeHead
	err := json.Unmarshal(payload, &head)
	switch {
	case err != nil || head.Format != formatName || head.Volume < 1:
		return head, errors.New("its first block is not that of a tape")
	case head.Version != formatVersion:
		return head, fmt.Errorf("it is a tape of version %d, and only %d is known", head.Version, formatVersion)
	case head.Tape != hex.EncodeToString(id[:]):
		return head, errors.New("its first block is that of another tape")
	}
	return head, nil
}

func (s *scanner) take(h header, payload []byte, where at) error {
	switch h.kind {
	case kindRecord:
		r, err := parseRecord(payload)
		if err != nil {
			return err
		}
		r.at = where
		s.c.keep(r)
	case kindObject:
		s.drop("by the next")
		head, err := parseObject(payload)
		if err != nil {
			return err
		}
		s.open, s.have = &object{tape: h.tape, head: head, at: where}, 0
	case kindGone:
		head, err := parseObject(payload)
		if err != nil {
			return err
		}
		s.c.remove(head.Container, head.Name)
	case kindEnd:
		return s.ended(payload)
	}
	return nil
}

func (s *scanner) ended(payload []byte) error {
	o := s.open
	if o == nil {
		return nil // its beginning was lost, which was told
	}
	if err := json.Unmarshal(payload, &o.end); err != nil {
		return errors.New("the end of an object cannot be read")
	}
	if o.end.Size != s.have || o.head.Size != s.have {
		return fmt.Errorf("object %s has %d bytes and not %d", o.head.Name, s.have, o.end.Size)
	}
	s.c.put(o)
	s.open = nil
	return nil
}

func parseObject(payload []byte) (objectHead, error) {
	var head objectHead
	if err := json.Unmarshal(payload, &head); err != nil {
		return head, errors.New("the head of an object cannot be read")
	}
	if !plainPath(head.Container) || !plainPath(head.Name) || head.Size < 0 {
		return head, fmt.Errorf("object %.100q of container %.100q has no name that an object can have", head.Name, head.Container)
	}
	return head, nil
}

// plainPath reports whether a container or an object can be called s: it could
// be a file below a directory.
func plainPath(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for segment := range strings.SplitSeq(s, "/") {
		switch segment {
		case "", ".", "..":
			return false
		}
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f })
}

// recordText is a record as a block holds it.
type recordText struct {
	BackupService string `json:"backup_service"`
	BackupURL     string `json:"backup_url"`
}

func parseRecord(payload []byte) (record, error) {
	var r record
	var text recordText
	if err := json.Unmarshal(payload, &text); err != nil {
		return r, errors.New("a record cannot be read")
	}
	r.ExportedRecord = driverstate.ExportedRecord(text)
	decoded, err := driverstate.DecodeRecord(r.ExportedRecord)
	if err != nil {
		return r, err
	}
	r.id = decoded.Backup.ID
	return r, nil
}

// keep replaces the record of the same backup.
func (c *content) keep(r record) {
	if i := slices.IndexFunc(c.records, func(old record) bool { return old.id == r.id }); i >= 0 {
		c.records = slices.Delete(c.records, i, i+1)
	}
	c.records = append(c.records, r)
}
