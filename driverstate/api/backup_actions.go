package api

import (
	"net/http"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// backupAction does os-force_delete and os-reset_status
// (cinder/api/contrib/admin_actions.py BackupAdminController).
func (s *server) backupAction(q *request) (int, any, error) {
	id := q.vars["id"]
	for name, value := range q.body.(map[string]any) { // exactly one
		switch name {
		case "os-force_delete":
			return s.forceDelete(q, id, value)
		case "os-reset_status":
			return s.resetStatus(q, id)
		default:
			return 0, nil, unknownAction(clip(name))
		}
	}
	return 0, nil, unknownAction("None")
}

// forceDelete wants an object as the value, or null, which python-cinderclient
// sends; Cinder does not look at it. Who may not delete is told so first, as in
// Cinder.
func (s *server) forceDelete(q *request, id string, value any) (int, any, error) {
	if wrong := isObject(value); value != nil && wrong != "" && q.caller.Admin {
		if _, err := s.ops.Backup(q.Context(), q.caller, id); err != nil {
			return 0, nil, err
		}
		return 0, nil, violation("os-force_delete", value, wrong)
	}
	return http.StatusAccepted, nil, s.ops.DeleteBackup(q.Context(), q.caller, id, true)
}

func (s *server) resetStatus(q *request, id string) (int, any, error) {
	reset, err := q.inner("os-reset_status", schema{
		required: []string{"status"},
		members:  map[string]rule{"status": text(false, 0, 255, nil)},
	})
	if err != nil {
		return 0, nil, err
	}
	asked := reset["status"].(string)
	to := driverstate.Status(strings.ToLower(asked))
	if to != driverstate.StatusAvailable && to != driverstate.StatusError {
		return 0, nil, badRequest("Backup status: %s is invalid, valid statuses are: ['available', 'error'].", asked)
	}
	return http.StatusAccepted, nil, s.ops.ResetBackupStatus(q.Context(), q.caller, id, to)
}
