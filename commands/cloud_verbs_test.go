package commands

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// Where a line of the table of verbs is typed.
const (
	onKeystone = iota
	onNoAuth
	onEngine
	places
)

// na: the line makes no sense there.
const na = -1

// verbLine is something that an operator types, and how it must end.
type verbLine struct {
	typed string // words beginning with $ are objects of the place
	user  string // admin when empty; others exist behind Keystone alone
	want  [places]int
	says  string // a pattern of what is told, wherever it ends as on Keystone
}

// TestCloudVerbs types every verb at a real Cinder behind Keystone, at the same
// without Keystone, and at the engine, with success and with each error.
// CINDER_GO_UPDATE=1 writes the table of docs/verbs.md.
func TestCloudVerbs(t *testing.T) {
	c := needCloud(t)
	var cells [places][]string
	lines := verbLines()
	for place, name := range []string{"keystone", "noauth", "engine"} {
		t.Run(name, func(t *testing.T) {
			stage := newVerbStage(t, c, place)
			for _, line := range lines {
				cells[place] = append(cells[place], stage.typeLine(t, line, place))
			}
		})
	}
	whole := len(cells[onKeystone])+len(cells[onNoAuth])+len(cells[onEngine]) == places*len(lines) // none was left out by -run
	if os.Getenv("CINDER_GO_UPDATE") != "" && whole && !t.Failed() {
		require.NoError(t, os.WriteFile("../docs/verbs.md", verbTable(lines, cells), 0o644))
	}
}

// verbStage is a place with objects to work on.
type verbStage struct {
	env  map[string]map[string]string // by user
	vars map[string]string
}

func (s *verbStage) typeLine(t *testing.T, line verbLine, place int) string {
	want := line.want[place]
	if want == na {
		return ""
	}
	user := line.user
	if user == "" {
		user = "admin"
	}
	words := strings.Fields(line.typed)
	for i, w := range words {
		words[i] = os.Expand(w, func(name string) string { return s.vars[name] })
	}
	streams, out, errOut := iostreams.Buffers(strings.NewReader(""))
	env := s.env[user]
	got := runMain(t.Context(), words, streams, envOf(env))
	if !assert.Equal(t, want, got, "%s\n%s%s", line.typed, out, errOut) {
		return fmt.Sprintf("**%d**", got)
	}
	told := out.String() + errOut.String()
	if line.says != "" && (want == line.want[onKeystone] || user != "admin") {
		assert.Regexp(t, line.says, told, line.typed)
	}
	cell := fmt.Sprint(got)
	for l := range strings.Lines(errOut.String()) {
		if text, ok := strings.CutPrefix(l, "error: "); ok {
			return cell + " " + s.anonymous(text)
		}
	}
	return cell
}

var (
	requestInText = regexp.MustCompile(` ?\(HTTP (\d+), req-[0-9a-f-]+\)`)
	idInText      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// anonymous is a message without what differs from run to run.
func (s *verbStage) anonymous(text string) string {
	text = requestInText.ReplaceAllString(strings.TrimSpace(text), " (HTTP $1)")
	names := slices.SortedFunc(maps.Keys(s.vars), func(a, b string) int { return len(s.vars[b]) - len(s.vars[a]) })
	for _, name := range names { // the longest first: one may be a part of another
		if value := s.vars[name]; value != "" {
			text = strings.ReplaceAll(text, value, "$"+name)
		}
	}
	text = idInText.ReplaceAllString(text, "ID")
	return strings.ReplaceAll(text, "|", `\|`)
}

// newVerbStage prepares objects: FULL with the increment INC on it, OTHER alone,
// BAD in error, STUCK in creating, and behind Keystone a tenant's THEIRS.
func newVerbStage(t *testing.T, c *cloud, place int) *verbStage {
	stage := &verbStage{env: map[string]map[string]string{}, vars: map[string]string{
		"ABSENT": "11111111-1111-4111-8111-111111111111", "DIR": t.TempDir(),
	}}
	if place == onEngine {
		stage.onEngine(t)
		return stage
	}
	random := make([]byte, 3)
	_, _ = rand.Read(random) // which never fails
	s := &cloudScript{cloud: c, name: "verbs", prefix: "verbs-" + hex.EncodeToString(random), sums: map[string]string{}}
	t.Cleanup(func() { s.clean(t) })
	env := func(user string) map[string]string {
		vars := map[string]string{"HOME": t.TempDir()}
		s.as(func(key, value string) { vars[key] = value }, user)
		return vars
	}
	who := "admin"
	if place == onNoAuth {
		who = "noauth"
	} else {
		stage.env["demo"] = env("demo")
		theirs, err := s.createVolume(s.nameOf("THEIRVOL"), "", "")
		require.NoError(t, err)
		stage.vars["THEIRVOL"] = theirs
		stage.vars["THEIRS"], err = s.createBackup(s.nameOf("THEIRS"), theirs, false)
		require.NoError(t, err)
		wrong := env("demo")
		wrong["OS_PASSWORD"] = "no"
		stage.env["wrong"] = wrong
		nobody := env("demo")
		nobody["OS_AUTH_URL"] = "http://127.0.0.1:1/v3"
		stage.env["nobody"] = nobody
	}
	stage.env["admin"] = env(who)
	if place == onNoAuth {
		stage.env["old"] = map[string]string{"HOME": t.TempDir(), "OS_ENDPOINT": oldRelease(t, c.vars["CLOUD_NOAUTH_URL"])}
		// It asks any service, whatever its driver: there shall be one alone.
		for _, host := range []string{"bak-swift", "bak-s3"} {
			code, _, errOut := invoke(t, stage.env["admin"], "service-disable", host, "cinder-backup")
			require.Zero(t, code, errOut)
		}
	}
	stage.vars["U"] = s.prefix
	for _, volume := range []string{"VOL", "VOL2"} {
		id, err := s.createVolume(s.nameOf(volume), "", "")
		require.NoError(t, err)
		stage.vars[volume] = id
		_, err = s.write(id, volume)
		require.NoError(t, err)
	}
	for _, b := range []struct {
		name, volume string
		incremental  bool
	}{{"FULL", "VOL", false}, {"INC", "VOL", true}, {"OTHER", "VOL2", false}, {"BAD", "VOL2", false}, {"STUCK", "VOL2", false}} {
		id, err := s.createBackup(s.nameOf(b.name), stage.vars[b.volume], b.incremental)
		require.NoError(t, err)
		stage.vars[b.name] = id
	}
	_, err := s.sql(fmt.Sprintf(`UPDATE backups SET status="error" WHERE id="%s"; UPDATE backups SET status="creating", updated_at=UTC_TIMESTAMP() - INTERVAL 3 HOUR WHERE id="%s"`,
		stage.vars["BAD"], stage.vars["STUCK"]))
	require.NoError(t, err)
	stage.record(t)
	return stage
}

// oldRelease is the API at target as far as a release of Cinder had it that
// offers microversions up to 3.20 (Ocata had 3.27).
func oldRelease(t *testing.T, target string) string {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.URL.Path, "/v3/") && r.Request.URL.Path != "/" {
			return nil
		}
		text, err := io.ReadAll(r.Body)
		text = offered.ReplaceAll(text, []byte(`"version": "3.20"`))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		r.Header.Set("Content-Length", fmt.Sprint(len(text)))
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		minor := 0
		if _, err := fmt.Sscanf(r.Header.Get("OpenStack-API-Version"), "volume 3.%d", &minor); err == nil && minor > 20 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotAcceptable)
			fmt.Fprintf(w, `{"computeFault": {"code": 406, "message": "Version 3.%d is not supported by the API. Minimum is 3.0 and maximum is 3.20."}}`, minor)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + to.Path
}

