package manager_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// services are the rows that the API shows, by binary.
func (l *lab) services() map[string]map[string]any {
	l.t.Helper()
	_, answer := l.ask("admin", "GET", "os-services", "")
	rows := map[string]map[string]any{}
	for _, s := range answer["services"].([]any) {
		row := s.(map[string]any)
		rows[row["binary"].(string)] = row
	}
	return rows
}

func TestADisabledBackupServiceGetsNoWork(t *testing.T) {
	dir := t.TempDir()
	l := openLab(t, dir, nil)
	require.NoError(t, l.Start(t.Context()))
	b, v := l.managed(nil, image(64<<10, 1)), l.tenantVolume()
	status, answer := l.ask("admin", "PUT", "os-services/disable-log-reason", `{"host":"`+host+`","binary":"cinder-backup","disabled_reason":"disk full"}`)
	require.Equal(t, http.StatusOK, status, answer)
	assert.Equal(t, map[string]any{"host": host, "service": "", "binary": "cinder-backup", "status": "disabled",
		"disabled": true, "disabled_reason": "disk full"}, answer)
	require.NoError(t, l.Stop(context.WithoutCancel(t.Context())))
	require.NoError(t, l.db.Close())

	l = openLab(t, dir, nil)
	l.start()
	row := l.services()["cinder-backup"]
	assert.Equal(t, "disabled", row["status"], "a restart does not enable it")
	assert.Equal(t, "disk full", row["disabled_reason"])
	assert.Equal(t, "up", row["state"])

	status, answer = l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`"}}`)
	require.Equal(t, http.StatusAccepted, status)
	made := l.row(answer["backup"].(map[string]any)["id"].(string))
	assert.Equal(t, driverstate.StatusError, made.Status)
	assert.Equal(t, "Service not found for creating backup.", made.FailReason)
	const none = "Service cinder-backup could not be found."
	for what, body := range map[string]string{"restore": `{"restore":{}}`, "action": `{"os-force_delete":{}}`} {
		status, answer = l.ask("admin", "POST", "backups/"+b.ID+"/"+what, body)
		assert.Equal(t, http.StatusNotFound, status, what)
		assert.Equal(t, none, message(answer), what)
	}
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status)

	status, answer = l.ask("admin", "PUT", "os-services/enable", `{"host":"`+host+`","service":"cinder-backup"}`)
	require.Equal(t, http.StatusOK, status, answer)
	row = l.services()["cinder-backup"]
	assert.Equal(t, "enabled", row["status"])
	assert.Nil(t, row["disabled_reason"])
	l.backedUp("tenant", `{"backup":{"volume_id":"`+v.ID+`"}}`)
}

func TestADisabledVolumeServiceGetsNoVolumes(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(64<<10, 1))
	name := l.services()["cinder-volume"]["host"].(string)
	status, _ := l.ask("admin", "PUT", "os-services/disable", `{"host":"`+name+`","binary":"cinder-volume"}`)
	require.Equal(t, http.StatusOK, status)

	status, answer := l.ask("tenant", "POST", "volumes", `{"volume":{"size":1}}`)
	require.Equal(t, http.StatusAccepted, status)
	made := answer["volume"].(map[string]any)
	_, answer = l.ask("tenant", "GET", "volumes/"+made["id"].(string), "")
	assert.Equal(t, "error", answer["volume"].(map[string]any)["status"])
	status, _ = l.ask("tenant", "DELETE", "volumes/"+made["id"].(string), "")
	assert.Equal(t, http.StatusAccepted, status, "there is nothing to remove but the row")

	status, answer = l.ask("tenant", "POST", "backups/"+b.ID+"/restore", `{"restore":{}}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Regexp(t, `^Invalid volume: Error while creating volume .* for restoring backup `+b.ID+`\.$`, message(answer))
	_, answer = l.ask("admin", "GET", "volumes?all_tenants=1", "")
	assert.Empty(t, ids(answer, "volumes"), "no volume is left behind")

	file := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	status, answer = l.ask("admin", "POST", "manageable_volumes", `{"volume":{"ref":{"source-name":"`+file+`"},"size":1}}`)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "Service is unavailable at this time.", message(answer))
}

func TestServicesAreSetByAnAdminAlone(t *testing.T) {
	l := newLab(t, nil)
	status, answer := l.ask("tenant", "PUT", "os-services/disable", `{"host":"`+host+`","binary":"cinder-backup"}`)
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, "Policy doesn't allow volume_extension:services:update to be performed.", message(answer))
	status, answer = l.ask("admin", "PUT", "os-services/disable", `{"host":"nowhere","binary":"cinder-backup"}`)
	assert.Equal(t, http.StatusNotFound, status)
	assert.Equal(t, "Service cinder-backup could not be found on host nowhere.", message(answer))
	assert.Equal(t, "enabled", l.services()["cinder-backup"]["status"])
}
