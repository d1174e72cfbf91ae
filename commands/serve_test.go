package commands

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// watched is a stream that says when a line of it matches.
type watched struct {
	mu    sync.Mutex
	text  strings.Builder
	match *regexp.Regexp
	found chan string
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if m := w.match.FindStringSubmatch(w.text.String()); m != nil && w.found != nil {
		w.found <- m[1]
		w.found = nil
	}
	return len(p), nil
}

// startServer runs "cinder-go serve" in this process and returns its address,
// and a function that interrupts it and returns its exit code.
func startServer(t *testing.T, args ...string) (base string, stop func() int) {
	t.Helper()
	base, interrupt, ended := launchServer(t, args...)
	return base, func() int { interrupt(); return ended() }
}

// launchServer is startServer for a server that may end by itself, with what
// ended answers.
func launchServer(t *testing.T, args ...string) (base string, interrupt func(), ended func() int) {
	t.Helper()
	w := &watched{match: regexp.MustCompile(`on (https?://[0-9.:]+)/v3`), found: make(chan string, 1)}
	found := w.found
	s, _, _ := iostreams.Buffers(strings.NewReader(""))
	s.Err = w
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- runMain(ctx, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), s, envOf(nil))
	}()
	ended = sync.OnceValue(func() int { return <-code })
	t.Cleanup(func() { cancel(); ended() })
	select {
	case base = <-found:
	case c := <-code:
		code <- c
		t.Fatalf("serve ended with %d: %s", c, w.text.String())
	case <-time.After(time.Minute):
		t.Fatal("serve does not come up")
	}
	return base, cancel, ended
}

func unpacked(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, drillstore.Unpack(dir))
	return dir
}

func TestVerbsWorkUnchangedOverAnEndpoint(t *testing.T) {
	store, state := unpacked(t), t.TempDir()
	base, stop := startServer(t, "--store", "posix://"+store, "--state-dir", state)
	env := map[string]string{"HOME": t.TempDir(), "OS_ENDPOINT": base + "/v3"}

	code, _, errOut := invoke(t, env, "backup-manage", "root-disk", "missing-chunk", "--include-damaged")
	require.Equal(t, 0, code, errOut)
	code, out, errOut := invoke(t, env, "backup-list", "-f", "value", "-c", "name", "-c", "status", "--sort", "name:asc")
	require.Equal(t, 0, code, errOut)
	assert.Equal(t, "missing-chunk error\nroot-disk available\n", out)

	image := filepath.Join(t.TempDir(), "x.raw")
	code, _, errOut = invoke(t, env, "backup-restore", "root-disk", "--to", image)
	require.Equal(t, 0, code, errOut)
	assert.FileExists(t, image)
	code, _, _ = invoke(t, env, "backup-force-delete", "--yes", "missing-chunk")
	assert.Equal(t, 0, code)
	code, _, errOut = invoke(t, env, "backup-verify", "root-disk", "--depth", "structure")
	assert.Equal(t, 0, code, errOut)
	assert.NotContains(t, errOut, "verify "+drillstore.Full, "which takes no time")

	// How far the server is, as often as the client looks.
	code, _, errOut = invoke(t, env, "backup-verify", "root-disk", "--json-events")
	assert.Equal(t, 0, code, errOut)
	var types []string
	for line := range strings.Lines(errOut) {
		var e struct {
			Type, Op string
			ID       string `json:"backup_id"`
			Done     int64  `json:"bytes_done"`
			Total    int64  `json:"bytes_total"`
		}
		if json.Unmarshal([]byte(line), &e) != nil || e.Op != "verify" {
			continue
		}
		types = append(types, e.Type)
		assert.Equal(t, drillstore.Full, e.ID)
		assert.LessOrEqual(t, e.Done, e.Total)
		if e.Type == "end" {
			assert.EqualValues(t, 1<<30, e.Done)
			assert.EqualValues(t, 1<<30, e.Total)
		}
	}
	require.GreaterOrEqual(t, len(types), 2, errOut)
	assert.Equal(t, "start", types[0])
	assert.Equal(t, "end", types[len(types)-1])

	// The state directory has one user at a time, and the second is told who.
	code, _, errOut = invoke(t, env, "backup-list", "--standalone", "--store", "posix://"+store, "--state-dir", state)
	assert.Equal(t, 6, code, errOut)
	assert.Contains(t, errOut, base)

	assert.Equal(t, 0, stop(), "an interrupt is how a server ends")
	code, out, errOut = invoke(t, env, "backup-list", "--standalone", "--store", "posix://"+store, "--state-dir", state, "-f", "value", "-c", "name")
	assert.Equal(t, 0, code, errOut)
	assert.Equal(t, "root-disk\n", out)
}

