package dbtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

func rollback(t *testing.T, d db.DB) {
	ctx := t.Context()
	ran := make(chan db.Job, 2)
	work(t, d, func(_ context.Context, j db.Job) error { ran <- j; return nil })
	boom := errors.New("boom")
	require.ErrorIs(t, d.Update(ctx, func(tx db.Tx) error {
		require.NoError(t, tx.BackupCreate(ctx, backup(1)))
		require.NoError(t, tx.JobInsert(ctx, &db.Job{Kind: db.JobDelete, Queue: "h@x#y", BackupID: id(1)}))
		return boom
	}), boom)
	_, err := d.BackupGet(ctx, id(1))
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	insert(t, d, db.Job{Kind: db.JobReset, Queue: "h@x#y", BackupID: id(2)})
	assert.Equal(t, db.JobReset, receive(t, ran).Kind, "the job of the failed transaction must not come first")
}

func jobs(t *testing.T, d db.DB) {
	ran := make(chan db.Job, 10)
	work(t, d, func(_ context.Context, j db.Job) error {
		ran <- j
		if j.Kind == db.JobVerify {
			panic("a handler that panics")
		}
		return errors.New("a job that fails is not tried again")
	})
	insert(t, d, db.Job{Kind: db.JobVerify, Queue: "h@x#y"})
	receive(t, ran)
	want := db.Job{Kind: db.JobRestore, Queue: "h@x#y", BackupID: id(1), VolumeID: id(2), Args: []byte(`{"a":1}`)}
	insert(t, d, want)
	got := receive(t, ran)
	assert.NotZero(t, got.ID)
	got.ID = 0
	assert.Equal(t, want, got)
	insert(t, d, db.Job{Kind: db.JobRestore, Queue: "another host", BackupID: id(4)})
	insert(t, d, db.Job{Kind: db.JobDelete, Queue: "h@x#y", BackupID: id(3)})
	assert.Equal(t, id(3), receive(t, ran).BackupID)
	assert.Empty(t, ran)
}

func stop(t *testing.T, d db.DB) {
	started, ended := make(chan db.Job, 1), make(chan db.Job, 1)
	queue := work(t, d, func(ctx context.Context, j db.Job) error {
		started <- j
		<-ctx.Done()
		ended <- j
		return ctx.Err()
	})
	insert(t, d, db.Job{Kind: db.JobRestore, Queue: "h@x#y", BackupID: id(1)})
	receive(t, started)
	require.NoError(t, queue.Stop(t.Context()))
	assert.Len(t, ended, 1, "stop waits for the handler")
}

func work(t *testing.T, d db.DB, handle func(context.Context, db.Job) error) db.Queue {
	t.Helper()
	return workAs(t, d, db.WorkOptions{Runner: "h@x#y", Queues: []string{"h@x#y"}, Parallel: 2}, handle)
}

func workAs(t *testing.T, d db.DB, o db.WorkOptions, handle func(context.Context, db.Job) error) db.Queue {
	t.Helper()
	queue, err := d.Work(t.Context(), o, handle)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, queue.Stop(context.Background())) })
	return queue
}

func insert(t *testing.T, d db.DB, j db.Job) {
	t.Helper()
	require.NoError(t, d.Update(t.Context(), func(tx db.Tx) error { return tx.JobInsert(t.Context(), &j) }))
}

func receive(t *testing.T, from <-chan db.Job) db.Job {
	t.Helper()
	select {
	case j := <-from:
		return j
	case <-time.After(patience):
		require.FailNow(t, "no job came")
		return db.Job{}
	}
}

func prompt(t *testing.T, d db.DB) {
	ran := make(chan db.Job, 1)
	work(t, d, func(_ context.Context, j db.Job) error { ran <- j; return nil })
	requirePrompt(t, d, ran, "h@x#y")
}

// requirePrompt queues each job when the one before it has begun. A database that
// only polled would take a second for each; the bound is of the median, so that a
// machine that is slow, or stands still for a while, has room.
func requirePrompt(t *testing.T, d db.DB, ran <-chan db.Job, queues ...string) {
	t.Helper()
	var took []time.Duration
	for i := range 20 {
		began := time.Now()
		insert(t, d, db.Job{Kind: db.JobReset, Queue: queues[i%len(queues)], BackupID: id(i)})
		require.Equal(t, id(i), receive(t, ran).BackupID)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	assert.Less(t, took[len(took)/2], time.Second/2)
}

func parallel(t *testing.T, d db.DB) {
	started, release := make(chan db.Job, 10), make(chan struct{})
	work(t, d, func(ctx context.Context, j db.Job) error {
		started <- j
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	})
	for i := range 5 {
		insert(t, d, db.Job{Kind: db.JobRestore, Queue: "h@x#y", BackupID: id(i)})
	}
	receive(t, started)
	receive(t, started)
	assert.Empty(t, started, "two at a time")
	close(release)
	for range 3 {
		receive(t, started)
	}
}

func stopTwice(t *testing.T, d db.DB) {
	started, release := make(chan db.Job, 1), make(chan struct{})
	queue := work(t, d, func(_ context.Context, j db.Job) error {
		started <- j
		<-release
		return nil
	})
	insert(t, d, db.Job{Kind: db.JobRestore, Queue: "h@x#y"})
	receive(t, started)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, queue.Stop(ended), context.Canceled)
	close(release)
	require.NoError(t, queue.Stop(t.Context()))
	require.NoError(t, queue.Stop(t.Context()))
}

func isolation(t *testing.T, d db.DB) {
	ctx := t.Context()
	require.NoError(t, d.Update(ctx, func(tx db.Tx) error {
		require.NoError(t, tx.BackupCreate(ctx, backup(1)))
		_, err := tx.BackupGet(ctx, id(1))
		require.NoError(t, err)
		_, err = d.BackupGet(ctx, id(1))
		assert.ErrorIs(t, err, driverstate.ErrNotFound)
		return nil
	}))
	_, err := d.BackupGet(ctx, id(1))
	require.NoError(t, err)
}

func writers(t *testing.T, d db.DB) {
	ctx := t.Context()
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for n := range 25 {
				assert.NoError(t, d.Update(ctx, func(tx db.Tx) error {
					if _, err := tx.BackupCount(ctx, driverstate.BackupFilter{}); err != nil {
						return err
					}
					return tx.BackupCreate(ctx, backup(100*w+n))
				}))
			}
		})
	}
	group.Wait()
	n, err := d.BackupCount(ctx, driverstate.BackupFilter{})
	require.NoError(t, err)
	assert.Equal(t, 200, n)
}
