// Package notify publishes what happens to a list of drivers at once: the log,
// a file of JSON lines, and RabbitMQ in the format of oslo.messaging.
//
// Publishing never holds up the work that is told of. Each driver has a queue
// of its own, of QueueSize messages, and a goroutine that works it in order and
// goes back to a driver that fails until it succeeds. What does not fit in the
// queue meanwhile is dropped and counted, and so is what is left in it when the
// process ends: as in Cinder, who needs every event asks the API too. A message
// whose receipt was not told is sent again with the same _unique_id, by which
// oslo.messaging's consumers know it.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// Priority is oslo.messaging's; in lower case it is the last part of the
// routing key.
type Priority string

// Priorities.
const (
	Info  Priority = "INFO"
	Error Priority = "ERROR"
)

// Message is one notification.
type Message struct {
	PublisherID string // such as backup.host
	EventType   string
	Priority    Priority
	Time        time.Time
	Request     trace.Request
	Payload     json.RawMessage

	id, unique string
}

// ErrRefused answers to a message that a driver will never take. It is dropped.
var ErrRefused = errors.New("notification refused")

// Driver hands messages over to somebody. Its methods are called by one
// goroutine.
type Driver interface {
	// Kind names the driver in logs and metrics: log, file, amqp.
	Kind() string
	// Publish returns once m was taken over. After ErrRefused m is dropped;
	// after any other error it is published again later. It ends soon after
	// ctx.
	Publish(ctx context.Context, m *Message) error
	Close() error
}

// withID returns a copy of m with identifiers of its own.
func (m Message) withID() *Message {
	m.id, m.unique = uuid.NewString(), strings.ReplaceAll(uuid.NewString(), "-", "")
	return &m
}

// osloTime is str() of a Python datetime without a zone, which is UTC.
const osloTime = "2006-01-02 15:04:05.000000"

// body is the message as oslo.messaging builds it
// (oslo_messaging/notify/notifier.py _notify, _drivers/amqp.py pack_context).
type body struct {
	MessageID   string          `json:"message_id"`
	PublisherID string          `json:"publisher_id"`
	EventType   string          `json:"event_type"`
	Priority    Priority        `json:"priority"`
	Payload     json.RawMessage `json:"payload"`
	Timestamp   string          `json:"timestamp"`
	UniqueID    string          `json:"_unique_id"`

	RequestID       *string `json:"_context_request_id"`
	GlobalRequestID *string `json:"_context_global_request_id"`
	User            *string `json:"_context_user"`
	UserID          *string `json:"_context_user_id"`
	Project         *string `json:"_context_project"`
	ProjectID       *string `json:"_context_project_id"`
	// Without it a consumer cannot make a cinder.context.RequestContext of the rest.
	ReadDeleted string `json:"_context_read_deleted"`
}

// encode writes the message without an envelope: one line.
func (m *Message) encode() ([]byte, error) {
	known := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return json.Marshal(body{
		MessageID: m.id, PublisherID: m.PublisherID, EventType: m.EventType, Priority: m.Priority,
		Payload: m.Payload, Timestamp: m.Time.UTC().Format(osloTime), UniqueID: m.unique,
		RequestID: known(m.Request.ID), GlobalRequestID: known(m.Request.GlobalID),
		User: known(m.Request.UserID), UserID: known(m.Request.UserID),
		Project: known(m.Request.ProjectID), ProjectID: known(m.Request.ProjectID),
		ReadDeleted: "no",
	})
}

// envelope is version 2.0 of the format (oslo_messaging/_drivers/common.py
// serialize_msg).
type envelope struct {
	Version string `json:"oslo.version"`
	Message string `json:"oslo.message"`
}

func (m *Message) encodeV2() ([]byte, error) {
	inner, err := m.encode()
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{Version: "2.0", Message: string(inner)})
}
