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
	"iter"
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
	// Wide columns are left out of the table unless asked for with -c or
	// --long; the other formats always have them.
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
	Long    bool // tables have the wide columns, too
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
	return p.write(v.Columns, v.Single, func(yield func([]any, error) bool) {
		for _, row := range v.Rows {
			if !yield(row, nil) {
				return
			}
		}
	})
}

// Stream writes a list of rows that are not all held at once, but for a table and
// YAML, which need to know all of it. With the first error of rows it ends; what
// was written by then is there, and in JSON does not look whole.
func (p Printer) Stream(columns []Column, rows Rows) error { return p.write(columns, false, rows) }

// Rows are the rows of a View as they come, and at most one error, at the end.
type Rows = iter.Seq2[[]any, error]

func (p Printer) write(columns []Column, single bool, rows Rows) error {
	picked, err := p.pick(columns)
	if err != nil {
		return err
	}
	if len(p.Columns) == 0 && p.Format == Table && !single && !p.Long {
		picked = narrow(columns, picked)
	}
	t := table{columns: make([]Column, len(picked)), single: single}
	for i, c := range picked {
		t.columns[i] = columns[c]
	}
	t.rows = func(yield func([]any, error) bool) {
		for row, err := range rows {
			cells := make([]any, len(picked))
			for j, c := range picked {
				if err == nil {
					cells[j] = plain(row[c])
				}
			}
			if !yield(cells, err) || err != nil {
				return
			}
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

// table is what is written, with the columns that were picked.
type table struct {
	columns []Column
	rows    Rows
	single  bool
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
