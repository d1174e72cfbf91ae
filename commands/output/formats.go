package output

import (
	"bytes"
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

func objects(v View) any {
	list := make([]object, len(v.Rows))
	for i, row := range v.Rows {
		list[i] = object{v.Columns, row}
	}
	if v.Single && len(list) == 1 {
		return list[0]
	}
	return list
}

func writeJSON(w io.Writer, v View) error {
	text, err := encode(objects(v))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = w.Write(escapeJSON(b.Bytes()))
	return err
}

// writeYAML goes through JSON, so that both formats say the same.
func writeYAML(w io.Writer, v View) error {
	text, err := encode(objects(v))
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
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
	_, err = w.Write(escapeJSON(b.Bytes()))
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

func writeCSV(w io.Writer, v View) error {
	c := csv.NewWriter(w)
	head := make([]string, len(v.Columns))
	for i, col := range v.Columns {
		head[i] = col.Key
	}
	if err := c.Write(head); err != nil {
		return err
	}
	for _, row := range v.Rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = text(cell, "")
		}
		if err := c.Write(line); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func writeValues(w io.Writer, v View) error {
	for _, row := range v.Rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = text(cell, "-")
		}
		sep := " "
		if v.Single {
			sep = "\n"
		}
		if _, err := fmt.Fprintln(w, strings.Join(line, sep)); err != nil {
			return err
		}
	}
	return nil
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
