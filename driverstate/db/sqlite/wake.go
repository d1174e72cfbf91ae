package sqlite

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// River wakes its producer when a job is inserted outside of a transaction, and
// on PostgreSQL by NOTIFY; for a job inserted in a transaction on SQLite it only
// polls. Polling often enough for a command to
// feel immediate costs some four percent of a core (25 ms, 1 ms a poll). All
// jobs of a file come from the process that works them, so a listener inside
// the process replaces NOTIFY, and the poll is only a second line.

// insertTopic is River's topic of inserted jobs.
const insertTopic = "river_insert"

// listening is River's SQLite driver with a listener for one queue.
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

// listener is a riverdriver.Listener that hears of one queue's commits.
type listener struct {
	payload string
	wake    chan struct{} // one pending wake stands for any number
}

func newListener(queue string) (*listener, error) {
	payload, err := json.Marshal(map[string]string{"queue": queue})
	if err != nil {
		return nil, err
	}
	return &listener{payload: string(payload), wake: make(chan struct{}, 1)}, nil
}

func (l *listener) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// WaitForNotification implements riverdriver.Listener.
func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case <-l.wake:
		return &riverdriver.Notification{Topic: insertTopic, Payload: l.payload}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
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

// listeners are those of the queues being worked, by River's queue name.
type listeners struct {
	mu sync.Mutex
	of map[string]*listener
}

func (l *listeners) add(queue string, which *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = make(map[string]*listener)
	}
	l.of[queue] = which
}

func (l *listeners) remove(queue string, which *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[queue] == which {
		delete(l.of, queue)
	}
}

func (l *listeners) notify(queues []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range queues {
		if to := l.of[q]; to != nil {
			to.notify()
		}
	}
}
