package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// volumeActions are what can be done to a volume by its action route
// (cinder/api/contrib/volume_actions.py, admin_actions.py).
var volumeActions = map[string]func(*server, *request, string) (int, any, error){
	"os-force_delete": func(s *server, q *request, id string) (int, any, error) { // its value is not looked at
		return http.StatusAccepted, nil, s.ops.ForceDeleteVolume(q.Context(), q.caller, id)
	},
	"os-reserve": func(s *server, q *request, id string) (int, any, error) {
		return http.StatusAccepted, nil, s.ops.ReserveVolume(q.Context(), q.caller, id)
	},
	"os-unreserve": func(s *server, q *request, id string) (int, any, error) {
		return http.StatusAccepted, nil, s.ops.UnreserveVolume(q.Context(), q.caller, id)
	},
	"os-reset_status":         (*server).resetVolumeStatus,
	"os-extend":               (*server).extendVolume,
	"os-attach":               (*server).attachVolume,
	"os-detach":               (*server).detachVolume,
	"os-set_bootable":         (*server).setBootable,
	"os-update_readonly_flag": (*server).setReadOnly,
}

// otherVolumeActions are Cinder's which the engine cannot do: nothing is
// exported to a server, and there is one type, one place, and no images.
var otherVolumeActions = []string{
	"os-begin_detaching", "os-roll_detaching", "os-initialize_connection", "os-terminate_connection",
	"os-volume_upload_image", "os-retype", "os-force_detach", "os-migrate_volume", "os-migrate_volume_completion", "os-reimage",
	"os-set_image_metadata", "os-unset_image_metadata", "os-show_image_metadata", "os-unmanage", "os-extend_volume_completion", "revert",
}

func (s *server) volumeAction(q *request) (int, any, error) {
	for name := range q.body.(map[string]any) { // exactly one
		if act, ok := volumeActions[name]; ok {
			return act(s, q, q.vars["id"])
		}
		if !slices.Contains(otherVolumeActions, name) {
			return 0, nil, unknownAction(clip(name))
		}
		if _, err := s.ops.Volume(q.Context(), q.caller, q.vars["id"]); err != nil {
			return 0, nil, err
		}
		return unsupported("action " + name)(q)
	}
	return 0, nil, unknownAction("None")
}

func (s *server) extendVolume(q *request, id string) (int, any, error) {
	asked, err := q.inner("os-extend", schema{required: []string{"new_size"}, members: map[string]rule{"new_size": volumeSize}})
	if err != nil {
		return 0, nil, err
	}
	size, _ := integer(asked["new_size"])
	return http.StatusAccepted, nil, s.ops.ExtendVolume(q.Context(), q.caller, id, size, q.version.since(42))
}

func (s *server) attachVolume(q *request, id string) (int, any, error) {
	asked, err := q.inner("os-attach", schema{required: []string{"mountpoint"}, members: map[string]rule{
		"instance_uuid": uuidRule, "mountpoint": text(false, 1, 255, nil), "host_name": text(false, 0, 255, nil), "mode": oneOf("rw", "ro"),
	}})
	if err != nil {
		return 0, nil, err
	}
	r := driverstate.AttachRequest{
		ServerID: word(asked, "instance_uuid"), HostName: word(asked, "host_name"), Device: word(asked, "mountpoint"), ReadOnly: asked["mode"] == "ro",
	}
	if r.ServerID == "" && r.HostName == "" {
		return 0, nil, violation("os-attach", asked, python(asked)+" is not valid under any of the given schemas")
	}
	return http.StatusAccepted, nil, s.ops.AttachVolume(q.Context(), q.caller, id, r)
}

func (s *server) detachVolume(q *request, id string) (int, any, error) {
	attachment := ""
	if v := q.body.(map[string]any)["os-detach"]; v != nil {
		asked, err := q.inner("os-detach", schema{members: map[string]rule{"attachment_id": uuidOrNullRule}})
		if err != nil {
			return 0, nil, err
		}
		attachment = word(asked, "attachment_id")
	}
	return http.StatusAccepted, nil, s.ops.DetachVolume(q.Context(), q.caller, id, attachment)
}

func (s *server) setBootable(q *request, id string) (int, any, error) {
	asked, err := q.inner("os-set_bootable", schema{required: []string{"bootable"}, members: map[string]rule{"bootable": booleanRule}})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, nil, s.ops.SetVolumeBootable(q.Context(), q.caller, id, truth(asked["bootable"]))
}

func (s *server) setReadOnly(q *request, id string) (int, any, error) {
	asked, err := q.inner("os-update_readonly_flag", schema{required: []string{"readonly"}, members: map[string]rule{"readonly": booleanRule}})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, nil, s.ops.SetVolumeReadOnly(q.Context(), q.caller, id, truth(asked["readonly"]))
}

// Statuses of a volume besides the first (cinder/objects/fields.py
// VolumeAttachStatus, VolumeMigrationStatus); listed as Cinder lists them.
var (
	attachStatuses    = []string{"attached", "detached"}
	migrationStatuses = []string{"migrating", "error", "success", "completing", "none", "starting"}
)

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
	lower := func(key string) string { return strings.ToLower(word(reset, key)) }
	status, attach, migration := lower("status"), lower("attach_status"), lower("migration_status")
	switch {
	case status != "" && !slices.Contains(driverstate.VolumeStatuses, driverstate.VolumeStatus(status)):
		return 0, nil, wrongStatus("Volume", word(reset, "status"), listOf(driverstate.VolumeStatuses))
	case attach != "" && !slices.Contains(attachStatuses, attach):
		return 0, nil, wrongStatus("Volume attach", word(reset, "attach_status"), "['attached', 'detached']")
	case migration != "" && !slices.Contains(migrationStatuses, migration):
		return 0, nil, wrongStatus("Volume migration", word(reset, "migration_status"), listOf(migrationStatuses))
	}
	v, err := s.ops.Volume(q.Context(), q.caller, id)
	if err != nil {
		return 0, nil, err
	}
	switch {
	case attach == "attached" && len(v.Attachments) == 0:
		return 0, nil, badRequest("Volume attach status cannot be attached: nobody has told the engine who has the volume.")
	case migration != "" && migration != "none":
		return 0, nil, badRequest("Volume migration status cannot be %s: volumes of the engine are not migrated.", migration)
	}
	if status != "" {
		if err := s.ops.ResetVolumeStatus(q.Context(), q.caller, id, driverstate.VolumeStatus(status)); err != nil {
			return 0, nil, err
		}
	}
	if attach == "detached" && len(v.Attachments) > 0 {
		return http.StatusAccepted, nil, s.ops.ForgetAttachments(q.Context(), q.caller, id)
	}
	return http.StatusAccepted, nil, nil
}

func wrongStatus(kind, status, valid string) error {
	return badRequest("%s status: %s is invalid, valid statuses are: %s.", kind, clip(status), valid)
}

// listOf writes a tuple of Python.
func listOf[S ~string](statuses []S) string {
	var out []string
	for _, s := range statuses {
		out = append(out, python(string(s)))
	}
	return "(" + strings.Join(out, ", ") + ")"
}
