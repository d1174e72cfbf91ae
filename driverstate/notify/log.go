package notify

import (
	"context"
	"log/slog"

	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// Log is the driver that writes to a logger: level error for priority ERROR,
// else info.
type Log struct{ logger *slog.Logger }

// NewLog returns one.
func NewLog(logger *slog.Logger) *Log { return &Log{logger} }

// Kind is log.
func (*Log) Kind() string { return "log" }

// Publish writes one record.
func (l *Log) Publish(ctx context.Context, m *Message) error {
	level := slog.LevelInfo
	if m.Priority == Error {
		level = slog.LevelError
	}
	l.logger.LogAttrs(trace.With(ctx, m.Request), level, "notification", slog.String("event", m.EventType),
		slog.String("publisher", m.PublisherID), slog.String("message_id", m.id), slog.Any("payload", m.Payload))
	return nil
}

// Close does nothing.
func (*Log) Close() error { return nil }
