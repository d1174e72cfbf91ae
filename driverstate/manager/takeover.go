package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// Why work has failed whose service died.
const (
	reasonRestore = "incomplete restore reset on manager restart"
	reasonCreate  = "incomplete backup reset on manager restart"
)

// takeOver leaves rows true that an earlier process of this host left in the
// middle, as far as that needs no driver: restores, verifications and
// shipments have failed, deletes, resets and imports are queued again (cinder/backup/manager.py
// _cleanup_incomplete_backup_operations). What waits in a queue waits on.
func (m *Manager) takeOver(ctx context.Context) error {
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.requeue(ctx, tx, m.cfg.Host, everything); err != nil {
			return err
		}
		if err := m.adopt(ctx, tx); err != nil {
			return err
		}
		return tx.MessagesExpire(ctx, m.cfg.Now())
	})
	if err != nil {
		return err
	}
	if err := m.takeEntries(ctx, m.backupService(), m.cfg.Host, withoutDriver, anyTime); err != nil {
		return err
	}
	if m.volumeKeeper() != m {
		return nil
	}
	return m.cleanVolumes(ctx, m.volumeService(), driverstate.CleanupFilter{}, anyTime)
}

// resume ends the backups that an earlier process of this host was writing. It
// runs when the driver is set up and before the service is up.
func (m *Manager) resume(ctx context.Context) error {
	return m.takeEntries(ctx, m.backupService(), m.cfg.Host, everything, anyTime)
}

// anyTime is no bound to when an entry was written. What a host finds of its own
// has none: its clock may have been set back since.
var anyTime time.Time

// newer is whether an entry was written after until.
func newer(w *driverstate.Worker, until time.Time) bool {
	return !until.Equal(anyTime) && w.UpdatedAt.After(until)
}

// everything selects all entries.
func everything(*driverstate.Worker) bool { return true }

// withoutDriver selects the entries that can be resolved while the store is
// not there.
func withoutDriver(w *driverstate.Worker) bool { return w.Status != intentCreate }

