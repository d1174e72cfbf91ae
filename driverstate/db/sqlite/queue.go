package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/cinder-go/cinder-go/driverstate/db"
)

// pollInterval is how often the queue is looked at for jobs. SQLite cannot
// notify; one indexed query of some 50 µs each 20 ms costs a quarter of a
// percent of a core.
const pollInterval = 20 * time.Millisecond

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
}

// JobInsert queues j with the transaction.
func (t *transaction) JobInsert(ctx context.Context, j *db.Job) error {
	// One attempt: a job records its failure in its rows, and what a dead
	// process left is judged at the next start.
	done, err := t.insert.InsertTx(ctx, t.tx, jobArgs{*j}, &river.InsertOpts{MaxAttempts: 1, Queue: queueName(j.Queue)})
	if err != nil {
		return fmt.Errorf("queueing %s of backup %s: %w", j.Kind, j.BackupID, err)
	}
	j.ID = done.Job.ID
	return nil
}

// JobsDiscardUnfinished takes over what a dead process left. River's own rescue
// waits for an hour, because on other databases the worker may yet be alive;
// here the engine's lock proves that it is not.
func (t *transaction) JobsDiscardUnfinished(ctx context.Context, queue string) (int, error) {
	result, err := t.tx.ExecContext(ctx, `UPDATE river_job SET state = 'discarded', finalized_at = CURRENT_TIMESTAMP
		WHERE queue = ? AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled')`, queueName(queue))
	if err != nil {
		return 0, fmt.Errorf("discarding the jobs of %s: %w", queue, err)
	}
	n, err := result.RowsAffected()
	return int(n), err
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

// Work works queue until it is stopped.
func (d *DB) Work(ctx context.Context, queue string, parallel int, handle func(context.Context, db.Job) error) (db.Queue, error) {
	workers := river.NewWorkers()
	for _, kind := range jobKinds {
		river.AddWorkerArgs(workers, jobArgs{db.Job{Kind: kind}}, &worker{handle: handle})
	}
	client, err := river.NewClient(riversqlite.New(d.pool), &river.Config{
		Logger:            d.logger,
		Queues:            map[string]river.QueueConfig{queueName(queue): {MaxWorkers: parallel}},
		Workers:           workers,
		FetchCooldown:     pollInterval / 4,
		FetchPollInterval: pollInterval,
		JobTimeout:        -1,
		ErrorHandler:      panicLogger{d},
	})
	if err != nil {
		return nil, fmt.Errorf("queue of %s: %w", queue, err)
	}
	// River's own context must outlive the caller's start-up context: Stop ends it.
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("queue of %s: %w", queue, err)
	}
	return &running{client: client}, nil
}

type running struct {
	client *river.Client[*sql.Tx]
	once   sync.Once
	err    error
}

// Stop implements db.Queue.
func (r *running) Stop(ctx context.Context) error {
	r.once.Do(func() { r.err = r.client.StopAndCancel(ctx) })
	return r.err
}

type panicLogger struct{ d *DB }

// HandleError implements river.ErrorHandler. The manager has told of the error.
func (p panicLogger) HandleError(context.Context, *rivertype.JobRow, error) *river.ErrorHandlerResult {
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (p panicLogger) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	p.d.logger.ErrorContext(ctx, "a job panicked", "kind", job.Kind, "job", job.ID, "panic", value, "trace", trace)
	return &river.ErrorHandlerResult{SetCancelled: true}
}
