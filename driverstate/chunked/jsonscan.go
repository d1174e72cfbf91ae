package chunked

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Limits of a hostile document.
const (
	maxDepth = 32       // of nested values
	maxKeys  = 1 << 16  // of one object
	maxWord  = 64 << 10 // bytes of an ordinary string
)

// badDocument is a document that cannot be used.
type badDocument struct {
	off int64
	msg string
	// cut: the document ends too early, as a crash of its writer leaves it.
	cut bool
}

func (e *badDocument) Error() string {
	if e.off < 0 {
		return e.msg
	}
	return fmt.Sprintf("%s at byte %d", e.msg, e.off)
}

func (e *badDocument) Unwrap() error { return driverstate.ErrCorrupt }

// isCut reports whether err says that a document is empty or ends too early.
func isCut(err error) bool {
	var d *badDocument
	return errors.As(err, &d) && d.cut
}

// refusal is a document that parses and says what it must not.
func refusal(format string, args ...any) error {
	return &badDocument{off: -1, msg: fmt.Sprintf(format, args...)}
}

// scanner reads one JSON document as a stream, in memory that does not grow
// with it. It is stricter than JSON needs: no duplicate keys, integers only
// where an integer is due, bounded depth.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int
	before   int64 // bytes of the document ahead of buf
	limit    int64 // bytes that the document may have
	scratch  []byte
	// words are keys met before: documents have the same ones again and again.
	words map[string]string
}

// Words that are kept are few and short, whatever documents hold.
const (
	keptWords = 256
	keptWord  = 32 // bytes
)

// scanners spares a scan of many small documents a buffer for each.
var scanners = sync.Pool{New: func() any { return &scanner{buf: make([]byte, 64<<10)} }}

func newScanner(r io.Reader, limit int64) *scanner {
	s := scanners.Get().(*scanner)
	*s = scanner{r: r, buf: s.buf, limit: limit, scratch: s.scratch, words: s.words}
	return s
}

// release ends the use of s; nothing that it returned but strings may be kept.
func (s *scanner) release() {
	s.r = nil
	if cap(s.scratch) > maxWord {
		s.scratch = nil
	}
	scanners.Put(s)
}

func (s *scanner) fail(format string, args ...any) error {
	return &badDocument{off: s.before + int64(s.pos), msg: fmt.Sprintf(format, args...)}
}

// fill makes at least n unread bytes available, n <= len(buf). io.EOF means
// that the document has fewer left.
func (s *scanner) fill(n int) error {
	if s.end-s.pos >= n {
		return nil
	}
	s.before += int64(s.pos)
	s.end = copy(s.buf, s.buf[s.pos:s.end])
	s.pos = 0
	for empty := 0; s.end < n; {
		m, err := s.r.Read(s.buf[s.end:])
		s.end += m
		if s.before+int64(s.end) > s.limit {
			return &badDocument{off: -1, msg: fmt.Sprintf("longer than %d bytes", s.limit)}
		}
		if s.end >= n {
			return nil
		}
		if err != nil {
			return err
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty > 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}

func (s *scanner) cutAt(err error) error {
	if errors.Is(err, io.EOF) {
		return &badDocument{off: s.before + int64(s.end), msg: "ends too early", cut: true}
	}
	return err
}

// byte consumes one byte.
func (s *scanner) byte() (byte, error) {
	if err := s.fill(1); err != nil {
		return 0, s.cutAt(err)
	}
	c := s.buf[s.pos]
	s.pos++
	return c, nil
}

// peek skips white space and returns the byte after it without consuming it.
func (s *scanner) peek() (byte, error) {
	if s.pos < s.end && s.buf[s.pos] > ' ' {
		return s.buf[s.pos], nil
	}
	for {
		if err := s.fill(1); err != nil {
			return 0, s.cutAt(err)
		}
		switch c := s.buf[s.pos]; c {
		case ' ', '\n', '\r', '\t':
			s.pos++
		case 0:
			// Blocks that a crash left unwritten read as zeros.
			return 0, &badDocument{off: s.before + int64(s.pos), msg: "holds zeros", cut: true}
		default:
			return c, nil
		}
	}
}

func (s *scanner) expect(want byte) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != want {
		return s.fail("%q where %q is due", c, want)
	}
	s.pos++
	return nil
}

// finish checks that only white space follows.
func (s *scanner) finish() error {
	for {
		if err := s.fill(1); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch s.buf[s.pos] {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return s.fail("something follows the document")
		}
	}
}

// ends marks the bytes that are not themselves in a string.
var ends = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// str reads a string of at most limit bytes. The result is valid until the
// next call.
func (s *scanner) str(limit int) ([]byte, error) {
	if err := s.expect('"'); err != nil {
		return nil, err
	}
	out := s.scratch[:0]
	for {
		if err := s.fill(1); err != nil {
			return nil, s.cutAt(err)
		}
		// Copy up to what needs a closer look.
		plain := s.buf[s.pos:s.end]
		for i, c := range plain {
			if ends[c] {
				plain = plain[:i]
				break
			}
		}
		out = append(out, plain...)
		i := s.pos + len(plain)
		s.pos = i
		if len(out) > limit {
			return nil, s.fail("string longer than %d bytes", limit)
		}
		if i == s.end {
			continue
		}
		s.pos++
		switch c := s.buf[i]; {
		case c == '"':
			s.scratch = out
			if !utf8.Valid(out) {
				return nil, s.fail("string that is not UTF-8")
			}
			return out, nil
		case c == '\\':
			var err error
			if out, err = s.escape(out); err != nil {
				return nil, err
			}
		case c == 0:
			return nil, &badDocument{off: s.before + int64(i), msg: "holds zeros", cut: true}
		default:
			return nil, s.fail("control character in a string")
		}
	}
}

func (s *scanner) escape(out []byte) ([]byte, error) {
	c, err := s.byte()
	if err != nil {
		return nil, err
	}
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
	default:
		return nil, s.fail("unknown escape")
	}
	r, err := s.hex4()
	if err != nil {
		return nil, err
	}
	if utf16.IsSurrogate(r) {
		second := rune(utf8.RuneError)
		if s.fill(6) == nil && s.buf[s.pos] == '\\' && s.buf[s.pos+1] == 'u' {
			s.pos += 2
			if second, err = s.hex4(); err != nil {
				return nil, err
			}
		}
		r = utf16.DecodeRune(r, second)
	}
	return utf8.AppendRune(out, r), nil
}

