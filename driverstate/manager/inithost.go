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

// ownRows selects the rows of this host in status s, in any when it is empty.
func (m *Manager) ownRows(s driverstate.Status) driverstate.BackupFilter {
	f := driverstate.BackupFilter{Columns: map[string]string{"host": m.cfg.Host}}
	if s != "" {
		f.Columns["status"] = string(s)
	}
	return f
}

// resume goes on with what an earlier process accepted and did not finish. It
// runs when the driver is set up and before the service is up. Its jobs run
// when the queue is worked.
func (m *Manager) resume(ctx context.Context) error {
	rows, err := m.db.BackupGetAll(ctx, m.ownRows(""))
	if err != nil {
		return err
	}
	meant, err := intents(ctx, m.db)
	if err != nil {
		return err
	}
	for _, b := range rows {
		intent := meant[b.ID]
		delete(meant, b.ID)
		if err := m.resumeOne(ctx, b, intent); err != nil {
			return fmt.Errorf("resume backup %s: %w", b.ID, err)
		}
	}
	for id := range meant {
		if err := m.db.WorkerDestroy(ctx, backupResource, id); err != nil {
			return err
		}
	}
	return nil
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
	m.log.Info("resuming work of an earlier process", "kind", job.Kind, "backup", b.ID)
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
		return m.finishCreate(ctx, b.ID, driverstate.Stored{}, errors.New(reason))
	}
	line, err := m.look(ctx, b)
	switch {
	case err == nil && line[0].Condition == driverstate.ConditionWhole:
		return m.finishCreate(ctx, b.ID, driverstate.Stored{ObjectCount: line[0].Backup.ObjectCount}, nil)
	case err == nil || errors.Is(err, driverstate.ErrNotFound):
		err = m.cfg.Driver.Delete(ctx, b)
	}
	if err != nil {
		m.log.Error("objects of an incomplete backup are left on the store", "backup", b.ID, "prefix", b.ServiceMetadata, "error", err)
	}
	return m.finishCreate(ctx, b.ID, driverstate.Stored{}, errors.New(reason))
}