// requeue takes off what runner, which is dead, was running. What it had not
// begun, so that its entry is unclaimed, is queued again.
func (m *Manager) requeue(ctx context.Context, tx db.Tx, runner string, which func(*driverstate.Worker) bool) error {
	jobs, err := tx.JobsRunBy(ctx, runner)
	if err != nil || len(jobs) == 0 {
		return err
	}
	all, err := entries(ctx, tx)
	if err != nil {
		return err
	}
	for _, s := range jobs {
		key, has := entryOf(s.Job)
		w := all[key]
		switch {
		case has && w != nil && !which(w):
			continue // it was asked for another resource
		case !has, w != nil && w.ServiceID == 0 && slices.Contains(intentsOf[s.Kind], w.Status):
			err = again(ctx, tx, s.Job)
		default:
			err = tx.JobsDiscard(ctx, s.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unfinished are the statuses of rows in the middle of work.
var unfinished = []driverstate.Status{driverstate.StatusCreating, driverstate.StatusDeleting, driverstate.StatusRestoring}

// adopt claims what is unfinished in rows of this host though no job will ever
// end it: of an engine of before, whose entries were fewer, or of a job that
// was lost.
func (m *Manager) adopt(ctx context.Context, tx db.Tx) error {
	all, err := entries(ctx, tx)
	if err != nil {
		return err
	}
	for _, s := range unfinished {
		rows, err := tx.BackupGetAll(ctx, driverstate.BackupFilter{Columns: map[string]string{"host": m.cfg.Host, "status": string(s)}})
		if err != nil {
			return err
		}
		for _, b := range rows {
			key := entryKey{backupResource, b.ID}
			if all[key] != nil {
				continue
			}
			intent := map[driverstate.Status]string{
				driverstate.StatusCreating: intentImport, driverstate.StatusDeleting: intentDelete, driverstate.StatusRestoring: intentRestore,
			}[s]
			w := &driverstate.Worker{ResourceType: key.resource, ResourceID: key.id, Status: intent}
			if err := tx.WorkerCreate(ctx, w); err != nil {
				return err
			}
			all[key] = w
		}
	}
	for key, w := range all {
		if w.ServiceID != 0 || !isOurs(key.resource) {
			continue
		}
		lost, err := m.lost(ctx, tx, w)
		if err != nil {
			return err
		}
		if !lost {
			continue
		}
		if _, err := tx.WorkerClaim(ctx, key.resource, key.id, m.backupService()); err != nil {
			return err
		}
	}
	return nil
}

// lost reports whether an unclaimed entry of this host has no job.
func (m *Manager) lost(ctx context.Context, tx db.Tx, w *driverstate.Worker) (bool, error) {
	backup := w.ResourceID
	if w.ResourceType == shipmentResource {
		s, err := tx.ShipmentGet(ctx, w.ResourceID)
		if errors.Is(err, driverstate.ErrNotFound) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		backup = jobOf(s)
	} else if w.ResourceType == verificationResource {
		v, err := tx.VerificationGet(ctx, w.ResourceID)
		if errors.Is(err, driverstate.ErrNotFound) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		backup = v.BackupID
	} else {
		b, err := tx.BackupGet(ctx, w.ResourceID)
		if errors.Is(err, driverstate.ErrNotFound) {
			return true, nil
		}
		if err != nil || b.Host != m.cfg.Host {
			return false, err
		}
	}
	jobs, err := tx.JobsOf(ctx, backup)
	return !slices.ContainsFunc(jobs, func(s db.JobState) bool {
		key, ok := entryOf(s.Job)
		return ok && key == keyOf(w) && slices.Contains(intentsOf[s.Kind], w.Status)
	}), err
}

// takeEntries resolves the entries that which selects of a service that does
// not work on them any more, as it was on the host runner, except those newer
// than until and those that a task of this process has. Of several processes
// one gets each.
func (m *Manager) takeEntries(ctx context.Context, serviceID int64, runner string, which func(*driverstate.Worker) bool, until time.Time) error {
	all, err := m.db.WorkerGetAll(ctx, serviceID)
	if err != nil {
		return err
	}
	var failed error
	for _, w := range all {
		if !isOurs(w.ResourceType) {
			continue
		}
		if !which(w) || newer(w, until) || m.holds(w) {
			continue
		}
		if err := m.takeEntry(ctx, w, runner); err != nil {
			failed = errors.Join(failed, fmt.Errorf("resume backup %s: %w", w.ResourceID, err))
		}
	}
	return failed
}

func (m *Manager) takeEntry(ctx context.Context, seen *driverstate.Worker, runner string) error {
	var w driverstate.Worker
	var written, restored *driverstate.Backup // a backup that was being written, and one that was being restored
	err := m.db.Update(ctx, func(tx db.Tx) error {
		w, written, restored = *seen, nil, nil
		won, err := tx.WorkerClaimForCleanup(ctx, &w, m.backupService())
		if err != nil || !won {
			return err
		}
		switch w.ResourceType {
		case verificationResource:
			return m.failVerification(ctx, tx, w.ResourceID)
		case shipmentResource:
			return m.failShipment(ctx, tx, w.ResourceID)
		}
		b, err := tx.BackupGet(ctx, w.ResourceID)
		if errors.Is(err, driverstate.ErrNotFound) {
			return clearIntent(ctx, tx, w.ResourceID)
		}
		if err != nil {
			return err
		}
		if err := discardRun(ctx, tx, b.ID, runner); err != nil {
			return err
		}
		switch {
		case w.Status == intentCreate && b.Status == driverstate.StatusCreating:
			written = b
			return nil
		case w.Status != intentReset && b.Status == driverstate.StatusRestoring:
			restored = b
			return nil
		}
		return m.takeIntent(ctx, tx, b, w.Status)
	})
	if err != nil {
		return err
	}
	switch {
	case written != nil:
		err = m.recoverCreate(ctx, written, &w)
	case restored != nil:
		err = m.recoverRestore(ctx, restored, &w)
	}
	if err != nil { // the entry is this process's now: another cleanup would not find it
		m.mu.Lock()
		m.unsaid = true
		m.mu.Unlock()
	}
	return err
}

// discardRun takes off what runner was running for a backup.
func discardRun(ctx context.Context, tx db.Tx, id, runner string) error {
	jobs, err := tx.JobsOf(ctx, id)
	for _, s := range jobs {
		if s.Running && s.Runner == runner {
			err = errors.Join(err, tx.JobsDiscard(ctx, s.ID))
		}
	}
	return err
}

// takeIntent goes on with what was meant for a backup.
func (m *Manager) takeIntent(ctx context.Context, tx db.Tx, b *driverstate.Backup, intent string) error {
	job := db.Job{BackupID: b.ID}
	var args any
	switch {
	case intent == intentReset:
		job.Kind = db.JobReset
	case b.Status == driverstate.StatusDeleting:
		job.Kind, args = db.JobDelete, deleteArgs{Force: intent == intentForceDelete}
		if intent != intentForceDelete {
			intent = intentDelete
		}
	case b.Status == driverstate.StatusCreating:
		job.Kind, intent = db.JobImport, intentImport
	default:
		return clearIntent(ctx, tx, b.ID) // it was moved on
	}
	m.log.InfoContext(ctx, "resuming work of a dead process", "kind", job.Kind, "backup", b.ID)
	if err := setIntent(ctx, tx, b.ID, intent); err != nil {
		return err
	}
	return m.enqueue(ctx, tx, &job, args)
}

// recoverRestore ends a restore whose process died. w is this process's. The part
// that was written goes first, or a kill in between would leave it, and outside of
// a transaction: a mount that hangs must not keep others from writing.
func (m *Manager) recoverRestore(ctx context.Context, b *driverstate.Backup, w *driverstate.Worker) error {
	v, err := m.db.VolumeGet(ctx, b.RestoreVolumeID)
	if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
		return err
	}
	if err == nil && v.Status == driverstate.VolumeRestoring {
		m.dropPart(v)
	}
	return ignoreSuperseded(m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.ours(ctx, tx, w); err != nil {
			return err
		}
		if err := m.failRestore(ctx, tx, b, w.Status); err != nil {
			return err
		}
		return clearIntent(ctx, tx, b.ID)
	}))
}

// failRestore makes both rows say that the restore has failed. An engine of
// before noted only on the volume that the backup was error.
func (m *Manager) failRestore(ctx context.Context, tx db.Tx, b *driverstate.Backup, intent string) error {
	v, err := tx.VolumeGet(ctx, b.RestoreVolumeID)
	switch {
	case errors.Is(err, driverstate.ErrNotFound):
	case err != nil:
		return err
	case v.Status == driverstate.VolumeRestoring:
		markFailedRestore(v, driverstate.VolumeErrorRestoring, errors.New(reasonRestore))
		if err := tx.VolumeUpdate(ctx, v, driverstate.VolumeRestoring); err != nil {
			return err
		}
	}
	action := driverstate.ActionRestoreDone
	if intent == intentSalvage || v != nil && v.Metadata[metaOfError] != "" {
		action = driverstate.ActionSalvageDone
	}
	_, err = move(ctx, tx, b.ID, action, func(b *driverstate.Backup) { b.FailReason = reasonRestore })
	return err
}

func (m *Manager) failVerification(ctx context.Context, tx db.Tx, id string) error {
	v, err := tx.VerificationGet(ctx, id)
	if err == nil && v.Status == driverstate.VerificationRunning {
		v.Status, v.Error, v.FinishedAt = driverstate.VerificationFailed, "interrupted by a restart of the service", m.cfg.Now().UTC()
		err = tx.VerificationUpdate(ctx, v)
	}
	if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
		return err
	}
	return tx.WorkerDestroy(ctx, verificationResource, id)
}

