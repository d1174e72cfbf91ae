package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

func (s *server) listSnapshots(q *request) (int, any, error) {
	return q.snapshotList("snapshots", q.snapshotSummary)
}

func (s *server) listSnapshotsDetail(q *request) (int, any, error) {
	return q.snapshotList("snapshots/detail", q.snapshotExtended)
}

func (q *request) snapshotList(collection string, view func(*driverstate.Snapshot) object) (int, any, error) {
	t := table[*driverstate.Snapshot]{
		key: "snapshots", collection: collection, resource: "Snapshot", tenant: tenantFilters("snapshot"),
		sortedByName: 30, column: snapshotColumn, times: snapshotTime, view: view,
		metadata: func(snap *driverstate.Snapshot) map[string]string { return snap.Metadata },
		valueless: []string{"cgsnapshot_id", "cluster_name", "deleted_at", "encryption_key_id", "group_snapshot_id", "host", "provider_auth",
			"provider_id", "provider_location", "scheduled_at", "volume_type_id"},
	}
	return t.list(q, func(allProjects bool) ([]*driverstate.Snapshot, error) {
		return q.srv.ops.Snapshots(q.Context(), q.caller, allProjects)
	})
}

// snapshotColumn is the column function of a table.
func snapshotColumn(snap *driverstate.Snapshot, column string) (value string, ok bool) {
	if snap == nil {
		snap = &driverstate.Snapshot{}
	}
	switch column {
	case "id":
		return snap.ID, true
	case "name", "display_name":
		return snap.Name, true
	case "description", "display_description":
		return snap.Description, true
	case "status":
		return string(snap.Status), true
	case "volume_id":
		return snap.VolumeID, true
	case "volume_size":
		return strconv.FormatInt(snap.Size, 10), true
	case "project_id":
		return snap.ProjectID, true
	case "user_id":
		return snap.UserID, true
	case "progress":
		return progress(snap), true
	case "deleted":
		return "false", true
	case "use_quota", "consumes_quota":
		return "true", true
	}
	return "", false
}

func snapshotTime(snap *driverstate.Snapshot, column string) (time.Time, bool) {
	if snap == nil {
		snap = &driverstate.Snapshot{}
	}
	return stampOf(column, snap.CreatedAt, snap.UpdatedAt)
}

func progress(snap *driverstate.Snapshot) string {
	if snap.Status == driverstate.SnapshotCreating {
		return cmp.Or(snap.Progress, "0%")
	}
	return cmp.Or(snap.Progress, "100%")
}

// snapshotSummary is what a list says (cinder/api/views/snapshots.py).
func (q *request) snapshotSummary(snap *driverstate.Snapshot) object {
	return object{
		{"id", snap.ID},
		{"created_at", apiTime(snap.CreatedAt)},
		{"updated_at", apiTime(snap.UpdatedAt)},
		{"name", nullable(snap.Name)},
		{"description", nullable(snap.Description)},
		{"volume_id", nullable(snap.VolumeID)},
		{"status", string(snap.Status)},
		{"size", snap.Size},
		{"metadata", orEmpty(snap.Metadata)},
	}
}

// snapshotDetail is what create and update say
// (cinder/api/v3/views/snapshots.py).
func (q *request) snapshotDetail(snap *driverstate.Snapshot) object {
	view := q.snapshotSummary(snap)
	if q.version.since(14) {
		view = append(view, member{"group_snapshot_id", nil})
	}
	if q.version.since(41) {
		view = append(view, member{"user_id", nullable(snap.UserID)})
	}
	if q.version.since(65) {
		view = append(view, member{"consumes_quota", true})
	}
	return view
}

// snapshotExtended is what detail and show say
// (cinder/api/contrib/extended_snapshot_attributes.py).
func (q *request) snapshotExtended(snap *driverstate.Snapshot) object {
	return append(q.snapshotDetail(snap),
		member{"os-extended-snapshot-attributes:project_id", nullable(snap.ProjectID)},
		member{"os-extended-snapshot-attributes:progress", progress(snap)})
}

func (s *server) showSnapshot(q *request) (int, any, error) {
	snap, err := s.ops.Snapshot(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"snapshot", q.snapshotExtended(snap)}}, nil
}

