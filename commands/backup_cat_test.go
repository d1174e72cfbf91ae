package commands

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

func TestBytesOfABackupDoNotGoToATerminal(t *testing.T) {
	s, out, errOut := iostreams.Buffers(strings.NewReader(""))
	s.OutTTY = true
	code := runMain(t.Context(), append([]string{"backup-cat", "x"}, onStore...), s, func(string) (string, bool) { return "", false })
	assert.Equal(t, 2, code)
	assert.Contains(t, errOut.String(), "redirect standard output")
	assert.Empty(t, out.String())
}
