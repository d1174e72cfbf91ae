package manager

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// aim finds out, of all data of the backups of a sample, what was not read
// longest: from what is remembered, and, of a backup of which nothing is, from
// its documents. It is asked again when less was needed than was thought, and
// reports whether there is anything more to read.
func (r *verifyRun) aim(ctx context.Context, all []looked) (more bool, err error) {
	if !r.subset.Sample() {
		return true, nil
	}
	again := r.counted != nil
	ages, total, err := r.ages(ctx, all)
	if err != nil {
		return false, err
	}
	floor := int64(math.MinInt64) // what is no younger had its turn
	if again {
		floor = r.cut
	} else {
		r.budget = r.subset.Bytes
		if r.subset.Percent > 0 {
			r.budget = int64(math.Ceil(float64(total) * r.subset.Percent / 100))
		}
	}
	left := r.budget - r.spent
	for _, at := range slices.Sorted(maps.Keys(ages)) {
		if at <= floor || at >= r.begun || left <= 0 {
			continue
		}
		more, r.cut, r.atCut = true, at, left
		left -= ages[at]
	}
	return more, nil
}

// ages are the bytes of the objects of the backups, and of what they stand on,
// by when they were proven last, and their sum. Those that r does not want
// whatever their age are in the sum alone.
func (r *verifyRun) ages(ctx context.Context, all []looked) (ages map[int64]int64, total int64, err error) {
	ages, r.counted = map[int64]int64{}, map[string]bool{}
	for _, one := range all {
		for b := one.row; one.err == nil && b != nil && !r.counted[b.ID]; {
			r.counted[b.ID] = true
			p, err := r.known(ctx, one.on, b)
			if err != nil {
				return nil, 0, err
			}
			if p != nil {
				total += p.Bytes
				for _, run := range p.Runs {
					if at := max(0, run.At.Unix()); run.At.IsZero() {
						ages[0] += run.Bytes
					} else if r.since == 0 || at < r.since {
						ages[at] += run.Bytes
					}
				}
			}
			if b, err = r.parent(ctx, b); err != nil {
				return nil, 0, err
			}
		}
	}
	return ages, total, nil
}

func (r *verifyRun) parent(ctx context.Context, b *driverstate.Backup) (*driverstate.Backup, error) {
	if !b.Incremental() {
		return nil, nil
	}
	parent, err := r.m.db.BackupGet(ctx, b.ParentID)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil, nil
	}
	return parent, err
}

// known is what is remembered of a backup. What was not known is read from its
// documents, and remembered; nil if they cannot be used, of which the look at
// it will tell.
func (r *verifyRun) known(ctx context.Context, on *Manager, b *driverstate.Backup) (*driverstate.Proof, error) {
	p, err := r.m.db.ProofGet(ctx, b.ID)
	if !errors.Is(err, driverstate.ErrNotFound) {
		return p, err
	}
	sampler, ok := on.cfg.Driver.(driverstate.Sampler)
	if !ok {
		return nil, nil
	}
	layout, err := sampler.Layout(ctx, onStore(b))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || layout.BackupID != b.ID {
		return nil, nil
	}
	p = driverstate.NewProof(layout, make([]int64, len(layout.Lengths)))
	return p, r.m.db.ProofPut(ctx, p)
}

// idle is the result for a backup of which, and of all it stands on, everything
// was proven since the time that the request names; nil when that is not so, or
// not known.
func (r *verifyRun) idle(ctx context.Context, one looked) (*driverstate.VerifyResult, error) {
	if r.since == 0 || one.row == nil {
		return nil, nil
	}
	out, err := r.remembered(ctx, one.row)
	if err != nil || out == nil || out.VerifiedAt.Unix() < r.since {
		return nil, err
	}
	out.Skipped, out.Report.Condition = true, driverstate.ConditionWhole
	return out, nil
}

// remembered says of a backup, without a look at the store, when it and all it
// stands on was proven; nil when not all of it is known. Also what later
// backups wrote over counts.
func (r *verifyRun) remembered(ctx context.Context, row *driverstate.Backup) (*driverstate.VerifyResult, error) {
	out := &driverstate.VerifyResult{BackupID: row.ID}
	oldest, proven := int64(math.MaxInt64), int64(0)
	for b, depth := row, 0; ; depth++ {
		p, err := r.m.db.ProofGet(ctx, b.ID)
		if errors.Is(err, driverstate.ErrNotFound) || depth > driverstate.MaxChain {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		l := newProvenLayer(driverstate.Layout{Identity: p.Identity, Lengths: make([]int64, p.Objects)}, p)
		for i := range l.times {
			oldest = min(oldest, max(0, l.rank(i)))
		}
		out.Bytes += p.Bytes
		for _, run := range p.Runs {
			if !run.At.IsZero() && run.At.Unix() >= r.since {
				proven += run.Bytes
			}
		}
		parent, err := r.parent(ctx, b)
		if err != nil || parent == nil && b.Incremental() {
			return nil, err
		}
		if parent == nil {
			break
		}
		b = parent
	}
	if out.Bytes > 0 {
		out.Share = float64(proven) / float64(out.Bytes)
	}
	if oldest > 0 && oldest < math.MaxInt64 {
		out.VerifiedAt = time.Unix(oldest, 0).UTC()
	}
	return out, nil
}
