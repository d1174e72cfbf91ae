// Package iostreams carries the three standard streams of a command with what
// is known of them: whether each is a terminal, how wide it is, and whether
// colour is wanted. Commands write through it and never to os.Stdout.
package iostreams

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// ColorMode says when colour is used.
type ColorMode string

// Colour modes.
const (
	ColorAuto   ColorMode = "auto" // on a terminal that can, unless NO_COLOR is set
	ColorAlways ColorMode = "always"
	ColorNever  ColorMode = "never"
)

// ParseColorMode returns the mode named s.
func ParseColorMode(s string) (ColorMode, error) {
	switch m := ColorMode(s); m {
	case ColorAuto, ColorAlways, ColorNever:
		return m, nil
	}
	return "", fmt.Errorf("color %q is none of auto, always, never", s)
}

// Streams are the streams of one command. Out carries data only; Err carries
// everything meant for people.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	// InTTY, OutTTY and ErrTTY say which of them are terminals.
	InTTY, OutTTY, ErrTTY bool
	// OutWidth returns the columns of the terminal behind Out, 0 if unknown.
	OutWidth func() int
	// ErrWidth is the same for Err.
	ErrWidth func() int

	color bool
	dumb  bool
}

// System returns the process's own streams. lookup reads the environment
// (NO_COLOR, TERM).
func System(lookup func(string) (string, bool)) *Streams {
	s := &Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY:    term.IsTerminal(int(os.Stdin.Fd())),
		OutTTY:   term.IsTerminal(int(os.Stdout.Fd())),
		ErrTTY:   term.IsTerminal(int(os.Stderr.Fd())),
		OutWidth: widthOf(os.Stdout),
		ErrWidth: widthOf(os.Stderr),
	}
	s.SetColor(ColorAuto, lookup)
	return s
}

func widthOf(f *os.File) func() int {
	return func() int {
		w, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return w
	}
}

// Buffers returns streams without a terminal that write to memory, with in as
// standard input.
func Buffers(in io.Reader) (s *Streams, out, errOut *bytes.Buffer) {
	out, errOut = &bytes.Buffer{}, &bytes.Buffer{}
	none := func() int { return 0 }
	return &Streams{In: in, Out: out, Err: &lockedWriter{w: errOut}, OutWidth: none, ErrWidth: none}, out, errOut
}

// lockedWriter lets progress and messages share one buffer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// SetColor decides on colour once the flags are known.
func (s *Streams) SetColor(mode ColorMode, lookup func(string) (string, bool)) {
	term, _ := lookup("TERM")
	s.dumb = term == "dumb"
	switch mode {
	case ColorAlways:
		s.color = true
	case ColorNever:
		s.color = false
	default:
		noColor, _ := lookup("NO_COLOR")
		s.color = s.ErrTTY && !s.dumb && noColor == ""
	}
}

// CanPrompt reports whether a question can be asked and answered: both
// standard input and standard error are terminals.
func (s *Streams) CanPrompt() bool { return s.InTTY && s.ErrTTY }

// Live reports whether a line on Err can be rewritten in place.
func (s *Streams) Live() bool { return s.ErrTTY && !s.dumb }

// Errf writes a line for people to Err.
func (s *Streams) Errf(format string, args ...any) {
	fmt.Fprintf(s.Err, format+"\n", args...)
}

// Bold, Red, Green, Yellow and Faint return text in that style when colour is
// on, and text itself when it is not. Colour never carries meaning alone.
func (s *Streams) Bold(text string) string { return s.style("1", text) }

// Red is for failure.
func (s *Streams) Red(text string) string { return s.style("31", text) }

// Green is for success.
func (s *Streams) Green(text string) string { return s.style("32", text) }

// Yellow is for what needs a look.
func (s *Streams) Yellow(text string) string { return s.style("33", text) }

// Faint is for what may be skipped by the eye.
func (s *Streams) Faint(text string) string { return s.style("2", text) }

func (s *Streams) style(code, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
