package manager

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// errSuperseded is why work is cancelled whose backup was moved on: force
// deleted, or reset.
var errSuperseded = errors.New("stopped: its backup was deleted or reset")

// errVolumeDeleted is why work is cancelled whose volume was force deleted.
var errVolumeDeleted = errors.New("stopped: its volume was deleted")

// errStopped is the outcome of work that ends with the service.
var errStopped = errors.New("interrupted: the service was stopped")

// task is a job that runs in this process.
type task struct {
	job    db.Job
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

// enqueue queues j for this host in tx. args may be nil.
func (m *Manager) enqueue(ctx context.Context, tx db.Tx, j *db.Job, args any) error {
	j.Queue = m.cfg.Host
	r := trace.Of(ctx)
	j.RequestID, j.ProjectID = cmp.Or(j.RequestID, r.ID), cmp.Or(j.ProjectID, r.ProjectID)
	j.GlobalID, j.UserID = r.GlobalID, r.UserID
	if args != nil {
		raw, err := json.Marshal(args)
		if err != nil {
			return err
		}
		j.Args = raw
	}
	return tx.JobInsert(ctx, j)
}

// handle runs one job. Failures are recorded in rows by the job itself; what
// is returned here is only that it could not be.
func (m *Manager) handle(ctx context.Context, j db.Job) error {
	ctx = trace.With(ctx, trace.Request{ID: j.RequestID, GlobalID: j.GlobalID, UserID: j.UserID, ProjectID: j.ProjectID})
	ctx, said := withTally(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	t := &task{job: j, cancel: cancel, done: make(chan struct{})}
	m.begin(t)
	defer m.end(t)
	run, ok := map[db.JobKind]func(context.Context, db.Job) error{
		db.JobBackup:  m.runCreate,
		db.JobRestore: m.runRestore,
		db.JobDelete:  m.runDelete,
		db.JobReset:   m.runReset,
		db.JobImport:  m.runImport,
		db.JobVerify:  m.runVerify,
	}[j.Kind]
	if !ok {
		return fmt.Errorf("job %d: unknown kind %q", j.ID, j.Kind)
	}
	m.log.DebugContext(ctx, "job starts", "job", j.ID, "kind", j.Kind, "backup", j.BackupID)
	began := m.cfg.Now()
	err := run(ctx, j)
	m.cfg.JobDone(said.outcome(ctx, j.Kind, m.cfg.Now().Sub(began), err))
	if err != nil {
		m.log.ErrorContext(ctx, "job could not record its outcome", "job", j.ID, "kind", j.Kind, "backup", j.BackupID, "error", err)
	}
	return err
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
// waits for its end. Later work is left alone: it supersedes self.
func (m *Manager) stopOlder(ctx context.Context, self db.Job) error {
	for _, t := range m.cancelWork(self.BackupID, func(j db.Job) bool { return j.ID < self.ID && moves(j) }) {
		select {
		case <-t.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// moves reports whether j changes its backup or its volume: a verification
// does neither, and is not worth waiting for.
func moves(j db.Job) bool { return j.Kind != db.JobVerify }

func anyWork(db.Job) bool { return true }

// superseded reports whether the work of ctx was cancelled because its backup
// was moved on, not because the service stops.
func superseded(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errSuperseded) }

// stopCause is the outcome of work whose context has ended.
func stopCause(ctx context.Context) error {
	for _, why := range []error{errSuperseded, errVolumeDeleted} {
		if errors.Is(context.Cause(ctx), why) {
			return why
		}
	}
	return errStopped
}

// cancelVolumeWork cancels the work on a volume, and returns it.
func (m *Manager) cancelVolumeWork(id string) []*task {
	m.mu.Lock()
	defer m.mu.Unlock()
	var stopped []*task
	for _, of := range m.tasks {
		for t := range of {
			if t.job.VolumeID == id {
				t.cancel(errVolumeDeleted)
				stopped = append(stopped, t)
			}
		}
	}
	return stopped
}

// Intents are kept in the workers table, as entries of type Backup: what was
// accepted for a backup and cannot be told from its status. Start reads them
// after a crash.
const (
	backupResource = "Backup"

	intentCreate      = "creating"  // its objects are ours, not imported ones
	intentReset       = "resetting" // to available; the status is still the old one
	intentForceDelete = "force deleting"
)

func setIntent(ctx context.Context, tx db.Tx, id, intent string, serviceID int64) error {
	if err := tx.WorkerDestroy(ctx, backupResource, id); err != nil {
		return err
	}
	return tx.WorkerCreate(ctx, &driverstate.Worker{
		ResourceType: backupResource, ResourceID: id, Status: intent, ServiceID: serviceID,
	})
}

func clearIntent(ctx context.Context, tx db.Tx, id string) error {
	return tx.WorkerDestroy(ctx, backupResource, id)
}

// intents returns every intent by backup id.
func intents(ctx context.Context, rows db.Workers) (map[string]string, error) {
	all, err := rows.WorkerGetAll(ctx, 0)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, w := range all {
		if w.ResourceType == backupResource {
			found[w.ResourceID] = w.Status
		}
	}
	return found, nil
}

func intentOf(ctx context.Context, rows db.Workers, id string) (string, error) {
	all, err := intents(ctx, rows)
	return all[id], err
}

// backupService returns the id of our cinder-backup row, 0 before Start.
func (m *Manager) backupService() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.services[driverstate.BinaryBackup]
}