// recoverCreate ends a backup whose writer died: whole on the store, the row
// was only not told; else what it left is removed. w is this process's.
func (m *Manager) recoverCreate(ctx context.Context, b *driverstate.Backup, w *driverstate.Worker) error {
	j := db.Job{BackupID: b.ID}
	if b.ServiceMetadata == "" {
		return m.finishCreate(ctx, j, w, driverstate.Stored{}, errors.New(reasonCreate))
	}
	line, err := m.look(ctx, b)
	switch {
	case err == nil && line[0].Condition == driverstate.ConditionWhole:
		return m.finishCreate(ctx, j, w, driverstate.Stored{ObjectCount: line[0].Backup.ObjectCount}, nil)
	case err == nil || errors.Is(err, driverstate.ErrNotFound):
		if err := m.ours(ctx, m.db, w); err != nil {
			return ignoreSuperseded(err)
		}
		err = m.cfg.Driver.Delete(ctx, b)
	}
	if err != nil {
		m.log.ErrorContext(ctx, "objects of an incomplete backup are left on the store", "backup", b.ID, "prefix", b.ServiceMetadata, "error", err)
	}
	return m.finishCreate(ctx, j, w, driverstate.Stored{}, errors.New(reasonCreate))
}

// ignoreSuperseded makes success of work that somebody else does now.
func ignoreSuperseded(err error) error {
	if errors.Is(err, errSuperseded) {
		return nil
	}
	return err
}
