package rows

import (
	"context"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// WorkerCreate inserts w and sets its ID.
func (r Rows) WorkerCreate(ctx context.Context, w *driverstate.Worker) error {
	w.UpdatedAt = r.now()
	statement := workerTable.withoutKey().insert() + " ON CONFLICT DO NOTHING RETURNING id"
	made, err := r.Q.Returning(ctx, statement, values(workerFields(w)[1:]), &w.ID)
	if err != nil {
		return fmt.Errorf("writing worker of %s %s: %w", w.ResourceType, w.ResourceID, err)
	}
	if !made {
		return moved(strings.ToLower(w.ResourceType), w.ResourceID, "work on it is under way already")
	}
	return nil
}

// WorkerGet returns the worker of a resource.
func (r Rows) WorkerGet(ctx context.Context, resourceType, resourceID string) (*driverstate.Worker, error) {
	w := new(driverstate.Worker)
	found, err := r.first(ctx, "SELECT "+workerTable.list()+" FROM workers WHERE resource_type = ? AND resource_id = ?",
		[]any{resourceType, resourceID}, values(workerFields(w))...)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading worker of %s %s: %w", resourceType, resourceID, err)
	case !found:
		return nil, notFound("worker of "+resourceType, resourceID)
	}
	return w, nil
}

// WorkerGetAll returns the workers of a service, of all when it is 0.
func (r Rows) WorkerGetAll(ctx context.Context, serviceID int64) ([]*driverstate.Worker, error) {
	rest, args := "ORDER BY id", []any(nil)
	if serviceID != 0 {
		rest, args = "WHERE service_id = ? ORDER BY id", []any{serviceID}
	}
	var out []*driverstate.Worker
	err := r.all(ctx, workerTable, rest, args, func() []field {
		out = append(out, new(driverstate.Worker))
		return workerFields(out[len(out)-1])
	})
	return out, err
}

// WorkerClaimForCleanup is one conditional update (cinder/db/sqlalchemy/api.py
// worker_claim_for_cleanup): race_preventer changes with every claim, so a
// second one that read the same row finds nothing to update.
func (r Rows) WorkerClaimForCleanup(ctx context.Context, w *driverstate.Worker, serviceID int64) (bool, error) {
	at := r.now()
	n, err := r.Q.Exec(ctx, `UPDATE workers SET service_id = ?, race_preventer = race_preventer + 1, updated_at = ?
		WHERE id = ? AND status = ? AND COALESCE(service_id, 0) = ? AND race_preventer = ? AND updated_at <= ?`,
		serviceID, stamp{&at}, w.ID, w.Status, w.ServiceID, w.RacePreventer, stamp{&w.UpdatedAt})
	if err != nil {
		return false, fmt.Errorf("claiming worker %d: %w", w.ID, err)
	}
	if n == 0 {
		return false, nil
	}
	w.ServiceID, w.UpdatedAt = serviceID, at
	w.RacePreventer++
	return true, nil
}

// WorkerClaim is one conditional update too: of claimants at the same time one
// finds the row unclaimed.
func (r Rows) WorkerClaim(ctx context.Context, resourceType, resourceID string, serviceID int64) (*driverstate.Worker, error) {
	at := r.now()
	w := new(driverstate.Worker)
	claimed, err := r.Q.Returning(ctx, `UPDATE workers SET service_id = ?, race_preventer = race_preventer + 1, updated_at = ?
		WHERE resource_type = ? AND resource_id = ? AND COALESCE(service_id, 0) IN (0, ?) RETURNING `+workerTable.list(),
		[]any{serviceID, stamp{&at}, resourceType, resourceID, serviceID}, values(workerFields(w))...)
	if err != nil {
		return nil, fmt.Errorf("claiming %s %s: %w", resourceType, resourceID, err)
	}
	if claimed {
		return w, nil
	}
	var holder int64
	held, err := r.first(ctx, "SELECT COALESCE(service_id, 0) FROM workers WHERE resource_type = ? AND resource_id = ?",
		[]any{resourceType, resourceID}, &holder)
	switch {
	case err != nil:
		return nil, fmt.Errorf("claiming %s %s: %w", resourceType, resourceID, err)
	case !held:
		return nil, notFound("worker of "+resourceType, resourceID)
	}
	return nil, moved(strings.ToLower(resourceType), resourceID, fmt.Sprintf("service %d works on it", holder))
}

// WorkerRelease leaves w to nobody.
func (r Rows) WorkerRelease(ctx context.Context, w *driverstate.Worker) error {
	done, err := r.WorkerClaimForCleanup(ctx, w, 0)
	if err != nil || done {
		return err
	}
	var id int64
	found, err := r.first(ctx, "SELECT id FROM workers WHERE id = ?", []any{w.ID}, &id)
	switch {
	case err != nil:
		return fmt.Errorf("releasing worker %d: %w", w.ID, err)
	case !found:
		return notFound("worker of "+w.ResourceType, w.ResourceID)
	}
	return moved(strings.ToLower(w.ResourceType), w.ResourceID, "another service has taken it")
}

// WorkerDestroy removes the worker of a resource; none is success.
func (r Rows) WorkerDestroy(ctx context.Context, resourceType, resourceID string) error {
	_, err := r.Q.Exec(ctx, "DELETE FROM workers WHERE resource_type = ? AND resource_id = ?", resourceType, resourceID)
	if err != nil {
		return fmt.Errorf("removing worker of %s %s: %w", resourceType, resourceID, err)
	}
	return nil
}
