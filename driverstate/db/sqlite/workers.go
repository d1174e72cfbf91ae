package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// WorkerCreate inserts w and sets its ID.
func (r rows) WorkerCreate(ctx context.Context, w *driverstate.Worker) error {
	w.UpdatedAt = r.now()
	t := table{workerTable.name, workerTable.columns[1:]}
	err := r.q.QueryRowContext(ctx, t.insert()+" RETURNING id", values(workerFields(w)[1:])...).Scan(&w.ID)
	if conflicts(err) {
		return moved(strings.ToLower(w.ResourceType), w.ResourceID, "work on it is under way already")
	}
	return err
}

// WorkerGetAll returns the workers of a service, of all when it is 0.
func (r rows) WorkerGetAll(ctx context.Context, serviceID int64) ([]*driverstate.Worker, error) {
	var out []*driverstate.Worker
	err := r.all(ctx, workerTable, "WHERE ? IN (0, service_id) ORDER BY id", []any{serviceID}, func() []field {
		out = append(out, new(driverstate.Worker))
		return workerFields(out[len(out)-1])
	})
	return out, err
}

// WorkerClaimForCleanup is one conditional update (cinder/db/sqlalchemy/api.py
// worker_claim_for_cleanup): race_preventer changes with every claim, so a
// second one that read the same row finds nothing to update.
func (r rows) WorkerClaimForCleanup(ctx context.Context, w *driverstate.Worker, serviceID int64) (bool, error) {
	at := r.now()
	result, err := r.q.ExecContext(ctx, `UPDATE workers SET service_id = ?, race_preventer = race_preventer + 1, updated_at = ?
		WHERE id = ? AND status = ? AND COALESCE(service_id, 0) = ? AND race_preventer = ? AND updated_at <= ?`,
		serviceID, stamp{&at}, w.ID, w.Status, w.ServiceID, w.RacePreventer, stamp{&w.UpdatedAt})
	if err != nil {
		return false, fmt.Errorf("claiming worker %d: %w", w.ID, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 {
		return false, err
	}
	w.ServiceID, w.UpdatedAt = serviceID, at
	w.RacePreventer++
	return true, nil
}

// WorkerClaim is one conditional update too: of claimants at the same time one
// finds the row unclaimed.
func (r rows) WorkerClaim(ctx context.Context, resourceType, resourceID string, serviceID int64) (*driverstate.Worker, error) {
	at := r.now()
	w := new(driverstate.Worker)
	err := r.q.QueryRowContext(ctx, `UPDATE workers SET service_id = ?, race_preventer = race_preventer + 1, updated_at = ?
		WHERE resource_type = ? AND resource_id = ? AND COALESCE(service_id, 0) IN (0, ?) RETURNING `+workerTable.list(),
		serviceID, stamp{&at}, resourceType, resourceID, serviceID).Scan(values(workerFields(w))...)
	if err == nil {
		return w, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("claiming %s %s: %w", resourceType, resourceID, err)
	}
	var held int64
	err = r.q.QueryRowContext(ctx, "SELECT COALESCE(service_id, 0) FROM workers WHERE resource_type = ? AND resource_id = ?", resourceType, resourceID).Scan(&held)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("worker of "+resourceType, resourceID)
	}
	if err != nil {
		return nil, fmt.Errorf("claiming %s %s: %w", resourceType, resourceID, err)
	}
	return nil, moved(strings.ToLower(resourceType), resourceID, fmt.Sprintf("service %d works on it", held))
}

// WorkerRelease leaves w to nobody.
func (r rows) WorkerRelease(ctx context.Context, w *driverstate.Worker) error {
	done, err := r.WorkerClaimForCleanup(ctx, w, 0)
	if err != nil || done {
		return err
	}
	var id int64
	err = r.q.QueryRowContext(ctx, "SELECT id FROM workers WHERE id = ?", w.ID).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return notFound("worker of "+w.ResourceType, w.ResourceID)
	}
	if err != nil {
		return fmt.Errorf("releasing worker %d: %w", w.ID, err)
	}
	return moved(strings.ToLower(w.ResourceType), w.ResourceID, "another service has taken it")
}

// WorkerDestroy removes the worker of a resource; none is success.
func (r rows) WorkerDestroy(ctx context.Context, resourceType, resourceID string) error {
	_, err := r.q.ExecContext(ctx, "DELETE FROM workers WHERE resource_type = ? AND resource_id = ?", resourceType, resourceID)
	return err
}
