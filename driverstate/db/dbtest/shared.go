package dbtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// RunShared holds a database that several processes use to the contract. open
// makes a new and empty database at each call and opens it twice, as two
// processes would.
func RunShared(t *testing.T, open func(t *testing.T) [2]db.DB) {
	for name, test := range map[string]func(*testing.T, [2]db.DB){
		"a worker is claimed by one of two processes":             sharedClaims,
		"one of two processes moves a row":                        sharedCompareAndSet,
		"no transaction misses what another writes":               sharedCounting,
		"a row is not deleted while another begins to need it":    sharedDependents,
		"a lone write waits for a transaction":                    sharedLoneWrite,
		"a queue of two runners runs each job once":               sharedQueue,
		"each knows what the other runs, and may take it off":     sharedRunners,
		"a job of one process starts promptly in the other":       sharedPrompt,
		"ids of services and workers do not meet":                 sharedIDs,
		"readers do not wait for a transaction that takes long":   sharedReaders,
		"a transaction that waits gives up when its context ends": sharedGivesUp,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// compete runs f n times at once, in turn on both databases, and returns the
// errors.
func compete(d [2]db.DB, n int, f func(d db.DB, i int) error) []error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = f(d[i%2], i) })
	}
	group.Wait()
	return errs
}

// winners counts those without an error; the others must have lost.
func winners(t *testing.T, errs []error) int {
	t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		assert.ErrorIs(t, err, driverstate.ErrConflict)
	}
	return won
}

func sharedClaims(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	w := &driverstate.Worker{ResourceType: "Backup", ResourceID: id(1), Status: "deleting"}
	require.NoError(t, d[0].WorkerCreate(ctx, w))
	assert.Equal(t, 1, winners(t, compete(d, 16, func(d db.DB, i int) error {
		_, err := d.WorkerClaim(ctx, "Backup", id(1), int64(100+i))
		return err
	})))
	held, err := d[1].WorkerGetAll(ctx, 0)
	require.NoError(t, err)
	require.Len(t, held, 1)
	assert.Equal(t, 1, winners(t, compete(d, 16, func(d db.DB, i int) error {
		seen := *held[0]
		ok, err := d.WorkerClaimForCleanup(ctx, &seen, int64(200+i))
		if err == nil && !ok {
			return driverstate.ErrConflict
		}
		return err
	})))
}

func sharedCompareAndSet(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	require.NoError(t, d[0].BackupCreate(ctx, backup(1)))
	move := func(to driverstate.Status, from driverstate.Status) func(db.DB, int) error {
		return func(d db.DB, i int) error {
			b := backup(1)
			b.Status = to
			if i%4 < 2 { // half of them in a transaction with other statements
				return d.BackupUpdate(ctx, b, from)
			}
			return d.Update(ctx, func(tx db.Tx) error {
				if _, err := tx.BackupGet(ctx, b.ID); err != nil {
					return err
				}
				return tx.BackupUpdate(ctx, b, from)
			})
		}
	}
	assert.Equal(t, 1, winners(t, compete(d, 16, move(driverstate.StatusRestoring, driverstate.StatusAvailable))))
	assert.Equal(t, 1, winners(t, compete(d, 16, move(driverstate.StatusError, driverstate.StatusRestoring))))
}

