package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

func (s *server) exportRecord(q *request) (int, any, error) {
	r, err := s.ops.ExportRecord(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"backup-record", r}}, nil
}

func (s *server) importRecord(q *request) (int, any, error) {
	record, err := q.inner("backup-record", schema{
		required: []string{"backup_service", "backup_url"},
		members: map[string]rule{
			"backup_service": text(false, 0, 255, nil),
			"backup_url":     base64Rule,
		},
	})
	if err != nil {
		return 0, nil, err
	}
	if err := q.requireAdmin("backup:backup-import"); err != nil {
		return 0, nil, err
	}
	b, err := s.ops.ImportRecord(q.Context(), q.caller, driverstate.ExportedRecord{
		BackupService: record["backup_service"].(string),
		BackupURL:     record["backup_url"].(string),
	})
	if errors.Is(err, driverstate.ErrServiceDown) {
		f := faultOf(err)
		return 0, nil, newFault(http.StatusServiceUnavailable, f.message)
	}
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, object{{"backup", q.backupSummary(b)}}, nil
}

// base64Rule accepts what Python's base64.decodebytes does, which skips what
// is not in the alphabet; whether the rest is a record is judged later, and
// strictly.
func base64Rule(v any) string {
	if wrong := text(false, 1, maxBody, nil)(v); wrong != "" {
		return wrong
	}
	s := v.(string)
	digits := 0
	ascii := true
	for _, c := range s {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			digits++
		case c > 0x7f:
			ascii = false
		}
	}
	padding := strings.Count(s, "=")
	whole := digits%4 == 0 || digits%4 == 2 && padding >= 2 || digits%4 == 3 && padding >= 1
	if !ascii || !whole {
		return python(s) + " is not a 'base64'"
	}
	return ""
}
