package manager

import (
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// volumeErrorBackingUp is the previous status of a volume whose backup failed.
const volumeErrorBackingUp driverstate.VolumeStatus = "error_backing-up"

// BackupRequest asks for a backup of a volume of the engine.
type BackupRequest struct {
	VolumeID string
	// ParentID makes it an incremental backup on that one; empty for a full.
	ParentID    string
	Name        *string
	Description *string
	Container   string // empty for the driver's own choice
	Metadata    map[string]string
}

// CreateBackup accepts a backup. As Cinder does, it accepts without a backup
// service too: the row is then error at once.
func (m *Manager) CreateBackup(ctx context.Context, c driverstate.Caller, r BackupRequest) (*driverstate.Backup, error) {
	v, err := m.visibleVolume(ctx, c, r.VolumeID)
	if err != nil {
		return nil, err
	}
	if m.cfg.OpenSource == nil {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "the engine cannot read volumes")
	}
	up := m.requireUp(ctx)
	if up != nil && !errors.Is(up, driverstate.ErrServiceDown) {
		return nil, up
	}
	now := m.cfg.Now().UTC()
	b := &driverstate.Backup{
		ID: m.cfg.NewID(), VolumeID: v.ID, UserID: c.UserID, ProjectID: c.ProjectID,
		Host: m.cfg.Host, AvailabilityZone: m.cfg.AvailabilityZone,
		Name: r.Name, Description: r.Description, Container: r.Container, ParentID: r.ParentID,
		Status: driverstate.StatusCreating, Size: v.Size, Metadata: r.Metadata,
		CreatedAt: now, DataTimestamp: now,
	}
	m.accept.Lock()
	defer m.accept.Unlock()
	err = m.db.Update(ctx, func(tx db.Tx) error {
		v, err := tx.VolumeGet(ctx, r.VolumeID)
		if err != nil {
			return named(err, volumeNotFound(r.VolumeID))
		}
		if v.Status != driverstate.VolumeAvailable {
			return refuse("volume", v.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
				`Volume to be backed up must be available or in-use, but the current status is "%s".`, v.Status))
		}
		if err := checkParent(ctx, tx, c, r); err != nil {
			return err
		}
		if up != nil {
			b.Status, b.FailReason = driverstate.StatusError, "Service not found for creating backup."
			return tx.BackupCreate(ctx, b)
		}
		v.PreviousStatus, v.Status = v.Status, driverstate.VolumeBackingUp
		if err := tx.VolumeUpdate(ctx, v, driverstate.VolumeAvailable); err != nil {
			return err
		}
		if err := tx.BackupCreate(ctx, b); err != nil {
			return err
		}
		if err := setIntent(ctx, tx, b.ID, intentCreate, m.backupService()); err != nil {
			return err
		}
		job := db.Job{Kind: db.JobBackup, BackupID: b.ID, VolumeID: v.ID}
		return m.enqueue(ctx, tx, &job, nil)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func checkParent(ctx context.Context, rows db.Backups, c driverstate.Caller, r BackupRequest) error {
	if r.ParentID == "" {
		return nil
	}
	none := refuseBackup("", driverstate.ErrInvalidStatus, "No backups available to do an incremental backup.")
	p, err := rows.BackupGet(ctx, r.ParentID)
	if err != nil {
		return named(err, none)
	}
	if p.VolumeID != r.VolumeID || !c.Admin && p.ProjectID != c.ProjectID {
		return none
	}
	if p.Status != driverstate.StatusAvailable {
		return refuseBackup(p.ID, driverstate.ErrInvalidStatus, "The parent backup must be available for incremental backup.")
	}
	return nil
}

func (m *Manager) runCreate(ctx context.Context, j db.Job) error {
	b, v, err := m.placeBackup(ctx, j)
	if errors.Is(err, errSuperseded) {
		return nil // moved on before the copy began
	}
	if b == nil {
		return err
	}
	var stored driverstate.Stored
	if err == nil {
		m.notify(eventCreateStart, b)
		stored, err = m.copyBackup(ctx, b, v)
	}
	if err != nil && superseded(ctx) {
		return nil // who cancelled it moved both rows on, and deletes the objects
	}
	if err != nil && b.ServiceMetadata != "" {
		m.discard(ctx, b)
	}
	return m.finishCreate(ctx, b.ID, stored, err)
}

// placeBackup stores in the row where the backup will lie, before anything is
// written there, so that whatever the copy leaves can be found.
func (m *Manager) placeBackup(ctx context.Context, j db.Job) (*driverstate.Backup, *driverstate.Volume, error) {
	var b *driverstate.Backup
	var v *driverstate.Volume
	err := m.db.Update(ctx, func(tx db.Tx) error {
		row, err := tx.BackupGet(ctx, j.BackupID)
		if errors.Is(err, driverstate.ErrNotFound) || err == nil && row.Status != driverstate.StatusCreating {
			return errSuperseded
		}
		if err != nil {
			return err
		}
		b = row
		if !m.isReady() {
			return driverstate.Fail(driverstate.ErrServiceDown, "Create backup aborted due to backup service is down.")
		}
		if v, err = tx.VolumeGet(ctx, j.VolumeID); err != nil {
			return named(err, volumeNotFound(j.VolumeID))
		}
		if v.Status != driverstate.VolumeBackingUp {
			return driverstate.Fail(driverstate.ErrInvalidStatus, fmt.Sprintf(
				"Create backup aborted, expected volume status %s but got %s.", driverstate.VolumeBackingUp, v.Status))
		}
		b.Container, b.ServiceMetadata, err = m.cfg.Driver.Place(b, m.cfg.Now().UTC())
		if err != nil {
			return err
		}
		b.Service = m.cfg.Driver.Service()
		return tx.BackupUpdate(ctx, b, driverstate.StatusCreating)
	})
	return b, v, err
}

func (m *Manager) copyBackup(ctx context.Context, b *driverstate.Backup, v *driverstate.Volume) (stored driverstate.Stored, err error) {
	var parent *driverstate.Backup
	if b.Incremental() {
		if parent, err = m.db.BackupGet(ctx, b.ParentID); err != nil {
			return stored, named(err, backupNotFound(b.ParentID))
		}
	}
	meta, err := volumeMetaOf(v)
	if err != nil {
		return stored, err
	}
	src, err := m.cfg.OpenSource(v.Path, meta)
	if err != nil {
		return stored, err
	}
	defer src.Close()
	return m.cfg.Driver.Backup(ctx, b, parent, src, m.cfg.Observer)
}

// discard removes what a failed copy left on the store.
func (m *Manager) discard(ctx context.Context, b *driverstate.Backup) {
	ctx, cancel := settle(ctx)
	defer cancel()
	if err := m.cfg.Driver.Delete(ctx, b); err != nil {
		m.log.Error("objects of a failed backup are left on the store",
			"backup", b.ID, "container", b.Container, "prefix", b.ServiceMetadata, "error", err)
	}
}

// finishCreate makes the rows of a backup final. A row that moved on is left
// as it is.
func (m *Manager) finishCreate(ctx context.Context, id string, stored driverstate.Stored, cause error) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	action, previous := driverstate.ActionCreateDone, driverstate.VolumeBackingUp
	if cause != nil {
		action, previous = driverstate.ActionCreateFail, volumeErrorBackingUp
	}
	var b *driverstate.Backup
	err := m.db.Update(ctx, func(tx db.Tx) error {
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
		return recount(ctx, tx, b.ParentID)
	})
	if errors.Is(err, driverstate.ErrNotFound) || errors.Is(err, driverstate.ErrInvalidStatus) {
		return nil
	}
	if err == nil && cause == nil {
		m.notify(eventCreateEnd, b)
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
