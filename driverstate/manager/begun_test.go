package manager_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/fault/wrap"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// slowCommit is a database of which the one who commits hears late: when
// others have seen what was committed already.
type slowCommit struct {
	db.DB
	committed atomic.Pointer[func()] // called once
}

func (s *slowCommit) Update(ctx context.Context, f func(db.Tx) error) error {
	err := s.DB.Update(ctx, f)
	if err == nil {
		if heard := s.committed.Swap(nil); heard != nil {
			(*heard)()
		}
	}
	return err
}

// A request stops the work that was under way when it was accepted. Its own
// job, which can begin before the request goes on, is not such work.
func TestARequestDoesNotStopItsOwnJob(t *testing.T) {
	for _, c := range []struct {
		name, at string
		before   driverstate.Status
		ask      func(*lab, string) error
		ended    func(*lab, string)
	}{
		{"delete", atDelete, driverstate.StatusAvailable,
			func(l *lab, id string) error { return l.DeleteBackup(l.t.Context(), admin, id, false) }, (*lab).untilGone},
		{"force delete", atDelete, driverstate.StatusAvailable,
			func(l *lab, id string) error { return l.DeleteBackup(l.t.Context(), admin, id, true) }, (*lab).untilGone},
		{"reset", atInspect, driverstate.StatusError,
			func(l *lab, id string) error {
				return l.ResetBackupStatus(l.t.Context(), admin, id, driverstate.StatusAvailable)
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
			require.NoError(t, c.ask(l, b.ID))
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
