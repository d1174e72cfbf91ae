package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// ExportRecord returns the record of an available backup; admin only. The
// record always has a data timestamp: Cinder cannot make the next incremental
// of a volume that has an imported backup without one.
func (m *Manager) ExportRecord(ctx context.Context, c driverstate.Caller, id string) (driverstate.ExportedRecord, error) {
	var none driverstate.ExportedRecord
	b, err := m.visible(ctx, c, id)
	if err != nil {
		return none, err
	}
	if err := allow(c, "backup:export-import"); err != nil {
		return none, err
	}
	if b.Status != driverstate.StatusAvailable {
		return none, refuseBackup(id, driverstate.ErrInvalidStatus, fmt.Sprintf("Backup status must be available and not %s.", b.Status))
	}
	if err := m.requireUp(ctx); err != nil {
		return none, err
	}
	if err := m.checkService(b, "Export record aborted"); err != nil {
		return none, err
	}
	if b.DataTimestamp.IsZero() {
		b.DataTimestamp = b.CreatedAt
	}
	var info map[string]any
	if carrier, ok := m.cfg.Driver.(driverstate.RecordCarrier); ok {
		if info, err = carrier.ExportRecord(ctx, b); err != nil {
			return none, err
		}
	}
	return driverstate.EncodeRecord(b, info)
}

// ImportRecord checks a record wholly, creates its row and accepts the look at
// the store that makes it available; admin only. The row keeps the owner that
// the record names, if its ids can be Keystone's: a rebuilt cloud gets its
// backups back under their projects. Otherwise, for a record under a new id
// (onStore), and always in Cinder, the importer owns it.
func (m *Manager) ImportRecord(ctx context.Context, c driverstate.Caller, r driverstate.ExportedRecord) (*driverstate.Backup, error) {
	if err := allow(c, "backup:backup-import"); err != nil {
		return nil, err
	}
	b, err := m.decode(ctx, c, r)
	if err != nil {
		return nil, err
	}
	if err := m.requireUp(ctx); err != nil {
		if errors.Is(err, driverstate.ErrServiceDown) {
			err = serviceDown(r.BackupService)
		}
		return nil, err
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		row := *b
		if err := m.checkNotLeaving(ctx, tx, &row); err != nil {
			return err
		}
		if err := m.checkParentStays(ctx, tx, &row, nil); err != nil {
			return err
		}
		n, err := dependents(ctx, tx, b.ID)
		if err != nil {
			return err
		}
		row.NumDependentBackups = n
		if err := m.admitBackup(ctx, tx, row.ProjectID, row.Size); err != nil {
			return err
		}
		if err := tx.BackupCreate(ctx, &row); err != nil {
			return err
		}
		if err := setIntent(ctx, tx, b.ID, intentImport); err != nil {
			return err
		}
		job := db.Job{Kind: db.JobImport, BackupID: b.ID}
		return m.enqueue(ctx, tx, &job, nil)
	})
	if errors.Is(err, driverstate.ErrConflict) {
		return nil, refuseBackup(b.ID, driverstate.ErrInvalidStatus, "Backup already exists in database.")
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// decode turns a record into the row that it asks for.
func (m *Manager) decode(ctx context.Context, c driverstate.Caller, r driverstate.ExportedRecord) (*driverstate.Backup, error) {
	rec, err := driverstate.DecodeTwin(r)
	if err != nil {
		return nil, err
	}
	class, err := m.cfg.Canonical(r.BackupService)
	if err != nil {
		return nil, err
	}
	if class != m.cfg.Driver.Service() {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"Import record aborted, the backup service currently configured [%s] is not the backup service that the record names [%s].",
			m.cfg.Driver.Service(), r.BackupService))
	}
	b := rec.Backup
	if b.Service != "" {
		if own, err := m.cfg.Canonical(b.Service); err != nil || own != class {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
				"the record names service %q inside and %q beside it", b.Service, r.BackupService))
		}
	}
	if b.StoredID() != b.ID || !driverstate.IsKeystoneID(b.ProjectID) || !driverstate.IsKeystoneID(b.UserID) {
		b.ProjectID, b.UserID = c.ProjectID, c.UserID
	}
	b.Service, b.Host, b.AvailabilityZone = class, m.cfg.Host, m.cfg.AvailabilityZone
	b.Status, b.FailReason = driverstate.StatusCreating, ""
	b.TempVolumeID, b.TempSnapshotID, b.RestoreVolumeID = "", "", ""
	b.Deleted, b.DeletedAt = false, time.Time{}
	if b.VolumeID == "" {
		b.VolumeID = zeroID
	}
	if b.CreatedAt.IsZero() {
		b.CreatedAt = m.cfg.Now().UTC()
	}
	if b.DataTimestamp.IsZero() {
		b.DataTimestamp = b.CreatedAt
	}
	return &b, m.takeInfo(ctx, &b, rec.DriverInfo)
}

