package manager_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

func (l *lab) backupUp() bool { return l.service(driverstate.BinaryBackup).Up }

// reasons are the reasons of the driver_init events of a type, in order.
func (l *lab) reasons(event string) []string {
	found := []string{}
	for _, n := range l.notified(event, "") {
		found = append(found, n.Payload.FailReason)
	}
	return found
}

func TestAStoreThatGoesAwayLaterTakesTheServiceDown(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.CheckInterval = 10 * time.Millisecond })
	require.True(t, l.backupUp())
	b, kept := l.managed(nil, image(64<<10, 1)), l.managed(nil, image(64<<10, 2))

	l.driver.fail(atSetup, errors.New("share is gone"))
	require.Eventually(t, func() bool { return !l.backupUp() }, wait, tick)
	assert.Equal(t, "share is gone", l.service(driverstate.BinaryBackup).Reason)
	status, answer := l.ask("admin", "GET", "backups/"+b.ID+"/export_record", "")
	assert.Equal(t, http.StatusNotFound, status)
	assert.Equal(t, "Service cinder-backup could not be found.", message(answer))
	l.driver.fail(atSetup, errors.New("share is gone for good"))
	require.Eventually(t, func() bool { return len(l.reasons("backup.driver_init.error")) == 2 }, wait, tick)

	l.driver.fail(atSetup, nil)
	require.Eventually(t, l.backupUp, wait, tick)
	require.Eventually(t, func() bool { return len(l.reasons("backup.driver_init.end")) == 2 }, wait, tick, "a heartbeat may say it first")
	assert.Empty(t, l.service(driverstate.BinaryBackup).Reason)
	assert.Equal(t, []string{"share is gone", "share is gone for good"}, l.reasons("backup.driver_init.error"),
		"each change is told once, however often it was tried")
	assert.Len(t, l.reasons("backup.driver_init.start"), 1)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, false))
	l.untilGone(b.ID)
	assert.Equal(t, driverstate.StatusAvailable, l.row(kept.ID).Status)
}

// stuck is a driver whose store does not answer, whatever the context says.
type stuck struct {
	fullDriver
	release chan struct{}
	begun   chan struct{}
}

func (s *stuck) CheckForSetupError(ctx context.Context) error {
	s.begun <- struct{}{}
	<-s.release
	return s.fullDriver.CheckForSetupError(context.WithoutCancel(ctx))
}

func TestAStoreThatHangsIsAskedOnceAtATime(t *testing.T) {
	var hung *stuck
	l := openLab(t, t.TempDir(), func(c *manager.Config) {
		hung = &stuck{fullDriver: c.Driver.(*gate), release: make(chan struct{}), begun: make(chan struct{}, 1000)}
		c.Driver, c.InitTimeout = hung, 20*time.Millisecond
	})
	l.start()
	assert.False(t, l.backupUp())
	assert.Equal(t, "the store did not answer in time (20ms)", l.service(driverstate.BinaryBackup).Reason)
	first := l.service(driverstate.BinaryBackup).UpdatedAt
	require.Eventually(t, func() bool {
		return l.service(driverstate.BinaryBackup).UpdatedAt.After(first.Add(100 * time.Millisecond))
	}, wait, tick)
	assert.Len(t, hung.begun, 1, "no second goroutine beside the one that hangs")
	close(hung.release)
	require.Eventually(t, l.backupUp, wait, tick)
}

func TestADriverThatIsNotToBeTriedAgainStaysDown(t *testing.T) {
	l := openLab(t, t.TempDir(), func(c *manager.Config) { c.InitOnce = true })
	l.driver.fail(atSetup, errors.New("share is not mounted"))
	l.start()
	l.driver.fail(atSetup, nil)
	first := l.service(driverstate.BinaryBackup)
	require.Eventually(t, func() bool {
		return l.service(driverstate.BinaryBackup).UpdatedAt.After(first.UpdatedAt.Add(100 * time.Millisecond))
	}, wait, tick)
	assert.False(t, l.backupUp())
}

func TestATenantDeletesABackupThatNeverReachedTheStoreWhileTheDriverIsDown(t *testing.T) {
	l := openLab(t, t.TempDir(), nil)
	l.driver.fail(atSetup, errors.New("share is not mounted"))
	l.start()
	v := l.tenantVolume()
	status, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`"}}`)
	require.Equal(t, http.StatusAccepted, status, answer)
	id := answer["backup"].(map[string]any)["id"].(string)
	require.Equal(t, driverstate.StatusError, l.row(id).Status)
	status, _ = l.ask("stranger", "DELETE", "backups/"+id, "")
	assert.Equal(t, http.StatusNotFound, status)
	status, answer = l.ask("tenant", "DELETE", "backups/"+id, "")
	require.Equal(t, http.StatusAccepted, status, answer)
	assert.Nil(t, l.row(id))
}

// slowReport is a database that takes its time for the first heartbeat, and
// notes what the rows of the backup service said.
type slowReport struct {
	db.DB
	slow, written chan struct{} // closed when it begins to take its time, and when it has ended
	beside        chan struct{} // closed when another has written meanwhile
	mu            sync.Mutex
	begun         int
	said          []string
}

func (s *slowReport) ServiceUpsert(ctx context.Context, row *driverstate.Service) error {
	if row.Binary != driverstate.BinaryBackup {
		return s.DB.ServiceUpsert(ctx, row)
	}
	s.mu.Lock()
	s.begun++
	n := s.begun
	s.mu.Unlock()
	switch n { // a start writes twice
	case 3:
		defer close(s.written)
		close(s.slow)
		select {
		case <-s.beside:
		case <-time.After(time.Second): // nobody does
		}
	case 4:
		defer close(s.beside)
	}
	err := s.DB.ServiceUpsert(ctx, row)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, row.Reason)
	return err
}

// A heartbeat that began while the driver was down must not write that over the
// row of a service that has come up since: it would stay so until the next one.
func TestAnOldHeartbeatDoesNotTakeTheServiceDown(t *testing.T) {
	slow := &slowReport{slow: make(chan struct{}), written: make(chan struct{}), beside: make(chan struct{})}
	l := openLab(t, t.TempDir(), func(c *manager.Config) {
		slow.DB = c.DB
		c.DB = slow
		c.InitInterval = 200 * time.Millisecond // a heartbeat comes first
	})
	l.driver.fail(atSetup, errors.New("share is gone"))
	require.NoError(t, l.Start(t.Context()))
	<-slow.slow
	l.driver.fail(atSetup, nil)
	require.Eventually(t, l.backupUp, wait, tick)
	<-slow.written
	slow.mu.Lock()
	defer slow.mu.Unlock()
	up := slices.Index(slow.said, "")
	require.Positive(t, up)
	assert.NotContains(t, slow.said[up:], "share is gone")
}
