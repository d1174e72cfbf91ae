// Command gen-docs writes the man pages, the shell completions and the page of
// exit codes for a release, from the same command tree and the same table that
// the program itself uses.
//
//	gen-docs DIR
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/cinder-go/cinder-go/commands"
	"github.com/cinder-go/cinder-go/commands/iostreams"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen-docs DIR")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen-docs:", err)
		os.Exit(1)
	}
}

func generate(dir string) error {
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, d := range []string{man, completions} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	streams, _, _ := iostreams.Buffers(&bytes.Buffer{})
	root := commands.NewRoot(streams)
	root.DisableAutoGenTag = true // a date would make releases differ
	keepLists(root)
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "cinder-go"}, man); err != nil {
		return err
	}
	for shell, write := range map[string]func(io.Writer) error{
		"bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":  root.GenZshCompletion,
		"fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		if err := writeFile(filepath.Join(completions, "cinder-go."+shell), write); err != nil {
			return err
		}
	}
	return writeFile(filepath.Join(dir, "exit-codes.md"), exitCodes)
}

// keepLists makes the indented lists of the help literal text for man, which
// would run their lines together.
func keepLists(cmd *cobra.Command) {
	lines := strings.Split(cmd.Long, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "  ") {
			lines[i] = "  " + line
		}
	}
	cmd.Long = strings.Join(lines, "\n")
	for _, c := range cmd.Commands() {
		keepLists(c)
	}
}

func exitCodes(w io.Writer) error {
	fmt.Fprint(w, "# Exit codes\n\n| Code | Meaning |\n|---|---|\n")
	for _, c := range commands.ExitCodes() {
		fmt.Fprintf(w, "| %d | %s |\n", c.Code, c.Meaning)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
