package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// examine has the drivers of services examined, and answers when that is done.
func (s *server) examine(q *request) (int, any, error) {
	asked, err := q.inner("examination", schema{members: map[string]rule{"host": hostRule, "write": booleanRule}})
	if err != nil {
		return 0, nil, err
	}
	found, err := s.ops.Examine(q.Context(), q.caller, driverstate.ExamineRequest{
		Host: word(asked, "host"), ExamineOptions: driverstate.ExamineOptions{Write: truth(asked["write"])},
	})
	if err != nil {
		return 0, nil, err
	}
	views := make([]object, 0, len(found))
	for _, x := range found {
		steps := make([]object, 0, len(x.Steps))
		for _, s := range x.Steps {
			view := object{{"name", s.Name}, {"passed", s.Err == nil}, {"detail", s.Detail}}
			if s.Err != nil {
				view = append(view, object{{"kind", driverstate.StepKind(s.Err)}, {"error", s.Err.Error()}, {"advice", s.Advice}}...)
			}
			steps = append(steps, view)
		}
		views = append(views, object{{"host", x.Host}, {"service", x.Service}, {"steps", steps}})
	}
	return http.StatusOK, object{{"examinations", views}}, nil
}
