package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// keeperOf is KeepHost of a database on which two processes could take
// themselves for one host, see postgres.DB; nil for another.
func keeperOf(d db.DB) func(context.Context) error {
	if shared, ok := d.(interface{ KeepHost(context.Context) error }); ok {
		return shared.KeepHost
	}
	return nil
}

// hostWatch is the watch over the host of an engine.
type hostWatch struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Close ends the watch.
func (w *hostWatch) Close() error {
	w.cancel()
	<-w.done
	return nil
}

// keepHost watches until it is closed, or another process is the host.
func (e *Engine) keepHost(ctx context.Context, keep func(context.Context) error, every time.Duration, log *slog.Logger) *hostWatch {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &hostWatch{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := keep(ctx)
			switch {
			case errors.Is(err, driverstate.ErrConflict):
				log.Error("work is stopped: another process does it", "error", err)
				e.manager.Disown()
				e.lost <- err
				return
			case err != nil && ctx.Err() == nil:
				log.Warn("the host of this process is not kept from others", "error", err)
			}
		}
	}()
	return w
}
