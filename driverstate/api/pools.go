package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// listPools answers scheduler-stats/get_pools (cinder/api/contrib/scheduler_stats.py).
func (s *server) listPools(q *request) (int, any, error) {
	pools, err := s.ops.Pools(q.Context(), q.caller)
	if err != nil {
		return 0, nil, err
	}
	filters := params(q.Request)
	text, asked := take(filters, "detail")
	detail, sound := parseBool(text)
	if asked && !sound {
		return 0, nil, badRequest("Value '%s' for 'detail' is not a boolean.", clip(text))
	}
	if !q.version.since(28) {
		clear(filters)
	}
	// Here Cinder holds an admin to the list of filters too.
	if err := q.heldTo(filters, tenantFilters("pool")); err != nil {
		return 0, nil, err
	}
	views := []object{}
	for _, p := range pools {
		name, byName := filters["name"]
		kind, byType := filters["volume_type"]
		if byName && name != p.Name || byType && kind != driverstate.VolumeType && kind != driverstate.DefaultType {
			continue
		}
		view := object{{"name", p.Name}}
		if detail {
			view = append(view, member{"capabilities", capabilities(p)})
		}
		views = append(views, view)
	}
	return http.StatusOK, object{{"pools", views}}, nil
}

func capabilities(p driverstate.Pool) object {
	state := "down"
	if p.Up {
		state = "up"
	}
	return object{
		{"pool_name", p.Pool},
		{"total_capacity_gb", p.TotalGB},
		{"free_capacity_gb", p.FreeGB},
		{"reserved_percentage", 0},
		{"thin_provisioning_support", true},
		{"max_over_subscription_ratio", "20.0"},
		{"backend_state", state},
		{"allocated_capacity_gb", p.AllocatedGB},
		{"volume_backend_name", p.Backend},
		{"storage_protocol", driverstate.StorageProtocol},
		{"vendor_name", driverstate.VendorName},
		{"driver_version", "1.0.0"},
		{"timestamp", apiTime(p.UpdatedAt)},
		{"filter_function", nil},
		{"goodness_function", nil},
	}
}
