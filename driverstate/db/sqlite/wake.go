package sqlite

import (
	"context"
	"slices"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"github.com/cinder-go/cinder-go/driverstate/db/riverjobs"
)

// River wakes its producer when a job is inserted outside of a transaction, and
// on PostgreSQL by NOTIFY; for a job inserted in a transaction on SQLite it only
// polls. Polling often enough for a command to
// feel immediate costs some four percent of a core (25 ms, 1 ms a poll). All
// jobs of a file come from the process that works them, so a listener inside
// the process replaces NOTIFY, and the poll is only a second line.

// listening is River's SQLite driver with a listener.
type listening struct {
	*riversqlite.Driver
	listener *listener
}

// SupportsListener implements riverdriver.Driver.
func (l listening) SupportsListener() bool { return true }

// GetListener implements riverdriver.Driver.
func (l listening) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return l.listener
}

// listener is a riverdriver.Listener that hears of the commits to its queues.
type listener struct {
	queues []string      // River's names
	wake   chan struct{} // one pending wake stands for any number

	mu      sync.Mutex
	pending map[string]bool // queues with a commit that is not told yet
}

func newListener(queues []string) *listener {
	return &listener{queues: queues, wake: make(chan struct{}, 1), pending: map[string]bool{}}
}

func (l *listener) notify(queue string) {
	if !slices.Contains(l.queues, queue) {
		return
	}
	l.mu.Lock()
	l.pending[queue] = true
	l.mu.Unlock()
	l.signal()
}

func (l *listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns the payload of one pending queue, and signals if there are more.
func (l *listener) take() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for queue := range l.pending {
		delete(l.pending, queue)
		if len(l.pending) > 0 {
			l.signal()
		}
		return riverjobs.InsertPayload(queue), true
	}
	return "", false
}

// WaitForNotification implements riverdriver.Listener.
func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		select {
		case <-l.wake:
			if payload, ok := l.take(); ok {
				return &riverdriver.Notification{Topic: riverjobs.InsertTopic, Payload: payload}, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// The rest of riverdriver.Listener is about a connection, of which there is none.

func (l *listener) Close(context.Context) error            { return nil }
func (l *listener) Connect(context.Context) error          { return nil }
func (l *listener) Listen(context.Context, string) error   { return nil }
func (l *listener) Ping(context.Context) error             { return nil }
func (l *listener) Schema() string                         { return "" }
func (l *listener) SetAfterConnectExec(string)             {}
func (l *listener) Unlisten(context.Context, string) error { return nil }

// listeners are those of the queues being worked.
type listeners struct {
	mu  sync.Mutex
	all []*listener
}

func (l *listeners) add(which *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, which)
}

func (l *listeners) remove(which *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(have *listener) bool { return have == which })
}

// notify tells those that work queues, by River's names.
func (l *listeners) notify(queues []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, to := range l.all {
		for _, queue := range queues {
			to.notify(queue)
		}
	}
}
