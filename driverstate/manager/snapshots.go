package manager

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

const snapshotResource = "Snapshot"

// CreateSnapshot accepts a snapshot of a volume: a file of the engine's own
// with the bytes that the volume has while it is copied, which goes on when
// this returns. The volume is not to be written meanwhile, see copying.
// (cinder/volume/api.py create_snapshot_in_db)
func (m *Manager) CreateSnapshot(ctx context.Context, c driverstate.Caller, r driverstate.SnapshotRequest) (*driverstate.Snapshot, error) {
	if _, err := m.visibleVolume(ctx, c, r.VolumeID); err != nil {
		return nil, err
	}
	if m.cfg.VolumeDir == "" || m.cfg.CopyVolume == nil {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "the engine has no directory for snapshots")
	}
	if err := m.notFrozen(ctx); err != nil {
		return nil, err
	}
	s := &driverstate.Snapshot{
		ID: m.cfg.NewID(), VolumeID: r.VolumeID, ProjectID: c.ProjectID, UserID: c.UserID, Name: r.Name, Description: r.Description,
		Status: driverstate.SnapshotCreating, Metadata: r.Metadata, CreatedAt: m.cfg.Now().UTC(),
	}
	s.Path = filepath.Join(m.cfg.VolumeDir, "snapshot-"+s.ID)
	copying := m.beginCopy(ctx, s.ID)
	var from *driverstate.Volume
	err := m.db.Update(ctx, func(tx db.Tx) error {
		v, err := tx.VolumeGet(ctx, r.VolumeID)
		if err != nil {
			return named(err, volumeNotFound(r.VolumeID))
		}
		if err := checkSnapshotSource(v, r.InUse); err != nil {
			return err
		}
		if err := m.admitSnapshot(ctx, tx, s.ProjectID, typeName(v), v.Size); err != nil {
			return err
		}
		s.Size, from = v.Size, v
		if err := tx.SnapshotCreate(ctx, s); err != nil {
			return err
		}
		return m.claimWork(ctx, tx, snapshotResource, s.ID, string(s.Status))
	})
	if err != nil {
		copying.end()
		return nil, err
	}
	row := *s
	m.inBackground(copying, func(ctx context.Context) error {
		return m.finishSnapshot(ctx, &row, m.copyVolume(ctx, from, row.Path, row.Size))
	})
	return s, nil
}

func checkSnapshotSource(v *driverstate.Volume, inUse bool) error {
	valid := "available"
	if inUse {
		valid = "available, in-use"
	}
	switch {
	case v.Status == driverstate.VolumeAvailable, inUse && v.Status == driverstate.VolumeInUse:
	default:
		return refuse("volume", v.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
			"Volume %s status must be %s, but current status is: %s.", v.ID, valid, v.Status))
	}
	if v.Path == stdoutPath {
		return refuse("volume", v.ID, driverstate.ErrInvalidStatus, "the standard output of the engine cannot be read.")
	}
	return nil
}

// finishSnapshot makes the row of a copy final. A row that moved on keeps its
// status, and one that is gone takes the file with it.
func (m *Manager) finishSnapshot(ctx context.Context, s *driverstate.Snapshot, cause error) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	to := driverstate.SnapshotAvailable
	if cause != nil {
		to = driverstate.SnapshotError
		m.log.Error("snapshot failed", "snapshot", s.ID, "volume", s.VolumeID, "error", cause)
	}
	err := m.db.Update(ctx, func(tx db.Tx) error {
		row, err := tx.SnapshotGet(ctx, s.ID)
		if err != nil {
			return err
		}
		row.Status = to
		if err := tx.SnapshotUpdate(ctx, row, driverstate.SnapshotCreating); err != nil {
			return err
		}
		return tx.WorkerDestroy(ctx, snapshotResource, s.ID)
	})
	switch {
	case errors.Is(err, driverstate.ErrConflict):
		return nil
	case errors.Is(err, driverstate.ErrNotFound):
		return removeFiles(s.Path)
	}
	return err
}

// Snapshot returns one snapshot that c may see.
func (m *Manager) Snapshot(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Snapshot, error) {
	s, err := m.db.SnapshotGet(ctx, id)
	if err != nil {
		return nil, named(err, snapshotNotFound(id))
	}
	if !c.Admin && s.ProjectID != c.ProjectID {
		return nil, snapshotNotFound(id)
	}
	return s, nil
}

func snapshotNotFound(id string) error {
	return refuse("snapshot", id, driverstate.ErrNotFound, "Snapshot "+id+" could not be found.")
}

// Snapshots lists the caller's snapshots, or, for an admin who asks, all.
func (m *Manager) Snapshots(ctx context.Context, c driverstate.Caller, allProjects bool) ([]*driverstate.Snapshot, error) {
	project, none := listed(c, allProjects)
	if none {
		return nil, nil
	}
	return m.db.SnapshotGetAll(ctx, project, "")
}

// changeSnapshot edits the row of a snapshot that c may see, in any status.
func (m *Manager) changeSnapshot(ctx context.Context, c driverstate.Caller, id string, edit func(*driverstate.Snapshot) error) (s *driverstate.Snapshot, err error) {
	if _, err := m.Snapshot(ctx, c, id); err != nil {
		return nil, err
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if s, err = tx.SnapshotGet(ctx, id); err != nil {
			return named(err, snapshotNotFound(id))
		}
		if err := edit(s); err != nil {
			return err
		}
		return tx.SnapshotUpdate(ctx, s, s.Status)
	})
	return s, err
}

