package prompt_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/prompt"
)

func TestNothingIsAskedOffATerminal(t *testing.T) {
	for _, c := range []struct {
		name        string
		inTTY, eTTY bool
	}{{"no terminal", false, false}, {"input piped", false, true}, {"errors redirected", true, false}} {
		t.Run(c.name, func(t *testing.T) {
			s, out, errOut := iostreams.Buffers(strings.NewReader("y\n"))
			s.InTTY, s.ErrTTY = c.inTTY, c.eTTY
			p := prompt.New(s)
			yes, err := p.Confirm("Delete?")
			assert.False(t, yes)
			assert.ErrorIs(t, err, prompt.ErrNoTerminal)
			yes, err = p.Type("Delete 3 backups.", "3")
			assert.False(t, yes)
			assert.ErrorIs(t, err, prompt.ErrNoTerminal)
			assert.Empty(t, out.String()+errOut.String())
		})
	}
}
