package manageable

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeClient answers one call, and checks it.
func fakeClient(t *testing.T, call, body string, status int, answer string) *gophercloud.ServiceClient {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, call, r.Method+" "+r.URL.RequestURI())
		sent, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		if body != "" {
			assert.JSONEq(t, body, string(sent))
		} else {
			assert.Empty(t, sent)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	return &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{TokenID: "token"}, Endpoint: s.URL + "/v3/"}
}

func TestListBackups(t *testing.T) {
	client := fakeClient(t, "GET /v3/manageable_backups?container=c+d", "", http.StatusOK, `{"manageable_backups": [
		{"id": "b", "volume_id": null, "created_at": "2026-11-21T06:24:58.000000", "bytes": 9007199254740993,
		 "condition": "whole", "problems": [{"object": "o", "offset": 1, "length": 2}], "managed": true}]}`)
	list, err := ListBackups(t.Context(), client, ListBackupsOpts{Containers: []string{"c d"}}).Extract()
	require.NoError(t, err)
	assert.Equal(t, []Backup{{
		ID: "b", CreatedAt: time.Date(2026, 11, 21, 6, 24, 58, 0, time.UTC), Bytes: 9007199254740993,
		Condition: "whole", Problems: []Problem{{Object: "o", Offset: 1, Length: 2}}, Managed: true,
	}}, list)

	client = fakeClient(t, "GET /v3/manageable_backups", "", http.StatusNotFound, "")
	_, err = ListBackups(t.Context(), client, ListBackupsOpts{}).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound))
}

func TestManageBackup(t *testing.T) {
	client := fakeClient(t, "POST /v3/manageable_backups", `{"backup": {"id": "b", "allow_orphaned": true}}`,
		http.StatusAccepted, `{"backup": {"id": "b", "status": "available"}}`)
	var got struct {
		Backup struct{ ID, Status string }
	}
	require.NoError(t, ManageBackup(t.Context(), client, ManageBackupOpts{ID: "b", AllowOrphaned: true}).ExtractInto(&got))
	assert.Equal(t, "available", got.Backup.Status)
	require.Error(t, ManageBackup(t.Context(), client, ManageBackupOpts{}).Err, "an id is required")
}

func TestManageVolume(t *testing.T) {
	client := fakeClient(t, "POST /v3/manageable_volumes",
		`{"volume": {"host": "h@b", "ref": {"source-name": "/file"}, "name": "n", "metadata": {"k": "v"}, "size": 2, "overwrite": true}}`,
		http.StatusAccepted, `{"volume": {"id": "v"}}`)
	var got struct {
		Volume struct{ ID string }
	}
	require.NoError(t, ManageVolume(t.Context(), client, ManageVolumeOpts{
		Host: "h@b", Ref: map[string]string{"source-name": "/file"}, Name: "n", Metadata: map[string]string{"k": "v"}, Size: 2, Overwrite: true,
	}).ExtractInto(&got))
	assert.Equal(t, "v", got.Volume.ID)
	require.Error(t, ManageVolume(t.Context(), client, ManageVolumeOpts{}).Err, "a ref is required")
}

func TestVerifications(t *testing.T) {
	client := fakeClient(t, "POST /v3/verifications", `{"verification": {"backup_ids": ["b"], "depth": "data", "subset": "5%", "not_verified_since": "2026-11-01T00:00:00Z"}}`,
		http.StatusAccepted, `{"verification": {"id": "w", "status": "running", "created_at": "2026-11-21T06:24:58.000000", "finished_at": null}}`)
	v, err := CreateVerification(t.Context(), client, CreateVerificationOpts{BackupIDs: []string{"b"}, Depth: "data", Subset: "5%", NotVerifiedSince: "2026-11-01T00:00:00Z"}).Extract()
	require.NoError(t, err)
	assert.Equal(t, &Verification{ID: "w", Status: "running", CreatedAt: time.Date(2026, 11, 21, 6, 24, 58, 0, time.UTC)}, v)
	require.Error(t, CreateVerification(t.Context(), client, CreateVerificationOpts{}).Err, "a backup is required")

	client = fakeClient(t, "GET /v3/verifications/w%2F1", "", http.StatusOK,
		`{"verification": {"id": "w/1", "status": "done", "condition": "whole", "bytes_read": 1073741824, "method": "sha256",
			"results": [{"backup_id": "b", "condition": "whole", "share": 0.5, "verified_at": "2026-11-21T06:24:58.000000"}]}}`)
	v, err = GetVerification(t.Context(), client, "w/1").Extract()
	require.NoError(t, err)
	assert.Equal(t, &Verification{ID: "w/1", Status: "done", Condition: "whole", BytesRead: 1 << 30, Method: "sha256",
		Results: []VerificationOfOne{{BackupID: "b", Condition: "whole", Share: 0.5, VerifiedAt: time.Date(2026, 11, 21, 6, 24, 58, 0, time.UTC)}}}, v)
}
