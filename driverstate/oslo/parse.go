package oslo

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// defaultGroup is how files and the environment name the group without a name.
const defaultGroup = "DEFAULT"

// assignment is one line of a file that gives an option its value, with the
// lines that continue it.
type assignment struct {
	group, name, value string
	line               int // of its first line, from 1
}

// syntaxError is a line that cannot be read. It does not quote the line, which
// may hold a password.
type syntaxError struct {
	line int
	text string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// parse reads the text of a file line by line, as oslo_config/iniparser.py
// BaseParser does: a line that begins with a blank continues the option before
// it, # and ; begin a comment only at the beginning of a line, and a blank line
// or a comment ends what can be continued.
func parse(text string) ([]assignment, error) {
	p := parser{}
	for line := range lines(text) {
		p.line++
		if !utf8.ValidString(line) {
			return nil, p.fail("it is not UTF-8")
		}
		if err := p.take(strings.TrimRightFunc(line, isSpace)); err != nil {
			return nil, err
		}
	}
	return p.all, nil
}

type parser struct {
	line  int
	group string
	all   []assignment
	open  bool // the last of all can be continued
}

func (p *parser) fail(format string, args ...any) error {
	return &syntaxError{p.line, fmt.Sprintf(format, args...)}
}

func (p *parser) take(line string) error {
	switch {
	case line == "":
		p.open = false
	case line[0] == ' ' || line[0] == '\t':
		if !p.open {
			return p.fail("it begins with a blank, but there is no option above that it could continue")
		}
		last := &p.all[len(p.all)-1]
		last.value += "\n" + strings.TrimLeftFunc(line, isSpace)
	case line[0] == '[':
		p.open = false
		if line[len(line)-1] != ']' {
			return p.fail("the name of a group must end with ] and nothing may follow it")
		}
		if p.group = line[1 : len(line)-1]; p.group == "" {
			return p.fail("the name of the group is empty")
		}
	case line[0] == '#' || line[0] == ';':
		p.open = false
	default:
		return p.assign(line)
	}
	return nil
}

func (p *parser) assign(line string) error {
	i := strings.IndexAny(line, ":=")
	if i < 0 {
		return p.fail("it is neither NAME = VALUE nor a [GROUP]")
	}
	name := strings.TrimFunc(line[:i], isSpace)
	switch {
	case name == "":
		return p.fail("there is no name before the %c", line[i])
	case p.group == "":
		return p.fail("option %s is in no group: there must be a line [%s] above", name, defaultGroup)
	}
	p.open = true
	p.all = append(p.all, assignment{p.group, name, unquote(strings.TrimFunc(line[i+1:], isSpace)), p.line})
	return nil
}

// unquote takes off quotes that are the first and the last character.
func unquote(value string) string {
	if value == "" || value[0] != '"' && value[0] != '\'' || value[0] != value[len(value)-1] {
		return value
	}
	return value[1:max(1, len(value)-1)]
}

// lines are those of a text as Python reads one: \n, \r\n and \r end a line.
func lines(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for text != "" {
			i := strings.IndexAny(text, "\r\n")
			if i < 0 {
				yield(text)
				return
			}
			line := text[:i]
			text = text[i:]
			if strings.HasPrefix(text, "\r\n") {
				text = text[1:]
			}
			text = text[1:]
			if !yield(line) {
				return
			}
		}
	}
}

// isSpace is what Python's str.strip takes off.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
