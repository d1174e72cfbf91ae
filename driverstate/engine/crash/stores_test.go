package crash

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// spare is the directory of another store, if there is one: the server then
// has that without a name, and the one of the census as far.
func (p place) spare() string { return filepath.Join(p.dir, "spare") }

func (p place) stores() []string {
	if _, err := os.Stat(p.spare()); err != nil {
		return []string{"--store", p.storeURL()}
	}
	return []string{"--store", "posix://" + p.spare(), "--store", "far=" + p.storeURL()}
}

// besideAnother has the server begin again with two stores. All work goes to
// the second.
func (w *world) besideAnother() {
	w.t.Helper()
	w.stop()
	require.NoError(w.t, os.RemoveAll(w.state()))
	require.NoError(w.t, os.Mkdir(w.spare(), 0o700))
	w.start()
	w.service("disable")
}

// TestKillsInTheWorkOnOneOfTwoStoresAreRecovered kills a server in the middle
// of what it does for a store with a name.
func TestKillsInTheWorkOnOneOfTwoStoresAreRecovered(t *testing.T) {
	if testing.Short() {
		t.Skip("processes of their own; the long run has them")
	}
	for name, points := range map[string][]string{
		"create":                  {"job.begin", "store.put.done:chunk", "store.put.done:metadata", "tx.done:finishCreate"},
		"restore-to-a-new-volume": {"target.write", "target.commit"},
		"force-delete":            {"store.delete.done:metadata", "store.remove.done"},
	} {
		all := scenarios()
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
		require.GreaterOrEqual(t, i, 0, name)
		s := all[i]
		before := s.before
		s.before = func(w *world) { w.besideAnother(); before(w) }
		for _, point := range points {
			t.Run(name+" "+point, func(t *testing.T) {
				killed, wrong := harmed(t, s, killAt{point, 1})
				require.True(t, killed, "the point is passed")
				require.Empty(t, wrong)
			})
		}
	}
}
