package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// dependentsFinder knows what stands on a backup.
type dependentsFinder interface {
	Dependents(ctx context.Context, id string) ([]client.Backup, error)
}

// family is what stands on what, of backups that are to be deleted.
type family struct {
	children map[string][]client.Backup // by id; complete where known
	// blind: the caller may not ask. What stands on a backup is then for the
	// server to say, which looks into the caller's project only.
	blind bool
}

// familyOf asks what stands on each of the backups, over all projects, and with
// all on what stands on those too.
func familyOf(ctx context.Context, c dependentsFinder, n int, backups []client.Backup, all bool) (family, error) {
	f := family{children: map[string][]client.Backup{}}
	for len(backups) > 0 {
		var mu sync.Mutex
		group, asking := errgroup.WithContext(ctx)
		group.SetLimit(n)
		for _, b := range backups {
			group.Go(func() error {
				list, err := c.Dependents(asking, b.ID)
				if err != nil {
					return err
				}
				list = slices.DeleteFunc(list, func(d client.Backup) bool { return d.ID == b.ID })
				mu.Lock()
				defer mu.Unlock()
				f.children[b.ID] = list
				return nil
			})
		}
		err := group.Wait()
		if errors.Is(err, driverstate.ErrForbidden) || errors.Is(err, driverstate.ErrNotSupported) {
			return family{blind: true}, nil
		}
		if err != nil {
			return f, fmt.Errorf("looking for what stands on the backups: %w", err)
		}
		var next []client.Backup
		for _, b := range backups {
			for _, child := range f.children[b.ID] {
				if _, known := f.children[child.ID]; !known && all {
					next = append(next, child)
				}
			}
		}
		backups = next
	}
	return f, nil
}

// cascade returns the backups and everything that stands on them.
func (f *family) cascade(backups []client.Backup) (all []client.Backup, added int) {
	seen := map[string]bool{}
	for _, b := range backups {
		seen[b.ID] = true
	}
	all = slices.Clone(backups)
	for i := 0; i < len(all); i++ {
		for _, child := range f.children[all[i].ID] {
			if !seen[child.ID] {
				seen[child.ID] = true
				all = append(all, child)
				added++
			}
		}
	}
	return all, added
}

// refuse says which of the backups must stay because something that stays
// stands on them.
func (f *family) refuse(verb string, backups []client.Backup) map[string]error {
	going := map[string]bool{}
	for _, b := range backups {
		going[b.ID] = true
	}
	refused := map[string]error{}
	for again := true; again; {
		again = false
		for _, b := range backups {
			if !going[b.ID] {
				continue
			}
			var stay []string
			for _, child := range f.children[b.ID] {
				if !going[child.ID] {
					stay = append(stay, describeDependent(b, child))
				}
			}
			if len(stay) > 0 {
				refused[b.ID] = withHint(backupError(b.ID, driverstate.ErrHasDependents, "not deleted: %s stand%s on it, and could not be restored any more: %s",
					plural(len(stay), "backup"), third(len(stay)), strings.Join(stay, ", ")),
					fmt.Sprintf("look: cinder-go backup-chain %s; delete those as well, leaf first: cinder-go %s --cascade %s", b.ID, verb, b.ID))
				going[b.ID], again = false, true
			}
		}
	}
	return refused
}

func describeDependent(base, child client.Backup) string {
	text := child.ID + " (" + string(child.Status)
	if child.ProjectID != "" && child.ProjectID != base.ProjectID {
		text += ", of project " + child.ProjectID
	}
	return text + ")"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// third is the ending of a verb after n things.
func third(n int) string {
	if n == 1 {
		return "s"
	}
	return ""
}

// leavesFirst orders backups so that each comes after everything that stands
// on it, and else as they are. Without knowledge the youngest go first: an
// increment is younger than what it stands on.
func (f *family) leavesFirst(backups []client.Backup) []client.Backup {
	out := slices.Clone(backups)
	if f.blind {
		slices.SortStableFunc(out, func(a, b client.Backup) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
		return out
	}
	height := map[string]int{}
	var measure func(id string, depth int) int
	measure = func(id string, depth int) int {
		if h, known := height[id]; known || depth > len(f.children) {
			return h
		}
		h := 0
		for _, child := range f.children[id] {
			h = max(h, 1+measure(child.ID, depth+1))
		}
		height[id] = h
		return h
	}
	slices.SortStableFunc(out, func(a, b client.Backup) int {
		return cmp.Compare(measure(a.ID, 0), measure(b.ID, 0))
	})
	return out
}

// gate lets the deletion of a backup wait for those that stand on it.
type gate struct {
	family *family
	place  map[string]int // in the order of deletion
	done   map[string]chan struct{}
	mu     sync.Mutex
	stays  map[string]bool
}

func newGate(f *family, backups []client.Backup) *gate {
	g := &gate{family: f, place: map[string]int{}, done: map[string]chan struct{}{}, stays: map[string]bool{}}
	for i, b := range backups {
		g.place[b.ID], g.done[b.ID] = i, make(chan struct{})
	}
	return g
}

// wait returns when everything that stands on id has gone; an error when
// something has not. Those come first in the order of deletion, so that each
// has begun already. One that comes later is in a circle, which only damaged
// rows make: it would wait for id in turn.
func (g *gate) wait(ctx context.Context, id string) error {
	for _, child := range g.family.children[id] {
		done, ours := g.done[child.ID]
		if !ours || g.place[child.ID] > g.place[id] {
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
		g.mu.Lock()
		stays := g.stays[child.ID]
		g.mu.Unlock()
		if stays {
			return backupError(id, driverstate.ErrHasDependents, "not deleted: %s, which stands on it, is still there", child.ID)
		}
	}
	return nil
}

// pass says that id is dealt with, and if it is gone.
func (g *gate) pass(id string, gone bool) {
	g.mu.Lock()
	g.stays[id] = !gone
	g.mu.Unlock()
	close(g.done[id])
}
