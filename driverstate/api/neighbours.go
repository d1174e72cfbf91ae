package api

import (
	"net/http"
	"time"
)

var tenantSnapshotFilters = []string{"name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"}

var snapshotColumns = map[string]bool{
	"id": true, "name": true, "display_name": true, "display_description": true, "status": true, "volume_id": true, "project_id": true,
	"user_id": true, "volume_size": true, "progress": true, "created_at": true, "updated_at": true, "metadata": true,
}

// listSnapshots answers snapshots and snapshots/detail: the engine has none,
// and a request is judged as if it had.
func (s *server) listSnapshots(q *request) (int, any, error) {
	t := table[struct{}]{
		key: "snapshots", collection: "snapshots", resource: "Snapshot", tenant: tenantSnapshotFilters,
		column:  func(_ struct{}, name string) (string, bool) { return "", snapshotColumns[name] },
		created: func(struct{}) time.Time { return time.Time{} },
	}
	return t.list(q, func(bool) ([]struct{}, error) { return nil, nil })
}

func (s *server) showSnapshot(q *request) (int, any, error) {
	return 0, nil, newFault(http.StatusNotFound, "Snapshot "+clip(q.vars["id"])+" could not be found.")
}

// The one volume type of the engine.
const (
	volumeType   = "__DEFAULT__"
	volumeTypeID = "6a7c3a0e-5d1c-4f43-9a0c-0d6f1f7f2c11"
)

// typeView is the engine's volume type; the default one is shown without its
// last member (cinder/api/v3/views/types.py).
func (q *request) typeView(last bool) object {
	view := object{
		{"id", volumeTypeID},
		{"name", volumeType},
		{"is_public", true},
		{"description", "Default Volume Type"},
		{"extra_specs", object{}},
	}
	if q.caller.Admin {
		view = append(view, member{"qos_specs_id", nil})
	}
	if last {
		view = append(view, member{"os-volume-type-access:is_public", true})
	}
	return view
}

func (s *server) listTypes(q *request) (int, any, error) {
	return http.StatusOK, object{{"volume_types", []object{q.typeView(true)}}}, nil
}

func (s *server) showType(q *request) (int, any, error) {
	switch id := q.vars["id"]; id {
	case "default":
		return http.StatusOK, object{{"volume_type", q.typeView(false)}}, nil
	case volumeTypeID:
		return http.StatusOK, object{{"volume_type", q.typeView(true)}}, nil
	default:
		return 0, nil, newFault(http.StatusNotFound, "Volume type "+clip(id)+" could not be found.")
	}
}

// showQuota answers os-quota-sets: nothing is limited, and what is used is
// counted (cinder/api/contrib/quotas.py show).
func (s *server) showQuota(q *request) (int, any, error) {
	asked, usage := params(q.Request)["usage"]
	if usage {
		b, ok := parseBool(asked)
		if !ok {
			return 0, nil, badRequest("Value '%s' for 'usage' is not a boolean.", clip(asked))
		}
		usage = b
	}
	u, err := s.ops.Usage(q.Context(), q.caller, q.vars["project"])
	if err != nil {
		return 0, nil, err
	}
	set := object{}
	for _, r := range []struct {
		name  string
		inUse int64
	}{
		{"volumes", u.Volumes},
		{"per_volume_gigabytes", 0},
		{"snapshots", 0},
		{"gigabytes", u.Gigabytes},
		{"backups", u.Backups},
		{"backup_gigabytes", u.BackupGigabytes},
		{"volumes_" + volumeType, u.Volumes},
		{"gigabytes_" + volumeType, u.Gigabytes},
		{"snapshots_" + volumeType, 0},
		{"groups", 0},
	} {
		const unlimited = -1
		if usage {
			set = append(set, member{r.name, object{{"limit", unlimited}, {"in_use", r.inUse}, {"reserved", 0}}})
		} else {
			set = append(set, member{r.name, unlimited})
		}
	}
	return http.StatusOK, object{{"quota_set", append(set, member{"id", q.vars["project"]})}}, nil
}
