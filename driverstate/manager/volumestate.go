package manager

import (
	"context"
	"errors"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

var deletable = []driverstate.VolumeStatus{
	driverstate.VolumeAvailable, driverstate.VolumeError, driverstate.VolumeErrorRestoring, "error_extending", "error_managing",
}

// DeleteVolume removes a volume that has no snapshots. The file of a managed
// one stays.
func (m *Manager) DeleteVolume(ctx context.Context, c driverstate.Caller, id string) error {
	if _, err := m.visibleVolume(ctx, c, id); err != nil {
		return err
	}
	if err := m.notFrozen(ctx); err != nil {
		return err
	}
	defer m.holdVolume(id)()
	v, err := m.acceptVolumeDelete(ctx, id, deletable)
	if errors.Is(err, driverstate.ErrConflict) {
		return refuse("volume", id, driverstate.ErrInvalidStatus, notDeletable)
	}
	if err != nil || v.Managed {
		return err
	}
	return m.removeVolume(ctx, v)
}

// Why a volume is not deleted.
const (
	notDeletable = "Volume status must be available or error or error_restoring or error_extending or error_managing and " + notFree
	notFree      = "must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer."
)

// DeleteVolumeWithSnapshots removes a volume with its snapshots: all, or none
// when one of them is being made or backed up.
func (m *Manager) DeleteVolumeWithSnapshots(ctx context.Context, c driverstate.Caller, id string) error {
	if _, err := m.visibleVolume(ctx, c, id); err != nil {
		return err
	}
	if err := m.notFrozen(ctx); err != nil {
		return err
	}
	defer m.holdVolume(id)()
	var v *driverstate.Volume
	var snapshots []*driverstate.Snapshot
	err := m.db.Update(ctx, func(tx db.Tx) (err error) {
		if snapshots, err = tx.SnapshotGetAll(ctx, "", id); err != nil {
			return err
		}
		if v, err = m.moveVolumeToDeleting(ctx, tx, id, deletable); errors.Is(err, driverstate.ErrConflict) {
			return refuse("volume", id, driverstate.ErrInvalidStatus, notDeletable)
		} else if err != nil {
			return err
		}
		for i, s := range snapshots {
			snapshots[i], err = m.acceptSnapshotDelete(ctx, tx, s.ID, []driverstate.SnapshotStatus{
				driverstate.SnapshotAvailable, driverstate.SnapshotError, driverstate.SnapshotDeleting,
			})
			if errors.Is(err, driverstate.ErrConflict) {
				return refuse("volume", id, driverstate.ErrInvalidStatus, "Failed to update snapshot.")
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		if err := m.removeSnapshot(ctx, s); err != nil {
			return err
		}
	}
	if v.Managed {
		return nil
	}
	return m.removeVolume(ctx, v)
}

// ForceDeleteVolume removes a volume in any status; admin only. Work on it is
// stopped, and has failed. The file of a managed one stays.
func (m *Manager) ForceDeleteVolume(ctx context.Context, c driverstate.Caller, id string) error {
	if _, err := m.visibleVolume(ctx, c, id); err != nil {
		return err
	}
	if err := allow(c, "volume_extension:volume_admin_actions:force_delete"); err != nil {
		return err
	}
	defer m.holdVolume(id)()
	v, stopped, err := m.acceptVolumeForceDelete(ctx, id)
	if err != nil {
		return err
	}
	if err := m.stopCopy(ctx, id); err != nil {
		return err
	}
	for _, t := range stopped {
		if err := t.wait(ctx); err != nil {
			return err // the file goes when the next start cleans up
		}
	}
	if err := m.volumeIdle(ctx, id); err != nil {
		return err
	}
	if v.Managed {
		return nil
	}
	return m.removeVolume(ctx, v)
}

// volumeIdle waits until no other member of the cluster works on a volume that
// is being deleted: each looks after its work.
func (m *Manager) volumeIdle(ctx context.Context, id string) error {
	if m.cfg.Cluster == "" {
		return nil
	}
	return m.poll(ctx, func() (bool, error) {
		left := 0
		err := m.db.Update(ctx, func(tx db.Tx) error {
			living, err := m.livingHosts(ctx, tx)
			left = 0
			for host := range living {
				jobs, also := tx.JobsRunBy(ctx, host)
				err = errors.Join(err, also)
				for _, s := range jobs {
					if s.VolumeID == id && s.Runner != m.cfg.Host {
						left++
					}
				}
			}
			return err
		})
		return left == 0, err
	})
}

func (m *Manager) acceptVolumeForceDelete(ctx context.Context, id string) (*driverstate.Volume, []*task, error) {
	v, err := m.acceptVolumeDelete(ctx, id, nil)
	if err != nil {
		return nil, nil, err
	}
	return v, m.cancelVolumeWork(id), nil
}

// acceptVolumeDelete makes a volume deleting that has no snapshots if its
// status is one of from, or any when that is empty. A managed one is gone when
// this returns.
func (m *Manager) acceptVolumeDelete(ctx context.Context, id string, from []driverstate.VolumeStatus) (v *driverstate.Volume, err error) {
	err = m.db.Update(ctx, func(tx db.Tx) error {
		snapshots, err := tx.SnapshotGetAll(ctx, "", id)
		if err != nil {
			return err
		}
		if len(snapshots) > 0 && len(from) == 0 {
			return refuse("volume", id, driverstate.ErrInvalidStatus, "Volume "+notFree)
		}
		if len(snapshots) > 0 {
			return refuse("volume", id, driverstate.ErrInvalidStatus, notDeletable)
		}
		v, err = m.moveVolumeToDeleting(ctx, tx, id, from)
		return err
	})
	return v, err
}

func (m *Manager) moveVolumeToDeleting(ctx context.Context, tx db.Tx, id string, from []driverstate.VolumeStatus) (*driverstate.Volume, error) {
	v, err := tx.VolumeGet(ctx, id)
	if err != nil {
		return nil, named(err, volumeNotFound(id))
	}
	if len(from) > 0 && len(v.Attachments) > 0 {
		return nil, driverstate.Fail(driverstate.ErrConflict, "attached")
	}
	v.Status = driverstate.VolumeDeleting
	if err := tx.VolumeUpdate(ctx, v, from...); err != nil {
		return nil, err
	}
	if err := tx.TransfersOfVolumeDestroy(ctx, id); err != nil {
		return nil, err
	}
	if v.Managed {
		return v, tx.VolumeDestroy(ctx, id)
	}
	return v, m.claimWork(ctx, tx, volumeResource, id, string(v.Status))
}

// ResetVolumeStatus writes the status of a volume, unseen; admin only. Work on
// it goes on, and leaves the status alone then. (cinder/api/contrib/admin_actions.py
// VolumeAdminController)
func (m *Manager) ResetVolumeStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.VolumeStatus) error {
	if _, err := m.visibleVolume(ctx, c, id); err != nil {
		return err
	}
	if err := allow(c, "volume_extension:volume_admin_actions:reset_status"); err != nil {
		return err
	}
	switch {
	case to == driverstate.VolumeDeleting:
		return driverstate.Fail(driverstate.ErrInvalidStatus, "Cannot reset-state to deleting")
	case !slices.Contains(driverstate.VolumeStatuses, to):
		return driverstate.Fail(driverstate.ErrInvalidInput, "volume status "+string(to)+" is none")
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		v, err := tx.VolumeGet(ctx, id)
		if err != nil {
			return named(err, volumeNotFound(id))
		}
		if to == driverstate.VolumeInUse && len(v.Attachments) == 0 {
			return driverstate.Fail(driverstate.ErrInvalidStatus, "Cannot reset-state to in-use because volume does not have any attachments.")
		}
		v.Status = to
		if err := tx.VolumeUpdate(ctx, v); err != nil {
			return err
		}
		return tx.WorkerDestroy(ctx, volumeResource, id)
	})
}
