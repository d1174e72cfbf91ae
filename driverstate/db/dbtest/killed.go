package dbtest

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// dieIn tells the test binary to be the process that is killed, on the database
// that it names.
const dieIn = "CINDER_GO_TEST_DIE_IN"

// Killed looks at what a process leaves in the database at when it is killed
// with SIGKILL between a write and its commit, in a job: the write is gone, the
// job is known as what that process ran, and can be taken off. The test that
// calls it is run a second time, as that process. at is called once.
func Killed(t *testing.T, at func() string, open func(t testing.TB, at string) db.DB) {
	if path := os.Getenv(dieIn); path != "" {
		dieHalfway(t, open(t, path))
	}
	path := at()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), dieIn+"="+path)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", out)

	d, ctx := open(t, path), t.Context()
	_, err = d.BackupGet(ctx, id(1))
	require.NoError(t, err, "it was committed")
	_, err = d.BackupGet(ctx, id(2))
	require.ErrorIs(t, err, driverstate.ErrNotFound, "it was not")
	left := jobsRunBy(t, d, "died")
	require.Len(t, left, 1)
	assert.Equal(t, id(1), left[0].BackupID)
	assert.True(t, left[0].Running)
	assert.Equal(t, []db.JobState{left[0], {Job: db.Job{ID: left[0].ID + 1, Kind: db.JobDelete, Queue: "h", BackupID: id(1)}}}, jobsOf(t, d, id(1)))

	require.NoError(t, d.Update(ctx, func(tx db.Tx) error { return tx.JobsDiscard(ctx, left[0].ID) }))
	assert.Empty(t, jobsRunBy(t, d, "died"))
	ran := make(chan db.Job, 2)
	workAs(t, d, db.WorkOptions{Runner: "next", Queues: []string{"h"}, Parallel: 1}, func(_ context.Context, j db.Job) error {
		ran <- j
		return nil
	})
	assert.Equal(t, db.JobDelete, receive(t, ran).Kind, "what waited runs, what was taken off does not")
}

func dieHalfway(t *testing.T, d db.DB) {
	ctx := t.Context()
	_, err := d.Work(ctx, db.WorkOptions{Runner: "died", Queues: []string{"h"}, Parallel: 1}, func(ctx context.Context, _ db.Job) error {
		return d.Update(ctx, func(tx db.Tx) error {
			if err := tx.BackupCreate(ctx, backup(2)); err != nil {
				return err
			}
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		})
	})
	require.NoError(t, err)
	require.NoError(t, d.Update(ctx, func(tx db.Tx) error {
		if err := tx.BackupCreate(ctx, backup(1)); err != nil {
			return err
		}
		if err := tx.JobInsert(ctx, &db.Job{Kind: db.JobBackup, Queue: "h", BackupID: id(1)}); err != nil {
			return err
		}
		return tx.JobInsert(ctx, &db.Job{Kind: db.JobDelete, Queue: "h", BackupID: id(1)})
	}))
	select {}
}
