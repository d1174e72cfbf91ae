package manager

import (
	"context"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/db"
)

// Results of a job.
const (
	ResultDone    = "done"
	ResultFailed  = "failed"
	ResultStopped = "stopped" // it was superseded, or the service was stopped
)

// Outcome is how a job ended, for those who count.
type Outcome struct {
	Kind     db.JobKind
	Result   string
	Duration time.Duration
	// StoredBytes is what a backup wrote to the store.
	StoredBytes int64
}

// tally is what a job says of itself while it runs.
type tally struct {
	failed bool
	stored int64
}

type tallyKey struct{}

func withTally(ctx context.Context) (context.Context, *tally) {
	t := &tally{}
	return context.WithValue(ctx, tallyKey{}, t), t
}

// markFailed has the job of ctx count as a failed one. Jobs record failures in
// rows and return none.
func markFailed(ctx context.Context) {
	if t, ok := ctx.Value(tallyKey{}).(*tally); ok {
		t.failed = true
	}
}

func markStored(ctx context.Context, bytes int64) {
	if t, ok := ctx.Value(tallyKey{}).(*tally); ok {
		t.stored = bytes
	}
}

func (t *tally) outcome(ctx context.Context, kind db.JobKind, took time.Duration, err error) Outcome {
	o := Outcome{Kind: kind, Result: ResultDone, Duration: took, StoredBytes: t.stored}
	switch {
	case ctx.Err() != nil:
		o.Result = ResultStopped
	case t.failed || err != nil:
		o.Result = ResultFailed
	}
	return o
}

// State is how the service of this process is at one moment.
type State struct {
	Ready    bool      // the driver is set up
	Running  int       // jobs at work in this process
	Reported time.Time // last heartbeat written; zero before the first
	Waiting  int       // jobs that this process may take and nobody runs
	Oldest   time.Time // when the oldest of them was queued; zero when there is none
}

// State returns it.
func (m *Manager) State(ctx context.Context) (State, error) {
	ready := m.isReady()
	m.mu.Lock()
	s := State{Ready: ready, Reported: m.reported}
	for _, of := range m.tasks {
		s.Running += len(of)
	}
	m.mu.Unlock()
	queues := []string{m.cfg.Host}
	if shared := m.sharedQueue(); shared != m.cfg.Host {
		queues = append(queues, shared)
	}
	err := m.db.Update(ctx, func(tx db.Tx) error {
		s.Waiting, s.Oldest = 0, time.Time{}
		for _, queue := range queues {
			jobs, err := tx.JobsWaiting(ctx, queue)
			if err != nil {
				return err
			}
			s.Waiting += len(jobs)
			for _, j := range jobs {
				if !j.QueuedAt.IsZero() && (s.Oldest.IsZero() || j.QueuedAt.Before(s.Oldest)) {
					s.Oldest = j.QueuedAt
				}
			}
		}
		return nil
	})
	return s, err
}
