package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

func (s *server) listBackups(q *request) (int, any, error) {
	return q.backupList("backups", q.backupSummary)
}

func (s *server) listBackupsDetail(q *request) (int, any, error) {
	return q.backupList("backups/detail", q.backupDetail)
}

func (q *request) backupList(collection string, view func(*driverstate.Backup) object) (int, any, error) {
	p, err := q.readPage()
	if err != nil {
		return 0, nil, err
	}
	f, err := q.backupFilter(p)
	if err != nil {
		return 0, nil, err
	}
	if p.noMarker {
		return 0, nil, newFault(http.StatusNotFound, "Backup  could not be found.")
	}
	var rows []*driverstate.Backup
	if p.limit > 0 { // a zero Limit would be none
		if rows, err = q.srv.ops.Backups(q.Context(), q.caller, f); err != nil {
			return 0, nil, err
		}
	}
	total := 0
	if p.count {
		if total, err = q.srv.ops.BackupCount(q.Context(), q.caller, f); err != nil {
			return 0, nil, err
		}
	}
	items := make([]object, 0, len(rows))
	last := ""
	for _, b := range rows {
		items, last = append(items, view(b)), b.ID
	}
	return http.StatusOK, q.listBody("backups", "backups_links", collection, p, items, total, last), nil
}

// listBody is the body of a list: the items, the link to the next page if
// there may be one, the count if it was asked for.
func (q *request) listBody(key, linksKey, collection string, p page, items []object, total int, last string) object {
	body := object{{key, items}}
	if links := q.pageLinks(p, collection, len(items), total, last); links != nil {
		body = append(body, member{linksKey, links})
	}
	if p.count {
		body = append(body, member{"count", total})
	}
	return body
}

func (s *server) showBackup(q *request) (int, any, error) {
	b, err := s.ops.Backup(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"backup", q.backupDetail(b)}}, nil
}

func (s *server) deleteBackup(q *request) (int, any, error) {
	return http.StatusAccepted, nil, s.ops.DeleteBackup(q.Context(), q.caller, q.vars["id"], false)
}

func (s *server) restoreBackup(q *request) (int, any, error) {
	restore, err := q.inner("restore", restoreRules())
	if err != nil {
		return 0, nil, err
	}
	a, err := s.ops.RestoreBackup(q.Context(), q.caller, q.vars["id"], driverstate.RestoreRequest{
		VolumeID: word(restore, "volume_id"), Name: word(restore, "name"), Options: restoreExtras(restore), Map: word(restore, "map"),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"restore", object{
		{"backup_id", a.BackupID},
		{"volume_id", a.VolumeID},
		{"volume_name", a.VolumeName}, // never null: Tempest requires a string
	}}}, nil
}
