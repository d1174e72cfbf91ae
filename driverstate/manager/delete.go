package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// DeleteBackup accepts a delete. With force it is os-force_delete: for an
// admin, in any status, and work in progress on the backup is stopped. A
// backup that others stand on is refused either way, whatever their project.
// A row that no driver ever wrote for is gone when this returns, also while
// the service is down.
func (m *Manager) DeleteBackup(ctx context.Context, c driverstate.Caller, id string, force bool) error {
	b, err := m.visible(ctx, c, id)
	if err != nil {
		return err
	}
	if force {
		if err := allow(c, "volume_extension:backup_admin_actions:force_delete"); err != nil {
			return err
		}
		if f, ok := m.cfg.Driver.(driverstate.ForceDeleter); !ok || !f.SupportsForceDelete() {
			return refuseBackup(id, driverstate.ErrNotSupported, "Operation not supported: force delete.")
		}
	}
	up := m.requireUp(ctx)
	if up != nil && !errors.Is(up, driverstate.ErrServiceDown) {
		return up
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		b, err = m.acceptDelete(ctx, tx, id, force)
		if err != nil {
			return err
		}
		if b.Service == "" {
			return m.destroy(ctx, tx, b)
		}
		if up != nil {
			return up
		}
		job := db.Job{Kind: db.JobDelete, BackupID: id, RequestID: c.RequestID, ProjectID: c.ProjectID}
		return m.enqueue(ctx, tx, &job, deleteArgs{Force: force})
	})
	if err != nil {
		return m.lostRace(err, id, "Backup status must be available or error")
	}
	if b.Service == "" {
		m.notifyDelete(ctx, eventDeleteStart, b, force)
		m.notifyDelete(ctx, eventDeleteEnd, b, force)
	}
	// Not by the row, which may be gone by now.
	for _, p := range m.peers() {
		p.cancelWork(id, func(j db.Job) bool { return !moves(j) })
	}
	return m.dropLost(ctx, id)
}

func (m *Manager) acceptDelete(ctx context.Context, tx db.Tx, id string, force bool) (*driverstate.Backup, error) {
	action := driverstate.ActionDelete
	if force {
		action = driverstate.ActionForceDelete
	}
	b, err := tx.BackupGet(ctx, id)
	if err != nil {
		return nil, named(err, backupNotFound(id))
	}
	if _, err := b.Status.Next(action); err != nil {
		return nil, refuseBackup(id, driverstate.ErrInvalidStatus, "Backup status must be available or error")
	}
	n, err := m.standing(ctx, tx, b)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		return nil, refuseBackup(id, driverstate.ErrHasDependents, "Incremental backups exist for this backup.")
	}
	if err := m.freeVolumes(ctx, tx, id); err != nil {
		return nil, err
	}
	b, err = move(ctx, tx, id, action, func(b *driverstate.Backup) { b.Host = m.cfg.Host })
	if err != nil {
		return nil, err
	}
	intent := intentDelete
	if force {
		intent = intentForceDelete
	}
	return b, setIntent(ctx, tx, id, intent)
}

// lostRace turns the conflict of two requests into the answer that the second
// one would have had a moment later.
func (m *Manager) lostRace(err error, id, text string) error {
	if errors.Is(err, driverstate.ErrConflict) {
		return refuseBackup(id, driverstate.ErrInvalidStatus, text)
	}
	return err
}

// destroy removes the row of b, which must be deleting, with all that hangs on
// it.
func (m *Manager) destroy(ctx context.Context, tx db.Tx, b *driverstate.Backup) error {
	if _, err := b.Status.Next(driverstate.ActionDeleteDone); err != nil {
		return err
	}
	if err := clearIntent(ctx, tx, b.ID); err != nil {
		return err
	}
	if err := tx.BackupDestroy(ctx, b.ID); err != nil {
		return err
	}
	return recount(ctx, tx, b.ParentID)
}

