package api

import (
	"net/http"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
)

// listManageable answers with the backups found in the stores: of one service
// with host, and in some containers with container, which may be repeated.
func (s *server) listManageable(q *request) (int, any, error) {
	found, err := s.ops.ManageableBackups(q.Context(), q.caller, driverstate.ManageableFilter{
		Host: params(q.Request)["host"], Containers: slices.DeleteFunc(q.URL.Query()["container"], func(name string) bool { return name == "" }),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, stream{"manageable_backups", func(yield func(object) bool) {
		for m := range found {
			if !yield(manageableView(&m)) {
				return
			}
		}
	}}, nil
}

// manageBackup takes a backup found in the store under management.
func (s *server) manageBackup(q *request) (int, any, error) {
	backup, err := q.inner("backup", schema{
		required: []string{"id"},
		members: map[string]rule{
			"id": uuidRule, "host": hostRule, "allow_orphaned": booleanRule, "allow_damaged": booleanRule,
		},
	})
	if err != nil {
		return 0, nil, err
	}
	b, err := s.ops.ManageBackup(q.Context(), q.caller, driverstate.ManageRequest{
		BackupID:      word(backup, "id"),
		Host:          word(backup, "host"),
		AllowOrphaned: truth(backup["allow_orphaned"]),
		AllowDamaged:  truth(backup["allow_damaged"]),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"backup", q.backupDetail(b)}}, nil
}
