package rows

import (
	"context"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

// limits reads the rows of a table of limits that belong to owner.
func (r Rows) limits(ctx context.Context, name, column, owner string) (map[string]int64, error) {
	found, err := r.Q.Query(ctx, fmt.Sprintf("SELECT resource, hard_limit FROM %s WHERE %s = ?", name, column), owner)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer found.Close()
	out := map[string]int64{}
	for found.Next() {
		var resource string
		var limit int64
		if err := found.Scan(&resource, &limit); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		out[resource] = limit
	}
	return out, found.Err()
}

func (r Rows) setLimit(ctx context.Context, name, column, owner, resource string, limit int64) error {
	at := r.now()
	_, err := r.Q.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (%s, resource, hard_limit, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (%s, resource) DO UPDATE SET hard_limit = excluded.hard_limit, updated_at = excluded.created_at`, name, column, column),
		owner, resource, limit, stamp{&at})
	if err != nil {
		return fmt.Errorf("writing %s of %s: %w", name, owner, err)
	}
	return nil
}

// QuotaGetAll returns the limits that were set for a project.
func (r Rows) QuotaGetAll(ctx context.Context, projectID string) (map[string]int64, error) {
	return r.limits(ctx, "quotas", "project_id", projectID)
}

// QuotaSet sets one limit of a project.
func (r Rows) QuotaSet(ctx context.Context, projectID, resource string, limit int64) error {
	return r.setLimit(ctx, "quotas", "project_id", projectID, resource, limit)
}

// QuotaDestroy forgets the limits of a project.
func (r Rows) QuotaDestroy(ctx context.Context, projectID string) error {
	if _, err := r.Q.Exec(ctx, "DELETE FROM quotas WHERE project_id = ?", projectID); err != nil {
		return fmt.Errorf("deleting the quotas of project %s: %w", projectID, err)
	}
	return nil
}

// QuotaClassGetAll returns the limits that were set for a class.
func (r Rows) QuotaClassGetAll(ctx context.Context, class string) (map[string]int64, error) {
	return r.limits(ctx, "quota_classes", "class_name", class)
}

// QuotaClassSet sets one limit of a class.
func (r Rows) QuotaClassSet(ctx context.Context, class, resource string, limit int64) error {
	return r.setLimit(ctx, "quota_classes", "class_name", class, resource, limit)
}

// UsageOfTypes sums up the volumes and snapshots of a project by the type of
// the volume.
func (r Rows) UsageOfTypes(ctx context.Context, projectID string) (map[string]driverstate.TypeUsage, error) {
	out := map[string]driverstate.TypeUsage{}
	sum := func(statement string, add func(u *driverstate.TypeUsage, n, gigabytes int64)) error {
		found, err := r.Q.Query(ctx, statement, projectID)
		if err != nil {
			return fmt.Errorf("summing up volume types: %w", err)
		}
		defer found.Close()
		for found.Next() {
			var name string
			var n, gigabytes int64
			if err := found.Scan(&name, &n, &gigabytes); err != nil {
				return fmt.Errorf("summing up volume types: %w", err)
			}
			if name == "" {
				name = driverstate.VolumeType
			}
			u := out[name]
			add(&u, n, gigabytes)
			out[name] = u
		}
		return found.Err()
	}
	err := sum(`SELECT COALESCE(volume_type, ''), COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT)
		FROM volumes WHERE project_id = ? GROUP BY 1`, func(u *driverstate.TypeUsage, n, gigabytes int64) {
		u.Volumes, u.Gigabytes = u.Volumes+n, u.Gigabytes+gigabytes
	})
	if err != nil {
		return nil, err
	}
	err = sum(`SELECT COALESCE(v.volume_type, ''), COUNT(*), CAST(COALESCE(SUM(s.volume_size), 0) AS BIGINT)
		FROM snapshots s LEFT JOIN volumes v ON v.id = s.volume_id WHERE s.project_id = ? GROUP BY 1`, func(u *driverstate.TypeUsage, n, gigabytes int64) {
		u.Snapshots, u.Gigabytes = u.Snapshots+n, u.Gigabytes+gigabytes
	})
	return out, err
}
