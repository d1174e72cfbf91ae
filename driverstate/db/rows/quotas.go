package rows

import (
	"context"
	"fmt"
)

// QuotaGetAll returns the limits that were set for a project.
func (r Rows) QuotaGetAll(ctx context.Context, projectID string) (map[string]int64, error) {
	found, err := r.Q.Query(ctx, "SELECT resource, hard_limit FROM quotas WHERE project_id = ?", projectID)
	if err != nil {
		return nil, fmt.Errorf("reading quotas: %w", err)
	}
	defer found.Close()
	out := map[string]int64{}
	for found.Next() {
		var resource string
		var limit int64
		if err := found.Scan(&resource, &limit); err != nil {
			return nil, fmt.Errorf("reading quotas: %w", err)
		}
		out[resource] = limit
	}
	return out, found.Err()
}

// QuotaSet sets one limit of a project.
func (r Rows) QuotaSet(ctx context.Context, projectID, resource string, limit int64) error {
	at := r.now()
	_, err := r.Q.Exec(ctx, `INSERT INTO quotas (project_id, resource, hard_limit, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (project_id, resource) DO UPDATE SET hard_limit = excluded.hard_limit, updated_at = excluded.created_at`,
		projectID, resource, limit, stamp{&at})
	if err != nil {
		return fmt.Errorf("writing the quota of project %s: %w", projectID, err)
	}
	return nil
}

// QuotaDestroy forgets the limits of a project.
func (r Rows) QuotaDestroy(ctx context.Context, projectID string) error {
	if _, err := r.Q.Exec(ctx, "DELETE FROM quotas WHERE project_id = ?", projectID); err != nil {
		return fmt.Errorf("deleting the quotas of project %s: %w", projectID, err)
	}
	return nil
}
