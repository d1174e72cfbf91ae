package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// errSuperseded is why work is cancelled whose backup was moved on: force
// deleted, or reset.
var errSuperseded = errors.New("stopped: its backup was deleted or reset")

// errVolumeDeleted is why work is cancelled whose volume was force deleted.
var errVolumeDeleted = errors.New("stopped: its volume was deleted")

// errFenced is why work is cancelled of a process that others may take for
// dead.
var errFenced = errors.New("stopped: the service was not heard of and its work may be taken over")

// errStopped is the outcome of work that ends with the service.
var errStopped = errors.New("interrupted: the service was stopped")

// errNotBegun is why a job could not take its work: the database failed it.
var errNotBegun = errors.New("the job could not begin")

// task is a job that runs in this process.
type task struct {
	job    db.Job
	claim  *driverstate.Worker // set once it has its entry, under Manager.mu
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// deleteArgs are the arguments of a JobDelete.
type deleteArgs struct {
	Force bool `json:"force"`
}

// verifyArgs are the arguments of a JobVerify.
type verifyArgs struct {
	VerificationID string `json:"verification_id"`
}

// shipArgs are the arguments of a JobShip.
type shipArgs struct {
	ShipmentID string `json:"shipment_id"`
}

// cleanupArgs are the arguments of a JobCleanup.
type cleanupArgs struct {
	ServiceID    int64     `json:"service_id"`
	ResourceID   *string   `json:"resource_id,omitempty"`
	ResourceType *string   `json:"resource_type,omitempty"`
	Until        time.Time `json:"until"`
}

// handle runs one job. Failures are recorded in rows by the job itself; what
// is returned here is only that it could not be.
func (m *Manager) handle(ctx context.Context, j db.Job) error {
	ctx = trace.With(ctx, trace.Request{ID: j.RequestID, GlobalID: j.GlobalID, UserID: j.UserID, ProjectID: j.ProjectID})
	ctx, said := withTally(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	t := &task{job: j, cancel: cancel, done: make(chan struct{})}
	m.begin(t)
	defer m.leave(t)
	run, ok := map[db.JobKind]func(context.Context, db.Job) error{
		db.JobBackup:  m.runCreate,
		db.JobRestore: m.runRestore,
		db.JobDelete:  m.runDelete,
		db.JobReset:   m.runReset,
		db.JobImport:  m.runImport,
		db.JobVerify:  m.runVerify,
		db.JobShip:    m.runShip,
		db.JobCleanup: m.runCleanup,
	}[j.Kind]
	if !ok {
		return fmt.Errorf("job %d: unknown kind %q", j.ID, j.Kind)
	}
	// One that could not begin is tried until the database is there again: once
	// it has ended nobody looks for its work, which has no other job.
	var err error
	told := false
	waited := m.poll(ctx, func() (bool, error) {
		err = m.runJob(ctx, t, run, said)
		again := errors.Is(err, errNotBegun) && ctx.Err() == nil
		if again && !told {
			m.log.WarnContext(ctx, "a job waits for the database", "job", j.ID, "kind", j.Kind, "backup", j.BackupID, "error", err)
			told = true
		}
		return !again, nil
	})
	if waited != nil {
		return m.putBack(ctx, j, nil) // stopped meanwhile
	}
	return err
}

// runJob runs the job of t. errNotBegun when it has not taken its work.
func (m *Manager) runJob(ctx context.Context, t *task, run func(context.Context, db.Job) error, said *tally) error {
	j := t.job
	if !m.admit(ctx, j) {
		return m.leaveToOthers(ctx, j)
	}
	m.log.DebugContext(ctx, "job starts", "job", j.ID, "kind", j.Kind, "backup", j.BackupID)
	began := m.cfg.Now()
	err := ignoreSuperseded(run(ctx, j))
	if err != nil && t.claim == nil && ctx.Err() != nil {
		return m.putBack(ctx, j, nil) // stopped before it was anyone's: whoever takes it sees why
	}
	if errors.Is(err, errNotBegun) {
		return err
	}
	m.cfg.JobDone(said.outcome(ctx, j.Kind, m.cfg.Now().Sub(began), err))
	if err != nil {
		m.log.ErrorContext(ctx, "job could not record its outcome", "job", j.ID, "kind", j.Kind, "backup", j.BackupID, "error", err)
	}
	return err
}

// notBegun marks why the transaction failed with which a job takes its work,
// unless the work is not the job's, or is gone.
func notBegun(err error) error {
	if err == nil || errors.Is(err, errSuperseded) || errors.Is(err, driverstate.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w: %w", errNotBegun, err)
}

// admit waits until this process may do j; false when j is to be left to
// others, or to the next start. Work that was accepted before the driver was
// ever set up waits for it. Later it fails if the driver is down, as in Cinder,
// unless another member can do it.
func (m *Manager) admit(ctx context.Context, j db.Job) (may bool) {
	_ = m.poll(ctx, func() (bool, error) { // ends with ctx at the latest, which is asked below
		var others bool
		may, others = m.fit(ctx, j)
		return may || others, nil
	})
	return may && ctx.Err() == nil
}

// fit reports whether this process may do j, and if not, whether another member
// of the cluster can.
func (m *Manager) fit(ctx context.Context, j db.Job) (may, others bool) {
	silent := m.isSilent() // watch may not have noticed yet
	m.mu.Lock()
	fenced, ready, everUp := m.fenced || silent, m.driver.ready, m.driver.everUp
	m.mu.Unlock()
	if ready && !fenced {
		return true, false
	}
	if m.cfg.Cluster != "" && j.Queue != m.cfg.Host && m.requireUp(ctx) == nil {
		return false, true
	}
	return !fenced && everUp, false
}

// leaveToOthers puts j back, and returns when this process may do such work
// again, or nobody else can: meanwhile it takes one less, and so does not take
// the same again for ever.
func (m *Manager) leaveToOthers(ctx context.Context, j db.Job) error {
	if err := m.putBack(ctx, j, nil); err != nil {
		return notBegun(err)
	}
	_ = m.poll(ctx, func() (bool, error) { // a context that ends ends the wait
		may, others := m.fit(ctx, j)
		return may || !others, nil
	})
	return nil
}

func (m *Manager) begin(t *task) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.tasks[t.job.BackupID]
	if of == nil {
		of = map[*task]struct{}{}
		m.tasks[t.job.BackupID] = of
	}
	of[t] = struct{}{}
}

func (m *Manager) end(t *task) {
	t.cancel(nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tasks[t.job.BackupID], t)
	if len(m.tasks[t.job.BackupID]) == 0 {
		delete(m.tasks, t.job.BackupID)
	}
	close(t.done)
}

// cancelWork cancels the work on a backup that which accepts, and returns it.
func (m *Manager) cancelWork(id string, which func(db.Job) bool) []*task {
	m.mu.Lock()
	defer m.mu.Unlock()
	var stopped []*task
	for t := range m.tasks[id] {
		if which(t.job) {
			t.cancel(errSuperseded)
			stopped = append(stopped, t)
		}
	}
	return stopped
}

// stopOlder cancels the work on a backup that was accepted before self and
// waits for its end, on other hosts too. Later work is left alone: it
// supersedes self.
func (m *Manager) stopOlder(ctx context.Context, self db.Job) error {
	older := func(j db.Job) bool { return j.ID < self.ID && moves(j) }
	for _, t := range m.cancelWork(self.BackupID, older) {
		if err := t.wait(ctx); err != nil {
			return err
		}
	}
	return m.poll(ctx, func() (bool, error) {
		left := 0
		err := m.db.Update(ctx, func(tx db.Tx) error {
			jobs, err := tx.JobsOf(ctx, self.BackupID)
			if err != nil {
				return err
			}
			left, err = m.runningElsewhere(ctx, tx, jobs, older)
			return err
		})
		return left == 0, err
	})
}

// runningElsewhere counts those of jobs that another process that lives runs.
// What a dead one ran is taken off: it does not go on with it, and would not if
// it came back.
func (m *Manager) runningElsewhere(ctx context.Context, tx db.Tx, jobs []db.JobState, which func(db.Job) bool) (int, error) {
	var living map[string]bool
	n := 0
	for _, s := range jobs {
		if !s.Running || s.Runner == m.cfg.Host || !which(s.Job) {
			continue
		}
		if living == nil {
			var err error
			if living, err = m.livingHosts(ctx, tx); err != nil {
				return 0, err
			}
		}
		if living[s.Runner] {
			n++
		} else if err := tx.JobsDiscard(ctx, s.ID); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// livingHosts are the hosts whose backup service was heard of lately.
func (m *Manager) livingHosts(ctx context.Context, rows db.Services) (map[string]bool, error) {
	all, err := rows.ServiceGetAll(ctx)
	living := map[string]bool{}
	for _, s := range all {
		if s.Binary == driverstate.BinaryBackup && m.heard(s, m.cfg.Now()) {
			living[s.Host] = true
		}
	}
	return living, err
}

// poll asks done until it says so.
func (m *Manager) poll(ctx context.Context, done func() (bool, error)) error {
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		timer := time.NewTimer(m.cfg.WatchInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// wait returns when the task has ended, or with why ctx did.
func (t *task) wait(ctx context.Context) error {
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// moves reports whether j changes its backup or its volume: a verification and
// a shipment do neither, and are not worth waiting for.
func moves(j db.Job) bool { return j.Kind != db.JobVerify && j.Kind != db.JobShip }

// superseded reports whether the work of ctx was cancelled because it is not
// this process's any more, not because the service stops.
func superseded(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), errSuperseded) || errors.Is(context.Cause(ctx), errFenced)
}

// stopCause is the outcome of work whose context has ended.
func stopCause(ctx context.Context) error {
	for _, why := range []error{errSuperseded, errFenced, errVolumeDeleted} {
		if errors.Is(context.Cause(ctx), why) {
			return why
		}
	}
	return errStopped
}

// cancelVolumeWork cancels the work of this process on a volume, and returns it.
func (m *Manager) cancelVolumeWork(id string) []*task {
	var stopped []*task
	for _, p := range m.peers() {
		p.mu.Lock()
		for _, of := range p.tasks {
			for t := range of {
				if t.job.VolumeID == id {
					t.cancel(errVolumeDeleted)
					stopped = append(stopped, t)
				}
			}
		}
		p.mu.Unlock()
	}
	return stopped
}
