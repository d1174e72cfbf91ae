package manager_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// deafWork is a database that does not hear of the end of a job, or whose job
// the process does not hear of, as when it is away at that moment.
type deafWork struct {
	db.DB
	ended, given *atomic.Bool // armed
}

func (d deafWork) Work(ctx context.Context, o db.WorkOptions, handle func(context.Context, db.Job) error) (db.Queue, error) {
	return d.DB.Work(ctx, o, func(ctx context.Context, j db.Job) error {
		if d.given.Swap(false) {
			<-ctx.Done()
			return nil
		}
		err := handle(ctx, j)
		if d.ended.Swap(false) {
			<-ctx.Done()
		}
		return err
	})
}

// A delete waits until older jobs of its backup have ended. One of which the
// database never heard that it has must not keep it waiting for ever.
func TestADeleteDoesNotWaitForAJobWhoseEndWasLost(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var ended, given atomic.Bool
		f.change = func(c *manager.Config) {
			if c.Host == "h1" {
				c.DB = deafWork{c.DB, &ended, &given}
			}
		}
		a := f.start("h1", blue)
		row := a.managed(nil, image(64<<10, 1))
		ended.Store(true)
		_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{})
		require.NoError(t, err)
		a.until(row.ID, driverstate.StatusAvailable)
		f.pass() // the next heartbeat looks
		require.Eventually(t, func() bool { return a.Unrun() == 1 }, wait, tick)
		b := f.start("h2", blue)
		f.only(b)
		f.pass()
		f.settled()
		require.NoError(t, b.DeleteBackup(t.Context(), admin, row.ID, false))
		b.untilGone(row.ID)
		assert.Empty(t, b.objects(row.ID))
	})
}

// Work that was given to a process which did not hear of it is done all the
// same.
func TestAJobThatWasLostOnItsWayIsGivenAgain(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var ended, given atomic.Bool
		f.change = func(c *manager.Config) { c.DB = deafWork{c.DB, &ended, &given} }
		a := f.start("h1", "")
		row := a.managed(nil, image(64<<10, 1))
		given.Store(true)
		answer, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{})
		require.NoError(t, err)
		f.pass() // the next heartbeat looks
		require.Eventually(t, func() bool { return a.Unrun() == 1 }, wait, tick)
		f.pass()
		a.until(row.ID, driverstate.StatusAvailable)
		assert.Equal(t, driverstate.VolumeAvailable, a.volume(answer.VolumeID).Status)
		assert.Len(t, a.notified("backup.restore.start", row.ID), 1)
		f.noEntry()
	})
}
