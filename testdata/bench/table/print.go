package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// Point is one measurement of how a cost grows.
type Point struct {
	What  string  `json:"what"` // such as "restore, by depth of the chain"
	At    string  `json:"at"`   // such as "20 increments"
	Value float64 `json:"value"`
	Unit  Unit    `json:"unit"`
	Note  string  `json:"note,omitempty"`
}

// Report is one run.
type Report struct {
	Machine []string `json:"machine"`
	Rows    []Row    `json:"rows"`
	Growth  []Point  `json:"growth,omitempty"`
}

// Failed reports whether something could not be done or came out wrong. A goal
// that is missed is no failure.
func (r *Report) Failed() bool {
	for _, row := range r.Rows {
		if row.Verdict() == Failed {
			return true
		}
	}
	return false
}

var heads = []string{"job", "unit", "peer", "limit", "ours", "times the peer", "of the limit", "goal", "", "peak MiB, ours / peer"}

// Text is the report for a terminal.
func (r *Report) Text() string {
	var b strings.Builder
	for _, line := range r.Machine {
		fmt.Fprintln(&b, line)
	}
	b.WriteString("\n")
	lines := [][]string{heads}
	for _, row := range r.Rows {
		lines = append(lines, row.cells())
	}
	columns(&b, lines)
	if len(r.Growth) > 0 {
		b.WriteString("\nHow the cost grows\n\n")
		lines := [][]string{{"job", "at", "value", "unit", ""}}
		for _, p := range r.Growth {
			lines = append(lines, p.cells())
		}
		columns(&b, lines)
	}
	return b.String()
}

// Markdown is the report for a page.
func (r *Report) Markdown() string {
	var b strings.Builder
	for _, line := range r.Machine {
		fmt.Fprintf(&b, "* %s\n", line)
	}
	b.WriteString("\n| " + strings.Join(heads, " | ") + " |\n|" + strings.Repeat(" --- |", len(heads)) + "\n")
	for _, row := range r.Rows {
		b.WriteString("| " + strings.Join(row.cells(), " | ") + " |\n")
	}
	if len(r.Growth) > 0 {
		b.WriteString("\n| job | at | value | unit | |\n| --- | --- | --- | --- | --- |\n")
		for _, p := range r.Growth {
			b.WriteString("| " + strings.Join(p.cells(), " | ") + " |\n")
		}
	}
	return b.String()
}

func (p Point) cells() []string {
	return []string{p.What, p.At, number(p.Value), string(p.Unit), p.Note}
}

func (r Row) cells() []string {
	peer := number(r.Peer)
	if r.Peer > 0 && r.PeerName != "" {
		peer += " (" + r.PeerName + ")"
	}
	c := []string{r.Name, string(r.Unit), peer, number(r.Limit), number(r.Ours), factor(r.Ratio()), factor(r.Share()),
		r.Goal.String(), string(r.Verdict()), memory(r.OursMiB) + " / " + memory(r.PeerMiB)}
	if why := r.Failure + r.Skip; why != "" {
		c[8] += ": " + strings.Join(strings.Fields(strings.ReplaceAll(why, "|", "/")), " ")
	}
	return c
}

// String is a goal in the words of the table.
func (g Goal) String() string {
	var parts []string
	if g.Ratio > 0 {
		parts = append(parts, fmt.Sprintf(">= %s x", trim(g.Ratio)))
	}
	if g.Share > 0 {
		parts = append(parts, fmt.Sprintf(">= %s of limit", trim(g.Share)))
	}
	if g.AtMost > 0 {
		parts = append(parts, "<= "+trim(g.AtMost))
	}
	if g.PeakMiB > 0 {
		parts = append(parts, fmt.Sprintf("<= %s MiB", trim(g.PeakMiB)))
	}
	return strings.Join(parts, ", ")
}

func trim(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", x), "0"), ".")
}

// number has three digits that count.
func number(x float64) string {
	switch {
	case x <= 0:
		return "-"
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.*f", int(max(0, min(4, 2-math.Floor(math.Log10(x))))), x)
}

func factor(x float64) string {
	if x <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", round2(x))
}

func memory(mib float64) string {
	if mib <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", math.Ceil(mib))
}

func columns(b *strings.Builder, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line[:len(line)-1] {
			if len(cell) < 48 { // a reason may be longer than its column
				widths[i] = max(widths[i], len(cell))
			}
		}
	}
	for _, line := range lines {
		out := ""
		for i, cell := range line {
			out += fmt.Sprintf("%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(out, " ") + "\n")
	}
}

// Between these lines a page holds the tables of a run.
const (
	beginMark = "<!-- make bench: begin -->\n"
	endMark   = "<!-- make bench: end -->\n"
)

// Save writes the report to path: as JSON if it is called so, else as Markdown.
// Of a page that has the two marks, what stands between them is replaced.
func (r *Report) Save(path string) error {
	if filepath.Ext(path) == ".json" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(path, append(text, '\n'), 0o644)
	}
	page, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		before, rest, begun := bytes.Cut(page, []byte(beginMark))
		_, after, ended := bytes.Cut(rest, []byte(endMark))
		if !begun || !ended {
			return fmt.Errorf("%s has no lines %q and %q between which to write", path, strings.TrimSpace(beginMark), strings.TrimSpace(endMark))
		}
		return os.WriteFile(path, []byte(string(before)+beginMark+r.Markdown()+endMark+string(after)), 0o644)
	}
	return os.WriteFile(path, []byte(r.Markdown()), 0o644)
}
