package drivers

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryOptionIsInTheDocs: an operator finds each option of a driver in its
// section of docs/stores.md, under its own name or that of the parameter.
func TestEveryOptionIsInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/stores.md")
	require.NoError(t, err)
	sections := map[string]string{}
	for section := range strings.SplitSeq(string(page), "\n## ") {
		title, text, _ := strings.Cut(section, "\n")
		name, _, _ := strings.Cut(title, ":")
		sections[name] = text
	}
	// Those of a file system are told once.
	shared := sections["posix"]
	for _, s := range specs {
		if s.module == file.module {
			continue // docs/tape.md
		}
		text, ok := sections[s.module]
		require.True(t, ok, "no section on %s", s.module)
		if strings.Contains(text, "as for posix") {
			text += shared
		}
		for _, o := range s.options {
			found := false
			for _, name := range []string{o.Name, s.param(o), strings.ToUpper(o.Name), storeEnv + strings.ToUpper(s.param(o))} {
				found = found || strings.Contains(text, "`"+name+"`")
			}
			assert.True(t, found, "%s: option %s is not in the section", s.module, o)
		}
	}
}
