package crash

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/fault"
)

// mostOf bounds how often one point is killed at in one scenario: a backup of
// many chunks passes the same one for each.
const mostOf = 4

// tally counts, for one point, how often it is passed, and killed at.
type tally struct{ scenarios, passed, killed, missed, violations int }

type table struct {
	mu sync.Mutex
	by map[string]*tally
}

func (t *table) of(point string, change func(*tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by[point] == nil {
		t.by[point] = &tally{}
	}
	change(t.by[point])
}

// every says which kills of the whole are run: all with CRASH_FULL, else one
// of so many.
func every() uint32 {
	switch {
	case os.Getenv("CRASH_FULL") != "":
		return 1
	case testing.Short():
		return 60
	}
	return 15
}

// TestAKillAtEveryStepIsRecovered runs every scenario once to see which points
// it passes, and then once more for every passage, killed there.
func TestAKillAtEveryStepIsRecovered(t *testing.T) {
	tab := &table{by: map[string]*tally{}}
	type run struct {
		scenario scenario
		at       killAt
	}
	var mu sync.Mutex
	var runs []run
	t.Run("unharmed", func(t *testing.T) {
		for _, s := range scenarios() {
			if only := os.Getenv("CRASH_ONLY"); only != "" && !regexp.MustCompile(only).MatchString(s.name) {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				passages := unharmed(t, s)
				mu.Lock()
				defer mu.Unlock()
				for point, n := range passages {
					tab.of(point, func(t *tally) { t.scenarios++; t.passed += n })
					for nth := 1; nth <= min(n, mostOf); nth++ {
						at := killAt{point, nth}
						if nth == mostOf {
							at.nth = n // the last one rather than the fourth
						}
						runs = append(runs, run{s, at})
					}
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	slices.SortFunc(runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.scenario.name, b.scenario.name), cmp.Compare(a.at.String(), b.at.String()))
	})
	t.Run("killed", func(t *testing.T) {
		for _, r := range runs {
			name := r.scenario.name + "/" + r.at.String()
			sum := fnv.New32()
			sum.Write([]byte(name))
			if sum.Sum32()%every() != 0 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				killed, wrong := harmed(t, r.scenario, r.at)
				tab.of(r.at.point, func(t *tally) {
					t.violations += len(wrong)
					if killed {
						t.killed++
					} else {
						t.missed++
					}
				})
				for _, s := range wrong {
					t.Error(s)
				}
			})
		}
	})
	tab.print(t)
	if every() == 1 && os.Getenv("CRASH_ONLY") == "" {
		tab.complete(t)
	}
}

// unharmed runs a scenario without a kill, checks that it leaves nothing wrong,
// and returns how often it passes each point.
func unharmed(t *testing.T, s scenario) map[string]int {
	w := begun(t, s)
	w.passed(t)
	s.act(w)
	w.settle()
	passages := map[string]int{}
	for _, point := range w.passed(t) {
		if strings.HasSuffix(point, ":report") && !strings.HasPrefix(s.name, "start") || strings.HasSuffix(point, ":strays") {
			continue // the heartbeat, which goes by the clock
		}
		passages[point]++
	}
	require.Empty(t, w.wrong())
	return passages
}

// begun is a world in which a scenario can act.
func begun(t *testing.T, s scenario) *world {
	w := newWorld(t)
	if s.before != nil {
		s.before(w)
	}
	if !w.server.isDead() {
		w.settle()
	}
	return w
}

// harmed runs a scenario until it is killed, starts the server again, lets it
// come to rest, and returns what is wrong then.
func harmed(t *testing.T, s scenario, at killAt) (killed bool, wrong []string) {
	w := begun(t, s)
	w.arm(t, at)
	killed = w.dies(func() { s.act(w); w.settle() })
	w.arm(t, killAt{})
	w.server.kill() // it passed the point by, as work may take another course
	w.start()
	if wrong = w.wrong(); len(wrong) == 0 {
		wrong = w.cleared()
	}
	return killed, wrong
}

// wrong is the census at rest.
func (w *world) wrong() []string {
	r := openSQLite(w.t, w.place)
	defer r.close()
	wrong := r.settled(w.t, w.place, patience).violations(w.t, w)
	if up := w.try("GET", "os-services", nil); !strings.Contains(up.String(), `"up"`) || strings.Contains(up.String(), `"down"`) {
		wrong = append(wrong, "the services are not up: "+up.String())
	}
	return wrong
}

func (t *table) print(tb testing.TB) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-44s %9s %9s %6s %6s %10s\n", "point", "scenarios", "passages", "kills", "missed", "violations")
	var sum tally
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range t.by {
			if !yield(name) {
				return
			}
		}
	})
	row := func(name string, n tally) {
		fmt.Fprintf(&b, "%-44s %9d %9d %6d %6d %10d\n", name, n.scenarios, n.passed, n.killed, n.missed, n.violations)
	}
	for _, name := range names {
		n := *t.by[name]
		row(name, n)
		sum.passed += n.passed
		sum.killed += n.killed
		sum.missed += n.missed
		sum.violations += n.violations
	}
	sum.scenarios = len(scenarios())
	row(fmt.Sprintf("all %d points", len(names)), sum)
	tb.Logf("kills at every step\n%s", b.String())
}

// complete fails when the scenarios miss a point of the table, or a function
// of the manager that writes.
func (t *table) complete(tb testing.TB) {
	for _, e := range fault.Points {
		assert.NotNil(tb, t.by[e.Name], "no scenario passes %s", e.Name)
	}
	for function, at := range writers(tb) {
		if unreached[function] == "" {
			assert.NotNil(tb, t.by[fault.TxDone+function], "no scenario runs the transaction of %s at %s", function, at)
		}
	}
}
