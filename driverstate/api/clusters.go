package api

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

func (s *server) listClusters(q *request) (int, any, error) {
	return s.clusterList(q, q.clusterSummary)
}

func (s *server) listClustersDetail(q *request) (int, any, error) {
	return s.clusterList(q, q.clusterDetail)
}

// clusterList lists clusters, without pages (cinder/api/v3/clusters.py).
func (s *server) clusterList(q *request, view func(driverstate.ClusterState) object) (int, any, error) {
	all, err := s.ops.Clusters(q.Context(), q.caller)
	if err != nil {
		return 0, nil, err
	}
	filters := params(q.Request)
	if err := q.checkClusterFilters(filters); err != nil {
		return 0, nil, err
	}
	views := []object{}
	for _, c := range all {
		if clusterMatches(c, filters) {
			views = append(views, view(c))
		}
	}
	return http.StatusOK, object{{"clusters", views}}, nil
}

func (q *request) checkClusterFilters(filters map[string]string) error {
	known := []string{"name", "binary", "is_up", "disabled", "num_hosts", "num_down_hosts"}
	if q.version.since(26) {
		known = append(known, "replication_status", "frozen", "active_backend_id")
	}
	var wrong []string
	for _, key := range slices.Sorted(maps.Keys(filters)) {
		if !slices.Contains(known, key) {
			wrong = append(wrong, key)
		}
	}
	if len(wrong) > 0 {
		return invalidInput("Invalid filter keys: %s", clip(strings.Join(wrong, ", ")))
	}
	for _, key := range []string{"disabled", "is_up", "frozen"} {
		v, ok := filters[key]
		if !ok {
			continue
		}
		b, sound := parseBool(v)
		if !sound {
			return badRequest("Value '%s' for '%s' is not a boolean.", clip(v), key)
		}
		filters[key] = strconv.FormatBool(b)
	}
	return nil
}

func clusterMatches(c driverstate.ClusterState, filters map[string]string) bool {
	have := map[string]string{
		"name": c.Name, "binary": string(c.Binary),
		"is_up": strconv.FormatBool(c.Up), "disabled": strconv.FormatBool(c.Disabled),
		"num_hosts": strconv.Itoa(c.Hosts), "num_down_hosts": strconv.Itoa(c.DownHosts),
		"replication_status": replicationStatus(c), "frozen": strconv.FormatBool(c.Frozen),
	}
	for key, want := range filters {
		if v, ok := have[key]; !ok || v != want {
			return false
		}
	}
	return true
}

// showCluster answers with a cluster of cinder-volume, as Cinder does whatever
// binary the query names, but for one of cinder-backup, which Cinder has not.
func (s *server) showCluster(q *request) (int, any, error) {
	c, err := s.ops.Cluster(q.Context(), q.caller, q.vars["name"], driverstate.Binary(params(q.Request)["binary"]))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"cluster", q.clusterDetail(c)}}, nil
}

// setCluster enables or disables a cluster.
func (s *server) setCluster(q *request) (int, any, error) {
	rules := schema{required: []string{"name"}, members: map[string]rule{
		"name": text(false, 1, 255, nil), "binary": nameRule,
	}}
	disabled := true
	switch q.vars["name"] {
	case "enable":
		disabled = false
	case "disable":
		rules.members["disabled_reason"] = nameRule
	default:
		return 0, nil, newFault(http.StatusNotFound, "Unknown action")
	}
	if f := rules.check("", q.body); f != nil {
		return 0, nil, f
	}
	body := q.body.(map[string]any)
	set := driverstate.ClusterSetting{
		Name: body["name"].(string), Binary: driverstate.BinaryVolume, Disabled: disabled, Reason: word(body, "disabled_reason"),
	}
	if v, ok := body["binary"]; ok {
		set.Binary = ""
		if name, ok := v.(string); ok {
			set.Binary = driverstate.Binary(name)
		}
	}
	c, err := s.ops.SetCluster(q.Context(), q.caller, set)
	if err != nil {
		return 0, nil, err
	}
	view := append(q.clusterSummary(c), member{"disabled_reason", optional(body, "disabled_reason")})
	return http.StatusOK, object{{"cluster", view}}, nil
}

// replicationStatus is not-capable until a service of the cluster has reported.
func replicationStatus(c driverstate.ClusterState) string {
	if c.LastHeartbeatAt.IsZero() {
		return "not-capable"
	}
	return "disabled"
}

func (q *request) clusterSummary(c driverstate.ClusterState) object {
	state, status := "down", "enabled"
	if c.Up {
		state = "up"
	}
	if c.Disabled {
		status = "disabled"
	}
	view := object{{"name", c.Name}, {"binary", c.Binary}, {"state", state}, {"status", status}}
	if q.version.since(26) {
		view = append(view, member{"replication_status", replicationStatus(c)})
	}
	return view
}

func (q *request) clusterDetail(c driverstate.ClusterState) object {
	never := func(at any) any {
		if at == nil {
			return ""
		}
		return at
	}
	view := append(q.clusterSummary(c),
		member{"num_hosts", c.Hosts},
		member{"num_down_hosts", c.DownHosts},
		member{"last_heartbeat", never(apiTime(c.LastHeartbeatAt))},
		member{"created_at", never(apiTime(c.CreatedAt))},
		member{"updated_at", never(apiTime(c.UpdatedAt))},
		member{"disabled_reason", nullable(c.DisabledReason)})
	if q.version.since(26) {
		view = append(view, member{"frozen", c.Frozen}, member{"active_backend_id", nil})
	}
	return view
}
