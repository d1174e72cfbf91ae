// Package output renders what a command found. A command builds a View, one
// row model, and a Printer writes it as a table, JSON, YAML, CSV or bare
// values. The shape of the machine formats is promised by Version.
//
// It writes data only: no colour, no messages. Names from a cloud or a store
// cannot reach the terminal as control sequences.
package output

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Version is the version of the machine-readable shapes. It grows when a
// column of an existing verb is renamed, removed or changes its type; a new
// column does not change it.
const Version = 1

// Format is one of the five formats.
type Format string

// Formats.
const (
	Table Format = "table" // for people; wraps to the terminal, never truncates
	JSON  Format = "json"
	YAML  Format = "yaml"
	CSV   Format = "csv"   // a header line of column keys, then one line for each row
	Value Format = "value" // bare values, one row a line, separated by spaces
)

// Formats lists them in the order of the help text.
var Formats = []string{string(Table), string(JSON), string(YAML), string(CSV), string(Value)}

// ParseFormat returns the format named s.
func ParseFormat(s string) (Format, error) {
	for _, f := range Formats {
		if s == f {
			return Format(f), nil
		}
	}
	return "", fmt.Errorf("format %q is none of %s", s, strings.Join(Formats, ", "))
}

// Column is one column of a View.
type Column struct {
	Key   string // snake_case, as the API names it; the key in JSON
	Title string // heading of the table
	// Wide columns are left out of the table unless asked for with -c; the
	// other formats always have them.
	Wide bool
}

// View is what a command shows. Cells are nil, string, bool, integers, floats,
// time.Time, []string, or any value that encoding/json can encode; a cell that
// is none of the simple ones is shown in tables as JSON.
type View struct {
	Columns []Column
	Rows    [][]any
	// Single says that the view is one object, not a list of them: a table
	// of properties, and an object in JSON. It then has exactly one row.
	Single bool
}

// Printer writes a View in one format.
type Printer struct {
	Format Format
	// Columns restricts and orders the columns; empty means all.
	Columns []string
	Out     io.Writer
	// Width is the width to which a table wraps; 0 means no limit.
	Width int
}

// Check reports a column name that v does not have, so that a command can
// refuse it before it does anything.
func (p Printer) Check(columns []Column) error {
	_, err := p.pick(columns)
	return err
}

// Print writes v.
func (p Printer) Print(v View) error {
	picked, err := p.pick(v.Columns)
	if err != nil {
		return err
	}
	if len(p.Columns) == 0 && p.Format == Table && !v.Single {
		picked = narrow(v.Columns, picked)
	}
	t := View{Single: v.Single, Columns: make([]Column, len(picked)), Rows: make([][]any, len(v.Rows))}
	for i, c := range picked {
		t.Columns[i] = v.Columns[c]
	}
	for i, row := range v.Rows {
		t.Rows[i] = make([]any, len(picked))
		for j, c := range picked {
			t.Rows[i][j] = plain(row[c])
		}
	}
	switch p.Format {
	case JSON:
		return writeJSON(p.Out, t)
	case YAML:
		return writeYAML(p.Out, t)
	case CSV:
		return writeCSV(p.Out, t)
	case Value:
		return writeValues(p.Out, t)
	default:
		return writeTable(p.Out, t, p.Width)
	}
}

func (p Printer) pick(columns []Column) ([]int, error) {
	var picked []int
	for _, want := range p.Columns {
		found := -1
		for i, c := range columns {
			if strings.EqualFold(want, c.Key) || strings.EqualFold(want, c.Title) {
				found = i
			}
		}
		if found < 0 {
			keys := make([]string, len(columns))
			for i, c := range columns {
				keys[i] = c.Key
			}
			return nil, fmt.Errorf("column %q is none of %s", want, strings.Join(keys, ", "))
		}
		picked = append(picked, found)
	}
	if len(p.Columns) == 0 {
		for i := range columns {
			picked = append(picked, i)
		}
	}
	return picked, nil
}

func narrow(columns []Column, picked []int) []int {
	var out []int
	for _, i := range picked {
		if !columns[i].Wide {
			out = append(out, i)
		}
	}
	return out
}

// plain turns times into RFC 3339 in UTC and typed nils into nil.
func plain(cell any) any {
	switch v := cell.(type) {
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return v.UTC().Format(time.RFC3339Nano)
	case *string:
		if v == nil {
			return nil
		}
		return *v
	}
	return cell
}
