package commands

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

// commandLine is a line of an indented block that runs the program, perhaps
// after a variable or a pipe.
var commandLine = regexp.MustCompile(`(?:^ {4}(?:[A-Z_]+=\S+ )*|\| )(?:cinder-go|cg) ([^|#]*)`)

// TestTheCommandLinesOfTheDocsAreUnderstood parses each of them with the real
// commands: the verb is there, its flags are, and they take what they are given.
func TestTheCommandLinesOfTheDocsAreUnderstood(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	seen := 0
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
			for _, found := range commandLine.FindAllStringSubmatch(line, -1) {
				seen++
				assertUnderstood(t, filepath.Base(page), found[1])
			}
		}
	}
	assert.Greater(t, seen, 40, "the pages have command lines")
}

func assertUnderstood(t *testing.T, page, line string) {
	t.Helper()
	if redirect := strings.IndexAny(line, "<>"); redirect >= 0 {
		line = line[:redirect]
	}
	var words []string
	for _, w := range strings.Fields(line) {
		switch w {
		case "...", "…", "&&", "\\":
			continue
		}
		words = append(words, strings.Trim(w, `'"`))
	}
	s, _, _ := iostreams.Buffers(strings.NewReader(""))
	root := NewRoot(s)
	cmd, rest, err := root.Find(words)
	if !assert.NoError(t, err, "%s: cinder-go %s", page, line) || !assert.True(t, cmd != root || len(words) == 0 || strings.HasPrefix(words[0], "-"), "%s: no verb: cinder-go %s", page, line) {
		return
	}
	assert.NoError(t, cmd.ParseFlags(rest), "%s: cinder-go %s", page, line)
}
