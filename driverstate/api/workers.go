package api

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

var serviceIDForm = regexp.MustCompile(`^[0-9]*$`)

// serviceIDRule: a number, a string of digits, or null.
func serviceIDRule(v any) string {
	if v == nil {
		return ""
	}
	if _, ok := v.(string); ok {
		return text(true, 0, 11, serviceIDForm)(v)
	}
	if _, ok := integer(v); !ok {
		return python(v) + " is not of type 'integer', 'string', 'null'"
	}
	return ""
}

// cleanupWorkers asks for the cleanup of what dead services left
// (cinder/api/v3/workers.py).
func (s *server) cleanupWorkers(q *request) (int, any, error) {
	rules := schema{members: map[string]rule{
		"cluster_name":  hostRule,
		"host":          hostRule,
		"binary":        cleanableBinary,
		"is_up":         booleanRule,
		"disabled":      booleanRule,
		"resource_id":   uuidOrNullRule,
		"resource_type": text(true, 0, 40, nil),
		"service_id":    serviceIDRule,
	}}
	if f := rules.check("", q.body); f != nil {
		return 0, nil, f
	}
	if err := q.requireAdmin("workers:cleanup"); err != nil {
		return 0, nil, err
	}
	filter, err := cleanupFilter(q.body.(map[string]any))
	if err != nil {
		return 0, nil, err
	}
	result, err := s.ops.CleanupWorkers(q.Context(), q.caller, filter)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{
		{"cleaning", cleanupViews(result.Cleaning)},
		{"unavailable", cleanupViews(result.Unavailable)},
	}, nil
}

// cleanableBinary takes cinder-backup too, which is ours: Cinder has no cleanup
// of backups.
func cleanableBinary(v any) string {
	if v == string(driverstate.BinaryBackup) {
		return ""
	}
	return oneOf(string(driverstate.BinaryVolume), string(driverstate.BinaryScheduler))(v)
}

func cleanupFilter(body map[string]any) (driverstate.CleanupFilter, error) {
	f := driverstate.CleanupFilter{
		ClusterName: given(body, "cluster_name"),
		Host:        given(body, "host"),
		ResourceID:  given(body, "resource_id"),
		IsUp:        truth(body["is_up"]),
	}
	if v, ok := body["disabled"]; ok {
		disabled := truth(v)
		f.Disabled = &disabled
	}
	if v := given(body, "binary"); v != nil {
		binary := driverstate.Binary(*v)
		f.Binary = &binary
	}
	if id, ok := integer(body["service_id"]); ok {
		f.ServiceID = &id
	}
	if v := given(body, "resource_type"); v != nil {
		kind := title(strings.ToLower(*v))
		// Backups are ours: Cinder has no cleanup of them.
		if kind != "Volume" && kind != "Snapshot" && kind != "Backup" {
			return f, invalidInput("Resource type %s not valid, must be Snapshot or Volume", kind)
		}
		f.ResourceType = &kind
	}
	return f, nil
}

// given is a string member; nil when it is null, absent or empty.
func given(body map[string]any, key string) *string {
	s, ok := body[key].(string)
	if !ok || s == "" {
		return nil
	}
	return &s
}

func cleanupViews(services []driverstate.Service) []object {
	views := make([]object, 0, len(services))
	for _, s := range services {
		views = append(views, object{
			{"id", s.ID},
			{"host", s.Host},
			{"binary", s.Binary},
			{"cluster_name", nullable(s.Cluster)},
		})
	}
	return views
}