func sharedCounting(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	b := backup(1)
	b.Size = 0
	require.NoError(t, d[0].BackupCreate(ctx, b))
	const each = 25
	for _, err := range compete(d, 8, func(d db.DB, _ int) error {
		for range each {
			err := d.Update(ctx, func(tx db.Tx) error {
				b, err := tx.BackupGet(ctx, id(1))
				if err != nil {
					return err
				}
				b.Size++
				return tx.BackupUpdate(ctx, b)
			})
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		require.NoError(t, err)
	}
	got, err := d[1].BackupGet(ctx, id(1))
	require.NoError(t, err)
	assert.EqualValues(t, 8*each, got.Size)
}

// sharedDependents is what the manager does: it deletes a backup that nothing
// stands on, while another process makes an increment of it.
func sharedDependents(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	errHas := errors.New("has dependents")
	deleted := 0
	for n := range 60 {
		parent, child := backup(1), backup(2)
		parent.ID, child.ID, child.ParentID = id(1000+n), id(2000+n), id(1000+n)
		require.NoError(t, d[0].BackupCreate(ctx, parent))
		errs := compete([2]db.DB{d[n%2], d[(n+1)%2]}, 2, func(d db.DB, i int) error {
			return d.Update(ctx, func(tx db.Tx) error {
				if i == 0 {
					count, err := tx.BackupCount(ctx, driverstate.BackupFilter{Columns: map[string]string{"parent_id": parent.ID}})
					if err != nil {
						return err
					}
					if count > 0 {
						return errHas
					}
					return tx.BackupDestroy(ctx, parent.ID)
				}
				if _, err := tx.BackupGet(ctx, parent.ID); err != nil {
					return err
				}
				return tx.BackupCreate(ctx, child)
			})
		})
		if errs[0] == nil {
			deleted++
			require.ErrorIs(t, errs[1], driverstate.ErrNotFound, "round %d: a child of a deleted parent", n)
			continue
		}
		require.ErrorIs(t, errs[0], errHas)
		require.NoError(t, errs[1])
	}
	t.Logf("the delete came first in %d of 60 rounds", deleted)
}

func sharedLoneWrite(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	require.NoError(t, d[0].BackupCreate(ctx, backup(1)))
	done := make(chan error, 1)
	require.NoError(t, d[0].Update(ctx, func(tx db.Tx) error {
		b, err := tx.BackupGet(ctx, id(1))
		if err != nil {
			return err
		}
		go func() {
			b := backup(1)
			b.Container = "lone"
			done <- d[1].BackupUpdate(ctx, b)
		}()
		select {
		case err := <-done:
			assert.Fail(t, "written in the middle of a transaction", "%v", err)
		case <-time.After(100 * time.Millisecond): // long enough for one that would not wait
		}
		b.Container = "transaction"
		return tx.BackupUpdate(ctx, b)
	}))
	require.NoError(t, <-done)
	got, err := d[0].BackupGet(ctx, id(1))
	require.NoError(t, err)
	assert.Equal(t, "lone", got.Container, "what came last is what stays")
}

func sharedQueue(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	const n = 200
	var mu sync.Mutex
	ran, by := map[string]int{}, map[string]int{}
	var left atomic.Int64
	left.Store(n)
	all := make(chan struct{})
	for i, runner := range []string{"h1", "h2"} {
		workAs(t, d[i], db.WorkOptions{Runner: runner, Queues: []string{runner, "cluster"}, Parallel: 4}, func(_ context.Context, j db.Job) error {
			mu.Lock()
			ran[j.BackupID]++
			by[runner]++
			mu.Unlock()
			if left.Add(-1) == 0 {
				close(all)
			}
			return nil
		})
	}
	for _, err := range compete(d, n, func(d db.DB, i int) error {
		return d.Update(ctx, func(tx db.Tx) error {
			return tx.JobInsert(ctx, &db.Job{Kind: db.JobRestore, Queue: "cluster", BackupID: id(i)})
		})
	}) {
		require.NoError(t, err)
	}
	select {
	case <-all:
	case <-time.After(patience):
		require.FailNow(t, "jobs are left", "%d", left.Load())
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Len(t, ran, n)
	for backup, times := range ran {
		assert.Equal(t, 1, times, backup)
	}
	assert.Len(t, by, 2, "both work: %v", by)
}

func sharedRunners(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	started, release := make(chan db.Job, 1), make(chan struct{})
	queue := workAs(t, d[0], db.WorkOptions{Runner: "h1", Queues: []string{"h1"}, Parallel: 1}, func(_ context.Context, j db.Job) error {
		started <- j
		<-release
		return nil
	})
	insert(t, d[1], db.Job{Kind: db.JobRestore, Queue: "h1", BackupID: id(1)})
	job := receive(t, started)
	want := []db.JobState{{Job: job, Running: true, Runner: "h1"}}
	assert.Equal(t, want, jobsOf(t, d[1], id(1)))
	assert.Equal(t, want, jobsRunBy(t, d[1], "h1"))
	assert.Empty(t, jobsRunBy(t, d[1], "h2"))

	require.NoError(t, d[1].Update(ctx, func(tx db.Tx) error { return tx.JobsDiscard(ctx, job.ID) }))
	assert.Empty(t, jobsOf(t, d[0], id(1)))
	close(release)
	require.NoError(t, queue.Stop(ctx))
	assert.Empty(t, jobsOf(t, d[0], id(1)), "the end of a job that was taken off does not bring it back")
}

// sharedPrompt would take a second for each if the worker only polled.
func sharedPrompt(t *testing.T, d [2]db.DB) {
	ran := make(chan db.Job, 1)
	workAs(t, d[0], db.WorkOptions{Runner: "h1", Queues: []string{"a", "b"}, Parallel: 1}, func(_ context.Context, j db.Job) error {
		ran <- j
		return nil
	})
	requirePrompt(t, d[1], ran, "a", "b")
}

func sharedIDs(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	var mu sync.Mutex
	services, workers := map[int64]bool{}, map[int64]bool{}
	for _, err := range compete(d, 20, func(d db.DB, i int) error {
		s := &driverstate.Service{Binary: driverstate.BinaryBackup, Host: id(i)}
		w := &driverstate.Worker{ResourceType: "Backup", ResourceID: id(i), Status: "creating"}
		err := errors.Join(d.ServiceUpsert(ctx, s), d.WorkerCreate(ctx, w))
		mu.Lock()
		services[s.ID], workers[w.ID] = true, true
		mu.Unlock()
		return err
	}) {
		require.NoError(t, err)
	}
	assert.Len(t, services, 20)
	assert.Len(t, workers, 20)
}

func sharedReaders(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	require.NoError(t, d[0].BackupCreate(ctx, backup(1)))
	require.NoError(t, d[0].Update(ctx, func(tx db.Tx) error {
		b := backup(1)
		b.Container = "not committed"
		if err := tx.BackupUpdate(ctx, b); err != nil {
			return err
		}
		for _, reader := range d {
			got, err := reader.BackupGet(ctx, id(1))
			require.NoError(t, err)
			assert.Equal(t, "aa/bb", got.Container)
		}
		return nil
	}))
}

func sharedGivesUp(t *testing.T, d [2]db.DB) {
	ctx := t.Context()
	require.NoError(t, d[0].Update(ctx, func(db.Tx) error {
		soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		for _, waiting := range d {
			assert.ErrorIs(t, waiting.Update(soon, func(db.Tx) error { return nil }), context.DeadlineExceeded)
		}
		return nil
	}))
	for _, d := range d {
		require.NoError(t, d.BackupDestroy(ctx, func() string {
			b := backup(1)
			require.NoError(t, d.BackupCreate(ctx, b))
			return b.ID
		}()), "it goes on afterwards")
	}
}
