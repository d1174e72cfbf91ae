package commands

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

// pageWidth is how wide the page is where no narrower terminal is known.
const pageWidth = 80

// indent of what is said below the head of an entry.
const indent = "    "

// group is one entry of the page: findings that have the same cause and the
// same way out.
type group struct {
	first, last int // ranks
	items       []finding
}

// grouped joins neighbours that differ only in the object.
func grouped(list []finding) []group {
	var out []group
	for i, f := range list {
		if n := len(out); n > 0 && alike(out[n-1].items[0], f) {
			out[n-1].items, out[n-1].last = append(out[n-1].items, f), i+1
			continue
		}
		out = append(out, group{first: i + 1, last: i + 1, items: []finding{f}})
	}
	return out
}

func alike(a, b finding) bool {
	return a.severity == b.severity && a.cause == b.cause && a.kind == b.kind && a.reason == b.reason &&
		slices.EqualFunc(a.next, b.next, func(x, y step) bool {
			return x.command == y.command && (len(x.ids) > 0) == (len(y.ids) > 0)
		})
}

// next is the way out of all of the group, each command once.
func (g group) next() []step {
	out := slices.Clone(g.items[0].next)
	for _, f := range g.items[1:] {
		for i, s := range f.next {
			out[i].ids = append(slices.Clone(out[i].ids), s.ids...)
		}
	}
	return out
}

// writePage writes the findings for people, worst first.
func writePage(w io.Writer, width int, list []finding, now time.Time) error {
	if width <= 0 || width > pageWidth {
		width = pageWidth
	}
	var b strings.Builder
	for i, g := range grouped(list) {
		if i > 0 {
			b.WriteString("\n")
		}
		g.write(&b, width, now)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (g group) write(b *strings.Builder, width int, now time.Time) {
	f := g.items[0]
	ranks := fmt.Sprint(g.first)
	if g.last > g.first {
		ranks = fmt.Sprintf("%d-%d", g.first, g.last)
	}
	title := f.kind
	if n := len(g.items); n > 1 {
		title = plural(n, f.kind)
	}
	fmt.Fprintf(b, "%s  %s  %s: %s\n", ranks, strings.ToUpper(f.severity.String()), title, f.cause)
	for _, f := range g.items {
		writeWrapped(b, indent, indent+"  ", f.object(now), width)
		if f.detail != "" {
			writeWrapped(b, indent+"  ", indent+"  ", f.detail, width)
		}
	}
	writeWrapped(b, indent, indent, f.reason, width)
	for i, s := range g.next() {
		label := "next: "
		if i > 0 {
			label = "then: "
		}
		writeCommand(b, indent+label, s, width)
	}
}

// object is what the finding is about, in one line.
func (f finding) object(now time.Time) string {
	head := f.id
	if f.name != "" && f.name != f.id {
		head += " " + f.name
	}
	var parts []string
	status := f.status
	if !f.since.IsZero() {
		status = strings.TrimSpace(status + " for " + ageOf(now.Sub(f.since)))
	}
	for _, part := range []struct{ label, value string }{{"", status}, {"host ", f.host}, {"project ", f.project}} {
		if part.value != "" && !strings.Contains(f.id, part.value) {
			parts = append(parts, part.label+part.value)
		}
	}
	if len(parts) == 0 {
		return head
	}
	return head + ": " + strings.Join(parts, ", ")
}

// ageOf is a length of time in its two largest units.
func ageOf(d time.Duration) string {
	d = max(d, 0)
	day := 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

// writeWrapped writes text in lines of at most width; rest is the indent of all
// lines but the first.
func writeWrapped(b *strings.Builder, first, rest, text string, width int) {
	writeFolded(b, first, rest, strings.Fields(iostreams.Escape(text)), width, "")
}

// writeCommand writes a command that can be copied: a line that is too long
// goes on after a backslash.
func writeCommand(b *strings.Builder, label string, s step, width int) {
	words := append([]string{s.command}, s.ids...)
	if len(label)+len(s.command) > width {
		words = append(shellFields(s.command), s.ids...)
	}
	writeFolded(b, label, strings.Repeat(" ", len(label)+2), words, width, ` \`)
}

// shellFields are the words of a command line, spelled as they are in it: one in
// quotes may have blanks.
func shellFields(line string) []string {
	quoted, escaped := false, false
	blank := func(r rune) bool {
		switch {
		case escaped:
			escaped = false
			return false
		case r == '\'':
			quoted = !quoted
		case r == '\\':
			escaped = !quoted
		}
		return r == ' ' && !quoted
	}
	return strings.FieldsFunc(line, blank)
}

func writeFolded(b *strings.Builder, first, rest string, words []string, width int, more string) {
	line, empty := first, true
	for i, word := range words {
		room := width
		if i < len(words)-1 {
			room -= len(more)
		}
		if !empty && len(line)+1+len(word) > room {
			b.WriteString(line + more + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}
