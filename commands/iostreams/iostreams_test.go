package iostreams_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

func TestEscapeLeavesNothingThatMovesTheCursor(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain text", "nightly", "nightly"},
		{"other scripts", "täglich 日次", "täglich 日次"},
		{"escape sequence", "a\x1b[2Jb", `a\x1b[2Jb`},
		{"line ends", "a\r\nb\tc", `a\x0d\nb\tc`},
		{"delete", "a\x7f", `a\x7f`},
		{"C1 control", "a\u009b2J", `a\x9b2J`},
		{"text turned around", "a\u202egpj.exe", `a\u202egpj.exe`},
		{"no width", "a\u200bb", `a\u200bb`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"tag characters", "a\U000e0041", `a\U000e0041`},
		{"not UTF-8", "a\xff\xfeb", `a\xff\xfeb`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := iostreams.Escape(c.in)
			assert.Equal(t, c.want, got)
			assert.Equal(t, got != c.in, iostreams.NeedsEscape(c.in))
			assert.False(t, iostreams.NeedsEscape(got))
		})
	}
}

func TestColorIsOffUnlessATerminalWantsIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		tty   bool
		mode  iostreams.ColorMode
		env   map[string]string
		color bool
		live  bool
	}{
		{"terminal", true, iostreams.ColorAuto, nil, true, true},
		{"no terminal", false, iostreams.ColorAuto, nil, false, false},
		{"NO_COLOR", true, iostreams.ColorAuto, map[string]string{"NO_COLOR": "1"}, false, true},
		{"dumb terminal", true, iostreams.ColorAuto, map[string]string{"TERM": "dumb"}, false, false},
		{"never", true, iostreams.ColorNever, nil, false, true},
		{"always", false, iostreams.ColorAlways, map[string]string{"NO_COLOR": "1"}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, _ := iostreams.Buffers(strings.NewReader(""))
			s.ErrTTY = c.tty
			s.SetColor(c.mode, func(k string) (string, bool) { v, ok := c.env[k]; return v, ok })
			assert.Equal(t, c.color, s.Red("x") != "x")
			assert.Equal(t, c.live, s.Live())
		})
	}
}

func TestPromptNeedsBothTerminals(t *testing.T) {
	s, _, _ := iostreams.Buffers(strings.NewReader(""))
	assert.False(t, s.CanPrompt())
	s.InTTY = true
	assert.False(t, s.CanPrompt())
	s.ErrTTY = true
	assert.True(t, s.CanPrompt())
}

func TestColorModeIsOneOfThree(t *testing.T) {
	for _, s := range []string{"auto", "always", "never"} {
		m, err := iostreams.ParseColorMode(s)
		require.NoError(t, err)
		assert.Equal(t, s, string(m))
	}
	_, err := iostreams.ParseColorMode("sometimes")
	assert.ErrorContains(t, err, "sometimes")
}
