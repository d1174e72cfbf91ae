package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// QueueSize is how many messages wait for one driver at most.
const QueueSize = 1000

// DrainTimeout is how long Close waits at most for what is queued.
const DrainTimeout = 5 * time.Second

// Notifier publishes messages to all its drivers. It is safe for concurrent
// use.
type Notifier struct {
	log   *slog.Logger
	lanes []*lane

	mu     sync.RWMutex
	closed bool
}

// Options of a Notifier. Zero fields have defaults.
type Options struct {
	Logger *slog.Logger // none when nil
	// FirstRetry is how long to wait after a failure, doubled after each that
	// follows up to LastRetry; 1 s and 30 s.
	FirstRetry, LastRetry time.Duration
}

// New starts publishing to drivers, which Close closes. It goes on when ctx has
// ended.
func New(ctx context.Context, drivers []Driver, o Options) *Notifier {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FirstRetry <= 0 {
		o.FirstRetry = time.Second
	}
	if o.LastRetry <= 0 {
		o.LastRetry = 30 * time.Second
	}
	n := &Notifier{log: o.Logger}
	seen := map[string]int{}
	for _, d := range drivers {
		name := d.Kind()
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, seen[name])
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		l := &lane{
			name: name, driver: d, options: o, queue: make(chan *Message, QueueSize),
			ctx: ctx, cancel: cancel, closing: make(chan struct{}), done: make(chan struct{}),
		}
		n.lanes = append(n.lanes, l)
		go l.run()
	}
	return n
}

// Send queues m for every driver and never waits: a driver whose queue is full
// does without. After Close it does nothing.
func (n *Notifier) Send(m Message) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return
	}
	with := m.withID()
	for _, l := range n.lanes {
		select {
		case l.queue <- with:
		default:
			l.dropped.Add(1)
		}
	}
}

// Stats counts what became of the messages for one driver.
type Stats struct {
	Driver        string // unique in a Notifier
	Sent, Dropped uint64
	Queued        int
}

// Stats returns those of every driver, in the order given to New.
func (n *Notifier) Stats() []Stats {
	all := make([]Stats, 0, len(n.lanes))
	for _, l := range n.lanes {
		all = append(all, Stats{Driver: l.name, Sent: l.sent.Load(), Dropped: l.dropped.Load(), Queued: len(l.queue)})
	}
	return all
}

// Close takes no more messages, publishes what is queued for at most
// DrainTimeout (a driver that fails gets one more attempt), and closes the
// drivers.
func (n *Notifier) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	late := time.AfterFunc(DrainTimeout, func() {
		for _, l := range n.lanes {
			l.cancel()
		}
	})
	defer late.Stop()
	for _, l := range n.lanes {
		close(l.closing)
		close(l.queue)
	}
	var err error
	for _, l := range n.lanes {
		<-l.done
		l.cancel()
		err = errors.Join(err, l.driver.Close())
	}
	return err
}

// lane is one driver with its queue. What is not atomic belongs to run.
type lane struct {
	name    string
	driver  Driver
	options Options
	queue   chan *Message
	ctx     context.Context // of publishing
	cancel  context.CancelFunc
	closing chan struct{}
	done    chan struct{}

	sent, dropped atomic.Uint64

	down    bool   // the last attempt failed
	missing uint64 // dropped when the outage began
	wait    time.Duration
}

func (l *lane) run() {
	defer close(l.done)
	log := l.options.Logger.With("driver", l.name)
	for m := range l.queue {
		if !l.deliver(log, m) {
			l.dropped.Add(1 + uint64(len(l.queue)))
			log.Error("notifications are lost: the service ends", "lost", 1+len(l.queue))
			return
		}
	}
}

// deliver publishes m, as often as it takes. It is false when there is no time
// left.
func (l *lane) deliver(log *slog.Logger, m *Message) bool {
	for {
		err := l.driver.Publish(l.ctx, m)
		switch {
		case err == nil:
			l.sent.Add(1)
			if l.down {
				l.down = false
				log.Info("notifications are delivered again", "dropped", l.dropped.Load()-l.missing)
			}
			return true
		case errors.Is(err, ErrRefused):
			l.dropped.Add(1)
			log.Error("a notification was refused", "event", m.EventType, "message_id", m.id, "error", err)
			return true
		case !l.down:
			l.down, l.missing, l.wait = true, l.dropped.Load(), l.options.FirstRetry
			log.Warn("notifications are not delivered, and wait", "most", QueueSize, "error", err)
		}
		if !l.pause() {
			return false
		}
	}
}

// pause waits for the next attempt. Closing ends the wait: then the attempt
// that follows is the last.
func (l *lane) pause() bool {
	select {
	case <-l.closing:
		return false
	default:
	}
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	l.wait = min(2*l.wait, l.options.LastRetry)
	select {
	case <-timer.C:
	case <-l.closing:
	}
	return true
}
