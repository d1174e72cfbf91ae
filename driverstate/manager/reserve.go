package manager

import (
	"context"
	"fmt"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

const volumeAttaching driverstate.VolumeStatus = "attaching"

// ReserveVolume keeps an available volume for one who is about to attach it
// (cinder/volume/api.py reserve_volume).
func (m *Manager) ReserveVolume(ctx context.Context, c driverstate.Caller, id string) error {
	_, err := m.changeVolume(ctx, c, id, func(v *driverstate.Volume) error {
		if v.Status != driverstate.VolumeAvailable {
			return refuse("volume", id, driverstate.ErrInvalidStatus, fmt.Sprintf(
				"Volume status must be available to reserve, but the status is %s.", v.Status))
		}
		v.Status = volumeAttaching
		return nil
	})
	return err
}

// UnreserveVolume takes a reservation back; of a volume that has none it
// changes nothing (cinder/volume/api.py unreserve_volume).
func (m *Manager) UnreserveVolume(ctx context.Context, c driverstate.Caller, id string) error {
	_, err := m.changeVolume(ctx, c, id, func(v *driverstate.Volume) error {
		switch {
		case v.Status != volumeAttaching:
		case len(v.Attachments) > 0:
			v.Status = driverstate.VolumeInUse
		default:
			v.Status = driverstate.VolumeAvailable
		}
		return nil
	})
	return err
}

// snapshotMoves are the statuses that may be told of a snapshot, by the one
// that it has (cinder/api/contrib/snapshot_actions.py _update_snapshot_status).
var snapshotMoves = map[driverstate.SnapshotStatus][]driverstate.SnapshotStatus{
	driverstate.SnapshotCreating: {driverstate.SnapshotCreating, driverstate.SnapshotAvailable, driverstate.SnapshotError},
	driverstate.SnapshotDeleting: {driverstate.SnapshotDeleting, driverstate.SnapshotErrorDeleting},
}

// UpdateSnapshotStatus writes what somebody else who makes or removes a
// snapshot tells of it; progress, such as 80%, may be empty. Work of the engine on it leaves the status alone then.
func (m *Manager) UpdateSnapshotStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.SnapshotStatus, progress string) error {
	if _, err := m.Snapshot(ctx, c, id); err != nil {
		return err
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		s, err := tx.SnapshotGet(ctx, id)
		if err != nil {
			return named(err, snapshotNotFound(id))
		}
		from := s.Status
		allowed, ok := snapshotMoves[from]
		switch {
		case !ok:
			return driverstate.Fail(driverstate.ErrInvalidStatus, fmt.Sprintf("Snapshot status %s not allowed for update_snapshot_status", from))
		case !slices.Contains(allowed, to):
			return driverstate.Fail(driverstate.ErrInvalidStatus, fmt.Sprintf(
				"Provided snapshot status %s not allowed for snapshot with status %s.", to, from))
		}
		if s.Status = to; progress != "" {
			s.Progress = progress
		}
		if err := tx.SnapshotUpdate(ctx, s, from); err != nil || to == from {
			return err
		}
		return tx.WorkerDestroy(ctx, snapshotResource, id)
	})
}
