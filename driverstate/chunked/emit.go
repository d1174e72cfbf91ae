package chunked

import (
	"bufio"
	"io"
	"strconv"
	"unicode/utf16"
)

// emitter writes JSON in the form of Python's json.dumps with indent=2 and
// ensure_ascii. The first error sticks.
type emitter struct{ w *bufio.Writer }

func newEmitter(w io.Writer) *emitter { return &emitter{bufio.NewWriterSize(w, 64<<10)} }

func (e *emitter) raw(s string) *emitter {
	e.w.WriteString(s)
	return e
}

func (e *emitter) key(name string) *emitter { return e.raw(`  "`).raw(name).raw(`": `) }

func (e *emitter) number(n int64) *emitter { return e.raw(strconv.FormatInt(n, 10)) }

func (e *emitter) nullable(s *string) *emitter {
	if s == nil {
		return e.raw("null")
	}
	return e.text(*s)
}

func (e *emitter) text(s string) *emitter {
	e.w.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			e.w.WriteByte('\\')
			e.w.WriteByte(byte(r))
		case r == '\n':
			e.raw(`\n`)
		case r == '\r':
			e.raw(`\r`)
		case r == '\t':
			e.raw(`\t`)
		case r == '\b':
			e.raw(`\b`)
		case r == '\f':
			e.raw(`\f`)
		case r >= 0x20 && r < 0x7f:
			e.w.WriteByte(byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			e.escape(hi)
			e.escape(lo)
		default:
			e.escape(r)
		}
	}
	e.w.WriteByte('"')
	return e
}

func (e *emitter) escape(r rune) {
	const digits = "0123456789abcdef"
	e.w.Write([]byte{'\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15]})
}

// head opens a document with the keys that sort first in both.
func (e *emitter) head(backupID string, name, description *string) {
	e.raw("{\n").key("backup_description").nullable(description)
	e.raw(",\n").key("backup_id").text(backupID)
	e.raw(",\n").key("backup_name").nullable(name)
	e.raw(",\n")
}

func (e *emitter) flush() error { return e.w.Flush() }
