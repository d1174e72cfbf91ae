package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// ResetBackupStatus accepts os-reset_status; admin only. To error it is done
// when this returns, and work in progress is stopped. To available from
// restoring (the restore is stopped, its volume becomes error) and available
// likewise, unless the backup was error before it was restored. From every other
// status all data of its chain is read first, by a job: whole, and the backup
// becomes available; else error, with the reason. Until then the row has no fail
// reason, so that one that it gets is the outcome.
func (m *Manager) ResetBackupStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.Status) error {
	if _, err := m.visible(ctx, c, id); err != nil {
		return err
	}
	if err := allow(c, "volume_extension:backup_admin_actions:reset_status"); err != nil {
		return err
	}
	if to != driverstate.StatusError && to != driverstate.StatusAvailable {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"Backup status: %s is invalid, valid statuses are: ['available', 'error'].", to))
	}
	up := m.requireUp(ctx)
	if up != nil && !errors.Is(up, driverstate.ErrServiceDown) {
		return up
	}
	var b *driverstate.Backup
	done := false
	err := m.db.Update(ctx, func(tx db.Tx) error {
		row, err := tx.BackupGet(ctx, id)
		if err != nil {
			return named(err, backupNotFound(id))
		}
		if err := m.freeVolumes(ctx, tx, id); err != nil {
			return err
		}
		intent, err := intentOf(ctx, tx, id)
		if err != nil {
			return err
		}
		switch {
		case to == driverstate.StatusError:
			done = true
			why := ""
			if intent == intentReset {
				why = "reset to error before its data was proven"
			}
			b, err = m.resetNow(ctx, tx, id, driverstate.ActionResetError, why)
			return err
		case row.Status == driverstate.StatusRestoring && intent == intentRestore, row.Status == driverstate.StatusAvailable:
			done = true
			b, err = m.resetNow(ctx, tx, id, driverstate.ActionResetAvailable, "")
			return err
		}
		b, done = row, false
		return m.acceptReset(ctx, tx, row, up)
	})
	if err != nil {
		return err
	}
	if err := m.dropLost(ctx, id); err != nil {
		return err
	}
	m.notify(ctx, eventResetStart, b)
	if done {
		m.notify(ctx, eventResetEnd, b)
	}
	return nil
}

// acceptReset queues the proof that a reset to available needs. up is why it
// cannot be done, if it cannot.
func (m *Manager) acceptReset(ctx context.Context, tx db.Tx, b *driverstate.Backup, up error) error {
	if up != nil {
		return up
	}
	if err := m.checkService(b, "Reset backup status aborted"); err != nil {
		return err
	}
	if err := setIntent(ctx, tx, b.ID, intentReset); err != nil {
		return err
	}
	if b.FailReason != "" {
		b.FailReason = ""
		if err := tx.BackupUpdate(ctx, b, b.Status); err != nil {
			return err
		}
	}
	job := db.Job{Kind: db.JobReset, BackupID: b.ID}
	return m.enqueue(ctx, tx, &job, nil)
}

// resetNow moves the row. To error, a fail reason stays unless there is another
// one: it may be why the backup was reset.
func (m *Manager) resetNow(ctx context.Context, tx db.Tx, id string, a driverstate.Action, why string) (*driverstate.Backup, error) {
	b, err := move(ctx, tx, id, a, func(b *driverstate.Backup) {
		b.RestoreVolumeID = ""
		if a == driverstate.ActionResetAvailable || why != "" {
			b.FailReason = why
		}
	})
	if err != nil {
		return nil, err
	}
	return b, clearIntent(ctx, tx, id)
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
		intent, err := intentOf(ctx, tx, id)
		if err != nil || intent == intentReset {
			return err // that reset ended it, and the volume may have another restore by now
		}
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
	w, b, err := m.takeRow(ctx, j, "")
	if err != nil {
		return err
	}
	if err := m.stopOlder(ctx, j); err != nil {
		if ctx.Err() != nil {
			return m.putBack(ctx, j, w)
		}
		return err
	}
	line, fault := m.prove(ctx, b)
	if fault == "" && ctx.Err() == nil {
		fault, err = m.proveData(ctx, b, line)
	}
	if ctx.Err() != nil {
		return m.putBack(ctx, j, w) // unless it was deleted or reset meanwhile
	}
	if err != nil {
		return err
	}
	action := driverstate.ActionResetAvailable
	if fault != "" {
		action = driverstate.ActionResetError
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.ours(ctx, tx, w); err != nil {
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

// proveData reads all data of b, which prove found to be whole, and of what it
// stands on, and remembers what of it is proven. A driver that cannot is
// believed. Its error is of the database, and says nothing about b.
func (m *Manager) proveData(ctx context.Context, b *driverstate.Backup, line []driverstate.Found) (fault string, err error) {
	if _, can := m.cfg.Driver.(driverstate.Verifier); !can || len(line) == 0 {
		return "", nil
	}
	run, err := m.newVerifyRun(driverstate.VerifyRequest{BackupIDs: []string{b.ID}, Depth: driverstate.DepthData})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, run.close(ctx)) }()
	one := looked{id: b.ID, row: b, on: m}
	ledger := run.ledger(ctx, one)
	report, failed := m.verifyLine(ctx, line, driverstate.DepthData, ledger, driverstate.Discard)
	if failed != nil {
		return clip(text(failed)), ledger.failed
	}
	if err := run.conclude(ctx, one, ledger, &driverstate.VerifyResult{}, &report); err != nil {
		return "", err
	}
	if report.Condition == driverstate.ConditionWhole {
		return "", nil
	}
	return clip(cmp.Or(report.Reason, "it is "+string(report.Condition))), nil
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
