package commands

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
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
// after a variable or a pipe, or a command line within a sentence.
var commandLine = regexp.MustCompile("(?:^ {4,}(?:[A-Z_]+=\\S+ )*|\\| |`)(?:cinder-go|cg) ([^|#`]*)")

// inSentence is a verb with its flags within a sentence.
var inSentence = regexp.MustCompile("`((?:backup|service|cluster|volume|snapshot|message|workers|engine|driver)-[a-z-]+ [^`]*)`")

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
			for _, found := range append(commandLine.FindAllStringSubmatch(line, -1), inSentence.FindAllStringSubmatch(line, -1)...) {
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

// told is a verb in what the program itself says, with what follows it up to
// the next command line.
var told = regexp.MustCompile(`cinder-go ([a-z]+(?:-[a-z]+)*)([^;"\n]*?)(?:cinder-go|[;"\n]|$)`)

// TestTheCommandLinesThatAreToldAreUnderstood looks at every next command that
// the program tells, in its hints, messages and examples: the verb is there, and
// has the flags.
func TestTheCommandLinesThatAreToldAreUnderstood(t *testing.T) {
	s, _, _ := iostreams.Buffers(strings.NewReader(""))
	root := NewRoot(s)
	seen := 0
	for _, dir := range []string{".", "../client", "../driverstate"} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				text, ok := n.(*ast.BasicLit)
				if !ok || text.Kind != token.STRING {
					return true
				}
				for rest := text.Value; ; {
					at := told.FindStringSubmatchIndex(rest)
					if at == nil {
						return true
					}
					verb, after := rest[at[2]:at[3]], rest[at[4]:at[5]]
					rest = rest[at[5]:]
					cmd, _, err := root.Find([]string{verb})
					if (err != nil || cmd == root) && !strings.Contains(verb, "-") {
						continue // a word of a sentence
					}
					seen++
					if !assert.NoError(t, err, path) || !assert.NotSame(t, root, cmd, "%s: no verb %s", path, verb) {
						continue
					}
					for _, flag := range regexp.MustCompile(`--[a-z][a-z-]*`).FindAllString(after, -1) {
						found := cmd.Flags().Lookup(flag[2:]) != nil || cmd.InheritedFlags().Lookup(flag[2:]) != nil
						assert.True(t, found, "%s: %s has no %s: %s", path, verb, flag, text.Value)
					}
				}
			})
			return nil
		}))
	}
	assert.Greater(t, seen, 100)
}
