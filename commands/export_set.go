package commands

import (
	"context"
	"fmt"
	"slices"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// export is a backup whose record is asked for.
type export struct {
	backup client.Backup
	child  string // that it was added for; empty when it was chosen
	parent string // that the record names
	done   bool
}

// exportSet is what one command exports: the chosen backups and, unless told
// otherwise, what they stand on.
type exportSet struct {
	o     *exportOptions
	c     exportClient
	sink  recordSink
	items *bulk
	list  []*export
	byID  map[string]*export
	// leftOut are the ids of those that have no record now.
	leftOut []string
}

// export exports the backups, then those that their records name as parents,
// and so on. The record is the only place where Cinder shows a parent.
func (s *exportSet) export(ctx context.Context, chosen []client.Backup) error {
	s.byID = map[string]*export{}
	slices.SortStableFunc(chosen, client.ByAge)
	var round, without []*export
	for _, b := range chosen {
		e := s.add(&export{backup: b})
		// Cinder refuses the record of what is not available. One that is named
		// is asked for all the same, and the refusal told.
		if b.Status != driverstate.StatusAvailable && len(s.o.sel.refs) == 0 {
			without = append(without, e)
		} else {
			round = append(round, e)
		}
	}
	for len(round) > 0 {
		forEach(ctx, s.o.par.n, round, s.items, s.one)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		asked := round
		round = nil
		for _, e := range asked {
			if !s.o.noChain && e.done && e.parent != "" && s.byID[e.parent] == nil {
				round = append(round, s.add(&export{backup: client.Backup{ID: e.parent}, child: e.backup.ID}))
			}
		}
	}
	s.leaveOut(without)
	if !s.o.noChain {
		s.warnOfGaps()
	}
	return nil
}

// leaveOut tells of backups that have no record, after all others: only then it
// is known what stands on them. When an exported backup does, that is a failure,
// for its record is of no use alone.
func (s *exportSet) leaveOut(without []*export) {
	child := map[string]string{}
	for _, e := range s.list {
		if e.done && !s.o.noChain {
			child[e.parent] = e.backup.ID
		}
	}
	for _, e := range without {
		b := e.backup
		r := result{id: b.ID, name: nameOf(b), status: string(b.Status), outcome: skipped}
		why := fmt.Sprintf("%s, and only available backups have records", b.Status)
		if child[b.ID] != "" {
			r.err = withHint(backupError(b.ID, driverstate.ErrInvalidStatus, "it is %s; %s stands on it", why, child[b.ID]),
				"cinder-go doctor "+b.ID+" says how it becomes available again")
		} else {
			r.detail, r.warnings = "status is "+why, []string{"left out: it is " + why}
			s.leftOut = append(s.leftOut, b.ID)
		}
		s.items.add(r)
	}
}

func (s *exportSet) add(e *export) *export {
	s.list = append(s.list, e)
	s.byID[e.backup.ID] = e
	return e
}

func (s *exportSet) one(ctx context.Context, e *export) result {
	r := result{id: e.backup.ID}
	if r.err = ctx.Err(); r.err != nil {
		return r
	}
	if e.child != "" {
		r.detail = "added, as " + e.child + " stands on it"
		b, err := s.c.ShowBackup(ctx, e.backup.ID)
		if err != nil {
			r.detail, r.err = "", withHint(fmt.Errorf("%w; %s stands on it", err, e.child), "cinder-go doctor "+e.child+" says what is wrong with its chain")
			return r
		}
		e.backup = b
	}
	r.name, r.status = nameOf(e.backup), string(e.backup.Status)
	record, err := s.c.ExportRecord(ctx, e.backup.ID)
	if err == nil {
		r.outcome, err = s.sink.write(e.backup, record)
	}
	if r.err = err; err != nil {
		r.detail = ""
		return r
	}
	e.done, e.parent = true, parentOf(record)
	return r
}

// parentOf is the parent that a record names; empty for a full backup, and for
// a record that this program cannot read but another may.
func parentOf(r client.Record) string {
	parent := ""
	_, err := driverstate.EditRecord(exported(r),
		func(members map[string]any) bool {
			parent, _ = members["parent_id"].(string)
			return false
		})
	if err != nil {
		return ""
	}
	return parent
}

// warnOfGaps tells of backups whose record is of no use without another that
// could not be exported.
func (s *exportSet) warnOfGaps() {
	for _, e := range s.list {
		if parent := s.byID[e.parent]; e.done && e.parent != "" && (parent == nil || !parent.done) {
			s.o.con.warn(e.backup.ID, "exported, but %s, which it stands on, was not: without it, it cannot be restored", e.parent)
		}
	}
}

// written are the ids of the exported records, parents before children, and
// else by age.
func (s *exportSet) written() []string {
	list := slices.Clone(s.list)
	slices.SortStableFunc(list, func(a, b *export) int { return a.backup.CreatedAt.Compare(b.backup.CreatedAt) })
	var ids []string
	placed := map[string]bool{}
	var place func(e *export)
	place = func(e *export) {
		if placed[e.backup.ID] {
			return
		}
		placed[e.backup.ID] = true
		if parent := s.byID[e.parent]; parent != nil {
			place(parent)
		}
		if e.done {
			ids = append(ids, e.backup.ID)
		}
	}
	for _, e := range list {
		place(e)
	}
	return ids
}
