package engine

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/notify"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// progressInterval is Cinder's default of backup_timer_interval
// (cinder/backup/driver.py).
const progressInterval = 2 * time.Minute

// traced has every line of log name the request that it follows from; nil
// writes nowhere.
func traced(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(trace.Handler(log.Handler()))
}

// openNotifier starts publishing to every driver that c names.
func openNotifier(ctx context.Context, c Config) (*notify.Notifier, error) {
	var drivers []notify.Driver
	for _, url := range c.Notify {
		d, err := notify.Open(url, c.Logger)
		if err != nil {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, err.Error())
		}
		drivers = append(drivers, d)
	}
	return notify.New(ctx, drivers, notify.Options{Logger: c.Logger}), nil
}

// publisher gives what the manager tells of to n.
func publisher(n *notify.Notifier, log *slog.Logger) func(manager.Notification) {
	return func(told manager.Notification) {
		payload, err := json.Marshal(told.Payload)
		if err != nil {
			log.Error("notification not encoded", "event", told.EventType, "error", errors.Unwrap(err))
			return
		}
		priority := notify.Info
		if told.Failure {
			priority = notify.Error
		}
		n.Send(notify.Message{
			PublisherID: told.Publisher, EventType: told.EventType, Priority: priority,
			Time: told.Time, Request: told.Request, Payload: payload,
		})
	}
}
