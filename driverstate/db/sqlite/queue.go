package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/cinder-go/cinder-go/driverstate/db"
)

const (
	// fetchCooldown is the least time between two looks at the queue.
	fetchCooldown = 2 * time.Millisecond
	// pollInterval is how soon a job starts whose wake was lost, because the
	// look that followed it failed.
	pollInterval = time.Second
	// keepJobs is how long a finished job is kept, for whoever looks into why.
	keepJobs = "-30 days"
	// rescueAfter keeps River's rescue off jobs that take long: it would take
	// a restore of more than an hour for stuck and discard its job.
	rescueAfter = 10 * 365 * 24 * time.Hour
)

// jobArgs is a db.Job as River keeps it; River's kind is the job's.
type jobArgs struct{ db.Job }

// Kind implements river.JobArgs.
func (a jobArgs) Kind() string { return string(a.Job.Kind) }

var jobKinds = []db.JobKind{db.JobBackup, db.JobRestore, db.JobDelete, db.JobReset, db.JobImport, db.JobVerify}

// queueName makes River's name of a queue: a host may hold characters that
// River's names may not.
func queueName(queue string) string {
	sum := sha256.Sum256([]byte(queue))
	return "cinder-backup-" + hex.EncodeToString(sum[:8])
}

type transaction struct {
	rows
	tx     *sql.Tx
	insert *river.Client[*sql.Tx]
	queues []string // that jobs were inserted into, to be woken on commit
}

// JobInsert queues j with the transaction.
func (t *transaction) JobInsert(ctx context.Context, j *db.Job) error {
	// One attempt: a job records its failure in its rows, and what a dead
	// process left is judged at the next start.
	queue := queueName(j.Queue)
	done, err := t.insert.InsertTx(ctx, t.tx, jobArgs{*j}, &river.InsertOpts{MaxAttempts: 1, Queue: queue})
	if err != nil {
		return fmt.Errorf("queueing %s of backup %s: %w", j.Kind, j.BackupID, err)
	}
	j.ID = done.Job.ID
	t.queues = append(t.queues, queue)
	return nil
}

// JobsDiscardUnfinished takes over what a dead process left. River's own rescue
// waits for an hour, because on other databases the worker may yet be alive;
// here the engine's lock proves that it is not.
func (t *transaction) JobsDiscardUnfinished(ctx context.Context, queue string) (int, error) {
	result, err := t.tx.ExecContext(ctx, `UPDATE river_job SET state = 'discarded', finalized_at = CURRENT_TIMESTAMP
		WHERE queue = ? AND `+unfinished, queueName(queue))
	if err != nil {
		return 0, fmt.Errorf("discarding the jobs of %s: %w", queue, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, err
	}
	// What River's leader would do, were there one.
	_, err = t.tx.ExecContext(ctx, `DELETE FROM river_job WHERE state IN ('cancelled', 'completed', 'discarded')
		AND finalized_at < datetime('now', ?)`, keepJobs)
	return int(n), err
}

// unfinished are River's states of a job that has yet to run, or runs.
const unfinished = "state IN ('available', 'pending', 'retryable', 'running', 'scheduled')"

// JobsOf returns the unfinished jobs of a backup.
func (t *transaction) JobsOf(ctx context.Context, backupID string) ([]db.JobState, error) {
	return t.jobs(ctx, unfinished+" AND json_extract(args, '$.BackupID') = ?", backupID)
}

// JobsRunBy returns what runner runs.
func (t *transaction) JobsRunBy(ctx context.Context, runner string) ([]db.JobState, error) {
	return t.jobs(ctx, "state = 'running' AND json_extract(attempted_by, '$[#-1]') = ?", runner)
}

func (t *transaction) jobs(ctx context.Context, where string, arg any) ([]db.JobState, error) {
	found, err := t.tx.QueryContext(ctx, `SELECT id, json(args), state = 'running', COALESCE(json_extract(attempted_by, '$[#-1]'), '')
		FROM river_job WHERE `+where+" ORDER BY id", arg)
	if err != nil {
		return nil, fmt.Errorf("reading jobs: %w", err)
	}
	defer found.Close()
	var out []db.JobState
	for found.Next() {
		var j db.JobState
		var id int64
		var args []byte
		if err := found.Scan(&id, &args, &j.Running, &j.Runner); err != nil {
			return nil, fmt.Errorf("reading jobs: %w", err)
		}
		if err := json.Unmarshal(args, &j.Job); err != nil {
			return nil, fmt.Errorf("reading job %d: %w", id, err)
		}
		j.ID = id
		out = append(out, j)
	}
	return out, found.Err()
}

// JobsDiscard takes jobs off.
func (t *transaction) JobsDiscard(ctx context.Context, ids ...int64) error {
	for _, id := range ids {
		_, err := t.tx.ExecContext(ctx, "UPDATE river_job SET state = 'discarded', finalized_at = CURRENT_TIMESTAMP WHERE id = ? AND "+unfinished, id)
		if err != nil {
			return fmt.Errorf("discarding job %d: %w", id, err)
		}
	}
	return nil
}

type worker struct {
	river.WorkerDefaults[jobArgs]
	handle func(context.Context, db.Job) error
}

// Timeout implements river.Worker: none, a restore takes as long as it takes.
func (w *worker) Timeout(*river.Job[jobArgs]) time.Duration { return -1 }

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, j *river.Job[jobArgs]) error {
	job := j.Args.Job
	job.ID = j.ID
	if err := w.handle(ctx, job); err != nil {
		return river.JobCancel(err)
	}
	return nil
}

// Work works the queues until they are stopped, whatever becomes of ctx.
func (d *DB) Work(ctx context.Context, o db.WorkOptions, handle func(context.Context, db.Job) error) (db.Queue, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	for _, kind := range jobKinds {
		river.AddWorkerArgs(workers, jobArgs{db.Job{Kind: kind}}, &worker{handle: handle})
	}
	queues := map[string]river.QueueConfig{}
	for _, queue := range o.Queues {
		queues[queueName(queue)] = river.QueueConfig{MaxWorkers: o.Parallel}
	}
	listener, err := newListener(slices.Collect(maps.Keys(queues)))
	if err != nil {
		return nil, fmt.Errorf("queues of %s: %w", o.Runner, err)
	}
	client, err := river.NewClient[*sql.Tx](listening{riversqlite.New(d.pool), listener}, &river.Config{
		ID:                   o.Runner,
		Logger:               d.logger,
		Queues:               queues,
		Workers:              workers,
		FetchCooldown:        fetchCooldown,
		FetchPollInterval:    pollInterval,
		JobTimeout:           -1,
		RescueStuckJobsAfter: rescueAfter,
		ErrorHandler:         panicLogger{d.logger},
	})
	if err != nil {
		return nil, fmt.Errorf("queues of %s: %w", o.Runner, err)
	}
	// A commit from here on is heard, one before it is seen by the first look.
	d.listeners.add(listener)
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		d.listeners.remove(listener)
		return nil, fmt.Errorf("queues of %s: %w", o.Runner, err)
	}
	return &running{client: client, forget: func() { d.listeners.remove(listener) }}, nil
}

type running struct {
	client *river.Client[*sql.Tx]
	forget func()
}

// Stop implements db.Queue. After a Stop that ran out of time another waits on.
func (r *running) Stop(ctx context.Context) error {
	r.forget()
	return r.client.StopAndCancel(ctx)
}

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
