package output

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

// object is a JSON object that keeps the order of its columns.
type object struct {
	columns []Column
	cells   []any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range o.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := encode(c.Key)
		if err != nil {
			return nil, err
		}
		value, err := encode(o.cells[i])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is json.Marshal that leaves < and > as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

func writeJSON(w io.Writer, t table) error { return writeObjects(w, t, escapeJSON) }

// writeObjects writes each object of a list as it comes, or the only one, as
// JSON that passes through spell.
func writeObjects(w io.Writer, t table, spell func([]byte) []byte) error {
	out := bufio.NewWriter(w)
	margin, n := "  ", 0
	if t.single {
		margin = ""
	}
	for row, err := range t.rows {
		if err == nil {
			var text []byte
			if text, err = encode(object{t.columns, row}); err == nil {
				err = writeObject(out, spell(text), margin, n, t.single)
			}
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		n++
	}
	switch {
	case t.single:
		out.WriteString("\n")
	case n == 0:
		out.WriteString("[]\n")
	default:
		out.WriteString("\n]\n")
	}
	return out.Flush()
}

// writeObject writes object n of a list, or the only one.
func writeObject(out *bufio.Writer, text []byte, margin string, n int, single bool) error {
	var b bytes.Buffer
	if err := json.Indent(&b, text, margin, "  "); err != nil {
		return err
	}
	switch {
	case single:
	case n == 0:
		out.WriteString("[\n" + margin)
	default:
		out.WriteString(",\n" + margin)
	}
	_, err := out.Write(b.Bytes())
	return err
}

// writeYAML goes through JSON, so that both formats say the same. What JSON would
// escape comes as it is: YAML does not know its pairs of \u.
func writeYAML(w io.Writer, t table) error {
	var text bytes.Buffer
	if err := writeObjects(&text, t, func(plain []byte) []byte { return plain }); err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text.Bytes(), &doc); err != nil {
		return err
	}
	blockStyle(&doc)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(&doc), e.Close()); err != nil {
		return err
	}
	// What is escaped here stands in double quotes, where YAML knows \u too.
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

func blockStyle(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && iostreams.NeedsEscape(n.Value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

func writeCSV(w io.Writer, t table) error {
	c := csv.NewWriter(w)
	head := make([]string, len(t.columns))
	for i, col := range t.columns {
		head[i] = col.Key
	}
	err := c.Write(head)
	for row, late := range t.rows {
		if err = cmp.Or(err, late); err != nil {
			break
		}
		err = c.Write(texts(row, ""))
	}
	c.Flush()
	return cmp.Or(err, c.Error())
}

func writeValues(w io.Writer, t table) error {
	out := bufio.NewWriter(w)
	sep := " "
	if t.single {
		sep = "\n"
	}
	for row, err := range t.rows {
		if err == nil {
			_, err = fmt.Fprintln(out, strings.Join(texts(row, "-"), sep))
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
	}
	return out.Flush()
}

func texts(row []any, null string) []string {
	line := make([]string, len(row))
	for i, cell := range row {
		line[i] = text(cell, null)
	}
	return line
}

// text is a cell as it stands in a table, a CSV field or a bare value; null
// stands for nil.
func text(cell any, null string) string {
	switch v := cell.(type) {
	case nil:
		return null
	case string:
		return iostreams.Escape(v)
	case bool, int, int32, int64, uint64, float64:
		return fmt.Sprint(v)
	case []string:
		if len(v) == 0 {
			return null
		}
		return iostreams.Escape(strings.Join(v, "; "))
	}
	b, err := encode(cell)
	if err != nil {
		return iostreams.Escape(fmt.Sprint(cell))
	}
	// Named string types, such as a status, encode to a quoted string.
	var s string
	if json.Unmarshal(b, &s) == nil {
		return iostreams.Escape(s)
	}
	if bytes.Equal(b, []byte("null")) {
		return null
	}
	return iostreams.Escape(string(b))
}

// escapeJSON spells in an encoded JSON text what iostreams.Escape would hide. In JSON
// text such runes occur inside strings only, where \u stands for the same.
func escapeJSON(text []byte) []byte {
	if !strings.ContainsFunc(string(text), func(r rune) bool { return r != '\n' && iostreams.Hidden(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case r == '\n' || !iostreams.Hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}
