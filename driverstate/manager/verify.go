package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// CreateVerification starts a look at a backup on the store, with a row or
// without. Only admins may: Cinder has no such call.
func (m *Manager) CreateVerification(ctx context.Context, c driverstate.Caller, backupID string, d driverstate.Depth) (*driverstate.Verification, error) {
	if _, err := driverstate.ParseDepth(string(d)); err != nil {
		return nil, err
	}
	if err := allow(c, "backup:verify"); err != nil {
		return nil, err
	}
	if err := m.requireDriver(); err != nil {
		return nil, err
	}
	if _, ok := m.cfg.Driver.(driverstate.Verifier); !ok {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "the driver cannot verify backups")
	}
	v := &driverstate.Verification{
		ID: m.cfg.NewID(), BackupID: backupID, Depth: d,
		Status: driverstate.VerificationRunning, CreatedAt: m.cfg.Now().UTC(),
	}
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if err := tx.VerificationCreate(ctx, v); err != nil {
			return err
		}
		err := tx.WorkerCreate(ctx, &driverstate.Worker{
			ResourceType: verificationResource, ResourceID: v.ID,
			Status: intentVerify,
		})
		if err != nil {
			return err
		}
		job := db.Job{Kind: db.JobVerify, BackupID: backupID}
		return m.enqueue(ctx, tx, &job, verifyArgs{VerificationID: v.ID})
	})
	if err != nil {
		return nil, err
	}
	return v, nil
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
	var w *driverstate.Worker
	var v *driverstate.Verification
	err := m.db.Update(ctx, func(tx db.Tx) (err error) {
		if w, err = m.take(ctx, tx, j); err == nil {
			v, err = tx.VerificationGet(ctx, args.VerificationID)
		}
		return err
	})
	if err != nil {
		return err
	}
	m.took(j, w)
	progress := m.follow(ctx, *v)
	report, err := m.verify(ctx, j.BackupID, v.Depth, progress)
	v.BytesDone, v.BytesTotal = progress.stop()
	v.FinishedAt = m.cfg.Now().UTC()
	switch {
	case ctx.Err() != nil:
		v.Status, v.Error = driverstate.VerificationFailed, "interrupted: the service was stopped"
		if superseded(ctx) {
			v.Error = errSuperseded.Error()
		}
	case err != nil:
		markFailed(ctx)
		v.Status, v.Error = driverstate.VerificationFailed, err.Error()
	default:
		v.Status, v.Report = driverstate.VerificationDone, report
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	return m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.ours(ctx, tx, w); err != nil {
			return err
		}
		if err := tx.VerificationUpdate(ctx, v); err != nil {
			return err
		}
		return tx.WorkerDestroy(ctx, verificationResource, v.ID)
	})
}

// verify looks at the backup and its chain. What has no chain to be proven in,
// a partial or an orphaned backup, is reported as it was found.
func (m *Manager) verify(ctx context.Context, id string, d driverstate.Depth, obs driverstate.Observer) (driverstate.Report, error) {
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
	chain := make(driverstate.Chain, len(line))
	for i := range line {
		chain[i] = &line[i].Backup
	}
	slices.Reverse(chain)
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

// progressInterval is how often the progress of a verification is written.
const progressInterval = time.Second

// progress passes events on and writes the counters to the verification's row
// now and then, in a goroutine of its own so that Observe never waits.
type progress struct {
	to     driverstate.Observer
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu          sync.Mutex
	bytes, full int64
}

func (m *Manager) follow(ctx context.Context, v driverstate.Verification) *progress {
	ctx, cancel := context.WithCancel(ctx)
	p := &progress{to: m.cfg.Observer, cancel: cancel}
	p.done.Go(func() {
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			done, total := p.counters()
			if done == v.BytesDone && total == v.BytesTotal {
				continue
			}
			v.BytesDone, v.BytesTotal = done, total
			if err := m.db.VerificationUpdate(ctx, &v); err != nil && ctx.Err() == nil {
				m.log.WarnContext(ctx, "progress of a verification not written", "verification", v.ID, "error", err)
			}
		}
	})
	return p
}

// Observe keeps the counters and passes e on.
func (p *progress) Observe(e driverstate.Event) {
	p.mu.Lock()
	p.bytes, p.full = max(p.bytes, e.BytesDone), max(p.full, e.BytesTotal)
	p.mu.Unlock()
	p.to.Observe(e)
}

func (p *progress) counters() (done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes, p.full
}

// stop ends the writing, waits for it, and returns the last counters.
func (p *progress) stop() (done, total int64) {
	p.cancel()
	p.done.Wait()
	return p.counters()
}
