package api

import (
	"cmp"
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// createVerification starts a look at a backup on the store.
func (s *server) createVerification(q *request) (int, any, error) {
	asked, err := q.inner("verification", schema{
		required: []string{"backup_id"},
		members: map[string]rule{
			"backup_id": uuidRule,
			"depth":     oneOf(string(driverstate.DepthStructure), string(driverstate.DepthData)),
		},
	})
	if err != nil {
		return 0, nil, err
	}
	depth := driverstate.Depth(cmp.Or(word(asked, "depth"), string(driverstate.DepthStructure)))
	v, err := s.ops.CreateVerification(q.Context(), q.caller, word(asked, "backup_id"), depth)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"verification", verificationView(v)}}, nil
}

func (s *server) showVerification(q *request) (int, any, error) {
	v, err := s.ops.Verification(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"verification", verificationView(v)}}, nil
}
