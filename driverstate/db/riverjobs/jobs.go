// Package riverjobs is db's jobs on River, once for every database that River
// has a driver for: how a db.Job is kept, run, found and taken off.
//
// A job has one attempt: it records its failure in its rows, and what a dead
// process left is judged by the manager. So River's own rescue of stuck jobs is
// off, and so is its maintenance leader, which has nothing else to do here:
// v0.31 can deadlock when it is stopped just as it wins the election
// (internal/leadership/elector.go notifySubscribers). Each database names a
// leader that is none, for ever, so that no client stands for it.
package riverjobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/rows"
)

const (
	// pollInterval is how soon a job starts whose wake was lost, because the
	// look that followed it failed.
	pollInterval = time.Second
	// rescueAfter keeps River's rescue off jobs that take long: it would take
	// a restore of more than an hour for stuck and discard its job.
	rescueAfter = 10 * 365 * 24 * time.Hour
	// pruneEvery is how many jobs are queued between two removals of old ones,
	// so that a service that runs for a year, or that is started a thousand
	// times, keeps its table small.
	pruneEvery = 1000
)

// Dialect is what databases say differently of River's table.
type Dialect struct {
	Now     string // the time
	Old     string // 30 days ago: a finished job is kept so long, for whoever looks into why
	Args    string // args as text
	Runner  string // who runs or ran it, '' for nobody
	OfOne   string // condition: args are of the backup that is the argument
	RunByIt string // condition: the argument runs or ran it
}

// unfinished are River's states of a job that has yet to run, or runs.
const unfinished = "state IN ('available', 'pending', 'retryable', 'running', 'scheduled')"

// args is a db.Job as River keeps it; River's kind is the job's.
type args struct{ db.Job }

// Kind implements river.JobArgs.
func (a args) Kind() string { return string(a.Job.Kind) }

var kinds = []db.JobKind{db.JobBackup, db.JobRestore, db.JobDelete, db.JobReset, db.JobImport, db.JobVerify, db.JobShip, db.JobCleanup}

// queueName makes River's name of a queue: a host may hold characters that
// River's names may not.
func queueName(queue string) string {
	sum := sha256.Sum256([]byte(queue))
	return "cinder-backup-" + hex.EncodeToString(sum[:8])
}

// InsertTopic is River's topic of inserted jobs.
const InsertTopic = "river_insert"

// InsertPayload is what River says there of a queue, by River's name.
func InsertPayload(queue string) string { return fmt.Sprintf("{\"queue\": %q}", queue) }

// Jobs are the jobs in a transaction of type T.
type Jobs[T any] struct {
	Client  *river.Client[T] // see NewInserter
	Tx      T
	Q       rows.Querier // runs statements in Tx
	Dialect *Dialect
	// Queued are River's queues that jobs were inserted into, for a database
	// that must wake their workers itself.
	Queued []string
}

// NewInserter returns a client that inserts only.
func NewInserter[T any](driver riverdriver.Driver[T], logger *slog.Logger) (*river.Client[T], error) {
	return river.NewClient(driver, &river.Config{Logger: logger})
}

// JobInsert queues j with the transaction.
func (t *Jobs[T]) JobInsert(ctx context.Context, j *db.Job) error {
	queue := queueName(j.Queue)
	done, err := t.Client.InsertTx(ctx, t.Tx, args{*j}, &river.InsertOpts{MaxAttempts: 1, Queue: queue})
	if err != nil {
		return fmt.Errorf("queueing %s of backup %s: %w", j.Kind, j.BackupID, err)
	}
	j.ID = done.Job.ID
	t.Queued = append(t.Queued, queue)
	if j.ID%pruneEvery == 0 {
		return t.prune(ctx)
	}
	return nil
}

// JobsOf returns the unfinished jobs of a backup.
func (t *Jobs[T]) JobsOf(ctx context.Context, backupID string) ([]db.JobState, error) {
	return t.jobs(ctx, unfinished+" AND "+t.Dialect.OfOne, backupID)
}

// JobsUnfinished returns all unfinished jobs, oldest first.
func (t *Jobs[T]) JobsUnfinished(ctx context.Context) ([]db.JobState, error) {
	return t.jobs(ctx, unfinished)
}

// JobsRunBy returns what runner runs.
func (t *Jobs[T]) JobsRunBy(ctx context.Context, runner string) ([]db.JobState, error) {
	return t.jobs(ctx, "state = 'running' AND "+t.Dialect.RunByIt, runner)
}

// JobsWaiting returns what nobody runs yet.
func (t *Jobs[T]) JobsWaiting(ctx context.Context, queue string) ([]db.JobState, error) {
	return t.jobs(ctx, unfinished+" AND state <> 'running' AND queue = ?", queueName(queue))
}