// UpdateSnapshot changes what a snapshot is called.
func (m *Manager) UpdateSnapshot(ctx context.Context, c driverstate.Caller, id string, u driverstate.VolumeUpdate) (*driverstate.Snapshot, error) {
	return m.changeSnapshot(ctx, c, id, func(s *driverstate.Snapshot) error {
		if u.Name != nil {
			s.Name = *u.Name
		}
		if u.Description != nil {
			s.Description = *u.Description
		}
		if u.Metadata != nil {
			s.Metadata = u.Metadata
		}
		return nil
	})
}

// ChangeSnapshotMetadata changes what a user keeps with a snapshot, and returns
// all of it.
func (m *Manager) ChangeSnapshotMetadata(ctx context.Context, c driverstate.Caller, id string, change driverstate.MetadataChange) (map[string]string, error) {
	s, err := m.changeSnapshot(ctx, c, id, func(s *driverstate.Snapshot) error {
		var err error
		s.Metadata, err = applyChange(s.Metadata, change, "Snapshot", id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Metadata, nil
}

// DeleteSnapshot removes a snapshot and its file; with force, for an admin, in
// any status: a copy under way is stopped.
func (m *Manager) DeleteSnapshot(ctx context.Context, c driverstate.Caller, id string, force bool) error {
	if _, err := m.Snapshot(ctx, c, id); err != nil {
		return err
	}
	from := []driverstate.SnapshotStatus{driverstate.SnapshotAvailable, driverstate.SnapshotError}
	if force {
		if err := allow(c, "volume_extension:snapshot_admin_actions:force_delete"); err != nil {
			return err
		}
		from = nil
	} else if err := m.notFrozen(ctx); err != nil {
		return err
	}
	var s *driverstate.Snapshot
	err := m.db.Update(ctx, func(tx db.Tx) (err error) {
		s, err = m.acceptSnapshotDelete(ctx, tx, id, from)
		return err
	})
	if errors.Is(err, driverstate.ErrConflict) {
		return refuse("snapshot", id, driverstate.ErrInvalidStatus, "Snapshot status must be available or error and must not be part of a group.")
	}
	if err != nil {
		return named(err, snapshotNotFound(id))
	}
	if err := m.stopCopy(ctx, id); err != nil {
		return err // the file goes when the next start cleans up
	}
	return m.removeSnapshot(ctx, s)
}

func (m *Manager) acceptSnapshotDelete(ctx context.Context, tx db.Tx, id string, from []driverstate.SnapshotStatus) (*driverstate.Snapshot, error) {
	s, err := tx.SnapshotGet(ctx, id)
	if err != nil {
		return nil, err
	}
	s.Status = driverstate.SnapshotDeleting
	if err := tx.SnapshotUpdate(ctx, s, from...); err != nil {
		return nil, err
	}
	return s, m.claimWork(ctx, tx, snapshotResource, id, string(s.Status))
}

// removeSnapshot ends the removal of a snapshot that is deleting.
func (m *Manager) removeSnapshot(ctx context.Context, s *driverstate.Snapshot) error {
	if err := removeFiles(s.Path); err != nil {
		return err
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	return m.db.Update(ctx, func(tx db.Tx) error {
		if err := tx.WorkerDestroy(ctx, snapshotResource, s.ID); err != nil {
			return err
		}
		if err := tx.SnapshotDestroy(ctx, s.ID); !errors.Is(err, driverstate.ErrNotFound) {
			return err
		}
		return nil // two deletes of which one was forced
	})
}

// ResetSnapshotStatus writes the status of a snapshot, unseen; admin only.
func (m *Manager) ResetSnapshotStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.SnapshotStatus) error {
	if _, err := m.Snapshot(ctx, c, id); err != nil {
		return err
	}
	if err := allow(c, "volume_extension:snapshot_admin_actions:reset_status"); err != nil {
		return err
	}
	if !slices.Contains(driverstate.SnapshotStatuses, to) {
		return driverstate.Fail(driverstate.ErrInvalidInput, "snapshot status "+string(to)+" is none")
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		s, err := tx.SnapshotGet(ctx, id)
		if err != nil {
			return named(err, snapshotNotFound(id))
		}
		s.Status = to
		if err := tx.SnapshotUpdate(ctx, s); err != nil {
			return err
		}
		return tx.WorkerDestroy(ctx, snapshotResource, id)
	})
}

// cleanSnapshot ends what a dead service left of a snapshot: one that was being
// copied has failed, one that was being removed is removed.
func (m *Manager) cleanSnapshot(ctx context.Context, w *driverstate.Worker) error {
	s, err := m.db.SnapshotGet(ctx, w.ResourceID)
	switch {
	case errors.Is(err, driverstate.ErrNotFound):
		return m.db.WorkerDestroy(ctx, w.ResourceType, w.ResourceID)
	case err != nil:
		return err
	case string(s.Status) != w.Status:
		return m.db.WorkerDestroy(ctx, w.ResourceType, w.ResourceID)
	case s.Status == driverstate.SnapshotDeleting:
		return m.removeSnapshot(ctx, s)
	case s.Status != driverstate.SnapshotCreating:
		return m.db.WorkerDestroy(ctx, w.ResourceType, w.ResourceID)
	}
	if err := removeFiles(s.Path); err != nil {
		return err
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		s.Status = driverstate.SnapshotError
		err := tx.SnapshotUpdate(ctx, s, driverstate.SnapshotCreating)
		if err != nil && !errors.Is(err, driverstate.ErrConflict) {
			return err
		}
		return tx.WorkerDestroy(ctx, w.ResourceType, w.ResourceID)
	})
}
