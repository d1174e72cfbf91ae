package manager_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// told waits for the one message about a resource, and returns it as who sees
// it.
func (l *lab) told(who, resource string) map[string]any {
	l.t.Helper()
	var found []any
	require.Eventually(l.t, func() bool {
		_, answer := l.ask(who, "GET", "messages?resource_uuid="+resource, "")
		found, _ = answer["messages"].([]any)
		return len(found) > 0
	}, wait, tick)
	require.Len(l.t, found, 1)
	return found[0].(map[string]any)
}

func TestFailuresAreToldToWhoAskedForTheWork(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	broken := errors.New("disk is on fire")

	l.driver.fail(atBackup, broken)
	_, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`"}}`)
	failed := answer["backup"].(map[string]any)["id"].(string)
	msg := l.told("tenant", failed)
	assert.Equal(t, "VOLUME_VOLUME_BACKUP_013_020", msg["event_id"])
	assert.Equal(t, "create backup:Backup driver failed to create backup.", msg["user_message"])
	assert.Equal(t, "ERROR", msg["message_level"])
	assert.Equal(t, "VOLUME_BACKUP", msg["resource_type"])
	assert.Regexp(t, "^req-", msg["request_id"])
	created, err := time.Parse("2006-01-02T15:04:05.000000", msg["created_at"].(string))
	require.NoError(t, err)
	assert.Equal(t, created.Add(30*24*time.Hour).Format("2006-01-02T15:04:05.000000"), msg["guaranteed_until"])
	assert.Equal(t, driverstate.StatusError, l.row(failed).Status, "both are written together")
	l.driver.fail(atBackup, nil)

	_, answer = l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`","availability_zone":"elsewhere"}}`)
	assert.Equal(t, "VOLUME_VOLUME_BACKUP_013_024", l.told("tenant", answer["backup"].(map[string]any)["id"].(string))["event_id"])

	good := l.backedUp("tenant", `{"backup":{"volume_id":"`+v.ID+`"}}`)
	l.driver.fail(atRestore, broken)
	status, _ := l.ask("admin", "POST", "backups/"+good+"/restore", `{"restore":{"volume_id":"`+v.ID+`"}}`)
	require.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, "VOLUME_VOLUME_BACKUP_015_026", l.told("admin", good)["event_id"])

	other := l.backedUp("tenant", `{"backup":{"volume_id":"`+l.tenantVolume().ID+`"}}`)
	l.driver.fail(atDelete, broken)
	require.NoError(t, l.DeleteBackup(t.Context(), tenant, other, false))
	assert.Equal(t, "VOLUME_VOLUME_BACKUP_014_025", l.told("tenant", other)["event_id"])
}

func TestAVolumeThatCannotBeReadIsTold(t *testing.T) {
	l := newLab(t, func(c *manager.Config) {
		c.OpenSource = func(string, []byte) (manager.Source, error) { return nil, errors.New("no such device") }
	})
	_, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+l.tenantVolume().ID+`"}}`)
	id := answer["backup"].(map[string]any)["id"].(string)
	assert.Equal(t, "VOLUME_VOLUME_BACKUP_013_019", l.told("tenant", id)["event_id"])
	assert.Equal(t, "the volume cannot be read: no such device", l.row(id).FailReason)
}

func TestMessagesBelongToAProjectAndExpire(t *testing.T) {
	var late atomic.Int64
	l := newLab(t, func(c *manager.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	})
	v := l.tenantVolume()
	fail := func() string {
		_, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`","availability_zone":"elsewhere"}}`)
		return l.told("tenant", answer["backup"].(map[string]any)["id"].(string))["id"].(string)
	}
	first := fail()
	_, answer := l.ask("stranger", "GET", "messages", "")
	assert.Empty(t, ids(answer, "messages"))
	_, answer = l.ask("admin", "GET", "messages", "")
	assert.Equal(t, []string{first}, ids(answer, "messages"))
	for _, method := range []string{"GET", "DELETE"} {
		status, answer := l.ask("stranger", method, "messages/"+first, "")
		assert.Equal(t, http.StatusNotFound, status)
		assert.Equal(t, "Message "+first+" could not be found.", message(answer))
	}
	status, answer := l.ask("stranger", "GET", "messages?nonsense=1", "")
	assert.Equal(t, http.StatusBadRequest, status, answer)

	late.Store(int64(31 * 24 * time.Hour))
	second := fail()
	_, answer = l.ask("tenant", "GET", "messages", "")
	assert.Equal(t, []string{second}, ids(answer, "messages"), "the first has expired")
	status, _ = l.ask("tenant", "DELETE", "messages/"+second, "")
	assert.Equal(t, http.StatusNoContent, status)
	status, _ = l.ask("tenant", "GET", "messages/"+second, "")
	assert.Equal(t, http.StatusNotFound, status)
}