func (t *Jobs[T]) jobs(ctx context.Context, where string, args ...any) ([]db.JobState, error) {
	found, err := t.Q.Query(ctx, fmt.Sprintf("SELECT id, %s, state = 'running', %s FROM river_job WHERE %s ORDER BY id",
		t.Dialect.Args, t.Dialect.Runner, where), args...)
	if err != nil {
		return nil, fmt.Errorf("reading jobs: %w", err)
	}
	defer found.Close()
	var out []db.JobState
	for found.Next() {
		var j db.JobState
		var id int64
		var raw string
		if err := found.Scan(&id, &raw, &j.Running, &j.Runner); err != nil {
			return nil, fmt.Errorf("reading jobs: %w", err)
		}
		if err := json.Unmarshal([]byte(raw), &j.Job); err != nil {
			return nil, fmt.Errorf("reading job %d: %w", id, err)
		}
		j.ID = id
		out = append(out, j)
	}
	return out, found.Err()
}

// JobsDiscard takes jobs off.
func (t *Jobs[T]) JobsDiscard(ctx context.Context, ids ...int64) error {
	for _, id := range ids {
		_, err := t.Q.Exec(ctx, "UPDATE river_job SET state = 'discarded', finalized_at = "+t.Dialect.Now+" WHERE id = ? AND "+unfinished, id)
		if err != nil {
			return fmt.Errorf("discarding job %d: %w", id, err)
		}
	}
	return nil
}

// prune does what River's leader would, were there one.
func (t *Jobs[T]) prune(ctx context.Context) error {
	_, err := t.Q.Exec(ctx, "DELETE FROM river_job WHERE state IN ('cancelled', 'completed', 'discarded') AND finalized_at < "+t.Dialect.Old)
	if err != nil {
		return fmt.Errorf("removing old jobs: %w", err)
	}
	return nil
}

type worker struct {
	river.WorkerDefaults[args]
	handle func(context.Context, db.Job) error
}

// Timeout implements river.Worker: none, a restore takes as long as it takes.
func (w *worker) Timeout(*river.Job[args]) time.Duration { return -1 }

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, j *river.Job[args]) error {
	job := j.Args.Job
	job.ID = j.ID
	if err := w.handle(ctx, job); err != nil {
		return river.JobCancel(err)
	}
	return nil
}

// WorkConfig is how jobs are run on a database.
type WorkConfig struct {
	db.WorkOptions
	Handle func(context.Context, db.Job) error
	Logger *slog.Logger
	// Cooldown is the least time between two looks at a queue.
	Cooldown time.Duration
}

// RiverQueues are River's names of the queues.
func (c *WorkConfig) RiverQueues() []string {
	var out []string
	for _, queue := range c.Queues {
		out = append(out, queueName(queue))
	}
	return out
}

// Start works the queues until they are stopped, whatever becomes of ctx.
func Start[T any](ctx context.Context, driver riverdriver.Driver[T], c WorkConfig) (db.Queue, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	for _, kind := range kinds {
		river.AddWorkerArgs(workers, args{db.Job{Kind: kind}}, &worker{handle: c.Handle})
	}
	queues := map[string]river.QueueConfig{}
	for _, name := range c.RiverQueues() {
		queues[name] = river.QueueConfig{MaxWorkers: c.Parallel}
	}
	client, err := river.NewClient(driver, &river.Config{
		ID:                   c.Runner,
		Logger:               c.Logger,
		Queues:               queues,
		Workers:              workers,
		FetchCooldown:        c.Cooldown,
		FetchPollInterval:    pollInterval,
		JobTimeout:           -1,
		RescueStuckJobsAfter: rescueAfter,
		ErrorHandler:         panicLogger{c.Logger},
	})
	if err == nil {
		err = client.Start(context.WithoutCancel(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("queues of %s: %w", c.Runner, err)
	}
	return running[T]{client}, nil
}

type running[T any] struct{ client *river.Client[T] }

// Stop implements db.Queue. After a Stop that ran out of time another waits on.
func (r running[T]) Stop(ctx context.Context) error { return r.client.StopAndCancel(ctx) }

type panicLogger struct{ logger *slog.Logger }

// HandleError implements river.ErrorHandler. The manager has told of the error.
func (p panicLogger) HandleError(context.Context, *rivertype.JobRow, error) *river.ErrorHandlerResult {
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (p panicLogger) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	p.logger.ErrorContext(ctx, "a job panicked", "kind", job.Kind, "job", job.ID, "panic", value, "trace", trace)
	return &river.ErrorHandlerResult{SetCancelled: true}
}
