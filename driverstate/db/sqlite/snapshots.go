package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cinder-go/cinder-go/driverstate"
)

// SnapshotCreate inserts s; ErrConflict if its id exists.
func (r rows) SnapshotCreate(ctx context.Context, s *driverstate.Snapshot) error {
	_, err := r.q.ExecContext(ctx, snapshotTable.insert(), values(snapshotFields(s))...)
	if conflicts(err) {
		return moved("snapshot", s.ID, "exists already")
	}
	return err
}

// SnapshotGet returns the snapshot of id.
func (r rows) SnapshotGet(ctx context.Context, id string) (*driverstate.Snapshot, error) {
	s := new(driverstate.Snapshot)
	err := r.get(ctx, snapshotTable, snapshotFields(s), "id = ?", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("snapshot", id)
	}
	return s, err
}

// SnapshotGetAll returns the snapshots of a project and a volume, newest first.
func (r rows) SnapshotGetAll(ctx context.Context, projectID, volumeID string) ([]*driverstate.Snapshot, error) {
	var out []*driverstate.Snapshot
	err := r.all(ctx, snapshotTable, "WHERE ? IN ('', project_id) AND ? IN ('', volume_id) ORDER BY created_at DESC, id DESC",
		[]any{projectID, volumeID}, func() []field {
			out = append(out, new(driverstate.Snapshot))
			return snapshotFields(out[len(out)-1])
		})
	return out, err
}

// SnapshotUpdate writes s over the row whose status is one of from.
func (r rows) SnapshotUpdate(ctx context.Context, s *driverstate.Snapshot, from ...driverstate.SnapshotStatus) error {
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
func (r rows) SnapshotDestroy(ctx context.Context, id string) error {
	return r.one(ctx, "snapshot", id, "DELETE FROM snapshots WHERE id = ?", id)
}

// SnapshotUsage sums up the snapshots of a project.
func (r rows) SnapshotUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error) {
	err = r.q.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(volume_size), 0) FROM snapshots WHERE project_id = ?", projectID).
		Scan(&count, &gigabytes)
	return count, gigabytes, err
}
