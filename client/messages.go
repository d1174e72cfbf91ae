package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Message is what Cinder tells a user of an operation that failed after it was
// accepted. It expires.
type Message struct {
	ID              string    `json:"id"`
	EventID         string    `json:"event_id"`
	UserMessage     string    `json:"user_message"`
	MessageLevel    string    `json:"message_level"`
	ResourceType    *string   `json:"resource_type"`
	ResourceUUID    *string   `json:"resource_uuid"`
	RequestID       string    `json:"request_id"`
	CreatedAt       time.Time `json:"created_at"`
	GuaranteedUntil time.Time `json:"guaranteed_until"`
}

// UnmarshalJSON reads the API's form.
func (m *Message) UnmarshalJSON(text []byte) error {
	type plain Message
	v := struct {
		*plain
		CreatedAt       apiTime `json:"created_at"`
		GuaranteedUntil apiTime `json:"guaranteed_until"`
	}{(*plain)(m), apiTime{&m.CreatedAt}, apiTime{&m.GuaranteedUntil}}
	return json.Unmarshal(text, &v)
}

// MessageListOpts selects messages. Zero fields do not filter.
type MessageListOpts struct {
	ResourceID, ResourceType, RequestID, Level string
	Limit                                      int // most messages returned; 0 = all
}

// messageFilters is the version from which messages can be filtered.
const messageFilters = 5

// ListMessages returns all messages that o selects, the newest first. Zed lists
// those of every project to everybody; others list the caller's own.
func (c *Client) ListMessages(ctx context.Context, o MessageListOpts) ([]Message, error) {
	k := call{method: http.MethodGet, path: []string{"messages"}, need: messageFilters, resource: "messages"}
	k.query = url.Values{"sort": {"created_at:desc"}}
	for key, value := range map[string]string{"resource_uuid": o.ResourceID, "resource_type": o.ResourceType,
		"request_id": o.RequestID, "message_level": o.Level} {
		if value != "" {
			k.query.Set(key, value)
		}
	}
	if o.Limit > 0 {
		k.query.Set("limit", strconv.Itoa(min(o.Limit, maxPage)))
	}
	return pages[Message](ctx, c, k, "messages", o.Limit)
}
