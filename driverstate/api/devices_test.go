package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestDevices(t *testing.T) {
	f := &fake{device: &driverstate.Device{
		ID: "d", BackupID: backupID, Chain: []string{backupID}, URI: "nbd://127.0.0.1:7", Size: 9, CreatedAt: time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC),
		DeviceUsage: driverstate.DeviceUsage{Connected: 1, Clients: 2, Bytes: 3, Problems: []driverstate.Problem{{BackupID: backupID, Object: "o", Reason: "missing", Offset: 4, Length: 5}}},
	}}
	path := v3 + "/devices"
	r := send(t, serve(f), ask{method: "POST", path: path, body: `{"device":{"backup_id":"` + backupID + `","address":"127.0.0.1:0","allow_remote":false}}`})
	assert.Equal(t, http.StatusAccepted, r.StatusCode)
	assert.Equal(t, driverstate.DeviceRequest{BackupID: backupID, Address: "127.0.0.1:0"}, f.serve)
	want := map[string]any{"device": map[string]any{
		"id": "d", "backup_id": backupID, "chain": []any{backupID}, "uri": "nbd://127.0.0.1:7", "size": 9.0, "clients_connected": 1.0, "clients": 2.0,
		"bytes_served": 3.0, "problems": []any{map[string]any{"backup_id": backupID, "object": "o", "reason": "missing", "offset": 4.0, "length": 5.0}},
		"more_problems": 0.0, "warnings": []any{}, "error": nil, "created_at": "2026-11-21T06:00:00.000000",
	}}
	assert.Equal(t, want, decode(t, r))
	assert.Equal(t, want, decode(t, send(t, serve(f), ask{path: path + "/d"})))
	assert.Equal(t, http.StatusAccepted, send(t, serve(f), ask{method: "DELETE", path: path + "/d"}).StatusCode)
	assert.Equal(t, []string{"CreateDevice", "Device", "DeleteDevice"}, f.called)
	_, message := fault(t, send(t, serve(f), ask{method: "POST", path: path, body: `{"device":{"address":"x"}}`}))
	assert.Contains(t, message, "'backup_id' is a required property")
}
