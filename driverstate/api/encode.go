package api

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"strconv"

	"github.com/cinder-go/cinder-go/driverstate"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	key   string
	value any
}

// stream is an object of one member, a list that is too long to be held.
type stream struct {
	key  string
	rows iter.Seq[object]
}

// streamPiece is how much of a stream is written at once.
const streamPiece = 32 << 10

// write writes the stream as JSON.
func (s stream) write(w io.Writer) error {
	text, err := appendText([]byte{'{'}, s.key)
	if err != nil {
		return err
	}
	text = append(text, ':', '[')
	first := true
	for row := range s.rows {
		if !first {
			text = append(text, ',')
		}
		first = false
		if text, err = appendObject(text, row); err != nil {
			return err
		}
		if len(text) >= streamPiece {
			if _, err := w.Write(text); err != nil {
				return err
			}
			text = text[:0]
		}
	}
	_, err = w.Write(append(text, ']', '}'))
	return err
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

// appendJSON appends v as JSON text, without the escapes that HTML would want.
// What views are made of is written here, because a page of a thousand rows
// takes three times as long through reflection (BenchmarkEncodePage); the rest
// is left to encoding/json.
func appendJSON(to []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case object:
		return appendObject(to, v)
	case []object:
		return appendArray(to, v)
	case []any:
		return appendArray(to, v)
	case nil:
		return append(to, "null"...), nil
	case bool:
		return strconv.AppendBool(to, v), nil
	case int:
		return strconv.AppendInt(to, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(to, v, 10), nil
	case string:
		return appendText(to, v)
	case driverstate.Status:
		return appendText(to, string(v))
	case *string:
		if v == nil {
			return append(to, "null"...), nil
		}
		return appendText(to, *v)
	case map[string]string:
		if v != nil && len(v) == 0 {
			return append(to, "{}"...), nil
		}
	}
	return appendOther(to, v)
}

func appendObject(to []byte, o object) (_ []byte, err error) {
	to = append(to, '{')
	for i, m := range o {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = appendText(to, m.key); err != nil {
			return nil, err
		}
		to = append(to, ':')
		if to, err = appendJSON(to, m.value); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

func appendArray[T any](to []byte, list []T) (_ []byte, err error) {
	if list == nil {
		return append(to, "null"...), nil
	}
	to = append(to, '[')
	for i, v := range list {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = appendJSON(to, v); err != nil {
			return nil, err
		}
	}
	return append(to, ']'), nil
}

// appendText writes printable ASCII itself, which needs no escapes.
func appendText(to []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return appendOther(to, s)
		}
	}
	to = append(to, '"')
	to = append(to, s...)
	return append(to, '"'), nil
}

func appendOther(to []byte, v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return append(to, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...), nil
}
