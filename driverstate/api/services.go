package api

import (
	"net/http"
	"strings"
)

// listServices answers os-services; a host also names its back ends and pools.
func (s *server) listServices(q *request) (int, any, error) {
	rows, err := s.ops.Services(q.Context(), q.caller)
	if err != nil {
		return 0, nil, err
	}
	filter := params(q.Request)
	host, binary := filter["host"], filter["binary"]
	views := []object{}
	for _, row := range rows {
		if binary != "" && string(row.Binary) != binary {
			continue
		}
		if host != "" && row.Host != host && !strings.HasPrefix(row.Host, host+"@") && !strings.HasPrefix(row.Host, host+"#") {
			continue
		}
		views = append(views, q.serviceView(row))
	}
	return http.StatusOK, object{{"services", views}}, nil
}
