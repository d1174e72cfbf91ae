package api

import "net/http"

// absent are the collections of Cinder of which the engine has no member: a
// list is empty, one by id is not found, and what would make one is refused.
var absent = []struct {
	path, key string
	since     int
	missing   string // what is not found, before the id
	after     string // and after it
	policy    string // of a list; empty when everyone may
	detail    bool   // detail is a list as well
}{
	{path: "groups", key: "groups", since: 13, missing: "Group ", after: " could not be found.", detail: true},
	{path: "group_types", key: "group_types", since: 11, missing: "Group type ", after: " could not be found."},
	{path: "group_snapshots", key: "group_snapshots", since: 14, missing: "GroupSnapshot ", after: " could not be found.", detail: true},
	{path: "consistencygroups", key: "consistencygroups", missing: "Group ", after: " could not be found.", detail: true},
	{path: "cgsnapshots", key: "cgsnapshots", missing: "GroupSnapshot ", after: " could not be found.", detail: true},
	{path: "qos-specs", key: "qos_specs", missing: "No such QoS spec ", after: ".", policy: "volume_extension:qos_specs_manage:get_all"},
	{path: "default-types", key: "default_types", since: 62, missing: "Project with id ", after: " not found.", policy: "volume_extension:default_get_all"},
}

// absentRoutes are the routes of those collections.
func absentRoutes() []route {
	var out []route
	for _, a := range absent {
		since := version(a.since)
		list := func(q *request) (int, any, error) {
			if a.policy != "" {
				if err := q.requireAdmin(a.policy); err != nil {
					return 0, nil, err
				}
			}
			if _, err := q.readPage(); err != nil {
				return 0, nil, err
			}
			return http.StatusOK, object{{a.key, []any{}}}, nil
		}
		show := func(q *request) (int, any, error) {
			if a.policy != "" {
				p := policies[q.Method+" "+a.path+"/{id}"]
				if err := q.requireAdmin(p.rule); err != nil {
					return 0, nil, err
				}
			}
			return 0, nil, newFault(http.StatusNotFound, a.missing+clip(q.vars["id"])+a.after)
		}
		out = append(out, route{method: "GET", path: a.path, since: since, handle: list})
		if a.detail {
			out = append(out, route{method: "GET", path: a.path + "/detail", since: since, handle: list})
		}
		out = append(out,
			route{method: "GET", path: a.path + "/{id}", since: since, handle: show},
			route{method: "DELETE", path: a.path + "/{id}", since: since, handle: show},
			route{method: "POST", path: a.path, since: since, body: needsBody, handle: unsupported(a.key)},
		)
	}
	return out
}

// unsupported answers what the engine does not do.
func unsupported(what string) handler {
	return func(*request) (int, any, error) {
		return 0, nil, newFault(http.StatusNotImplemented, "The engine of cinder-go has no "+what+": nothing was done.")
	}
}

// requireAdmin answers 403, naming Cinder's rule, to one who is not admin.
func (q *request) requireAdmin(rule string) error {
	if q.caller.Admin {
		return nil
	}
	return newFault(http.StatusForbidden, "Policy doesn't allow "+rule+" to be performed.")
}
