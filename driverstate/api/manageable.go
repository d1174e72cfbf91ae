package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// listManageable answers with the backups found in the store.
func (s *server) listManageable(q *request) (int, any, error) {
	found, err := s.ops.ManageableBackups(q.Context(), q.caller, params(q.Request)["container"])
	if err != nil {
		return 0, nil, err
	}
	views := make([]object, 0, len(found))
	for i := range found {
		views = append(views, manageableView(&found[i]))
	}
	return http.StatusOK, object{{"manageable_backups", views}}, nil
}

// manageBackup takes a backup found in the store under management.
func (s *server) manageBackup(q *request) (int, any, error) {
	backup, err := q.inner("backup", schema{
		required: []string{"id"},
		members: map[string]rule{
			"id": uuidRule, "allow_orphaned": booleanRule, "allow_damaged": booleanRule,
		},
	})
	if err != nil {
		return 0, nil, err
	}
	b, err := s.ops.ManageBackup(q.Context(), q.caller, driverstate.ManageRequest{
		BackupID:      word(backup, "id"),
		AllowOrphaned: truth(backup["allow_orphaned"]),
		AllowDamaged:  truth(backup["allow_damaged"]),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"backup", q.backupDetail(b)}}, nil
}
