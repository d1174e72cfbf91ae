package commands

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clientRunner runs cinder and openstack: testdata/cloud/clients.py.
type clientRunner struct {
	t     *testing.T
	dir   string
	slots chan struct{} // how many run at once

	mu    sync.Mutex
	input io.Writer
	ended map[int]chan int // exit codes
	last  int
	over  chan struct{} // it has ended itself
}

func newClientRunner(t *testing.T, c *cloud) *clientRunner {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", c.tool("clients.py"))
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := &clientRunner{t: t, dir: t.TempDir(), slots: make(chan struct{}, 6), input: input, ended: map[int]chan int{}, over: make(chan struct{})}
	go func() {
		defer close(r.over)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			var end struct{ ID, Code int }
			if !assert.NoError(t, json.Unmarshal(lines.Bytes(), &end), lines.Text()) {
				continue
			}
			r.mu.Lock()
			r.ended[end.ID] <- end.Code
			r.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = input.Close()
		<-r.over
		assert.NoError(t, cmd.Wait())
	})
	return r
}

func (r *clientRunner) run(words []string, env map[string]string) clientEnd {
	r.slots <- struct{}{}
	defer func() { <-r.slots }()
	ended := make(chan int, 1)
	r.mu.Lock()
	r.last++
	name := filepath.Join(r.dir, strconv.Itoa(r.last))
	r.ended[r.last] = ended
	text, err := json.Marshal(map[string]any{"id": r.last, "words": words, "env": env, "dir": env["HOME"], "out": name + ".out", "err": name + ".err"})
	if assert.NoError(r.t, err) {
		_, err = r.input.Write(append(text, '\n'))
		assert.NoError(r.t, err)
	}
	r.mu.Unlock()
	end := clientEnd{code: -1}
	select {
	case end.code = <-ended:
	case <-r.over:
		assert.Fail(r.t, "clients.py has ended", "%s", words)
		return end
	}
	out, err := os.ReadFile(name + ".out")
	assert.NoError(r.t, err)
	told, err := os.ReadFile(name + ".err")
	assert.NoError(r.t, err)
	end.out, end.err = string(out), string(told)
	return end
}

// What of a client's output differs from run to run.
var clientNoise = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(` ?\(Request-ID: req-[0-9a-f-]+\)`), ""},
	{idInText, "ID"},
	{regexp.MustCompile(`[0-9a-f]{2}/[0-9a-f]{2}/`), ""}, // of a backup's directory
	{regexp.MustCompile(` in \S+ region not found`), " in REGION region not found"},
	{regexp.MustCompile(`\$RECORD|eyJ[A-Za-z0-9+/=]{60,}`), "RECORD"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "HEX"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`TIME\.\d{6}`), "TIME.FRACTION"},
	{regexp.MustCompile(`--+`), "--"},
	{regexp.MustCompile(`  +`), " "},
}

// plain is an output with the names of things for their ids, and without what
// differs from run to run.
func (s *clientSide) plain(text string) string {
	names := slices.SortedFunc(maps.Keys(s.vars), func(a, b string) int { return len(s.vars[b]) - len(s.vars[a]) })
	for _, name := range names { // the longest first: one may be a part of another
		if value := s.vars[name]; value != "" {
			text = strings.ReplaceAll(text, value, "$"+name)
		}
	}
	text = strings.ReplaceAll(text, s.base, "$BASE")
	for _, noise := range clientNoise {
		text = noise.pattern.ReplaceAllString(text, noise.text)
	}
	return sorted(text)
}

// sorted puts the rows of the tables in order: clients sort them by what
// differs, and Cinder's times are whole seconds.
func sorted(text string) string {
	lines, from, rules := strings.SplitAfter(text, "\n"), 0, 0
	for i, line := range lines {
		if strings.HasPrefix(line, "+") {
			if rules++; rules%3 == 0 {
				slices.Sort(lines[from:i])
			}
			from = i + 1
		}
	}
	return strings.Join(lines, "")
}

// without is a table or an object without some properties.
func without(text string, names []string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(names, func(name string) bool {
			return strings.HasPrefix(line, "| "+name+" ") || strings.HasPrefix(strings.TrimSpace(line), `"`+name+`":`)
		}) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// propertyOf is a value of a table of properties.
func propertyOf(table, name string) string {
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) == 4 && strings.TrimSpace(cells[1]) == name {
			return strings.TrimSpace(cells[2])
		}
	}
	return ""
}

// headingsOf is the columns of each table, and the properties of a table of them.
func headingsOf(text string) string {
	var b strings.Builder
	rules, properties, told := 0, false, map[string]bool{}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		switch {
		case strings.HasPrefix(line, "+"):
			rules++
			continue
		case len(cells) < 3: // it is no table's
			rules = 0
			b.WriteString(line)
		case told[cells[1]]: // of another table
		case rules%3 == 1:
			properties = len(cells) == 4 && strings.TrimSpace(cells[2]) == "Value"
			told[cells[1]] = properties
			b.WriteString(line)
		case properties:
			told[cells[1]] = true
			b.WriteString(strings.TrimSpace(cells[1]) + "\n")
		}
	}
	return b.String()
}
