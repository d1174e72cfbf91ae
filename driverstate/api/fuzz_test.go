package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// FuzzRequest sends any body and query to every call that takes one: the
// answer is never a fault of the server.
func FuzzRequest(f *testing.F) {
	calls := []string{
		"/backups/import_record", "/backups/" + backupID + "/restore", "/backups/" + backupID + "/action", "/workers/cleanup",
		"/volumes", "/manageable_volumes", "/manageable_backups", "/verifications", "/shipments", "/devices",
	}
	for i, body := range []string{
		`{"backup-record":{"backup_service":"cinder.backup.drivers.posix","backup_url":"e30="}}`,
		`{"restore":{"volume_id":null,"name":"n"}}`, `{"os-reset_status":{"status":"error"}}`, `{"service_id":"1","is_up":"yes"}`,
		`{"volume":{"size":1,"metadata":{"k":"v"}}}`, `{"volume":{"ref":{"source-name":"/x"},"size":"1"}}`,
		`{"backup":{"id":"` + backupID + `"}}`, `{"verification":{"backup_id":"` + backupID + `"}}`,
	} {
		f.Add(i, body, "limit=1&sort=id:asc&name~=x&with_count=1")
	}
	ops := &fake{
		backups: []*driverstate.Backup{sampleBackup()}, volumes: []*driverstate.Volume{sampleVolume()}, look: &driverstate.Verification{}, shipment: &driverstate.Shipment{},
	}
	h := serve(ops)
	f.Fuzz(func(t *testing.T, call int, body, query string) {
		path := v3 + calls[int(uint(call)%uint(len(calls)))]
		for _, version := range []string{"3.0", "3.71"} {
			r := send(t, h, ask{method: "POST", path: path, version: version, body: body})
			require.Less(t, r.StatusCode, http.StatusInternalServerError, read(t, r))
		}
		for _, list := range []string{"/backups/detail", "/volumes"} {
			r := send(t, h, ask{path: v3 + list, version: "3.71", query: query})
			require.Less(t, r.StatusCode, http.StatusInternalServerError, read(t, r))
		}
	})
}
