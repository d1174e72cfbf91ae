package output

import (
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// minColumn is the width below which a column is not wrapped further.
const minColumn = 8

func writeTable(w io.Writer, v table, width int) error {
	head := make([]string, len(v.columns))
	for i, c := range v.columns {
		head[i] = c.Title
	}
	rows := [][]string{}
	for row, err := range v.rows {
		if err != nil {
			return err
		}
		rows = append(rows, texts(row, "-"))
	}
	if v.single && len(rows) == 1 {
		rows, head = properties(v.columns, rows[0]), []string{"Property", "Value"}
	}
	fit(head, rows, width)

	t := tablewriter.NewTable(w,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{Symbols: tw.NewSymbols(tw.StyleASCII)})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off), // a tree is drawn with spaces
	)
	t.Header(head)
	if err := t.Bulk(rows); err != nil {
		return err
	}
	return t.Render()
}

func properties(columns []Column, row []string) [][]string {
	out := make([][]string, len(columns))
	for i, c := range columns {
		out[i] = []string{c.Key, row[i]}
	}
	return out
}

// fit breaks cells into lines until the table is at most width columns wide,
// taking from the widest column first. Nothing is cut off.
func fit(head []string, rows [][]string, width int) {
	if width <= 0 {
		return
	}
	widths := make([]int, len(head))
	total := 1
	for i := range head {
		widths[i] = twwidth.Width(head[i])
		for _, r := range rows {
			widths[i] = max(widths[i], twwidth.Width(r[i]))
		}
		total += widths[i] + 3
	}
	for total > width {
		widest := 0
		for i := range widths {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= minColumn {
			break
		}
		widths[widest]--
		total--
	}
	for i := range head {
		head[i] = wrap(head[i], widths[i])
		for _, r := range rows {
			r[i] = wrap(r[i], widths[i])
		}
	}
}

// wrap breaks s into lines of at most width, at spaces where there are any.
func wrap(s string, width int) string {
	if twwidth.Width(s) <= width {
		return s
	}
	var lines []string
	line := ""
	flush := func() {
		if line != "" {
			lines = append(lines, line)
			line = ""
		}
	}
	for _, word := range strings.Split(s, " ") {
		if line != "" && twwidth.Width(line)+1+twwidth.Width(word) <= width {
			line += " " + word
			continue
		}
		flush()
		for twwidth.Width(word) > width {
			cut := cutAt(word, width)
			lines = append(lines, word[:cut])
			word = word[cut:]
		}
		line = word
	}
	flush()
	return strings.Join(lines, "\n")
}

// cutAt is the length in bytes of the longest start of s that is at most
// width columns wide, and at least one rune.
func cutAt(s string, width int) int {
	last := 0
	for i := range s {
		if i > 0 && twwidth.Width(s[:i]) > width {
			break
		}
		last = i
	}
	if last == 0 {
		for i := range s {
			if i > 0 {
				return i
			}
		}
		return len(s)
	}
	return last
}
