package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// forgetAfter is how long what was proven of a backup without a row is
// remembered after the last look at it.
const forgetAfter = 90 * 24 * time.Hour

// sampleRounds bounds how often a run whose sample turned out to need less than
// was thought goes over its backups again.
const sampleRounds = 8

// looked is a backup that a run is about.
type looked struct {
	id  string
	row *driverstate.Backup // nil without one
	on  *Manager            // whose store it is in
	err error
}

// verifyAll looks at the backups of a verification, those of one volume after
// each other, so that an object that several of them need is read once. What
// cannot be looked at does not keep the others from it, unless it is alone.
func (m *Manager) verifyAll(ctx context.Context, v *driverstate.Verification, obs driverstate.Observer) error {
	all, err := m.verified(ctx, v.Request)
	if err != nil {
		return err
	}
	if len(v.Request.BackupIDs) == 1 && all[0].err != nil {
		return all[0].err
	}
	r, err := m.newVerifyRun(v.Request)
	if err != nil {
		return err
	}
	found := make(map[string]*driverstate.VerifyResult, len(all))
	for round := range sampleRounds {
		more, err := r.aim(ctx, all)
		if err != nil {
			return err
		}
		if round > 0 && !more {
			break
		}
		for i, one := range all {
			if i > 0 && volumeOf(all[i-1]) != volumeOf(one) {
				if err := r.close(ctx); err != nil {
					return err
				}
			}
			if err := m.verifyOne(ctx, r, one, obs, found); err != nil {
				return errors.Join(err, r.close(ctx))
			}
		}
		if err := r.close(ctx); err != nil {
			return err
		}
		if !r.subset.Sample() {
			break
		}
	}
	v.Results = make([]driverstate.VerifyResult, 0, len(all))
	ids := v.Request.BackupIDs
	if v.Request.All {
		for _, one := range all {
			ids = append(ids, one.id)
		}
	}
	for _, id := range ids {
		v.Results = append(v.Results, *found[id])
	}
	v.Report = sumUp(v.Results)
	return m.db.ProofsExpire(ctx, m.cfg.Now().Add(-forgetAfter))
}

// sumUp is the report on a verification: that on its backup if it is one.
func sumUp(results []driverstate.VerifyResult) driverstate.Report {
	if len(results) == 1 {
		return results[0].Report
	}
	sum := driverstate.Report{Condition: driverstate.ConditionWhole}
	bad := 0
	for _, r := range results {
		sum.BytesRead += r.Report.BytesRead
		sum.ObjectsRead += r.Report.ObjectsRead
		if r.Error == "" && !r.Skipped && r.Report.Condition != driverstate.ConditionWhole {
			bad++
		}
	}
	if bad > 0 {
		sum.Condition, sum.Reason = driverstate.ConditionDamaged, fmt.Sprintf("%d of %d backups are not whole", bad, len(results))
	}
	return sum
}

func volumeOf(l looked) string {
	if l.row == nil {
		return ""
	}
	return l.row.VolumeID
}

// verified are the backups that a request is about, those of one volume
// together, older ones before those that stand on them.
func (m *Manager) verified(ctx context.Context, r driverstate.VerifyRequest) ([]looked, error) {
	var all []looked
	if r.All {
		rows, err := m.db.BackupGetAll(ctx, driverstate.BackupFilter{})
		if err != nil {
			return nil, err
		}
		for _, b := range rows {
			all = append(all, looked{id: b.ID, row: b})
		}
	}
	seen := map[string]bool{}
	for _, id := range r.BackupIDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		row, err := m.db.BackupGet(ctx, id)
		if errors.Is(err, driverstate.ErrNotFound) {
			row, err = nil, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, looked{id: id, row: row})
	}
	for i := range all {
		if err := m.shelve(ctx, &all[i]); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b looked) int {
		if a.row == nil || b.row == nil {
			return cmp.Compare(volumeOf(a), volumeOf(b))
		}
		return cmp.Or(cmp.Compare(a.row.VolumeID, b.row.VolumeID), a.row.CreatedAt.Compare(b.row.CreatedAt), cmp.Compare(a.id, b.id))
	})
	return all, nil
}

// shelve finds the Manager of the store that l is in. Without a row it is the
// first that has it; that none has it is for verify to say.
func (m *Manager) shelve(ctx context.Context, l *looked) error {
	peers := m.peers()
	if l.row != nil {
		for _, p := range peers {
			if p.keeps(l.row) {
				l.on = p
				return nil
			}
		}
		l.err = noSuchService(l.row.Host)
		return nil
	}
	l.on = m
	if len(peers) == 1 {
		return nil
	}
	for _, p := range peers {
		scanner, err := p.scanner()
		if err != nil {
			continue
		}
		_, err = p.find(ctx, scanner, l.id, "")
		if err == nil {
			l.on = p
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// verifyOne adds to found what there is to say of one backup. Its error ends
// the run.
func (m *Manager) verifyOne(ctx context.Context, r *verifyRun, one looked, obs driverstate.Observer, found map[string]*driverstate.VerifyResult) error {
	before := found[one.id]
	if before != nil && before.Error != "" {
		return nil
	}
	out := &driverstate.VerifyResult{BackupID: one.id}
	found[one.id] = out
	if one.err != nil {
		out.Error, out.Fault = one.err.Error(), driverstate.FaultOf(one.err)
		return nil
	}
	idle, err := r.idle(ctx, one)
	if err != nil {
		return err
	}
	if idle != nil {
		*out = *idle
		return nil
	}
	ledger := r.ledger(ctx, one)
	report, err := one.on.verify(ctx, one.id, r.request.Depth, ledger, obs)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ledger.failed != nil {
		return ledger.failed
	}
	if len(r.request.BackupIDs) == 1 && err != nil {
		return err
	}
	if err == nil && report.Condition != driverstate.ConditionWhole && one.row != nil {
		err = m.stillThere(ctx, one.id)
	}
	if err != nil {
		out.Error, out.Fault = err.Error(), driverstate.FaultOf(err)
		return nil
	}
	if err := r.conclude(ctx, one, ledger, out, &report); err != nil {
		return err
	}
	if before != nil {
		report.BytesRead += before.Report.BytesRead
		report.ObjectsRead += before.Report.ObjectsRead
		report.Method = cmp.Or(report.Method, before.Report.Method)
	}
	out.Report = report
	return nil
}

// stillThere is ErrNotFound when a backup was deleted while it was looked at:
// what is missing of it is no damage.
func (m *Manager) stillThere(ctx context.Context, id string) error {
	b, err := m.db.BackupGet(ctx, id)
	if err != nil {
		return named(err, backupNotFound(id))
	}
	if b.Status == driverstate.StatusDeleting {
		return refuseBackup(id, driverstate.ErrNotFound, "it is being deleted")
	}
	return nil
}
