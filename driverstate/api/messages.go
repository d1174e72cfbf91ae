package api

import (
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// listMessages answers messages; before 3.5 it knows neither filters nor pages
// (cinder/api/v3/messages.py index).
func (s *server) listMessages(q *request) (int, any, error) {
	if !q.version.since(5) {
		u := *q.URL
		u.RawQuery = ""
		r := *q.Request
		r.URL = &u
		q.Request = &r
	}
	t := table[*driverstate.Message]{
		key: "messages", collection: "messages", resource: "Message", tenant: tenantFilters("message"), column: messageColumn,
		times: messageTime, view: q.messageView, valueless: []string{"deleted_at", "updated_at"},
	}
	return t.list(q, func(bool) ([]*driverstate.Message, error) { return s.ops.Messages(q.Context(), q.caller) })
}

func messageColumn(m *driverstate.Message, name string) (string, bool) {
	if m == nil {
		m = &driverstate.Message{}
	}
	switch name {
	case "id":
		return m.ID, true
	case "project_id":
		return m.ProjectID, true
	case "event_id":
		return m.EventID(), true
	case "request_id":
		return m.RequestID, true
	case "resource_type":
		return m.ResourceType, true
	case "resource_uuid":
		return m.ResourceID, true
	case "message_level":
		return m.Level, true
	case "action_id":
		return string(m.Action), true
	case "detail_id":
		return string(m.Detail), true
	}
	return "", false
}

func messageTime(m *driverstate.Message, name string) (time.Time, bool) {
	if m == nil {
		m = &driverstate.Message{}
	}
	switch name {
	case "created_at":
		return m.CreatedAt, true
	case "expires_at":
		return m.ExpiresAt, true
	}
	return time.Time{}, false
}

func (s *server) showMessage(q *request) (int, any, error) {
	m, err := s.ops.Message(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"message", q.messageView(m)}}, nil
}

func (s *server) deleteMessage(q *request) (int, any, error) {
	return http.StatusNoContent, nil, s.ops.DeleteMessage(q.Context(), q.caller, q.vars["id"])
}

func (q *request) messageView(m *driverstate.Message) object {
	return object{
		{"id", m.ID},
		{"event_id", m.EventID()},
		{"user_message", m.Text()},
		{"message_level", m.Level},
		{"created_at", apiTime(m.CreatedAt)},
		{"guaranteed_until", apiTime(m.ExpiresAt)},
		{"request_id", nullable(m.RequestID)},
		{"links", q.links("messages", m.ID)},
		{"resource_type", m.ResourceType},
		{"resource_uuid", nullable(m.ResourceID)},
	}
}
