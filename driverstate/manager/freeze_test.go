package manager_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestAFrozenServiceChangesNothing(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	s := l.snapshotOf(v)
	put := func(action, body string) (int, string) {
		status, answer := l.ask("admin", "PUT", "os-services/"+action, body)
		return status, message(answer)
	}
	at := host + "@file"
	status, text := put("freeze", `{"host":"`+at+`"}`)
	require.Equal(t, http.StatusOK, status, text)
	_, answer := l.ask("admin", "GET", "os-services?host="+at, "")
	row := answer["services"].([]any)[0].(map[string]any)
	assert.Equal(t, true, row["frozen"])
	assert.Equal(t, "disabled", row["status"])
	assert.Equal(t, "frozen", row["disabled_reason"])
	for _, c := range []struct{ method, path, body string }{
		{"POST", "snapshots", `{"snapshot":{"volume_id":"` + v.ID + `"}}`},
		{"DELETE", "snapshots/" + s.ID, ""},
		{"DELETE", "volumes/" + v.ID + "?cascade=true", ""},
		{"DELETE", "volumes/" + v.ID, ""},
	} {
		status, answer := l.ask("tenant", c.method, c.path, c.body)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, "Invalid input received: Modification operations are not allowed on frozen storage backends.", message(answer))
	}
	status, answer = l.ask("tenant", "POST", "volumes", `{"volume":{"size":1}}`)
	assert.Equal(t, http.StatusAccepted, status)
	_, answer = l.ask("tenant", "GET", "volumes/"+answer["volume"].(map[string]any)["id"].(string), "")
	assert.Equal(t, "error", answer["volume"].(map[string]any)["status"])

	for _, c := range []struct{ action, body, text string }{
		{"freeze", `{"host":"` + at + `"}`, "Invalid input received: No service could be changed: frozen in ['" + at + "'] must be False to failover."},
		{"freeze", `{"host":"nope"}`, "No service found with host=nope"},
		{"thaw", `{"cluster":"nope"}`, "No service found with cluster=nope"},
		{"failover_host", `{"host":"` + at + `"}`, "Invalid input received: No service could be changed: replication_status in ['" + at + "'] must be ['enabled', 'failed-over'] and must be up to failover."},
	} {
		status, text := put(c.action, c.body)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, c.text, text)
	}
	status, text = put("thaw", `{"host":"`+at+`"}`)
	require.Equal(t, http.StatusOK, status, text)
	assert.False(t, l.service(driverstate.BinaryVolume).Disabled)
	status, _ = l.ask("tenant", "DELETE", "volumes/"+v.ID+"?cascade=true", "")
	assert.Equal(t, http.StatusAccepted, status)
}