var offered = regexp.MustCompile(`"version": "3\.\d+"`)

// onEngine makes the engine's database from the store.
func (s *verbStage) onEngine(t *testing.T) {
	s.env["admin"] = map[string]string{"HOME": t.TempDir(), "CINDER_GO_STANDALONE": "1", "CINDER_GO_STORE": "posix://" + unpacked(t)}
	code, _, errOut := invoke(t, s.env["admin"], "backup-manage", "--all", "--include-damaged")
	require.Zero(t, code, errOut)
	code, base, errOut := invoke(t, s.env["admin"], "backup-show", "chain-posix-zlib-2", "-f", "value", "-c", "id")
	require.Zero(t, code, errOut)
	for name, id := range map[string]string{"FULL": strings.TrimSpace(base), "INC": drillstore.ChainTip, "OTHER": drillstore.WronglyError, "BAD": drillstore.MissingChunk} {
		s.vars[name] = id
	}
	s.vars["U"] = "on-the-engine"
	s.record(t)
}

// record keeps the record of OTHER, and a garbled one, in files.
func (s *verbStage) record(t *testing.T) {
	code, out, errOut := invoke(t, s.env["admin"], "backup-export", s.vars["OTHER"])
	require.Zero(t, code, errOut)
	s.vars["RECORD"] = filepath.Join(s.vars["DIR"], "record.jsonl")
	require.NoError(t, os.WriteFile(s.vars["RECORD"], []byte(out), 0o600))
	s.vars["GARBAGE"] = filepath.Join(s.vars["DIR"], "garbage.jsonl")
	require.NoError(t, os.WriteFile(s.vars["GARBAGE"], []byte(`{"backup_service":"cinder.backup.drivers.posix.PosixBackupDriver","backup_url":"bm90IGpzb24="}`), 0o600))
}

func verbTable(lines []verbLine, cells [places][]string) []byte {
	var b bytes.Buffer
	b.WriteString("# Every verb, on every target\n\nWhat was typed, and how it ended: the exit code, and the message if it was an error. Keystone and noauth are the\n" +
		"two APIs of a real Cinder (Zed), the engine is this program on a store. `TestCloudVerbs` types these lines, and\n" +
		"writes this page with `CINDER_GO_UPDATE=1`. $FULL, $INC (an increment on it), $OTHER, $BAD (error) and $STUCK\n(creating) are backups; $THEIRS is a tenant's.\n\n" +
		"| typed | Keystone | noauth | engine |\n| --- | --- | --- | --- |\n")
	for i, line := range lines {
		typed := "`" + line.typed + "`"
		switch line.user {
		case "":
		case "demo":
			typed += " as a tenant"
		case "wrong":
			typed += " with a wrong password"
		case "old":
			typed += " on a cloud that offers 3.20"
		case "nobody":
			typed += " with nobody listening"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", typed, cells[onKeystone][i], cells[onNoAuth][i], cells[onEngine][i])
	}
	return b.Bytes()
}