func (m *Manager) runDelete(ctx context.Context, j db.Job) error {
	var args deleteArgs
	if err := json.Unmarshal(j.Args, &args); err != nil {
		return fmt.Errorf("arguments of job %d: %w", j.ID, err)
	}
	w, b, err := m.takeRow(ctx, j, driverstate.StatusDeleting)
	if err != nil {
		return err
	}
	if err := m.stopOlder(ctx, j); err != nil {
		if ctx.Err() != nil {
			return m.putBack(ctx, j, w)
		}
		return err
	}
	if !m.isReady() {
		return m.failDelete(ctx, j, w, driverstate.ActionDeleteAbort, args.Force, driverstate.Fail(driverstate.ErrServiceDown, "Delete backup is aborted due to backup service is down."))
	}
	m.notifyDelete(ctx, eventDeleteStart, b, args.Force)
	left, err := m.leaveToTwin(ctx, b, w)
	if err == nil && !left {
		if err := m.ours(ctx, m.db, w); err != nil {
			return err
		}
		err = m.deleteObjects(ctx, b, args.Force)
		switch {
		case ctx.Err() != nil:
			return m.putBack(ctx, j, w) // unless the row was moved on
		case err != nil:
			return m.failDelete(ctx, j, w, driverstate.ActionDeleteFail, args.Force, err)
		}
		err = m.db.Update(ctx, func(tx db.Tx) error {
			if err := m.ours(ctx, tx, w); err != nil {
				return err
			}
			now, err := tx.BackupGet(ctx, b.ID)
			if err != nil {
				return err
			}
			return m.destroy(ctx, tx, now)
		})
	}
	if errors.Is(err, driverstate.ErrNotFound) || errors.Is(err, driverstate.ErrInvalidStatus) {
		return nil // deleted or reset meanwhile
	}
	if err == nil {
		b.Status = driverstate.StatusDeleted
		m.notifyDelete(ctx, eventDeleteEnd, b, args.Force)
	}
	return err
}

// deleteObjects removes what b has on the store, which no twin keeps. A backup
// whose place is not that of its objects loses its row only. With force
// leftovers are reported and do not stop the delete, unless nothing could be
// deleted at all.
func (m *Manager) deleteObjects(ctx context.Context, b *driverstate.Backup, force bool) error {
	if b.Service == "" || b.Container == "" || b.ServiceMetadata == "" && !b.SharesPlace() {
		return nil
	}
	if err := m.checkService(b, "Delete backup aborted"); err != nil {
		return err
	}
	err := m.ownsObjects(ctx, b)
	if err == nil {
		err = m.cfg.Driver.Delete(ctx, onStore(b))
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, driverstate.ErrInvalidInput):
		m.log.WarnContext(ctx, "no objects deleted: they are not what the place in the row says",
			"backup", b.ID, "container", b.Container, "prefix", b.ServiceMetadata, "error", err)
		return nil
	case force && !errors.Is(err, driverstate.ErrReadOnly) && ctx.Err() == nil:
		m.log.ErrorContext(ctx, "force delete left objects on the store",
			"backup", b.ID, "container", b.Container, "prefix", b.ServiceMetadata, "error", err)
		return nil
	}
	return err
}

func (m *Manager) failDelete(ctx context.Context, j db.Job, w *driverstate.Worker, a driverstate.Action, force bool, cause error) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	var b *driverstate.Backup
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.ours(ctx, tx, w); err != nil {
			return err
		}
		var err error
		b, err = move(ctx, tx, j.BackupID, a, func(b *driverstate.Backup) { b.FailReason = clip(text(cause)) })
		if err != nil {
			return err
		}
		if err := m.tell(ctx, tx, j, driverstate.MessageBackupDelete, detailOf(cause, driverstate.MessageDeleteFailed)); err != nil {
			return err
		}
		return clearIntent(ctx, tx, j.BackupID)
	})
	if errors.Is(err, driverstate.ErrNotFound) || errors.Is(err, driverstate.ErrInvalidStatus) {
		return nil
	}
	if err == nil {
		markFailed(ctx)
		m.notifyDelete(ctx, eventDeleteError, b, force)
	}
	return err
}

// text is what an error says without naming the backup, whose row it goes
// into.
func text(err error) string {
	var e *driverstate.Error
	if errors.As(err, &e) && e == err && e.Resource == "backup" {
		return e.Err.Error()
	}
	return err.Error()
}
