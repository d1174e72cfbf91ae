package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// CreateVerification starts a look at backups on the store, with rows or
// without. Only admins may: Cinder has no such call.
func (m *Manager) CreateVerification(ctx context.Context, c driverstate.Caller, r driverstate.VerifyRequest) (*driverstate.Verification, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := allow(c, "backup:verify"); err != nil {
		return nil, err
	}
	if err := m.requireDriver(); err != nil {
		return nil, err
	}
	if err := m.canVerify(r); err != nil {
		return nil, err
	}
	v := &driverstate.Verification{
		ID: m.cfg.NewID(), Request: r, Depth: r.Depth,
		Status: driverstate.VerificationRunning, CreatedAt: m.cfg.Now().UTC(),
	}
	job := db.Job{Kind: db.JobVerify}
	if len(r.BackupIDs) == 1 {
		v.BackupID = r.BackupIDs[0]
	} else {
		v.BackupID = v.ID
		if len(m.peers()) > 1 {
			job.Queue = m.cfg.Host // it looks at the stores of this process
		}
	}
	job.BackupID = v.BackupID
	err := m.beginErrand(ctx, driverstate.Worker{ResourceType: verificationResource, ResourceID: v.ID, Status: intentVerify},
		job, verifyArgs{VerificationID: v.ID},
		func(tx db.Tx) error { return tx.VerificationCreate(ctx, v) })
	if err != nil {
		return nil, err
	}
	return v, nil
}

// canVerify refuses what no driver of this process can do.
func (m *Manager) canVerify(r driverstate.VerifyRequest) error {
	for _, p := range m.peers() {
		if _, ok := p.cfg.Driver.(driverstate.Verifier); !ok {
			return driverstate.Fail(driverstate.ErrNotSupported, "the driver cannot verify backups")
		}
		if _, ok := p.cfg.Driver.(driverstate.Sampler); !ok && r.Subset != "" {
			return driverstate.Fail(driverstate.ErrNotSupported,
				fmt.Sprintf("the driver %s keeps no objects of which a subset could be read: verify its backups whole", p.cfg.Driver.Service()))
		}
	}
	return nil
}

// Verification returns one look and what it found so far.
func (m *Manager) Verification(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Verification, error) {
	if err := allow(c, "backup:verify"); err != nil {
		return nil, err
	}
	v, err := m.db.VerificationGet(ctx, id)
	if err != nil {
		return nil, named(err, refuse("verification", id, driverstate.ErrNotFound, "Verification "+id+" could not be found."))
	}
	return v, nil
}

func (m *Manager) runVerify(ctx context.Context, j db.Job) error {
	var args verifyArgs
	if err := json.Unmarshal(j.Args, &args); err != nil {
		return fmt.Errorf("arguments of job %d: %w", j.ID, err)
	}
	return runErrand(ctx, m, j, errand[driverstate.Verification]{
		resource: verificationResource, id: args.VerificationID,
		read: func(ctx context.Context, rows errands) (*driverstate.Verification, error) {
			return rows.VerificationGet(ctx, args.VerificationID)
		},
		write: func(ctx context.Context, rows errands, v *driverstate.Verification) error {
			return rows.VerificationUpdate(ctx, v)
		},
		count: func(v *driverstate.Verification, done, total int64) { v.BytesDone, v.BytesTotal = done, total },
		work:  m.verifyAll,
		end:   m.endVerification,
	})
}

func (m *Manager) endVerification(ctx context.Context, v *driverstate.Verification, err error) {
	v.FinishedAt = m.cfg.Now().UTC()
	switch {
	case ctx.Err() != nil:
		v.Status, v.Error = driverstate.VerificationFailed, "interrupted: the service was stopped"
		if superseded(ctx) {
			v.Error = errSuperseded.Error()
		}
	case err != nil:
		v.Status, v.Error = driverstate.VerificationFailed, err.Error()
	default:
		v.Status = driverstate.VerificationDone
	}
}

// verify looks at the backup and its chain; ledger chooses what is read, if the
// driver lets it. What has no chain to be proven in, a partial or an orphaned
// backup, is reported as it was found.
func (m *Manager) verify(ctx context.Context, id string, d driverstate.Depth, ledger driverstate.Ledger, obs driverstate.Observer) (driverstate.Report, error) {
	scanner, err := m.scanner()
	if err != nil {
		return driverstate.Report{}, err
	}
	tip, err := m.find(ctx, scanner, id, "")
	if errors.Is(err, driverstate.ErrNotFound) {
		return m.verifyNothing(ctx, id)
	}
	if err != nil {
		return driverstate.Report{}, err
	}
	line, err := m.lookBelow(ctx, scanner, tip)
	if err != nil {
		return driverstate.Report{}, err
	}
	last := &line[len(line)-1]
	if line[0].Condition == driverstate.ConditionOrphaned || last.Backup.Incremental() || last.Condition == driverstate.ConditionPartial {
		return driverstate.Report{
			Condition: line[0].Condition, Reason: faultOf(&line[0]),
			Problems: line[0].Problems, Warnings: line[0].Warnings,
		}, nil
	}
	return m.verifyLine(ctx, line, d, ledger, obs)
}

// verifyLine is verify of a backup and what it stands on, which were found
// already, the backup first.
func (m *Manager) verifyLine(ctx context.Context, line []driverstate.Found, d driverstate.Depth, ledger driverstate.Ledger, obs driverstate.Observer) (driverstate.Report, error) {
	chain := make(driverstate.Chain, len(line))
	for i := range line {
		chain[i] = &line[i].Backup
	}
	slices.Reverse(chain)
	if sampler, ok := m.cfg.Driver.(driverstate.Sampler); ok && d == driverstate.DepthData {
		return sampler.VerifyObjects(ctx, chain, ledger, obs)
	}
	return m.cfg.Driver.(driverstate.Verifier).Verify(ctx, chain, d, obs)
}

// verifyNothing is the verdict on a backup of which the store holds nothing:
// damaged if there is a row, else there is no such backup.
func (m *Manager) verifyNothing(ctx context.Context, id string) (driverstate.Report, error) {
	if _, err := m.db.BackupGet(ctx, id); err != nil {
		return driverstate.Report{}, named(err, backupNotFound(id))
	}
	const reason = "the store holds nothing of it"
	return driverstate.Report{
		Condition: driverstate.ConditionDamaged, Reason: reason,
		Problems: []driverstate.Problem{{BackupID: id, Reason: "missing"}},
	}, nil
}
