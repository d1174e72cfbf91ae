// Package prompt asks a person before something that cannot be undone. It
// asks only at a terminal; elsewhere it answers ErrNoTerminal, so that a
// script never hangs.
package prompt

import (
	"errors"
	"fmt"
	"io"

	"github.com/AlecAivazis/survey/v2"
	"github.com/AlecAivazis/survey/v2/terminal"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

// Errors of a Prompter.
var (
	// ErrNoTerminal: standard input or standard error is not a terminal.
	ErrNoTerminal = errors.New("cannot ask: not at a terminal")
	// ErrInterrupted: the person pressed Ctrl-C.
	ErrInterrupted = errors.New("interrupted at the prompt")
)

// Prompter asks questions.
type Prompter interface {
	// Confirm asks a yes-or-no question; the default is no.
	Confirm(question string) (bool, error)
	// Type asks for want to be typed, and reports whether it was.
	Type(question, want string) (bool, error)
}

// New returns the Prompter of a terminal. Questions appear on s.Err, so that
// standard output stays clean.
func New(s *iostreams.Streams) Prompter { return &surveyor{s} }

type surveyor struct{ s *iostreams.Streams }

func (p *surveyor) Confirm(question string) (bool, error) {
	var yes bool
	err := p.ask(&survey.Confirm{Message: question, Default: false}, &yes)
	return yes, err
}

func (p *surveyor) Type(question, want string) (bool, error) {
	var got string
	err := p.ask(&survey.Input{Message: fmt.Sprintf("%s Type %s to go on:", question, want)}, &got)
	return err == nil && got == want, err
}

func (p *surveyor) ask(q survey.Prompt, answer any) error {
	in, inOK := p.s.In.(terminal.FileReader)
	out, outOK := p.s.Err.(terminal.FileWriter)
	if !p.s.CanPrompt() || !inOK || !outOK {
		return ErrNoTerminal
	}
	err := survey.AskOne(q, answer, survey.WithStdio(in, out, out))
	switch {
	case errors.Is(err, terminal.InterruptErr):
		return ErrInterrupted
	case errors.Is(err, io.EOF):
		return nil // end of input is no answer, and no answer is no
	}
	return err
}