func (s *scanner) hex4() (rune, error) {
	if err := s.fill(4); err != nil {
		return 0, s.cutAt(err)
	}
	var r rune
	for range 4 {
		v := hexValue[s.buf[s.pos]]
		if v > 15 {
			return 0, s.fail("bad escape")
		}
		r = r<<4 | rune(v)
		s.pos++
	}
	return r, nil
}

// integer reads an integer that is not negative; fractions and exponents are
// refused, whatever their value.
func (s *scanner) integer() (int64, error) {
	c, err := s.peek()
	if err != nil {
		return 0, err
	}
	if c < '0' || c > '9' {
		return 0, s.fail("%q where a number of 0 or more is due", c)
	}
	var v int64
	for digits := 0; ; digits++ {
		if err := s.fill(1); errors.Is(err, io.EOF) && digits > 0 {
			return v, nil
		} else if err != nil {
			return 0, s.cutAt(err)
		}
		switch c := s.buf[s.pos]; {
		case c >= '0' && c <= '9':
			if v > (math.MaxInt64-9)/10 || (digits == 1 && v == 0) {
				return 0, s.fail("number out of range")
			}
			v = v*10 + int64(c-'0')
			s.pos++
		case c == '.' || c == 'e' || c == 'E':
			return 0, s.fail("number that is not an integer")
		default:
			return v, nil
		}
	}
}

func (s *scanner) literal(word string) error {
	if err := s.fill(len(word)); err != nil {
		return s.cutAt(err)
	}
	if string(s.buf[s.pos:s.pos+len(word)]) != word {
		return s.fail("unknown word")
	}
	s.pos += len(word)
	return nil
}

// null consumes a null if that is the next value.
func (s *scanner) null() (bool, error) {
	c, err := s.peek()
	if err != nil || c != 'n' {
		return false, err
	}
	return true, s.literal("null")
}

// object reads an object; field is called with each key and must consume its
// value. A duplicate key is refused.
func (s *scanner) object(field func(key string) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	if c, err := s.peek(); err != nil {
		return err
	} else if c == '}' {
		s.pos++
		return nil
	}
	var few [48]string // a volume has 42 columns
	seen := few[:0]
	var many map[string]bool
	for {
		raw, err := s.str(maxWord)
		if err != nil {
			return err
		}
		key := s.word(raw)
		for _, k := range seen {
			if k == key {
				return s.fail("key %.80q twice", key)
			}
		}
		switch {
		case many[key]:
			return s.fail("key %.80q twice", key)
		case len(seen) < len(few):
			seen = append(seen, key)
		case len(many) >= maxKeys:
			return s.fail("more than %d keys", maxKeys)
		default:
			if many == nil {
				many = make(map[string]bool)
			}
			many[key] = true
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
		if more, err := s.more('}'); err != nil || !more {
			return err
		}
	}
}

// array reads an array; element must consume each value.
func (s *scanner) array(element func() error) error {
	if err := s.expect('['); err != nil {
		return err
	}
	if c, err := s.peek(); err != nil {
		return err
	} else if c == ']' {
		s.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if more, err := s.more(']'); err != nil || !more {
			return err
		}
	}
}

// more consumes a comma or closing, and tells which.
func (s *scanner) more(closing byte) (bool, error) {
	c, err := s.peek()
	if err != nil {
		return false, err
	}
	if c != ',' && c != closing {
		return false, s.fail("%q where a comma or %q is due", c, closing)
	}
	s.pos++
	return c == ',', nil
}

// skip consumes any value.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return s.fail("nested deeper than %d", maxDepth)
	}
	c, err := s.peek()
	if err != nil {
		return err
	}
	switch {
	case c == '{':
		return s.object(func(string) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(func() error { return s.skip(depth + 1) })
	case c == '"':
		_, err := s.str(maxVolumeMeta)
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		return s.skipNumber()
	}
	return s.fail("%q where a value is due", c)
}

func (s *scanner) skipNumber() error {
	for {
		if err := s.fill(1); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch c := s.buf[s.pos]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			s.pos++
		default:
			return nil
		}
	}
}

// word is key as a string that is allocated once for all documents.
func (s *scanner) word(key []byte) string {
	if kept, ok := s.words[string(key)]; ok {
		return kept
	}
	word := string(key)
	if len(word) <= keptWord && len(s.words) < keptWords {
		if s.words == nil {
			s.words = make(map[string]string)
		}
		s.words[word] = word
	}
	return word
}
