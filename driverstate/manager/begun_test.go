package manager_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/fault/wrap"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// slowCommit is a database of which a request that commits hears late: when
// others have seen what was committed already.
type slowCommit struct {
	db.DB
	committed atomic.Pointer[func()] // called once
}

func (s *slowCommit) Update(ctx context.Context, f func(db.Tx) error) error {
	err := s.DB.Update(ctx, f)
	if err == nil && ctx.Value(asking{}) != nil {
		if heard := s.committed.Swap(nil); heard != nil {
			(*heard)()
		}
	}
	return err
}

// asking is in the context of the request that hears late.
type asking struct{}

// A request stops the work that was under way when it was accepted. Its own
// job, which can begin before the request goes on, is not such work.
func TestARequestDoesNotStopItsOwnJob(t *testing.T) {
	for _, c := range []struct {
		name, at string
		before   driverstate.Status
		ask      func(context.Context, *lab, string) error
		ended    func(*lab, string)
	}{
		{"delete", atDelete, driverstate.StatusAvailable,
			func(ctx context.Context, l *lab, id string) error { return l.DeleteBackup(ctx, admin, id, false) }, (*lab).untilGone},
		{"force delete", atDelete, driverstate.StatusAvailable,
			func(ctx context.Context, l *lab, id string) error { return l.DeleteBackup(ctx, admin, id, true) }, (*lab).untilGone},
		{"reset", atInspect, driverstate.StatusError,
			func(ctx context.Context, l *lab, id string) error {
				return l.ResetBackupStatus(ctx, admin, id, driverstate.StatusAvailable)
			}, func(l *lab, id string) { l.until(id, driverstate.StatusAvailable) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			slow := &slowCommit{}
			l := newLab(t, func(conf *manager.Config) {
				slow.DB = conf.DB
				conf.DB = slow
			})
			b := l.managed(nil, image(200<<10, 1))
			l.set(b.ID, c.before, nil)
			begun := l.driver.hold(c.at)
			slow.committed.Store(ptr(func() { begun.wait(t) }))
			require.NoError(t, c.ask(context.WithValue(t.Context(), asking{}, true), l, b.ID))
			l.driver.open(c.at)
			c.ended(l, b.ID)
		})
	}
}

// heldTake is a database in which a job waits, before it has claimed its work,
// until it is cancelled.
type heldTake struct {
	db.DB
	armed   atomic.Bool
	reached chan struct{}
}

func (h *heldTake) Update(ctx context.Context, f func(db.Tx) error) error {
	if h.armed.Swap(false) {
		close(h.reached)
		<-ctx.Done()
	}
	return h.DB.Update(ctx, f)
}

// A job that is cancelled before it has claimed its work is not lost: nobody
// else would end that work.
func TestAJobThatIsCancelledBeforeItsClaimIsRunAgain(t *testing.T) {
	held := &heldTake{reached: make(chan struct{})}
	l := newLab(t, func(conf *manager.Config) {
		held.DB = conf.DB
		conf.DB = wrap.DB(held)
	})
	b, v := l.managed(nil, image(200<<10, 1)), l.newVolume()
	var once sync.Once
	defer fault.Hook(func(name string) {
		if name == "tx.begin:takeRow" {
			once.Do(func() { held.armed.Store(true) })
		}
	})()
	_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	<-held.reached
	require.NoError(t, l.ForceDeleteVolume(t.Context(), admin, v.ID))
	l.until(b.ID, driverstate.StatusAvailable)
}

// badStart is a database that fails the transactions in which jobs take their
// work, as one does that is restarted.
type badStart struct {
	db.DB
	left   atomic.Int32 // how many are failed yet
	unsaid bool         // they are committed, and the answer is lost
}

// claims notes that its transaction takes work.
type claims struct {
	db.Tx
	seen *bool
}

func (c claims) WorkerClaim(ctx context.Context, resource, id string, service int64) (*driverstate.Worker, error) {
	*c.seen = true
	return c.Tx.WorkerClaim(ctx, resource, id, service)
}

