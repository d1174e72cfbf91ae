package manager

import (
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

const verificationResource = "Verification"

// takeOver leaves rows true that an earlier process of this host left in the
// middle, as far as that needs no driver: its jobs are dropped, restores and
// verifications have failed (cinder/backup/manager.py
// _cleanup_incomplete_backup_operations).
func (m *Manager) takeOver(ctx context.Context) error {
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if _, err := tx.JobsDiscardUnfinished(ctx, m.cfg.Host); err != nil {
			return err
		}
		if err := m.failRestores(ctx, tx); err != nil {
			return err
		}
		if err := tx.MessagesExpire(ctx, m.cfg.Now()); err != nil {
			return err
		}
		return m.failVerifications(ctx, tx)
	})
	if err != nil {
		return err
	}
	return m.cleanVolumes(ctx, m.volumeService(), driverstate.CleanupFilter{}, m.cfg.Now())
}

func (m *Manager) failRestores(ctx context.Context, tx db.Tx) error {
	rows, err := tx.BackupGetAll(ctx, m.ownRows(driverstate.StatusRestoring))
	if err != nil {
		return err
	}
	const reason = "incomplete restore reset on manager restart"
	for _, b := range rows {
		v, err := tx.VolumeGet(ctx, b.RestoreVolumeID)
		switch {
		case errors.Is(err, driverstate.ErrNotFound):
		case err != nil:
			return err
		case v.Status == driverstate.VolumeRestoring:
			markFailedRestore(v, driverstate.VolumeErrorRestoring, errors.New(reason))
			if err := tx.VolumeUpdate(ctx, v, driverstate.VolumeRestoring); err != nil {
				return err
			}
		}
		_, err = move(ctx, tx, b.ID, driverstate.ActionRestoreDone, func(b *driverstate.Backup) { b.FailReason = reason })
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *Manager) failVerifications(ctx context.Context, tx db.Tx) error {
	workers, err := tx.WorkerGetAll(ctx, 0)
	if err != nil {
		return err
	}
	for _, w := range workers {
		if w.ResourceType != verificationResource {
			continue
		}
		v, err := tx.VerificationGet(ctx, w.ResourceID)
		if err == nil && v.Status == driverstate.VerificationRunning {
			v.Status, v.Error, v.FinishedAt = driverstate.VerificationFailed, "interrupted by a restart of the service", m.cfg.Now().UTC()
			err = tx.VerificationUpdate(ctx, v)
		}
		if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
			return err
		}
		if err := tx.WorkerDestroy(ctx, verificationResource, w.ResourceID); err != nil {
			return err
		}
	}
	return nil
}

// ownRows selects the rows of this host in status s.
func (m *Manager) ownRows(s driverstate.Status) driverstate.BackupFilter {
	return driverstate.BackupFilter{Columns: map[string]string{"host": m.cfg.Host, "status": string(s)}}
}

// resume goes on with what an earlier process accepted and did not finish. It
// runs when the driver is set up and before the service is up. Its jobs run
// when the queue is worked.
func (m *Manager) resume(ctx context.Context) error {
	meant, err := intents(ctx, m.db)
	if err != nil {
		return err
	}
	left, err := m.unfinished(ctx, meant)
	if err != nil {
		return err
	}
	for id, b := range left {
		if err := m.resumeOne(ctx, b, meant[id]); err != nil {
			return fmt.Errorf("resume backup %s: %w", id, err)
		}
	}
	return nil
}

// unfinished returns the rows of this host that are in the middle of work, by
// their status or by an intent. An intent whose row is gone is dropped.
func (m *Manager) unfinished(ctx context.Context, meant map[string]string) (map[string]*driverstate.Backup, error) {
	left := map[string]*driverstate.Backup{}
	for _, s := range []driverstate.Status{driverstate.StatusCreating, driverstate.StatusDeleting} {
		rows, err := m.db.BackupGetAll(ctx, m.ownRows(s))
		if err != nil {
			return nil, err
		}
		for _, b := range rows {
			left[b.ID] = b
		}
	}
	for id := range meant {
		b, err := m.db.BackupGet(ctx, id)
		switch {
		case errors.Is(err, driverstate.ErrNotFound):
			err = m.db.WorkerDestroy(ctx, backupResource, id)
		case err == nil && b.Host == m.cfg.Host:
			left[id] = b
		}
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}

func (m *Manager) resumeOne(ctx context.Context, b *driverstate.Backup, intent string) error {
	job := db.Job{BackupID: b.ID}
	var args any
	switch {
	case intent == intentReset:
		job.Kind = db.JobReset
	case b.Status == driverstate.StatusDeleting:
		job.Kind, args = db.JobDelete, deleteArgs{Force: intent == intentForceDelete}
	case b.Status == driverstate.StatusCreating && intent == intentCreate:
		return m.recoverCreate(ctx, b)
	case b.Status == driverstate.StatusCreating:
		job.Kind = db.JobImport
	default:
		return nil
	}
	m.log.InfoContext(ctx, "resuming work of an earlier process", "kind", job.Kind, "backup", b.ID)
	return m.db.Update(ctx, func(tx db.Tx) error {
		j := job
		return m.enqueue(ctx, tx, &j, args)
	})
}

// recoverCreate ends a backup whose writer died: whole on the store, the row
// was only not told; else what it left is removed.
func (m *Manager) recoverCreate(ctx context.Context, b *driverstate.Backup) error {
	const reason = "incomplete backup reset on manager restart"
	if b.ServiceMetadata == "" {
		return m.finishCreate(ctx, db.Job{BackupID: b.ID}, driverstate.Stored{}, errors.New(reason))
	}
	line, err := m.look(ctx, b)
	switch {
	case err == nil && line[0].Condition == driverstate.ConditionWhole:
		return m.finishCreate(ctx, db.Job{BackupID: b.ID}, driverstate.Stored{ObjectCount: line[0].Backup.ObjectCount}, nil)
	case err == nil || errors.Is(err, driverstate.ErrNotFound):
		err = m.cfg.Driver.Delete(ctx, b)
	}
	if err != nil {
		m.log.ErrorContext(ctx, "objects of an incomplete backup are left on the store", "backup", b.ID, "prefix", b.ServiceMetadata, "error", err)
	}
	return m.finishCreate(ctx, db.Job{BackupID: b.ID}, driverstate.Stored{}, errors.New(reason))
}
