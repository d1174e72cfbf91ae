package manager_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

func TestAnEngineOfItsOwnHasNoCluster(t *testing.T) {
	l := newLab(t, nil)
	status, answer := l.ask("admin", "GET", "clusters/detail", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, map[string]any{"clusters": []any{}}, answer)
	status, answer = l.ask("admin", "GET", "clusters/nothing", "")
	assert.Equal(t, http.StatusNotFound, status)
	assert.Equal(t, "Cluster {'binary': 'cinder-volume', 'name': 'nothing'} could not be found.", message(answer))
}

func TestADisabledClusterGetsNoVolumes(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.Cluster = "lab@file" })
	member := &driverstate.Service{Binary: driverstate.BinaryVolume, Host: "other@file", Cluster: "lab@file", Version: manager.ServiceVersion}
	require.NoError(t, l.db.ServiceUpsert(t.Context(), member))
	status, answer := l.ask("admin", "GET", "clusters/lab@file", "")
	require.Equal(t, http.StatusOK, status, answer)
	shown := answer["cluster"].(map[string]any)
	assert.EqualValues(t, 2, shown["num_hosts"])
	assert.Equal(t, "up", shown["state"])
	assert.Empty(t, shown["updated_at"], "it was never changed")
	assert.NotEmpty(t, shown["last_heartbeat"])

	status, answer = l.ask("admin", "PUT", "clusters/disable", `{"name":"lab@file","disabled_reason":"why"}`)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "disabled", answer["cluster"].(map[string]any)["status"])
	for query, want := range map[string]int{"disabled=true": 1, "disabled=no&binary=cinder-volume": 0, "is_up=1&name=lab@file": 2, "num_hosts=3": 0} {
		_, answer = l.ask("admin", "GET", "clusters?"+query, "")
		assert.Len(t, answer["clusters"], want, query)
	}
	_, answer = l.ask("tenant", "POST", "volumes", `{"volume":{"size":1}}`)
	made := answer["volume"].(map[string]any)
	_, answer = l.ask("tenant", "GET", "volumes/"+made["id"].(string), "")
	assert.Equal(t, "error", answer["volume"].(map[string]any)["status"])
	assert.Equal(t, "VOLUME_VOLUME_001_003", l.told("tenant", made["id"].(string))["event_id"])

	// Frozen are its services; of backup services there is one of that name when asked for.
	frozen := func(query string) any {
		_, answer := l.ask("admin", "GET", "clusters/lab@file"+query, "")
		return answer["cluster"].(map[string]any)["frozen"]
	}
	assert.Equal(t, false, frozen(""))
	status, _ = l.ask("admin", "PUT", "os-services/freeze", `{"cluster":"lab@file"}`)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, true, frozen(""))
	_, answer = l.ask("admin", "GET", "clusters?frozen=true", "")
	assert.Len(t, answer["clusters"], 1)
	status, _ = l.ask("admin", "PUT", "os-services/thaw", `{"cluster":"lab@file"}`)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, false, frozen("?binary=nonsense"))
	_, answer = l.ask("admin", "GET", "clusters/lab@file?binary=cinder-backup", "")
	assert.Equal(t, "cinder-backup", answer["cluster"].(map[string]any)["binary"])

	off := true
	cleaned, err := l.CleanupWorkers(t.Context(), admin, driverstate.CleanupFilter{IsUp: true, Disabled: &off})
	require.NoError(t, err)
	assert.Len(t, cleaned.Cleaning, 2, "the cluster's flag counts for its services")

	status, _ = l.ask("admin", "PUT", "clusters/enable", `{"name":"lab@file"}`)
	require.Equal(t, http.StatusOK, status)
	_, answer = l.ask("tenant", "POST", "volumes", `{"volume":{"size":1}}`)
	_, answer = l.ask("tenant", "GET", "volumes/"+answer["volume"].(map[string]any)["id"].(string), "")
	assert.Equal(t, "available", answer["volume"].(map[string]any)["status"])
	for _, path := range []string{"clusters", "clusters/lab@file"} {
		status, _ = l.ask("tenant", "GET", path, "")
		assert.Equal(t, http.StatusForbidden, status)
	}
}

func TestUsageIsThatOfTheProject(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	l.backedUp("tenant", `{"backup":{"volume_id":"`+v.ID+`"}}`)
	inUse := func(who, project, key string) any {
		_, answer := l.ask(who, "GET", "os-quota-sets/"+project+"?usage=True", "")
		set, _ := answer["quota_set"].(map[string]any)
		item, _ := set[key].(map[string]any)
		return item["in_use"]
	}
	assert.EqualValues(t, 1, inUse("tenant", project, "backups"))
	assert.EqualValues(t, 1, inUse("tenant", project, "backup_gigabytes"))
	assert.EqualValues(t, 1, inUse("tenant", project, "volumes"))
	assert.EqualValues(t, 0, inUse("admin", other, "backups"))
	status, answer := l.ask("stranger", "GET", "os-quota-sets/"+project, "")
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, "Policy doesn't allow volume_extension:quotas:show to be performed.", message(answer))
	_, answer = l.ask("stranger", "GET", "limits", "")
	assert.EqualValues(t, 0, answer["limits"].(map[string]any)["absolute"].(map[string]any)["totalBackupsUsed"])
}