func (s *badStart) Update(ctx context.Context, f func(db.Tx) error) error {
	away := driverstate.Fail(driverstate.ErrUnavailable, "terminating connection due to administrator command (SQLSTATE 57P01)")
	seen := false
	err := s.DB.Update(ctx, func(tx db.Tx) error {
		if err := f(claims{tx, &seen}); err != nil || !seen || s.unsaid || s.left.Load() == 0 {
			return err
		}
		return away
	})
	if seen && s.left.Load() > 0 {
		s.left.Add(-1)
		return away
	}
	return err
}

// Nobody else would end work whose job has ended without taking it.
func TestAJobThatTheDatabaseFailsAtItsStartIsTriedAgain(t *testing.T) {
	remove := func(l *lab) (ended func() bool) {
		b := l.managed(nil, image(200<<10, 1))
		require.NoError(l.t, l.DeleteBackup(l.t.Context(), admin, b.ID, false))
		return func() bool { return l.row(b.ID) == nil }
	}
	for _, c := range []struct {
		name   string
		unsaid bool
		ask    func(*lab) (ended func() bool)
	}{
		{"delete", false, remove},
		{"delete of which the answer is lost", true, remove},
		{"backup", false, func(l *lab) func() bool {
			v := l.newVolume()
			require.NoError(l.t, fillVolume(v, image(256<<10, 1)))
			b, err := l.CreateBackup(l.t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
			require.NoError(l.t, err)
			return func() bool { return l.row(b.ID).Status == driverstate.StatusAvailable }
		}},
		{"verification", false, func(l *lab) func() bool {
			b := l.managed(nil, image(200<<10, 1))
			asked, err := l.CreateVerification(l.t.Context(), admin, driverstate.VerifyRequest{BackupIDs: []string{b.ID}, Depth: driverstate.DepthData})
			require.NoError(l.t, err)
			return func() bool {
				v, err := l.db.VerificationGet(l.t.Context(), asked.ID)
				return err == nil && v.Status == driverstate.VerificationDone
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &badStart{unsaid: c.unsaid}
			l := newLab(t, func(conf *manager.Config) {
				s.DB = conf.DB
				conf.DB, conf.WatchInterval = s, 10*time.Millisecond
			})
			s.left.Store(2)
			ended := c.ask(l)
			require.Eventually(t, ended, wait, tick)
			assert.Zero(t, s.left.Load())
			left, err := l.db.WorkerGetAll(t.Context(), 0)
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// What a process had whose host is another's now is that one's: nothing of it is
// written, and no heartbeat makes the first go on.
func TestAProcessThatIsNotItsHostAnyMoreLeavesItsWorkAlone(t *testing.T) {
	l := newLab(t, nil)
	b, v, waits := l.managed(nil, image(200<<10, 1)), l.newVolume(), l.managed(nil, image(200<<10, 2))
	held := l.driver.hold(atRestore)
	_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	held.wait(t)
	l.Disown()
	require.Eventually(t, func() bool { return l.Running() == 0 }, wait, tick, "it is stopped")
	require.NoError(t, l.DeleteBackup(t.Context(), admin, waits.ID, false))
	require.Eventually(t, func() bool { return l.Running() == 1 }, wait, tick)
	services := func() time.Time {
		rows, err := l.db.ServiceGetAll(t.Context())
		require.NoError(t, err)
		return rows[0].UpdatedAt
	}
	last := services()
	require.Eventually(t, func() bool { return services().After(last) }, wait, tick, "a heartbeat")
	assert.True(t, l.Fenced())
	require.NoError(t, l.Stop(t.Context()))
	assert.Equal(t, driverstate.StatusRestoring, l.row(b.ID).Status)
	assert.Equal(t, driverstate.VolumeRestoring, l.volume(v.ID).Status)
	assert.Equal(t, driverstate.StatusDeleting, l.row(waits.ID).Status)

	next, err := manager.New(l.conf)
	require.NoError(t, err)
	require.NoError(t, next.Start(t.Context()))
	defer func() { require.NoError(t, next.Stop(t.Context())) }()
	l.untilGone(waits.ID)
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status)
	assert.Equal(t, driverstate.VolumeErrorRestoring, l.volume(v.ID).Status)
}
