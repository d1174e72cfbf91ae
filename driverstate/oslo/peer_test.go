package oslo_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// python is Debian's, which has oslo.config.
const python = "/usr/bin/python3"

// peer is a process that reads configuration files with oslo.config.
type peer struct {
	in  *json.Encoder
	out *bufio.Scanner
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	if err := exec.Command(python, "-c", "import oslo_config").Run(); err != nil {
		if os.Getenv("CINDER_GO_REQUIRE_PEER") != "" {
			t.Fatalf("oslo.config is required and cannot be imported: %v", err)
		}
		t.Skip("SKIPPED, oslo.config is not there: apt-get install python3-oslo.config (CINDER_GO_REQUIRE_PEER=1 makes this a failure)")
	}
	cmd := exec.Command(python, "testdata/peer.py")
	cmd.Stderr = os.Stderr
	cmd.Env = []string{"PYTHONUTF8=1", "PYTHONDONTWRITEBYTECODE=1"}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		assert.NoError(t, cmd.Wait())
	})
	s := bufio.NewScanner(out)
	s.Buffer(nil, 16<<20)
	return &peer{json.NewEncoder(in), s}
}

// ask returns what oslo.config makes of the files: for each option its value
// as Values would have it, "error" and the reason, or nothing for none.
func (p *peer) ask(t *testing.T, env map[string]string, paths ...string) map[string]any {
	t.Helper()
	var args []string
	for _, path := range paths {
		args = append(args, "--config-file", path)
	}
	require.NoError(t, p.in.Encode(map[string]any{"args": args, "env": env}))
	require.True(t, p.out.Scan(), "the peer has ended")
	var answer map[string]any
	require.NoError(t, json.Unmarshal(p.out.Bytes(), &answer))
	return answer
}

// ours is the same by this package.
func ours(t *testing.T, env map[string]string, paths ...string) map[string]any {
	t.Helper()
	var sources []oslo.Source
	for _, p := range paths {
		sources = append(sources, oslo.Source{Path: p})
	}
	files, err := oslo.Load(sources)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	out := map[string]any{}
	for _, o := range table {
		c := oslo.NewConfig(files, lookup, table)
		v, err := c.Values([]oslo.Opt{o})
		if err != nil {
			out[o.Key()] = map[string]any{"error": err.Error()}
			continue
		}
		text, given := v[o.Key()]
		if !given {
			text = o.Default
		}
		out[o.Key()] = text
	}
	return out
}

// plain writes what oslo.config has as text, and none as the empty text.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		var words []string
		for _, w := range v {
			words = append(words, plain(w))
		}
		return strings.Join(words, "\x00")
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprint(v)
}

// same compares the two answers option by option; why something is refused
// need not be the same.
func same(t *testing.T, text string, theirs, mine map[string]any) bool {
	t.Helper()
	if e := theirs["error"]; e != nil || mine["error"] != nil {
		return assert.Equal(t, e != nil, mine["error"] != nil, "oslo.config: %v\nhere: %v\n%s", e, mine["error"], text)
	}
	for _, o := range table {
		a, b := theirs[o.Key()], mine[o.Key()]
		_, refused := a.(map[string]any)
		if _, ok := b.(map[string]any); ok || refused {
			if !assert.Equal(t, refused, ok, "%s: oslo.config: %v\nhere: %v\n%s", o.Key(), a, b, text) {
				return false
			}
			continue
		}
		want, got := plain(a), b.(string)
		switch o.Kind {
		case oslo.List:
			got = strings.ReplaceAll(got, ",", "\x00")
		case oslo.String:
			if o.AnyCase { // here it is spelled as in the table
				want = strings.ToLower(want)
			}
		case oslo.MultiString:
			want = strings.ReplaceAll(want, "\x00", "\n")
		case oslo.Float, oslo.Int, oslo.Bool:
			r := oslo.Read(table, oslo.Values{o.Key(): got})
			switch {
			case got == "":
			case o.Kind == oslo.Float:
				got = pythonFloat(r.Float(o.Key()))
			case o.Kind == oslo.Bool:
				got = fmt.Sprint(r.Bool(o.Key()))
			}
			if want == "" { // counts as not given here, with a warning
				want = got
			}
		}
		if !assert.Equal(t, want, got, "%s of\n%s", o.Key(), text) {
			return false
		}
	}
	return true
}

func pythonFloat(f float64) string {
	text := fmt.Sprint(f)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

// What files of the test below are made of: every character that means
// something, what options are called, and what they may be.
var (
	groups = []string{"[DEFAULT]", "[DEFAULT]", "[user]", "[Old]", "[OLD]", "[default]", "[User]"}
	names  = []string{"state_path", "path", "old_path", "text", "word", "auth", "size", "older_size", "tries", "wait", "tls", "codes", "driver", "old_driver", "name", "login", "send", "other"}
	values = []string{
		"zlib", "ZLIB", "none", "per_user", "PER_USER", "1", "0", "-3", "007", "1_000", "1__0", "+5", "0x10", "1e3", "3.50", "true", "False", "yes", "NO", "on", "off",
		"\"", "'", "'x'", "\"a b\"", ",", ", ", "$", "$$", "\\$", "\\", "${", "}", "$path", "${state_path}/x", "$user.name", "${user.text}", "$size", "$tls", "$codes", "$wait", "$old_path",
		"#", ";", "=", ":", " ", "\t", "é", "\u00a0", "\u2003", "\x1c", "\x0c", "/srv/a b", "a:b=c", "",
	}
	odd = []string{"[", "]", "[]", "[a", "text", "= 1", " continued", "\tand, so on", "# comment", " # no comment", "; comment", "", "  ", "\r", "[DEFAULT] # no", "text = $nothing", "\x00"}
)

// random is a file, most of whose lines are as they should be.
func random(r *rand.Rand) string {
	pick := func(of []string) string { return of[r.IntN(len(of))] }
	var b strings.Builder
	b.WriteString("[DEFAULT]\n")
	for range r.IntN(12) {
		switch r.IntN(40) {
		case 0:
			b.WriteString(pick(odd))
		case 1, 2, 3, 4, 5:
			b.WriteString(pick(groups))
		case 6:
			b.WriteString(odd[6+r.IntN(3)])
		default:
			b.WriteString(pick(names) + pick([]string{"=", " = ", ": ", ":", " =\t"}))
			for range 1 + r.IntN(2)*r.IntN(4) {
				b.WriteString(pick(values))
			}
		}
		b.WriteString(pick([]string{"\n", "\n", "\n", "\r\n", "\r"}))
	}
	return b.String()
}

// TestPeerReadsTheSame compares with oslo.config on files made at random.
func TestPeerReadsTheSame(t *testing.T) {
	p := startPeer(t)
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a.conf"), filepath.Join(dir, "b.conf")}
	r := rand.New(rand.NewPCG(5, 2026))
	read, refused := 0, 0
	for range 600 {
		var all string
		for _, path := range paths {
			text := random(r)
			all += fmt.Sprintf("%s: %q\n", path, text)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		}
		env := map[string]string{}
		if r.IntN(6) == 0 {
			env["OS_DEFAULT__TEXT"], env["OS_USER__NAME"] = values[r.IntN(len(values))], "$text"
			all += fmt.Sprintf("env: %q\n", env)
		}
		theirs := p.ask(t, env, paths...)
		if theirs["error"] != nil {
			refused++
		} else {
			read++
		}
		if !same(t, all, theirs, ours(t, env, paths...)) {
			return
		}
	}
	assert.Greater(t, read, 200)
	t.Logf("%d pairs of files are read as oslo.config reads them, %d are refused by both", read, refused)
}
