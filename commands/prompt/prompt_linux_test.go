package prompt_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/prompt"
)

// terminal opens a pseudo-terminal: the person's end and the program's end.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	// By way of SyscallConn, so that a read can still be ended by Close.
	conn, err := person.SyscallConn()
	require.NoError(t, err)
	n := 0
	require.NoError(t, conn.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if err == nil {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
		}
	}))
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	return person, program
}

// byteByByte keeps survey, which drops what it reads beyond the position of the
// cursor, from reading more than that.
type byteByByte struct{ *os.File }

func (b byteByByte) Read(p []byte) (int, error) { return b.File.Read(p[:min(1, len(p))]) }

// answer runs ask at a terminal where a person types text after the question
// has appeared, and returns what was on the screen.
func answer(t *testing.T, text string, ask func(prompt.Prompter) (bool, error)) (bool, error) {
	t.Helper()
	person, program := terminal(t)
	s, out, _ := iostreams.Buffers(byteByByte{program})
	s.Err, s.InTTY, s.ErrTTY = program, true, true

	typed := make(chan struct{})
	go func() {
		defer close(typed)
		// survey asks twice where the cursor is, when it is ready to read.
		const question, ready = "\x1b[6n", 2
		screen, asked, buf := "", 0, make([]byte, 4096)
		for {
			n, err := person.Read(buf)
			if err != nil {
				return
			}
			screen += string(buf[:n])
			for strings.Contains(screen, question) {
				screen = strings.Replace(screen, question, "", 1)
				io.WriteString(person, "\x1b[1;1R")
				if asked++; asked == ready {
					io.WriteString(person, text)
				}
			}
		}
	}()
	yes, err := ask(prompt.New(s))
	program.Close()
	person.Close()
	<-typed
	assert.Empty(t, out.String(), "questions stay off standard output")
	return yes, err
}

func TestConfirmAtATerminal(t *testing.T) {
	for _, c := range []struct {
		name, typed string
		yes         bool
		err         error
	}{
		{"yes", "y\r", true, nil},
		{"no", "n\r", false, nil},
		{"return alone is no", "\r", false, nil},
		{"Ctrl-C", "\x03", false, prompt.ErrInterrupted},
	} {
		t.Run(c.name, func(t *testing.T) {
			yes, err := answer(t, c.typed, func(p prompt.Prompter) (bool, error) { return p.Confirm("Delete backup?") })
			assert.Equal(t, c.yes, yes)
			if c.err == nil {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, c.err)
			}
		})
	}
}

func TestTypedConfirmationMustMatch(t *testing.T) {
	for typed, want := range map[string]bool{"12\r": true, "1\r": false, "\r": false} {
		yes, err := answer(t, typed, func(p prompt.Prompter) (bool, error) { return p.Type("Delete 12 backups.", "12") })
		require.NoError(t, err)
		assert.Equal(t, want, yes, "%q", typed)
	}
}
