package chunked

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
)

// maxProblems bounds what a report lists; beyond it damage is only counted.
const maxProblems = 1000

// Verify implements driverstate.Verifier. At DepthData it is a restore without
// a target that goes on after damage.
func (d *Driver) Verify(ctx context.Context, c driverstate.Chain, depth driverstate.Depth, obs driverstate.Observer) (driverstate.Report, error) {
	report, err := d.verify(ctx, c, depth, nil, obs)
	if err != nil && len(c) > 0 {
		err = &driverstate.Error{Op: "verify", Resource: "backup", ID: c.Tip().ID, Err: err}
	}
	return report, err
}

func (d *Driver) verify(ctx context.Context, c driverstate.Chain, depth driverstate.Depth, ledger driverstate.Ledger, obs driverstate.Observer) (report driverstate.Report, err error) {
	if len(c) == 0 {
		return report, driverstate.Fail(driverstate.ErrInvalidInput, "empty chain")
	}
	found := make([]driverstate.Found, len(c))
	for i, b := range c {
		found[i], err = d.Inspect(ctx, b)
		if i > 0 && err == nil && found[i].Backup.ParentID != c[i-1].ID { // one bad read does not condemn
			found[i], err = d.Inspect(ctx, b)
		}
		if errors.Is(err, driverstate.ErrNotFound) {
			return driverstate.Report{Condition: missingCondition(i, len(c)), Reason: fmt.Sprintf("backup %s is not in the store", b.ID)}, nil
		}
		if err != nil {
			return report, err
		}
	}
	driverstate.LinkChains(found)
	tip := found[len(found)-1]
	report = driverstate.Report{Condition: tip.Condition, Reason: tip.Reason, Problems: tip.Problems, Warnings: tip.Warnings}
	if depth != driverstate.DepthData || report.Condition == driverstate.ConditionPartial || report.Condition == driverstate.ConditionOrphaned {
		return report, nil
	}
	return report, d.verifyData(ctx, c, ledger, obs, &report)
}

// missingCondition is what the absence of the i-th of n layers makes of the tip.
func missingCondition(i, n int) driverstate.Condition {
	if i == n-1 {
		return driverstate.ConditionPartial
	}
	return driverstate.ConditionOrphaned
}

func (d *Driver) verifyData(ctx context.Context, c driverstate.Chain, ledger driverstate.Ledger, obs driverstate.Observer, report *driverstate.Report) (err error) {
	p, err := d.load(ctx, c)
	var fault *damage
	if errors.As(err, &fault) {
		report.Condition, report.Reason = driverstate.ConditionDamaged, fault.Error()
		report.Problems = append(report.Problems, fault.Problem)
		return nil
	}
	if err != nil {
		return err
	}
	defer p.close()
	seen := newFindings(report.Problems)
	var part *sample
	if ledger != nil {
		if part, err = d.sample(ctx, p, ledger, seen); err != nil {
			return err
		}
	}
	r := d.newRun("verify", p, obs)
	r.report = seen.add
	if part != nil {
		r.report, r.ended, r.watch.event.BytesTotal = part.report, part.ended, part.bytes()
	}
	r.watch.tell(driverstate.EventStart, "")
	defer func() { r.watch.end(err) }()
	for _, gap := range p.gaps {
		seen.add(p.gapFault(gap))
	}
	if err := r.execute(ctx); err != nil {
		return err
	}
	report.BytesRead, report.ObjectsRead, report.Method = r.proven.Load(), int(r.read.Load()), r.method
	report.Warnings = append(report.Warnings, p.warnings...)
	if part != nil {
		report.Warnings = append(report.Warnings, part.warnings...)
	}
	if len(seen.fresh) == 0 {
		return nil
	}
	slices.SortStableFunc(seen.fresh, func(a, b driverstate.Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	if report.Condition == driverstate.ConditionWhole {
		report.Condition = driverstate.ConditionDamaged
		report.Reason = (&damage{Problem: seen.fresh[0]}).Error()
		if n := len(seen.fresh) + seen.more - 1; n > 0 {
			report.Reason += fmt.Sprintf(", and %d more problems", n)
		}
	}
	report.Problems = append(report.Problems, seen.fresh...)
	if seen.more > 0 {
		report.Warnings = append(report.Warnings, fmt.Sprintf("%d more problems are not listed", seen.more))
	}
	return nil
}

// findings collects the damage that the workers of a verification find.
type findings struct {
	mu    sync.Mutex
	known map[objectID]bool // objects that the structure condemned
	fresh []driverstate.Problem
	last  map[objectID]int // by object, its latest in fresh
	more  int              // beyond maxProblems
}

func newFindings(known []driverstate.Problem) *findings {
	f := &findings{known: make(map[objectID]bool), last: make(map[objectID]int)}
	for _, p := range known {
		f.known[objectOf(&p)] = p.Object != ""
	}
	return f
}

func (f *findings) add(fault *damage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := fault.Problem
	at := objectOf(&p)
	if f.known[at] {
		return
	}
	if i, ok := f.last[at]; ok && joins(&f.fresh[i], &p) {
		f.fresh[i].Length += p.Length
		return
	}
	if len(f.fresh) == maxProblems {
		f.more++
		return
	}
	f.last[at] = len(f.fresh)
	f.fresh = append(f.fresh, p)
}

// joins reports whether b is the same damage going on in the next block.
func joins(a, b *driverstate.Problem) bool {
	return objectOf(a) == objectOf(b) && a.Reason == b.Reason && a.Offset+a.Length == b.Offset
}
