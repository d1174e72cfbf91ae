package api

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// createVerification starts a look at backups on the store: one, several, or
// all that have rows.
func (s *server) createVerification(q *request) (int, any, error) {
	asked, err := q.inner("verification", schema{
		members: map[string]rule{
			"backup_id":          uuidRule,
			"backup_ids":         uuidsRule,
			"all":                booleanRule,
			"depth":              oneOf(string(driverstate.DepthStructure), string(driverstate.DepthData)),
			"subset":             text(false, 1, 40, nil),
			"not_verified_since": momentRule,
		},
	})
	if err != nil {
		return 0, nil, err
	}
	r := driverstate.VerifyRequest{
		Depth:  driverstate.Depth(cmp.Or(word(asked, "depth"), string(driverstate.DepthStructure))),
		Subset: word(asked, "subset"), All: truth(asked["all"]),
	}
	if id := word(asked, "backup_id"); id != "" {
		r.BackupIDs = []string{id}
	}
	ids, _ := asked["backup_ids"].([]any)
	for _, id := range ids {
		r.BackupIDs = append(r.BackupIDs, id.(string))
	}
	if at := word(asked, "not_verified_since"); at != "" {
		r.NotSince, _ = time.Parse(time.RFC3339, at)
	}
	if err := r.Validate(); err != nil {
		return 0, nil, err
	}
	v, err := s.ops.CreateVerification(q.Context(), q.caller, r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"verification", verificationView(v)}}, nil
}

func uuidsRule(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprintf("%s is not of type 'array'", python(v))
	}
	for _, id := range list {
		if wrong := uuidRule(id); wrong != "" {
			return wrong
		}
	}
	return ""
}

func momentRule(v any) string {
	at, ok := v.(string)
	if ok {
		_, err := time.Parse(time.RFC3339, at)
		ok = err == nil
	}
	if !ok {
		return fmt.Sprintf("%s is not a 'date-time'", python(v))
	}
	return ""
}

func (s *server) showVerification(q *request) (int, any, error) {
	v, err := s.ops.Verification(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"verification", verificationView(v)}}, nil
}

func verificationView(v *driverstate.Verification) object {
	var backup string
	if len(v.Request.BackupIDs) <= 1 && !v.Request.All {
		backup = v.BackupID
	}
	results := make([]object, 0, len(v.Results))
	for i := range v.Results {
		results = append(results, resultView(&v.Results[i]))
	}
	return append(object{
		{"id", v.ID},
		{"backup_id", nullable(backup)},
		{"depth", v.Depth},
		{"subset", nullable(v.Request.Subset)},
		{"status", v.Status},
		{"bytes_done", v.BytesDone},
		{"bytes_total", v.BytesTotal},
		{"error", nullable(v.Error)},
		{"created_at", apiTime(v.CreatedAt)},
		{"finished_at", apiTime(v.FinishedAt)},
		{"results", results},
	}, reportView(&v.Report)...)
}

func reportView(r *driverstate.Report) object {
	return object{
		{"condition", nullable(string(r.Condition))},
		{"reason", nullable(r.Reason)},
		{"problems", problemViews(r.Problems)},
		{"warnings", texts(r.Warnings)},
		{"bytes_read", r.BytesRead},
		{"objects_read", r.ObjectsRead},
		{"method", nullable(r.Method)},
	}
}

func resultView(r *driverstate.VerifyResult) object {
	return append(object{
		{"backup_id", r.BackupID},
		{"verified_at", apiTime(r.VerifiedAt)},
		{"bytes", r.Bytes},
		{"share", r.Share},
		{"skipped", r.Skipped},
		{"error", nullable(r.Error)},
		{"fault", nullable(r.Fault)},
	}, reportView(&r.Report)...)
}
