package commands

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The clients that stand side by side.
const (
	withCinder = iota
	withOpenstack
	withCinderGo
	clients
)

var clientNames = [clients]string{"cinder", "openstack", "cinder-go"}

// sideStep is one command that an operator types, and how it was seen to end.
type sideStep struct {
	typed string
	want  int
	// claim is what its exit code 0 says; nil when it only looks.
	claim func(*sideStage) bool
	// lies: it ended with 0, and what it says never became true, or the reverse.
	lies bool
	keep map[string]string // variables, by the pattern on standard output that they come from
	// first is what happens in the cloud before it.
	first func(*sideStage)
}

// sideIncident is a broken state, and what is typed with each client.
type sideIncident struct {
	title, state string
	noauth       bool // at the API that asks any living service
	prepare      func(*sideStage)
	// begin and end surround the three clients.
	begin, end func(*sideStage)
	typed      [clients][]sideStep
	right      func(*sideStage) bool
	wrong      [clients]bool // the final state was seen not to be right
	note       string
}

// sideResult is how an incident ended with one client.
type sideResult struct {
	codes   []string
	seconds []float64 // of each command
	total   float64   // with the time until what was begun had happened
	honest  string
	right   bool
}

// TestCloudSideBySide puts each incident into the cloud three times, and types
// what an operator would type with python-cinderclient, openstackclient and
// cinder-go. Only cinder-go has to be good; of the others it holds what the page
// says of them. CINDER_GO_UPDATE=1 writes docs/side-by-side.md.
func TestCloudSideBySide(t *testing.T) {
	c := needCloud(t)
	for _, peer := range clientNames[:withCinderGo] {
		if _, err := exec.LookPath(peer); err != nil && os.Getenv("CINDER_GO_REQUIRE_CLOUD") == "" {
			t.Skipf("SKIPPED: %v; make cloud-up installs it", err)
		}
	}
	incidents := sideIncidents()
	results := make([][clients]sideResult, len(incidents))
	for i, incident := range incidents {
		t.Run(strings.ReplaceAll(incident.title, " ", "_"), func(t *testing.T) {
			results[i] = playIncident(t, c, incident)
		})
	}
	if os.Getenv("CINDER_GO_UPDATE") != "" && !t.Failed() && !slices.ContainsFunc(results, func(r [clients]sideResult) bool { return r[0].codes == nil }) {
		require.NoError(t, os.WriteFile("../docs/side-by-side.md", sidePage(incidents, results), 0o644))
	}
}

func playIncident(t *testing.T, c *cloud, incident sideIncident) (results [clients]sideResult) {
	random := make([]byte, 3)
	_, _ = rand.Read(random) // which never fails
	s := &cloudScript{cloud: c, name: "side", prefix: "side-" + hex.EncodeToString(random), sums: map[string]string{}}
	t.Cleanup(func() { s.clean(t) })
	var stages [clients]*sideStage
	for client := range stages {
		stages[client] = newSideStage(t, s, client, incident.noauth)
		incident.prepare(stages[client])
	}
	if incident.end != nil {
		t.Cleanup(func() { incident.end(stages[0]) })
	}
	if incident.begin != nil {
		incident.begin(stages[0])
	}
	for client, stage := range stages {
		r := &results[client]
		r.honest = "yes"
		for _, step := range incident.typed[client] {
			stage.play(step, r)
		}
		r.right = incident.right(stage)
		assert.Equal(t, !incident.wrong[client], r.right, "the final state of %s", clientNames[client])
	}
	assert.True(t, results[withCinderGo].right, "cinder-go leaves the right state")
	assert.NotEqual(t, "**no**", results[withCinderGo].honest, "cinder-go's exit codes are honest")
	return results
}

// sideStage is one broken state, for one client.
type sideStage struct {
	*cloudScript
	t     *testing.T
	env   []string
	dir   string // the directory the commands are typed in
	vars  map[string]string
	files map[string]int    // objects of a backup, when it was made
	sums  map[string]string // of the bytes in a backup
	noted map[string]string
}

const sideBytes = 3 << 20 // in a volume; the rest of it is not there

func newSideStage(t *testing.T, s *cloudScript, client int, noauth bool) *sideStage {
	st := &sideStage{cloudScript: s, t: t, dir: t.TempDir(), vars: map[string]string{
		"U": fmt.Sprintf("%s-%d", s.prefix, client), "STORE": "posix://" + filepath.Join(s.dir, "posix"),
		"ABSENT": "11111111-1111-4111-8111-111111111111",
	}, files: map[string]int{}, sums: map[string]string{}, noted: map[string]string{}}
	env := map[string]string{"HOME": st.dir}
	s.as(func(key, value string) { env[key] = value }, "admin")
	if noauth {
		clear(env)
		env["HOME"] = st.dir
		project, url := s.vars["CLOUD_ADMIN_PROJECT"], s.vars["CLOUD_NOAUTH_URL"]
		env["OS_ENDPOINT"] = url
		switch client {
		case withCinder:
			// It appends the project by itself.
			env["OS_AUTH_TYPE"], env["CINDER_ENDPOINT"] = "noauth", strings.TrimSuffix(url, "/"+project)
			env["OS_PROJECT_ID"], env["OS_USERNAME"] = project, "admin"
		case withOpenstack:
			env["OS_AUTH_TYPE"], env["OS_TOKEN"] = "admin_token", "admin:"+project
		}
	}
	for _, old := range os.Environ() {
		if !strings.HasPrefix(old, "OS_") && !strings.HasPrefix(old, "CINDER_GO_") && !strings.HasPrefix(old, "XDG_") && !strings.HasPrefix(old, "HOME=") {
			st.env = append(st.env, old)
		}
	}
	for key, value := range env {
		if value != "" {
			st.env = append(st.env, key+"="+value)
		}
	}
	return st
}

