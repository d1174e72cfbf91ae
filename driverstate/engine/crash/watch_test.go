package crash

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// watch looks at the rows while there is load.
type watch struct {
	end, ended chan struct{}

	since   map[string]time.Time // since when a row is in the middle of work
	longest time.Duration
	what    string // was so for the longest time
	busy    []int  // how many rows were, at each look
}

// watch begins to look.
func (r *records) watch(t *testing.T, p place) *watch {
	w := &watch{end: make(chan struct{}), ended: make(chan struct{}), since: map[string]time.Time{}}
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			w.look(r.census(t, p))
			select {
			case <-w.end:
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

func (w *watch) look(c *census) {
	busy, n := map[string]bool{}, 0
	for id, b := range c.backups {
		if !b.Status.Resting() {
			busy[fmt.Sprintf("backup %s %s", id, b.Status)] = true
			n++
		}
	}
	for id, v := range c.volumes {
		if !restingVolume(v.Status) {
			busy[fmt.Sprintf("volume %s %s", id, v.Status)] = true
		}
	}
	w.busy = append(w.busy, n)
	for key, from := range w.since {
		if d := time.Since(from); !busy[key] {
			delete(w.since, key)
		} else if d > w.longest {
			w.longest, w.what = d, key
		}
	}
	for key := range busy {
		if _, known := w.since[key]; !known {
			w.since[key] = time.Now()
		}
	}
}

// stop ends it and returns what it saw.
func (w *watch) stop() string {
	close(w.end)
	<-w.ended
	slices.Sort(w.busy)
	return fmt.Sprintf("backups in the middle of work: %d at most, %d half of the time; longest: %s, %s",
		w.busy[len(w.busy)-1], w.busy[len(w.busy)/2], w.what, w.longest.Round(10*time.Millisecond))
}