// takeInfo gives the driver its own part of a record.
func (m *Manager) takeInfo(ctx context.Context, b *driverstate.Backup, info map[string]any) error {
	if carrier, ok := m.cfg.Driver.(driverstate.RecordCarrier); ok {
		return carrier.ImportRecord(ctx, b, info)
	}
	if len(info) > 0 {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"the record has a driver_info, which driver %s does not understand", m.cfg.Driver.Service()))
	}
	return nil
}

// runImport makes an imported row available if the store has what the record
// says, and error with the reason if not.
func (m *Manager) runImport(ctx context.Context, j db.Job) error {
	w, b, err := m.takeRow(ctx, j, driverstate.StatusCreating)
	if err != nil {
		return err
	}
	line, fault := m.prove(ctx, b)
	if ctx.Err() != nil {
		return m.putBack(ctx, j, w) // unless it was deleted or reset meanwhile
	}
	if fault == "" && len(line) > 0 {
		if fault, err = m.contradiction(ctx, b, &line[0].Backup); err != nil {
			return err
		}
	}
	proven := fault
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.ours(ctx, tx, w); err != nil {
			return err
		}
		action := driverstate.ActionCreateDone
		if fault = proven; fault == "" {
			// A parent that only the store names was not asked for before.
			leaving := m.checkParentStays(ctx, tx, b, line)
			if leaving != nil && !errors.Is(leaving, driverstate.ErrInvalidStatus) {
				return leaving
			}
			if leaving != nil {
				fault = clip(text(leaving))
			}
		}
		if fault != "" {
			action = driverstate.ActionCreateFail
		}
		_, err := move(ctx, tx, b.ID, action, func(b *driverstate.Backup) {
			b.FailReason = fault
			if fault == "" && len(line) > 0 {
				fill(b, &line[0].Backup, b.Service)
			}
		})
		if err != nil {
			return err
		}
		return clearIntent(ctx, tx, b.ID)
	})
	if errors.Is(err, driverstate.ErrNotFound) || errors.Is(err, driverstate.ErrInvalidStatus) {
		return nil
	}
	if err == nil && fault != "" {
		markFailed(ctx)
	}
	return err
}

// contradiction says where a record and the store disagree about what would
// make a restore wrong; empty when they agree. The parent of the record may be
// a twin of the one that the store names.
func (m *Manager) contradiction(ctx context.Context, b, stored *driverstate.Backup) (string, error) {
	if b.VolumeID != stored.VolumeID && b.VolumeID != zeroID && stored.VolumeID != "" {
		return fmt.Sprintf("the record says volume %s, the store %s", b.VolumeID, stored.VolumeID), nil
	}
	parent, err := m.db.BackupGet(ctx, cmp.Or(b.ParentID, stored.ParentID))
	switch {
	case err == nil && !m.keeps(parent):
		return text(acrossStores(b, parent)), nil
	case b.ParentID == stored.ParentID, b.ParentID == "":
		return "", nil
	case err == nil && parent.StoredID() == stored.ParentID:
		return "", nil
	case err != nil && !errors.Is(err, driverstate.ErrNotFound):
		return "", err
	}
	return fmt.Sprintf("the record says parent %q, the store %q", b.ParentID, stored.ParentID), nil
}