func (st *sideStage) expand(text string) string {
	return os.Expand(text, func(name string) string { return st.vars[name] })
}

// play types one command, and waits for what it began.
func (st *sideStage) play(step sideStep, r *sideResult) {
	if step.first != nil {
		step.first(st)
	}
	words := strings.Fields(step.typed)
	for i, w := range words {
		words[i] = st.expand(w)
	}
	var out, errOut bytes.Buffer
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = st.dir, st.env, &out, &errOut
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		require.NoError(st.t, err, step.typed)
	}
	code := cmd.ProcessState.ExitCode()
	assert.Equal(st.t, step.want, code, "%s\n%s%s", step.typed, &out, &errOut)
	st.t.Logf("%s: %d after %.1f s\n%s%s", step.typed, code, took.Seconds(), &out, &errOut)
	r.codes = append(r.codes, strconv.Itoa(code))
	r.seconds = append(r.seconds, took.Seconds())
	for name, pattern := range step.keep {
		found := regexp.MustCompile(pattern).FindStringSubmatch(out.String())
		require.NotNil(st.t, found, "%s does not print %s:\n%s", step.typed, pattern, &out)
		st.vars[name] = found[1]
	}
	if step.claim != nil {
		took += st.judge(step, code, r)
	}
	r.total += took.Seconds()
}

// judge compares the exit code with what is there, now and when it has come to
// rest, and returns how long that took.
func (st *sideStage) judge(step sideStep, code int, r *sideResult) time.Duration {
	began, patience := time.Now(), time.Minute
	done := step.claim(st)
	if done == (code == 0) && !step.lies {
		return 0
	}
	switch {
	case done, code != 0 && !step.lies:
	case code == 0 && step.lies:
		patience = 8 * time.Second
		fallthrough
	default:
		done = eventually(patience, func() bool { return step.claim(st) })
	}
	assert.Equal(st.t, step.lies, done != (code == 0), "%s ended with %d; done: %v", step.typed, code, done)
	switch {
	case done != (code == 0):
		r.honest = "**no**"
	case r.honest == "yes":
		r.honest = "early"
	}
	if !done {
		return 0
	}
	return time.Since(began)
}

// ask is the answer to an SQL statement.
func (st *sideStage) ask(statement string) string {
	out, err := st.sql(st.expand(statement))
	require.NoError(st.t, err)
	return strings.TrimSpace(out)
}

// volume makes a volume of which only the first bytes are there, which Cinder
// backs up and restores in a moment.
func (st *sideStage) volume(name string) {
	id, err := st.createVolume(st.expand("$U-"+strings.ToLower(name)), "", "")
	require.NoError(st.t, err)
	st.vars[name] = id
	st.scribble(name)
}

// scribble writes other bytes to it, which no codec makes smaller.
func (st *sideStage) scribble(name string) {
	noise := make([]byte, sideBytes)
	_, _ = rand.Read(noise) // which never fails
	require.NoError(st.t, os.WriteFile(st.volumeFile(st.vars[name]), noise, 0o644))
}

func (st *sideStage) bytesOf(id string) string {
	file, err := os.ReadFile(st.volumeFile(id))
	require.NoError(st.t, err)
	sum := sha256.Sum256(file[:min(sideBytes, len(file))])
	return hex.EncodeToString(sum[:])
}

func (st *sideStage) backup(name, volume string, incremental bool) {
	id, err := st.createBackup(st.expand("$U-"+strings.ToLower(name)), st.vars[volume], incremental)
	require.NoError(st.t, err)
	st.vars[name] = id
	st.sums[name] = st.bytesOf(st.vars[volume])
	st.files[name] = len(st.objects(name))
	require.NotZero(st.t, st.files[name])
}

// objects are the files of a backup in the posix store.
func (st *sideStage) objects(name string) []string {
	id := st.vars[name]
	files, err := filepath.Glob(filepath.Join(st.cloud.dir, "posix", id[:2], id[2:4], id, "*"))
	require.NoError(st.t, err)
	return files
}

// service does something to a service of the cloud.
func (st *sideStage) service(action, name string) {
	if !slices.Contains(st.touched, name) {
		st.touched = append(st.touched, name)
	}
	_, err := st.run("service", action, name)
	require.NoError(st.t, err)
}
