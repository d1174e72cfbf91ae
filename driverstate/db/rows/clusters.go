package rows

import (
	"context"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

// ClusterEnsure inserts c, or leaves the row that is there.
func (r Rows) ClusterEnsure(ctx context.Context, c *driverstate.Cluster) error {
	if c.CreatedAt.IsZero() {
		c.CreatedAt = r.now()
	}
	if _, err := r.Q.Exec(ctx, clusterTable.insert()+" ON CONFLICT DO NOTHING", values(clusterFields(c))...); err != nil {
		return fmt.Errorf("writing cluster %s: %w", c.Name, err)
	}
	return nil
}

// ClusterGetAll returns all clusters, oldest first.
func (r Rows) ClusterGetAll(ctx context.Context) ([]*driverstate.Cluster, error) {
	var out []*driverstate.Cluster
	err := r.all(ctx, clusterTable, `ORDER BY created_at, name, "binary"`, nil, func() []field {
		out = append(out, new(driverstate.Cluster))
		return clusterFields(out[len(out)-1])
	})
	return out, err
}

// ClusterUpdate writes Disabled and DisabledReason.
func (r Rows) ClusterUpdate(ctx context.Context, c *driverstate.Cluster) error {
	c.UpdatedAt = r.now()
	return r.one(ctx, clusterTable, c.Name, `UPDATE clusters SET disabled = ?, disabled_reason = ?, updated_at = ? WHERE name = ? AND "binary" = ?`,
		flag{&c.Disabled}, text[string]{&c.DisabledReason}, stamp{&c.UpdatedAt}, c.Name, string(c.Binary))
}
