package dbtest

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

func refusedWork(t *testing.T, d db.DB) {
	for _, o := range []db.WorkOptions{
		{},
		{Queues: []string{"q"}, Parallel: 1},
		{Runner: "r", Parallel: 1},
		{Runner: "r", Queues: []string{""}, Parallel: 1},
		{Runner: "r", Queues: []string{"q"}},
		{Runner: strings.Repeat("r", db.MaxRunner+1), Queues: []string{"q"}, Parallel: 1},
	} {
		_, err := d.Work(t.Context(), o, nil)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, "%+v", o)
	}
}

func severalQueues(t *testing.T, d db.DB) {
	ran := make(chan db.Job, 2)
	workAs(t, d, db.WorkOptions{Runner: strings.Repeat("r", db.MaxRunner), Queues: []string{"host", "cluster"}, Parallel: 1}, func(_ context.Context, j db.Job) error {
		ran <- j
		return nil
	})
	for i, queue := range []string{"host", "cluster", "host", "cluster"} {
		insert(t, d, db.Job{Kind: db.JobReset, Queue: "no such queue", BackupID: id(100 + i)})
		insert(t, d, db.Job{Kind: db.JobReset, Queue: queue, BackupID: id(i)})
		got := receive(t, ran)
		assert.Equal(t, id(i), got.BackupID)
		assert.Equal(t, queue, got.Queue)
	}
	require.NoError(t, d.Update(t.Context(), func(tx db.Tx) error { // one wake for both
		for _, queue := range []string{"host", "cluster"} {
			if err := tx.JobInsert(t.Context(), &db.Job{Kind: db.JobDelete, Queue: queue}); err != nil {
				return err
			}
		}
		return nil
	}))
	assert.ElementsMatch(t, []string{"host", "cluster"}, []string{receive(t, ran).Queue, receive(t, ran).Queue})
}

// jobStates reads unfinished jobs, in a transaction.
func jobStates(t *testing.T, d db.DB, read func(context.Context, db.Tx) ([]db.JobState, error)) []db.JobState {
	t.Helper()
	var out []db.JobState
	require.NoError(t, d.Update(t.Context(), func(tx db.Tx) (err error) {
		out, err = read(t.Context(), tx)
		return err
	}))
	return out
}

func jobsOf(t *testing.T, d db.DB, backup string) []db.JobState {
	t.Helper()
	return jobStates(t, d, func(ctx context.Context, tx db.Tx) ([]db.JobState, error) { return tx.JobsOf(ctx, backup) })
}

func jobsRunBy(t *testing.T, d db.DB, runner string) []db.JobState {
	t.Helper()
	return jobStates(t, d, func(ctx context.Context, tx db.Tx) ([]db.JobState, error) { return tx.JobsRunBy(ctx, runner) })
}

func knownJobs(t *testing.T, d db.DB) {
	ctx := t.Context()
	started, release := make(chan db.Job, 1), make(chan struct{})
	queue := workAs(t, d, db.WorkOptions{Runner: "h1", Queues: []string{"c"}, Parallel: 1}, func(_ context.Context, j db.Job) error {
		started <- j
		<-release
		return nil
	})
	first := db.Job{Kind: db.JobRestore, Queue: "c", BackupID: id(1), VolumeID: id(2), RequestID: "req-1", ProjectID: "p", Args: []byte(`{"a":1}`)}
	second := db.Job{Kind: db.JobDelete, Queue: "elsewhere", BackupID: id(1)}
	require.NoError(t, d.Update(ctx, func(tx db.Tx) error {
		if err := tx.JobInsert(ctx, &first); err != nil {
			return err
		}
		return tx.JobInsert(ctx, &second)
	}))
	insert(t, d, db.Job{Kind: db.JobDelete, Queue: "elsewhere", BackupID: id(3)})
	receive(t, started)

	runs := db.JobState{Job: first, Running: true, Runner: "h1"}
	assert.Equal(t, []db.JobState{runs, {Job: second}}, jobsOf(t, d, id(1)))
	assert.Equal(t, []db.JobState{runs}, jobsRunBy(t, d, "h1"))
	waiting := func(queue string) []db.JobState {
		return jobStates(t, d, func(ctx context.Context, tx db.Tx) ([]db.JobState, error) { return tx.JobsWaiting(ctx, queue) })
	}
	assert.Empty(t, waiting("c"))
	both := waiting("elsewhere")
	require.Len(t, both, 2)
	assert.Equal(t, []string{id(1), id(3)}, []string{both[0].BackupID, both[1].BackupID})
	assert.Empty(t, jobsRunBy(t, d, "h"))
	assert.Empty(t, jobsRunBy(t, d, ""))
	assert.Empty(t, jobsOf(t, d, id(9)))
	close(release)
	require.NoError(t, queue.Stop(ctx))
	assert.Equal(t, []db.JobState{{Job: second}}, jobsOf(t, d, id(1)), "what is finished is not told")
	assert.Empty(t, jobsRunBy(t, d, "h1"))
}

func discardSome(t *testing.T, d db.DB) {
	ctx := t.Context()
	gone, kept := db.Job{Kind: db.JobRestore, Queue: "q", BackupID: id(1)}, db.Job{Kind: db.JobDelete, Queue: "q", BackupID: id(1)}
	require.NoError(t, d.Update(ctx, func(tx db.Tx) error {
		if err := tx.JobInsert(ctx, &gone); err != nil {
			return err
		}
		if err := tx.JobInsert(ctx, &kept); err != nil {
			return err
		}
		return tx.JobsDiscard(ctx, gone.ID, gone.ID, 987654321)
	}))
	assert.Equal(t, []db.JobState{{Job: kept}}, jobsOf(t, d, id(1)))
	ran := make(chan db.Job, 2)
	workAs(t, d, db.WorkOptions{Runner: "r", Queues: []string{"q"}, Parallel: 1}, func(_ context.Context, j db.Job) error {
		ran <- j
		return nil
	})
	assert.Equal(t, kept, receive(t, ran))
}
