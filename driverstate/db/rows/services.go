package rows

import (
	"context"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

// ServiceUpsert keeps what an operator set: disabled and its reason.
func (r Rows) ServiceUpsert(ctx context.Context, s *driverstate.Service) error {
	now := r.now()
	s.UpdatedAt = now
	if s.CreatedAt.IsZero() {
		s.CreatedAt = now
	}
	statement := serviceTable.withoutKey().insert() + ` ON CONFLICT ("binary", host) DO UPDATE SET cluster_name = excluded.cluster_name,
		availability_zone = excluded.availability_zone, reason = excluded.reason, rpc_current_version = excluded.rpc_current_version,
		updated_at = excluded.updated_at
		RETURNING id, disabled, disabled_reason, created_at`
	_, err := r.Q.Returning(ctx, statement, values(serviceFields(s)[1:]),
		number[int64]{&s.ID}, flag{&s.Disabled}, text[string]{&s.DisabledReason}, stamp{&s.CreatedAt})
	if err != nil {
		return fmt.Errorf("writing service %s of %s: %w", s.Binary, s.Host, err)
	}
	return nil
}

// ServiceGetAll returns all services, oldest first.
func (r Rows) ServiceGetAll(ctx context.Context) ([]*driverstate.Service, error) {
	var out []*driverstate.Service
	err := r.all(ctx, serviceTable, "ORDER BY id", nil, func() []field {
		out = append(out, new(driverstate.Service))
		return serviceFields(out[len(out)-1])
	})
	return out, err
}

// ServiceUpdate writes Disabled and DisabledReason.
func (r Rows) ServiceUpdate(ctx context.Context, s *driverstate.Service) error {
	return r.one(ctx, serviceTable, s.Host, "UPDATE services SET disabled = ?, disabled_reason = ? WHERE id = ?",
		flag{&s.Disabled}, text[string]{&s.DisabledReason}, s.ID)
}
