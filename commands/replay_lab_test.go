package commands

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// replayDir holds the scenarios and what a real Cinder answered; its README
// says how a scenario is written.
const replayDir = "../testdata/api/replay"

// replayStep is one line of a scenario: a request, or a wait for a status.
type replayStep struct {
	scenario, line string
	section        string // of the contract or the transcripts, as the comment above says
	method, target string
	version, as    string
	header         map[string]string
	body           string
	saves          [][2]string // variable, path into the answer
	// shape: the values belong to the server; only the kinds of what is there
	// are compared, a list by its kinds of items.
	shape bool
	// better says why the engine answers otherwise on purpose; differs, that
	// the recorded cloud is set up otherwise.
	better, differs string
	// wait is the status that target comes to.
	wait string
}

// ours is whether the engine answers otherwise.
func (s *replayStep) ours() bool { return s.better != "" || s.differs != "" }

func (s *replayStep) name() string { return s.scenario + ": " + s.line }

// replayScenario is a file of steps that start from nothing.
type replayScenario struct {
	name   string
	noauth bool // at an API that believes everyone
	steps  []*replayStep
}

// copies is whether backups are made.
func (sc *replayScenario) copies() bool {
	return slices.ContainsFunc(sc.steps, func(s *replayStep) bool { return s.wait != "" && strings.Contains(s.target, "/backups/") })
}

func readScenarios(t *testing.T) []*replayScenario {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(replayDir, "*.scenario"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []*replayScenario
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, parseScenario(t, strings.TrimSuffix(filepath.Base(file), ".scenario"), string(raw)))
	}
	return all
}

func parseScenario(t *testing.T, name, text string) *replayScenario {
	t.Helper()
	sc := &replayScenario{name: name, noauth: strings.HasSuffix(name, "noauth")}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		kind, reason, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
		case strings.HasPrefix(line, "#"):
			section = strings.TrimSpace(line[1:])
		case kind == "better":
			sc.steps[len(sc.steps)-1].better = reason
		case kind == "differs":
			sc.steps[len(sc.steps)-1].differs = reason
		default:
			s := parseStep(t, line)
			s.scenario, s.section = name, section
			sc.steps = append(sc.steps, s)
		}
	}
	return sc
}

var replayVersion = regexp.MustCompile(`^@(\S+)$`)

func parseStep(t *testing.T, line string) *replayStep {
	t.Helper()
	s := &replayStep{line: line, version: "3.70", as: "admin", header: map[string]string{}}
	rest, saves, _ := strings.Cut(line, " -> ")
	for _, save := range strings.Fields(saves) {
		variable, path, ok := strings.Cut(save, "=")
		require.True(t, ok, line)
		s.saves = append(s.saves, [2]string{variable, path})
	}
	word := func() (w string) {
		w, rest, _ = strings.Cut(rest, " ")
		return w
	}
	s.method, s.target = word(), word()
	for rest != "" {
		key, value, _ := strings.Cut(strings.SplitN(rest, " ", 2)[0], "=")
		if m := replayVersion.FindStringSubmatch(key); m != nil {
			s.version = m[1]
		} else if key == "as" {
			s.as = value
		} else if key == "shape" {
			s.shape = true
		} else if strings.HasPrefix(key, "+") { // +Header=value, with _ for a space
			s.header[key[1:]] = strings.ReplaceAll(value, "_", " ")
		} else {
			break
		}
		word()
	}
	if s.method == "WAIT" {
		s.wait = rest
		return s
	}
	s.body = rest
	return s
}

// replayAnswer is what is compared of an answer, with what differs from run to
// run replaced by words.
type replayAnswer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"`
}

// replayRecord is a step and its answers: Cinder's, and the engine's where it
// is another one on purpose.
type replayRecord struct {
	Step   string        `json:"step"`
	Cinder *replayAnswer `json:"cinder"`
	Engine *replayAnswer `json:"engine,omitempty"`
}

type replayRecording map[string]*replayRecord

func recordingFile(scenario string) string {
	return filepath.Join(replayDir, "recorded", scenario+".jsonl")
}

func readRecording(t *testing.T, scenario string) replayRecording {
	t.Helper()
	r := replayRecording{}
	file, err := os.Open(recordingFile(scenario))
	if os.IsNotExist(err) {
		return r
	}
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		record := &replayRecord{}
		require.NoError(t, json.Unmarshal(lines.Bytes(), record))
		r[record.Step] = record
	}
	require.NoError(t, lines.Err())
	return r
}

func (r replayRecording) write(t *testing.T, sc *replayScenario) {
	t.Helper()
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for i, s := range sc.steps {
		if record := r[stepKey(i, s)]; record != nil && s.wait == "" {
			require.NoError(t, enc.Encode(record))
		}
	}
	require.NoError(t, os.WriteFile(recordingFile(sc.name), []byte(out.String()), 0o644))
}

// stepKey names a step within its scenario: the same request may come twice.
func stepKey(i int, s *replayStep) string { return fmt.Sprintf("%03d %s", i+1, s.line) }

// updating is when what is generated is written instead of held.
func updating() bool { return os.Getenv("CINDER_GO_UPDATE") != "" }
