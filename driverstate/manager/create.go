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

// volumeErrorBackingUp is the previous status of a volume whose backup failed.
const volumeErrorBackingUp driverstate.VolumeStatus = "error_backing-up"

// Why a backup fails before its driver is asked.
var (
	errVolumeMoved = errors.New("the volume is not backing-up any more")
	errNoDevice    = errors.New("the volume cannot be read")
)

// CreateBackup accepts a backup of a volume of the engine. As Cinder does, it
// accepts without a backup service too, or without one in the zone that is
// asked for: the row is then error at once.
func (m *Manager) CreateBackup(ctx context.Context, c driverstate.Caller, r driverstate.BackupRequest) (*driverstate.Backup, error) {
	if _, err := m.visibleVolume(ctx, c, r.VolumeID); err != nil {
		return nil, err
	}
	if r.SnapshotID != "" {
		if _, err := m.Snapshot(ctx, c, r.SnapshotID); err != nil {
			return nil, err
		}
	}
	if m.cfg.OpenSource == nil {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "the engine cannot read volumes")
	}
	if c, ok := m.cfg.Driver.(driverstate.BackupChecker); ok {
		if err := c.CheckBackup(); err != nil {
			return nil, err
		}
	}
	up := m.requireUp(ctx)
	if up != nil && !errors.Is(up, driverstate.ErrServiceDown) {
		return nil, up
	}
	b := m.backupRow(c, r)
	err := m.db.Update(ctx, func(tx db.Tx) error {
		v, err := tx.VolumeGet(ctx, r.VolumeID)
		if err != nil {
			return named(err, volumeNotFound(r.VolumeID))
		}
		hold, err := m.takeSource(ctx, tx, v, b, r)
		if err != nil {
			return err
		}
		if err := m.admitBackup(ctx, tx, b.ProjectID, b.Size); err != nil {
			return err
		}
		job := db.Job{Kind: db.JobBackup, BackupID: b.ID, VolumeID: v.ID, RequestID: c.RequestID, ProjectID: c.ProjectID}
		if r.Incremental {
			if b.ParentID, err = m.chooseParent(ctx, tx, c, b); err != nil {
				return err
			}
		}
		if up != nil || b.AvailabilityZone != m.cfg.AvailabilityZone {
			b.Status, b.FailReason = driverstate.StatusError, "Service not found for creating backup."
			b.Host, b.AvailabilityZone = "", r.AvailabilityZone // nobody has it
			if err := tx.BackupCreate(ctx, b); err != nil {
				return err
			}
			return m.tell(ctx, tx, job, driverstate.MessageBackupCreate, driverstate.MessageNotScheduled)
		}
		if err := hold(); err != nil {
			return err
		}
		if err := tx.BackupCreate(ctx, b); err != nil {
			return err
		}
		if err := setIntent(ctx, tx, b.ID, intentCreate); err != nil {
			return err
		}
		if job.Queue, err = m.queueOf(ctx, tx, v); err != nil {
			return err
		}
		return m.enqueue(ctx, tx, &job, nil)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// backupRow is the row that r asks for, its size and parent not yet known.
func (m *Manager) backupRow(c driverstate.Caller, r driverstate.BackupRequest) *driverstate.Backup {
	now := m.cfg.Now().UTC()
	b := &driverstate.Backup{
		ID: m.cfg.NewID(), VolumeID: r.VolumeID, UserID: c.UserID, ProjectID: c.ProjectID,
		Host: m.cfg.Host, AvailabilityZone: r.AvailabilityZone,
		Name: r.Name, Description: r.Description, Container: r.Container,
		Status: driverstate.StatusCreating, Metadata: r.Metadata,
		CreatedAt: now, DataTimestamp: now,
	}
	if b.AvailabilityZone == "" {
		b.AvailabilityZone = m.cfg.AvailabilityZone
	}
	return b
}

// checkSourceVolume says whether v can be backed up.
func checkSourceVolume(v *driverstate.Volume, force bool) error {
	refused := func(text string) error {
		return refuse("volume", v.ID, driverstate.ErrInvalidStatus, text)
	}
	switch {
	case v.Status != driverstate.VolumeAvailable && v.Status != driverstate.VolumeInUse:
		return refused(fmt.Sprintf(`Volume to be backed up must be available or in-use, but the current status is "%s".`, v.Status))
	case v.Status == driverstate.VolumeInUse && !force:
		return refused("Backing up an in-use volume must use the force flag.")
	case v.Path == stdoutPath:
		return refused("Volume to be backed up is the standard output of the engine, which cannot be read.")
	}
	return nil
}

// chooseParent returns the id of the backup that an incremental one stands on:
// of the caller's backups of the volume that are available, the one whose data
// is the newest, and for one of a snapshot is older than it
// (cinder/backup/api.py create). One of another driver or store cannot be read.
func (m *Manager) chooseParent(ctx context.Context, rows db.Backups, c driverstate.Caller, of *driverstate.Backup) (string, error) {
	parent, err := m.newestParent(ctx, rows, c, of)
	switch {
	case err != nil:
		return "", err
	case parent == nil:
		return "", m.noParent(ctx, rows, c, of)
	}
	return parent.ID, nil
}

// newestParent is the backup that chooseParent means; nil when there is none.
func (m *Manager) newestParent(ctx context.Context, rows db.Backups, c driverstate.Caller, of *driverstate.Backup) (*driverstate.Backup, error) {
	all, err := rows.BackupGetAll(ctx, driverstate.BackupFilter{
		ProjectID: c.ProjectID,
		Columns:   map[string]string{"volume_id": of.VolumeID, "status": string(driverstate.StatusAvailable)},
	})
	all = slices.DeleteFunc(all, func(b *driverstate.Backup) bool {
		return b.Service == "" || !m.keeps(b) || m.checkService(b, "") != nil ||
			of.SnapshotID != "" && !dataTime(b).Before(of.DataTimestamp)
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return slices.MaxFunc(all, func(a, b *driverstate.Backup) int { return dataTime(a).Compare(dataTime(b)) }), nil
}

// noParent says why no backup can be stood on, in Cinder's words.
func (m *Manager) noParent(ctx context.Context, rows db.Backups, c driverstate.Caller, of *driverstate.Backup) error {
	n, err := rows.BackupCount(ctx, driverstate.BackupFilter{ProjectID: c.ProjectID, Columns: map[string]string{"volume_id": of.VolumeID}})
	switch {
	case err != nil:
		return err
	case n > 0:
		return refuseBackup("", driverstate.ErrInvalidStatus, "The parent backup must be available for incremental backup.")
	}
	return refuseBackup("", driverstate.ErrInvalidStatus, "No backups available to do an incremental backup.")
}

// dataTime is when the data of b was what it is. Imported rows may not tell.
func dataTime(b *driverstate.Backup) time.Time {
	if b.DataTimestamp.IsZero() {
		return b.CreatedAt
	}
	return b.DataTimestamp
}

func (m *Manager) runCreate(ctx context.Context, j db.Job) error {
	w, b, v, cause, err := m.placeBackup(ctx, j)
	if err != nil {
		return err
	}
	var stored driverstate.Stored
	if cause == nil {
		m.notify(ctx, eventCreateStart, b)
		stored, cause = m.copyBackup(ctx, b, v)
	}
	if cause != nil && superseded(ctx) {
		return m.discardLost(ctx, b)
	}
	if cause != nil && ctx.Err() != nil {
		cause = stopCause(ctx)
	}
	if cause != nil && b.ServiceMetadata != "" {
		m.discard(ctx, b, w)
	}
	return m.finishCreate(ctx, j, w, stored, cause)
}

// placeBackup takes the job and stores in the row where the backup will lie,
// before anything is written there, so that whatever the copy leaves can be
// found. cause is why the backup has failed already.
func (m *Manager) placeBackup(ctx context.Context, j db.Job) (w *driverstate.Worker, b *driverstate.Backup, v *driverstate.Volume, cause, err error) {
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if w, err = m.take(ctx, tx, j); err != nil {
			return err
		}
		b, err = tx.BackupGet(ctx, j.BackupID)
		if errors.Is(err, driverstate.ErrNotFound) || err == nil && b.Status != driverstate.StatusCreating {
			return errSuperseded
		}
		if err != nil {
			return err
		}
		if v, err = tx.VolumeGet(ctx, j.VolumeID); err != nil && !errors.Is(err, driverstate.ErrNotFound) {
			return err
		}
		snapshot, err := snapshotOf(ctx, tx, b)
		if err != nil {
			return err
		}
		b.Host = m.cfg.Host
		if v, cause = m.mayCopy(b, v, snapshot); cause == nil {
			cause = m.place(ctx, tx, b)
		}
		if cause != nil {
			b.Container, b.ServiceMetadata, b.Service = "", "", ""
		}
		return tx.BackupUpdate(ctx, b, driverstate.StatusCreating)
	})
	if err == nil {
		m.took(j, w)
	}
	return w, b, v, cause, notBegun(err)
}

// place fills in where the copy of b will lie.
func (m *Manager) place(ctx context.Context, tx db.Tx, b *driverstate.Backup) error {
	var parent *driverstate.Backup
	if b.Incremental() {
		var err error
		if parent, err = tx.BackupGet(ctx, b.ParentID); err != nil {
			return named(err, backupNotFound(b.ParentID))
		}
		parent = onStore(parent)
	}
	var err error
	b.Container, b.ServiceMetadata, err = m.cfg.Driver.Place(b, parent, m.cfg.Now().UTC())
	b.Service = m.cfg.Driver.Service()
	return err
}

// mayCopy returns what is to be copied, or says why it cannot be now.
func (m *Manager) mayCopy(b *driverstate.Backup, v *driverstate.Volume, s *driverstate.Snapshot) (*driverstate.Volume, error) {
	moved := func(what string, want, got any) error {
		return driverstate.Fail(errVolumeMoved, fmt.Sprintf("Create backup aborted, expected %s status %s but got %s.", what, want, got))
	}
	switch {
	case !m.isReady():
		return nil, driverstate.Fail(driverstate.ErrServiceDown, "Create backup aborted due to backup service is down.")
	case v == nil:
		return nil, volumeNotFound(b.VolumeID)
	case b.SnapshotID == "" && v.Status != driverstate.VolumeBackingUp:
		return nil, moved("volume", driverstate.VolumeBackingUp, v.Status)
	case b.SnapshotID == "":
		return v, nil
	case s == nil:
		return nil, snapshotNotFound(b.SnapshotID)
	case s.Status != driverstate.SnapshotBackingUp:
		return nil, moved("snapshot", driverstate.SnapshotBackingUp, s.Status)
	}
	copied := *v
	copied.Path, copied.Managed, copied.Size = s.Path, false, s.Size
	return &copied, nil
}

func (m *Manager) copyBackup(ctx context.Context, b *driverstate.Backup, v *driverstate.Volume) (stored driverstate.Stored, err error) {
	var parent *driverstate.Backup
	if b.Incremental() {
		if parent, err = m.db.BackupGet(ctx, b.ParentID); err != nil {
			return stored, named(err, backupNotFound(b.ParentID))
		}
		parent = onStore(parent)
	}
	if v.Managed {
		// Again, because links may have changed since it was taken.
		if err := m.checkTargetDir(v.Path); err != nil {
			return stored, err
		}
	}
	meta, err := volumeMetaOf(v)
	if err != nil {
		return stored, err
	}
	src, err := m.cfg.OpenSource(v.Path, meta)
	if err != nil {
		return stored, fmt.Errorf("%w: %w", errNoDevice, err)
	}
	defer src.Close()
	told := m.notifyProgress(ctx, b)
	defer told.stop()
	return m.cfg.Driver.Backup(ctx, b, parent, src, told)
}

// discard removes what a failed copy left on the store, if it is still ours.
func (m *Manager) discard(ctx context.Context, b *driverstate.Backup, w *driverstate.Worker) {
	ctx, cancel := settle(ctx)
	defer cancel()
	err := m.ours(ctx, m.db, w)
	if err == nil {
		err = m.cfg.Driver.Delete(ctx, b)
	}
	if err != nil && !errors.Is(err, errSuperseded) {
		m.log.ErrorContext(ctx, "objects of a failed backup are left on the store",
			"backup", b.ID, "container", b.Container, "prefix", b.ServiceMetadata, "error", err)
	}
}

// discardLost is for a copy that was stopped from elsewhere: who did that moved
// the rows on and deletes the objects. But if it took this process for dead it
// did not wait, and what was written since is nobody's.
func (m *Manager) discardLost(ctx context.Context, b *driverstate.Backup) error {
	if m.cfg.Cluster == "" {
		return nil
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	now, err := m.db.BackupGet(ctx, b.ID)
	switch {
	case errors.Is(err, driverstate.ErrNotFound):
	case err != nil:
		return err
	case now.ServiceMetadata != b.ServiceMetadata || now.Status != driverstate.StatusError && now.Status != driverstate.StatusDeleting:
		return nil // it was found whole, or is being looked at
	}
	if err := m.cfg.Driver.Delete(ctx, b); err != nil {
		m.log.ErrorContext(ctx, "objects of a backup that was stopped are left on the store",
			"backup", b.ID, "container", b.Container, "prefix", b.ServiceMetadata, "error", err)
	}
	return nil
}

// finishCreate makes the rows of a backup final, if its entry is still w.
func (m *Manager) finishCreate(ctx context.Context, j db.Job, w *driverstate.Worker, stored driverstate.Stored, cause error) error {
	id := j.BackupID
	ctx, cancel := settle(ctx)
	defer cancel()
	action, previous := driverstate.ActionCreateDone, driverstate.VolumeBackingUp
	if cause != nil {
		action, previous = driverstate.ActionCreateFail, volumeErrorBackingUp
	}
	var b *driverstate.Backup
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.ours(ctx, tx, w); err != nil {
			return err
		}
		row, err := tx.BackupGet(ctx, id)
		if err != nil {
			return err
		}
		if _, err := row.Status.Next(action); err != nil {
			return err
		}
		if err := m.releaseSource(ctx, tx, row, previous); err != nil {
			return err
		}
		b, err = move(ctx, tx, id, action, func(b *driverstate.Backup) {
			b.ObjectCount = stored.ObjectCount
			if cause != nil {
				b.FailReason = clip(text(cause))
			}
		})
		if err != nil {
			return err
		}
		if err := clearIntent(ctx, tx, id); err != nil {
			return err
		}
		if cause == nil {
			return nil
		}
		return m.tell(ctx, tx, j, driverstate.MessageBackupCreate, detailOf(cause, driverstate.MessageCreateFailed))
	})
	if errors.Is(err, driverstate.ErrNotFound) || errors.Is(err, driverstate.ErrInvalidStatus) || errors.Is(err, errSuperseded) {
		return nil
	}
	switch {
	case err == nil && cause == nil:
		markStored(ctx, stored.Bytes)
		m.notify(ctx, eventCreateEnd, b)
	case err == nil:
		markFailed(ctx)
		m.notify(ctx, eventCreateError, b)
	}
	return err
}

// releaseSource puts back the status of the volume that b was a copy of, if b
// still holds it.
func (m *Manager) releaseSource(ctx context.Context, tx db.Tx, b *driverstate.Backup, previous driverstate.VolumeStatus) error {
	meant, err := intentOf(ctx, tx, b.ID)
	if err != nil || meant != intentCreate {
		return err // an imported row holds no volume, whatever its volume id
	}
	if b.SnapshotID != "" {
		return releaseSnapshot(ctx, tx, b.SnapshotID)
	}
	v, err := tx.VolumeGet(ctx, b.VolumeID)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if v.Status != driverstate.VolumeBackingUp {
		return nil
	}
	v.Status, v.PreviousStatus = v.PreviousStatus, previous
	if v.Status == "" {
		v.Status = driverstate.VolumeAvailable
	}
	return tx.VolumeUpdate(ctx, v, driverstate.VolumeBackingUp)
}
