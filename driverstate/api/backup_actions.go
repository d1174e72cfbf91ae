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
	for name := range q.body.(map[string]any) { // exactly one
		switch name {
		case "os-force_delete": // its value is not looked at
			return http.StatusAccepted, nil, s.ops.DeleteBackup(q.Context(), q.caller, id, true)
		case "os-reset_status":
			return s.resetStatus(q, id)
		default:
			return 0, nil, unknownAction(clip(name))
		}
	}
	return 0, nil, unknownAction("None")
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
