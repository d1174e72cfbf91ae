package rows

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// SnapshotCreate inserts s; ErrConflict if its id exists.
func (r Rows) SnapshotCreate(ctx context.Context, s *driverstate.Snapshot) error {
	return r.add(ctx, snapshotTable, snapshotFields(s), s.ID)
}

// SnapshotGet returns the snapshot of id.
func (r Rows) SnapshotGet(ctx context.Context, id string) (*driverstate.Snapshot, error) {
	s := new(driverstate.Snapshot)
	if err := r.get(ctx, snapshotTable, snapshotFields(s), "id = ?", id); err != nil {
		return nil, err
	}
	return s, nil
}

// SnapshotGetAll returns the snapshots of a project and a volume, newest first.
func (r Rows) SnapshotGetAll(ctx context.Context, projectID, volumeID string) ([]*driverstate.Snapshot, error) {
	var out []*driverstate.Snapshot
	err := r.all(ctx, snapshotTable, "WHERE ? IN ('', project_id) AND ? IN ('', volume_id) ORDER BY created_at DESC, id DESC",
		[]any{projectID, volumeID}, func() []field {
			out = append(out, new(driverstate.Snapshot))
			return snapshotFields(out[len(out)-1])
		})
	return out, err
}

// SnapshotUpdate writes s over the row whose status is one of from.
func (r Rows) SnapshotUpdate(ctx context.Context, s *driverstate.Snapshot, from ...driverstate.SnapshotStatus) error {
	s.UpdatedAt = r.now()
	where, args := in("status", from)
	done, err := r.put(ctx, snapshotTable, snapshotFields(s), where, args...)
	if err != nil || done {
		return err
	}
	if _, err := r.SnapshotGet(ctx, s.ID); err != nil {
		return err
	}
	return moved("snapshot", s.ID, "its status changed meanwhile")
}

// SnapshotDestroy removes the row.
func (r Rows) SnapshotDestroy(ctx context.Context, id string) error {
	return r.remove(ctx, snapshotTable, id)
}

// SnapshotUsage sums up the snapshots of a project.
func (r Rows) SnapshotUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error) {
	return r.usage(ctx, snapshotTable, "volume_size", "project_id = ?", projectID)
}
