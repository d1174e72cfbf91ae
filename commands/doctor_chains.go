package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// lookAtChains asks what stands on what. One question tells it of one backup,
// so only those are asked about that matter: who says that others stand on it,
// who failed, and the rest of a volume only when some of its increments have
// not been found to stand on anything.
func (s *sight) lookAtChains(ctx context.Context, c doctorClient) {
	s.children = map[string][]client.Backup{}
	trees := s.trees()
	var first []client.Backup
	for _, tree := range trees {
		for _, b := range tree {
			if b.HasDependentBackups || b.Status != driverstate.StatusAvailable {
				first = append(first, b)
			}
		}
	}
	if !s.askDependents(ctx, c, first) {
		return
	}
	var rest []client.Backup
	for _, tree := range trees {
		if len(s.parentless(tree)) == 0 {
			continue
		}
		for _, b := range tree {
			if _, asked := s.children[b.ID]; !asked {
				rest = append(rest, b)
			}
		}
	}
	s.askDependents(ctx, c, rest)
	if s.unfollowed > 0 {
		s.missed("what stands on "+plural(s.unfollowed, "backup"),
			driverstate.Fail(driverstate.ErrOverLimit, fmt.Sprintf("more than %d questions; --chain-questions %d asks them", s.questions, s.questions+s.unfollowed)))
	}
}

// trees are the backups of each volume that has increments, the oldest first.
func (s *sight) trees() map[string][]client.Backup {
	out := map[string][]client.Backup{}
	matters := map[string]bool{}
	for _, b := range s.backups {
		out[b.VolumeID] = append(out[b.VolumeID], b)
		if b.IsIncremental || b.HasDependentBackups {
			matters[b.VolumeID] = true
		}
	}
	for volume, tree := range out {
		if !matters[volume] {
			delete(out, volume)
			continue
		}
		slices.SortFunc(tree, client.ByAge)
	}
	return out
}

// askDependents reports false when it is no use to ask on.
func (s *sight) askDependents(ctx context.Context, c doctorClient, list []client.Backup) bool {
	if room := s.questions - len(s.children); len(list) > room {
		s.unfollowed += len(list) - room
		list = list[:room]
	}
	refused := false
	each(ctx, s, list, func(ctx context.Context, b client.Backup) {
		s.mu.Lock()
		stop := refused
		s.mu.Unlock()
		if stop {
			return
		}
		found, err := c.Dependents(ctx, b.ID)
		if err != nil {
			s.mu.Lock()
			already := refused
			refused = true
			s.mu.Unlock()
			if !already {
				s.missed("chains of backups", err)
			}
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.children[b.ID] = slices.DeleteFunc(found, func(d client.Backup) bool { return d.ID == b.ID })
	})
	return !refused && ctx.Err() == nil
}

// parentless are the increments of a tree that stand on none of those that were
// asked about.
func (s *sight) parentless(tree []client.Backup) []client.Backup {
	hasParent := map[string]bool{}
	for _, b := range tree {
		for _, child := range s.children[b.ID] {
			hasParent[child.ID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(tree), func(b client.Backup) bool { return !b.IsIncremental || hasParent[b.ID] })
}

// chainFindings are the chains that are broken, and the counters that lie.
func (s *sight) chainFindings() []finding {
	var out []finding
	for volume, tree := range s.trees() {
		for _, b := range tree {
			children, asked := s.children[b.ID]
			if !asked {
				continue
			}
			if f, ok := s.ofBase(b, children); ok {
				out = append(out, f)
			}
			if f, ok := ofCounter(b, children, volume); ok {
				out = append(out, f)
			}
		}
		if s.allAsked(tree) {
			for _, b := range s.parentless(tree) {
				out = append(out, s.ofOrphan(b, volume))
			}
		}
	}
	return out
}

func (s *sight) allAsked(tree []client.Backup) bool {
	return !slices.ContainsFunc(tree, func(b client.Backup) bool { _, asked := s.children[b.ID]; return !asked })
}

// ofBase judges a backup by what stands on it.
func (s *sight) ofBase(b client.Backup, children []client.Backup) (finding, bool) {
	if len(children) == 0 || b.Status != driverstate.StatusError && b.Status != driverstate.StatusErrorDeleting {
		return finding{}, false
	}
	f := ofBackup(b, high, "base-in-error")
	f.reason = "Others stand on it. If its data is whole they can be restored and it should be available again, which Cinder does unseen: " +
		"with --store URL the reset reads the data first. If not, they are lost with it: make a new full backup."
	f.detail = s.standing(b)
	f.next = []step{verb("backup-reset-state --state available", b.ID)}
	return f, true
}

// standing names all that stands on b, as far as it is known.
func (s *sight) standing(b client.Backup) string {
	ids := s.above(b.ID)
	if len(ids) == 0 {
		return ""
	}
	text := strings.Join(ids[:min(len(ids), idsShown)], ", ")
	if n := len(ids) - idsShown; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return "On it stand: " + text
}

// idsShown bounds the ids in a sentence.
const idsShown = 5

// above are the ids of all that stands on id, what is nearest first.
func (s *sight) above(id string) []string {
	var out []string
	seen := map[string]bool{id: true}
	for queue := []string{id}; len(queue) > 0; queue = queue[1:] {
		for _, child := range s.children[queue[0]] {
			if !seen[child.ID] {
				seen[child.ID] = true
				out, queue = append(out, child.ID), append(queue, child.ID)
			}
		}
	}
	return out
}

// ofCounter compares has_dependent_backups with what stands on the backup. It
// counts increments when they are done.
func ofCounter(b client.Backup, children []client.Backup, volume string) (finding, bool) {
	done := slices.ContainsFunc(children, func(c client.Backup) bool { return c.Status == driverstate.StatusAvailable })
	var f finding
	switch {
	case b.HasDependentBackups && len(children) == 0:
		f = ofBackup(b, low, "counter-drift")
		f.reason = "has_dependent_backups says that others stand on it, and none does: clients that believe it will not delete it. It can be deleted; nothing sets the counter back."
	case !b.HasDependentBackups && done:
		f = ofBackup(b, medium, "counter-drift")
		f.reason = "has_dependent_backups says that nothing stands on it, and others do: whoever believes it may delete the base of a chain. " +
			"Cinder itself looks into the caller's project alone."
		for i, c := range children {
			if i < idsShown {
				f.detail += cmp.Or(map[bool]string{true: "On it stand: "}[i == 0], ", ") + c.ID
			}
		}
	default:
		return f, false
	}
	f.next = []step{verb("backup-chain " + shellWord(volume))}
	return f, true
}

func (s *sight) ofOrphan(b client.Backup, volume string) finding {
	f := ofBackup(b, critical, "base-missing")
	f.reason = "It is an increment, and the backup that it stands on has no row: it cannot be restored until that is imported again. " +
		"If its record is lost but a store holds it, doctor --store tells how. A new full backup protects the volume meanwhile."
	f.detail = s.standing(b)
	f.next = []step{verb("backup-chain " + shellWord(volume)), verb("backup-create " + shellWord(volume))}
	return f
}
