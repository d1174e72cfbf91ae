package api

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
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

// setService enables or disables a service (cinder/api/contrib/services.py
// update). Unlike Cinder's, an enabled service has no reason left.
func (s *server) setService(q *request) (int, any, error) {
	// Before the body is judged, unlike elsewhere.
	if err := q.requireAdmin("volume_extension:services:update"); err != nil {
		return 0, nil, err
	}
	if other, ok := serviceActions[q.vars["action"]]; ok && q.version.since(other.since) {
		return other.handle(s, q)
	}
	rules := schema{members: map[string]rule{
		"host":    poolRule,
		"binary":  text(false, 1, 255, nil),
		"service": text(false, 1, 255, nil), // binary of old
		"cluster": nameRule,
	}}
	disabled := true
	switch q.vars["action"] {
	case "enable":
		disabled = false
	case "disable":
	case "disable-log-reason":
		rules.members["disabled_reason"] = reasonRule
	default:
		return 0, nil, invalidInput("Unknown action")
	}
	if f := rules.check("", q.body); f != nil {
		return 0, nil, f
	}
	body := q.body.(map[string]any)
	binary, host := cmp.Or(word(body, "binary"), word(body, "service")), word(body, "host")
	switch {
	case binary == "":
		return 0, nil, badRequest("%s is not valid under any of the given schemas", clip(python(body)))
	case host == "":
		return 0, nil, invalidInput("Host field is missing.")
	}
	reason := word(body, "disabled_reason")
	err := s.ops.SetService(q.Context(), q.caller, driverstate.ServiceSetting{
		Host: host, Binary: driverstate.Binary(binary), Disabled: disabled, Reason: reason,
	})
	if errors.Is(err, driverstate.ErrNotFound) {
		return 0, nil, newFault(http.StatusNotFound, "Service "+clip(binary)+" could not be found on host "+host+".")
	}
	if err != nil {
		return 0, nil, err
	}
	status := "enabled"
	if disabled {
		status = "disabled"
	}
	view := object{
		{"disabled", disabled},
		{"host", host},
		{"service", word(body, "service")},
		{"binary", word(body, "binary")},
		{"status", status},
	}
	if q.vars["action"] == "disable-log-reason" {
		view = append(view, member{"disabled_reason", nullable(reason)})
	}
	return http.StatusOK, view, nil
}
