package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// otherStatuses are the statuses of a volume besides the first, of which the
// engine's volumes have one value each (cinder/objects/fields.py
// VolumeAttachStatus, VolumeMigrationStatus). Valid is how Cinder lists them.
var otherStatuses = []struct {
	key, name, valid, only string
	known                  []string
}{
	{"attach_status", "Volume attach", "['attached', 'detached']", "detached", []string{"attached", "detached"}},
	{"migration_status", "Volume migration", "('migrating', 'error', 'success', 'completing', 'none', 'starting')", "none",
		[]string{"migrating", "error", "success", "completing", "none", "starting"}},
}

// volumeAction does os-force_delete and os-reset_status
// (cinder/api/contrib/admin_actions.py VolumeAdminController).
func (s *server) volumeAction(q *request) (int, any, error) {
	id := q.vars["id"]
	for name := range q.body.(map[string]any) { // exactly one
		switch name {
		case "os-force_delete": // its value is not looked at
			return http.StatusAccepted, nil, s.ops.ForceDeleteVolume(q.Context(), q.caller, id)
		case "os-reset_status":
			return s.resetVolumeStatus(q, id)
		default:
			return 0, nil, unknownAction(clip(name))
		}
	}
	return 0, nil, unknownAction("None")
}

func (s *server) resetVolumeStatus(q *request, id string) (int, any, error) {
	if reset, ok := q.body.(map[string]any)["os-reset_status"].(map[string]any); ok &&
		reset["status"] == nil && reset["attach_status"] == nil && reset["migration_status"] == nil {
		return 0, nil, badRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.")
	}
	either := text(true, 0, 255, nil)
	reset, err := q.inner("os-reset_status", schema{members: map[string]rule{
		"status": either, "attach_status": either, "migration_status": either,
	}})
	if err != nil {
		return 0, nil, err
	}
	status := strings.ToLower(word(reset, "status"))
	if status != "" && !slices.Contains(driverstate.VolumeStatuses, driverstate.VolumeStatus(status)) {
		return 0, nil, wrongStatus("Volume", word(reset, "status"), volumeStatusList())
	}
	for _, o := range otherStatuses {
		switch v := strings.ToLower(word(reset, o.key)); {
		case v == "" || v == o.only:
		case slices.Contains(o.known, v):
			return 0, nil, badRequest("%s status cannot be %s: volumes of the engine are neither attached nor migrated.", o.name, v)
		default:
			return 0, nil, wrongStatus(o.name, word(reset, o.key), o.valid)
		}
	}
	if status == "" { // the two others have one value
		_, err := s.ops.Volume(q.Context(), q.caller, id)
		return http.StatusAccepted, nil, err
	}
	return http.StatusAccepted, nil, s.ops.ResetVolumeStatus(q.Context(), q.caller, id, driverstate.VolumeStatus(status))
}

func wrongStatus(kind, status, valid string) error {
	return badRequest("%s status: %s is invalid, valid statuses are: %s.", kind, clip(status), valid)
}

func volumeStatusList() string {
	var out []string
	for _, s := range driverstate.VolumeStatuses {
		out = append(out, python(string(s)))
	}
	return "(" + strings.Join(out, ", ") + ")"
}
