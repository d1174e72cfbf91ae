package sqlite

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// ClusterEnsure inserts c, or leaves the row that is there.
func (r rows) ClusterEnsure(ctx context.Context, c *driverstate.Cluster) error {
	if c.CreatedAt.IsZero() {
		c.CreatedAt = r.now()
	}
	_, err := r.q.ExecContext(ctx, clusterTable.insert()+` ON CONFLICT (name, "binary") DO NOTHING`, values(clusterFields(c))...)
	return err
}

// ClusterGetAll returns all clusters, oldest first.
func (r rows) ClusterGetAll(ctx context.Context) ([]*driverstate.Cluster, error) {
	var out []*driverstate.Cluster
	err := r.all(ctx, clusterTable, `ORDER BY created_at, name, "binary"`, nil, func() []field {
		out = append(out, new(driverstate.Cluster))
		return clusterFields(out[len(out)-1])
	})
	return out, err
}

// ClusterUpdate writes Disabled and DisabledReason.
func (r rows) ClusterUpdate(ctx context.Context, c *driverstate.Cluster) error {
	c.UpdatedAt = r.now()
	return r.one(ctx, "cluster", c.Name, `UPDATE clusters SET disabled = ?, disabled_reason = ?, updated_at = ? WHERE name = ? AND "binary" = ?`,
		flag{&c.Disabled}, text[string]{&c.DisabledReason}, stamp{&c.UpdatedAt}, c.Name, string(c.Binary))
}