// createSnapshot accepts a snapshot. From 3.66 a volume in use needs no force,
// and force may only be true (cinder/api/v3/snapshots.py create).
func (s *server) createSnapshot(q *request) (int, any, error) {
	asked, err := q.inner("snapshot", schema{required: []string{"volume_id"}, members: map[string]rule{
		"volume_id": uuidOrNullRule, "name": nameRule, "display_name": nameRule, "description": descriptionRule,
		"force": booleanRule, "metadata": isObjectOrNull,
	}})
	if err != nil {
		return 0, nil, err
	}
	if f := checkMetadata(asked["metadata"]); f != nil {
		return 0, nil, f
	}
	volume := word(asked, "volume_id")
	if volume == "" {
		return 0, nil, newFault(http.StatusNotFound, "Volume None could not be found.")
	}
	if _, err := s.ops.Volume(q.Context(), q.caller, volume); err != nil {
		return 0, nil, err
	}
	force, given := asked["force"]
	if given && !truth(force) && q.version.since(66) {
		return 0, nil, badRequest("Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, " +
			"however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored.")
	}
	name := word(asked, "name")
	if name == "" {
		name = word(asked, "display_name")
	}
	snap, err := s.ops.CreateSnapshot(q.Context(), q.caller, driverstate.SnapshotRequest{
		VolumeID: volume, Name: name, Description: word(asked, "description"), Metadata: metadata(asked["metadata"]),
		InUse: truth(force) || q.version.since(66),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"snapshot", q.snapshotDetail(snap)}}, nil
}

func (s *server) updateSnapshot(q *request) (int, any, error) {
	u, err := q.readUpdate("snapshot", nil)
	if err != nil {
		return 0, nil, err
	}
	snap, err := s.ops.UpdateSnapshot(q.Context(), q.caller, q.vars["id"], u)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"snapshot", q.snapshotDetail(snap)}}, nil
}

func (s *server) deleteSnapshot(q *request) (int, any, error) {
	return http.StatusAccepted, nil, s.ops.DeleteSnapshot(q.Context(), q.caller, q.vars["id"], false)
}

// snapshotAction does os-force_delete, os-reset_status and
// os-update_snapshot_status (cinder/api/contrib/admin_actions.py
// SnapshotAdminController, snapshot_actions.py).
func (s *server) snapshotAction(q *request) (int, any, error) {
	id := q.vars["id"]
	for name := range q.body.(map[string]any) { // exactly one
		switch name {
		case "os-force_delete": // its value is not looked at
			return http.StatusAccepted, nil, s.ops.DeleteSnapshot(q.Context(), q.caller, id, true)
		case "os-reset_status":
			return s.resetSnapshotStatus(q, id)
		case "os-update_snapshot_status":
			return s.updateSnapshotStatus(q, id)
		case "os-unmanage":
			return unsupported(name + " of a snapshot")(q)
		default:
			return 0, nil, unknownAction(clip(name))
		}
	}
	return 0, nil, unknownAction("None")
}

func (s *server) resetSnapshotStatus(q *request, id string) (int, any, error) {
	reset, err := q.inner("os-reset_status", schema{
		required: []string{"status"},
		members:  map[string]rule{"status": text(false, 0, 255, nil)},
	})
	if err != nil {
		return 0, nil, err
	}
	asked := reset["status"].(string)
	to := driverstate.SnapshotStatus(strings.ToLower(asked))
	if !slices.Contains(driverstate.SnapshotStatuses, to) {
		return 0, nil, wrongStatus("Snapshot", asked, listOf(driverstate.SnapshotStatuses))
	}
	return http.StatusAccepted, nil, s.ops.ResetSnapshotStatus(q.Context(), q.caller, id, to)
}

func (s *server) updateSnapshotStatus(q *request, id string) (int, any, error) {
	asked, err := q.inner("os-update_snapshot_status", schema{
		required: []string{"status"},
		members:  map[string]rule{"status": text(false, 0, 1<<20, nil), "progress": anything},
	})
	if err != nil {
		return 0, nil, err
	}
	if err := checkProgress(asked["progress"]); err != nil {
		return 0, nil, err
	}
	to := driverstate.SnapshotStatus(asked["status"].(string))
	return http.StatusAccepted, nil, s.ops.UpdateSnapshotStatus(q.Context(), q.caller, id, to, word(asked, "progress"))
}

// checkProgress judges a percentage (cinder/api/validation/validators.py
// _validate_progress).
func checkProgress(v any) error {
	share, ok := v.(string)
	if v == nil || share == "" && ok {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(share[:max(len(share)-1, 0)]))
	switch {
	case err != nil:
		return invalidInput("progress must be an integer percentage")
	case n < 0 || n > 100 || !strings.HasSuffix(share, "%"):
		return invalidInput("progress must be an integer percentage between 0 and 100")
	}
	return nil
}

func anything(any) string { return "" }