func TestNobodyAnswersIsExitEight(t *testing.T) {
	code, _, errOut := invoke(t, nil, "backup-list", "--os-endpoint", "http://127.0.0.1:1/v3", "--request-timeout", "1s")
	assert.Equal(t, 8, code, errOut)
	assert.Contains(t, errOut, "hint: without the cloud")
}

func TestAStoreThatDoesNotWorkLeadsToDriverCheck(t *testing.T) {
	gone := "posix://" + filepath.Join(t.TempDir(), "gone")
	code, _, errOut := invoke(t, nil, "backup-manageable-list", "--standalone", "--store", gone, "--state-dir", t.TempDir())
	assert.Equal(t, 8, code, errOut)
	assert.Contains(t, errOut, "hint: cinder-go --standalone --store "+gone+" --state-dir ")
}

func TestAPageOfElsewhereCannotUseALocalServer(t *testing.T) {
	base, _ := startServer(t, "--store", "posix://"+t.TempDir(), "--state-dir", t.TempDir())
	for _, c := range []struct {
		name, host, origin string
		status             int
	}{
		{"a client", "", "", http.StatusOK},
		{"localhost", "localhost:8776", "", http.StatusOK},
		{"a name that leads here", "evil.example:8776", "", http.StatusForbidden},
		{"a script of a page", "", "http://evil.example", http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v3/backups", nil)
			require.NoError(t, err)
			req.Host = c.host
			req.Header.Set("X-Auth-Token", "admin:00000000000000000000000000000000")
			if c.origin != "" {
				req.Header.Set("Origin", c.origin)
			}
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, c.status, resp.StatusCode)
		})
	}
}

func TestRestoreToStandardOutputIsTheImageAndNothingElse(t *testing.T) {
	env := map[string]string{"CINDER_GO_STANDALONE": "1", "CINDER_GO_STORE": "posix://" + unpacked(t), "CINDER_GO_STATE_DIR": t.TempDir()}
	code, _, errOut := invoke(t, env, "backup-manage", "root-disk")
	require.Equal(t, 0, code, errOut)
	sum := sha256.New()
	s, _, _ := iostreams.Buffers(strings.NewReader(""))
	s.Out = sum
	require.Equal(t, 0, runMain(t.Context(), []string{"backup-restore", "root-disk", "--to", "-"}, s, envOf(env)))
	assert.Equal(t, drillstore.Expected()[drillstore.Full], hex.EncodeToString(sum.Sum(nil)))
}

func TestTheDrillHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 10 GiB of volume data")
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	code, out, errOut := invoke(t, nil, "drill")
	assert.Equal(t, 0, code, "%s\n%s", out, errOut)
	assert.Regexp(t, `All \d+ checks of 7 steps held`, out)
	assert.NotContains(t, out, "FAILED")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "nothing is left behind")
}

func TestADrillOnAStoreOfOnesOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("the long run has it")
	}
	store := unpacked(t)
	for _, id := range []string{"3232e94c-1dad-47f8-adce-f6712f38c7d7", "391aa0e8-a769-4ea0-9c77-f96f148f9109",
		"2609cc10-2a23-40a6-b710-d99416fa4f66", drillstore.ChainTip, drillstore.ForgedChunk} {
		require.NoError(t, os.RemoveAll(filepath.Join(store, id[:2])))
	}
	before, err := treeSum(store)
	require.NoError(t, err)
	code, out, errOut := invoke(t, nil, "drill", "--store", "posix://"+store)
	assert.Equal(t, 0, code, "%s\n%s", out, errOut)
	after, err := treeSum(store)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Contains(t, out, "(root-disk) restored")
	assert.Contains(t, out, "missing-chunk")
}
