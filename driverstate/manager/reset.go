package manager

import (
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// ResetBackupStatus accepts os-reset_status; admin only. To error it is done
// when this returns, and work in progress is stopped. To available from
// restoring (the restore is stopped, its volume becomes error) and available
// likewise. From every other status the data is looked at first, by a job:
// whole, and the backup becomes available; else error, with the reason.
func (m *Manager) ResetBackupStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.Status) error {
	if _, err := m.visible(ctx, c, id); err != nil {
		return err
	}
	if err := allow(c, "volume_extension:backup_admin_actions:reset_status"); err != nil {
		return err
	}
	m.accept.Lock()
	defer m.accept.Unlock()
	switch to {
	case driverstate.StatusError:
		return m.resetNow(ctx, id, driverstate.ActionResetError)
	case driverstate.StatusAvailable:
	default:
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"Backup status: %s is invalid, valid statuses are: ['available', 'error'].", to))
	}
	b, err := m.db.BackupGet(ctx, id)
	if err != nil {
		return named(err, backupNotFound(id))
	}
	if b.Status == driverstate.StatusRestoring || b.Status == driverstate.StatusAvailable {
		return m.resetNow(ctx, id, driverstate.ActionResetAvailable)
	}
	if err := m.requireUp(ctx); err != nil {
		return err
	}
	if err := m.checkService(b, "Reset backup status aborted"); err != nil {
		return err
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		b, err := tx.BackupGet(ctx, id)
		if err != nil {
			return named(err, backupNotFound(id))
		}
		if err := m.freeVolumes(ctx, tx, id); err != nil {
			return err
		}
		if err := setIntent(ctx, tx, id, intentReset, m.backupService()); err != nil {
			return err
		}
		if b.Host != m.cfg.Host {
			b.Host = m.cfg.Host
			if err := tx.BackupUpdate(ctx, b, b.Status); err != nil {
				return err
			}
		}
		job := db.Job{Kind: db.JobReset, BackupID: id}
		return m.enqueue(ctx, tx, &job, nil)
	})
	if err != nil {
		return err
	}
	m.cancelWork(id, moves)
	m.notify(ctx, eventResetStart, b)
	return nil
}

// resetNow moves the row and stops the work that it had. To error, a fail
// reason stays: it may be why the backup was reset.
func (m *Manager) resetNow(ctx context.Context, id string, a driverstate.Action) error {
	var b *driverstate.Backup
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.freeVolumes(ctx, tx, id); err != nil {
			return err
		}
		var err error
		b, err = move(ctx, tx, id, a, func(b *driverstate.Backup) {
			b.RestoreVolumeID = ""
			if a == driverstate.ActionResetAvailable {
				b.FailReason = ""
			}
		})
		if err != nil {
			return err
		}
		return clearIntent(ctx, tx, id)
	})
	if err != nil {
		return err
	}
	m.cancelWork(id, moves)
	m.notify(ctx, eventResetStart, b)
	m.notify(ctx, eventResetEnd, b)
	return nil
}

// freeVolumes ends the part of a volume in the work that a reset stops: the
// target of a restore is error, as what is on it cannot be told; the source of
// a backup is what it was.
func (m *Manager) freeVolumes(ctx context.Context, tx db.Tx, id string) error {
	b, err := tx.BackupGet(ctx, id)
	if err != nil {
		return named(err, backupNotFound(id))
	}
	switch b.Status {
	case driverstate.StatusRestoring:
		v, err := tx.VolumeGet(ctx, b.RestoreVolumeID)
		if errors.Is(err, driverstate.ErrNotFound) || err == nil && v.Status != driverstate.VolumeRestoring {
			return nil
		}
		if err != nil {
			return err
		}
		markFailedRestore(v, driverstate.VolumeError, errSuperseded)
		return tx.VolumeUpdate(ctx, v, driverstate.VolumeRestoring)
	case driverstate.StatusCreating:
		return m.releaseSource(ctx, tx, b, volumeErrorBackingUp)
	}
	return nil
}

func (m *Manager) runReset(ctx context.Context, j db.Job) error {
	if m.stopOlder(ctx, j) != nil {
		return nil // cancelled: the intent stays for the next start, or was taken over
	}
	meant, err := intentOf(ctx, m.db, j.BackupID)
	if err != nil || meant != intentReset {
		return err // deleted or reset again meanwhile
	}
	b, err := m.db.BackupGet(ctx, j.BackupID)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	line, fault := m.prove(ctx, b)
	if ctx.Err() != nil {
		return nil
	}
	action := driverstate.ActionResetAvailable
	if fault != "" {
		action = driverstate.ActionResetError
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		meant, err := intentOf(ctx, tx, b.ID)
		if err != nil || meant != intentReset {
			return err
		}
		b, err = move(ctx, tx, b.ID, action, func(b *driverstate.Backup) {
			b.FailReason = fault
			if fault == "" && len(line) > 0 {
				fill(b, &line[0].Backup, m.cfg.Driver.Service())
			}
		})
		if err != nil {
			return err
		}
		if err := clearIntent(ctx, tx, b.ID); err != nil {
			return err
		}
		return recount(ctx, tx, b.ParentID)
	})
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	if err == nil && fault != "" {
		markFailed(ctx)
		m.notify(ctx, eventResetError, b)
	}
	if err == nil {
		m.notify(ctx, eventResetEnd, b)
	}
	return err
}

// prove looks at b and its chain by structure. fault is empty when all is
// whole, and else says why b cannot be called available. A driver that cannot
// look is believed.
func (m *Manager) prove(ctx context.Context, b *driverstate.Backup) (line []driverstate.Found, fault string) {
	if !m.isReady() {
		return nil, clip("the backup service is down: " + m.downReason())
	}
	line, err := m.look(ctx, b)
	switch {
	case errors.Is(err, driverstate.ErrNotSupported):
		return nil, ""
	case errors.Is(err, driverstate.ErrNotFound):
		return nil, "the store holds nothing of it"
	case err != nil:
		return nil, clip(text(err))
	case line[0].Condition != driverstate.ConditionWhole:
		return line, faultOf(&line[0])
	}
	return line, ""
}

// fill gives b what the store knows of it and the row lacks.
func fill(b, stored *driverstate.Backup, service string) {
	set := func(to *string, from string) {
		if *to == "" {
			*to = from
		}
	}
	set(&b.Container, stored.Container)
	set(&b.ServiceMetadata, stored.ServiceMetadata)
	set(&b.ParentID, stored.ParentID)
	set(&b.Service, service)
	if b.VolumeID == "" || b.VolumeID == zeroID {
		b.VolumeID = stored.VolumeID
	}
	if b.Size == 0 {
		b.Size = stored.Size
	}
	if b.ObjectCount == 0 {
		b.ObjectCount = stored.ObjectCount
	}
	if b.DataTimestamp.IsZero() {
		b.DataTimestamp = b.CreatedAt
	}
}

// zeroID is the volume id of a record that names none.
const zeroID = "00000000-0000-0000-0000-000000000000"
