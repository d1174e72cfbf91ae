package api

import "net/http"

// resourceFilters say by what one who is not admin may filter a list (Cinder's
// etc/cinder/resource_filters.json).
var resourceFilters = []struct {
	resource string
	filters  []string
}{
	{"volume", []string{"name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size", "created_at", "updated_at", "consumes_quota"}},
	{"backup", []string{"name", "status", "volume_id"}},
	{"snapshot", []string{"name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"}},
	{"group", []string{"name"}},
	{"group_snapshot", []string{"name", "status", "group_id"}},
	{"attachment", []string{"volume_id", "status", "instance_id", "attach_status"}},
	{"message", []string{"resource_uuid", "resource_type", "event_id", "request_id", "message_level"}},
	{"pool", []string{"name", "volume_type"}},
	{"volume_type", []string{"is_public", "extra_specs"}},
}

func tenantFilters(resource string) []string {
	for _, r := range resourceFilters {
		if r.resource == resource {
			return r.filters
		}
	}
	return nil
}

// listResourceFilters answers resource_filters, of one resource if the query
// names it; other parameters are not looked at (cinder/api/v3/resource_filters.py).
func (s *server) listResourceFilters(q *request) (int, any, error) {
	only, asked := params(q.Request)["resource"]
	views := []object{}
	for _, r := range resourceFilters {
		if !asked || r.resource == only {
			views = append(views, object{{"resource", r.resource}, {"filters", r.filters}})
		}
	}
	return http.StatusOK, object{{"resource_filters", views}}, nil
}
