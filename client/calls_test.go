package client

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func ptr[T any](v T) *T { return &v }

func TestABackupIsReadAsCinderShowsIt(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/97f10361-8e72-4465-8d43-72a5ba8c372d": {recorded(t, "backup available")}})
	b, err := c.client(Options{}).ShowBackup(t.Context(), "97f10361-8e72-4465-8d43-72a5ba8c372d")
	require.NoError(t, err)
	assert.Equal(t, Backup{
		ID: "97f10361-8e72-4465-8d43-72a5ba8c372d", Name: ptr("p-1"), Description: ptr("step 1"),
		Status: driverstate.StatusAvailable, Size: 1, ObjectCount: 2,
		Container: ptr("97/f1/97f10361-8e72-4465-8d43-72a5ba8c372d"),
		CreatedAt: time.Date(2026, 11, 21, 6, 24, 58, 0, time.UTC), UpdatedAt: time.Date(2026, 11, 21, 6, 25, 2, 0, time.UTC),
		DataTimestamp: time.Date(2026, 11, 21, 6, 24, 58, 0, time.UTC), VolumeID: "6b0b468c-ee4a-46d5-be0f-fb34124f2d6a",
		IsIncremental: true, HasDependentBackups: true, Metadata: map[string]string{},
	}, b)
	r := c.one()
	assert.Equal(t, "volume 3.64", r.version)
	assert.Equal(t, "secret", r.token)
}

func TestWhatOnlyAnAdminIsToldIsReadToo(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/id": {edit(t, "backup available", "backup", map[string]any{
		"os-backup-project-attr:project_id": project, "user_id": "ann", "encryption_key_id": "key",
		"size": nil, "updated_at": nil, "data_timestamp": "2026-11-21T06:24:58.123456", "availability_zone": "nova",
	})}})
	b, err := c.client(Options{}).ShowBackup(t.Context(), "id")
	require.NoError(t, err)
	assert.Equal(t, project, b.ProjectID)
	assert.Equal(t, "ann", b.UserID)
	assert.Equal(t, ptr("key"), b.EncryptionKeyID)
	assert.Equal(t, ptr("nova"), b.AvailabilityZone)
	assert.Zero(t, b.Size)
	assert.True(t, b.UpdatedAt.IsZero())
	assert.Equal(t, 123456000, b.DataTimestamp.Nanosecond())
}

func TestActionsAreSentAsCinderTakesThem(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*Client) error
		path string
		body string
	}{
		"force delete": {func(c *Client) error { return c.ForceDeleteBackup(t.Context(), "id") },
			"POST /backups/id/action", `{"os-force_delete": {}}`},
		"reset": {func(c *Client) error { return c.ResetBackupStatus(t.Context(), "id", driverstate.StatusError) },
			"POST /backups/id/action", `{"os-reset_status": {"status": "error"}}`},
		"delete":        {func(c *Client) error { return c.DeleteBackup(t.Context(), "id") }, "DELETE /backups/id", ""},
		"delete volume": {func(c *Client) error { return c.DeleteVolume(t.Context(), "id") }, "DELETE /volumes/id", ""},
		"an odd id":     {func(c *Client) error { return c.DeleteBackup(t.Context(), "a/b?c") }, "DELETE /backups/a%2Fb%3Fc", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, map[string][]answer{c.path: {says(202, "")}})
			require.NoError(t, c.do(cloud.client(Options{})))
			r := cloud.one()
			assert.Empty(t, r.version, "the base version does it")
			if c.body == "" {
				assert.Empty(t, r.body)
			} else {
				assert.JSONEq(t, c.body, r.body)
			}
		})
	}
}

func TestARestoreSaysOnlyWhatIsSet(t *testing.T) {
	c := newCloud(t, map[string][]answer{"POST /backups/id/restore": {recorded(t, "restore")}})
	client := c.client(Options{})
	r, err := client.RestoreBackup(t.Context(), "id", RestoreOpts{Name: "r-3"})
	require.NoError(t, err)
	assert.Equal(t, Restore{BackupID: "cbd1b317-8fe2-41ac-84ad-fd4a39205338",
		VolumeID: "70975f50-61be-416b-91e4-0761290e4dcb", VolumeName: "r-3"}, r)
	assert.JSONEq(t, `{"restore": {"name": "r-3"}}`, c.one().body)
	_, err = client.RestoreBackup(t.Context(), "id", RestoreOpts{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"restore": {}}`, c.asked()[1].body, "null would be a fault of the server")
}

func TestARestoreToAVolumeWithoutANameIsRead(t *testing.T) {
	c := newCloud(t, map[string][]answer{"POST /backups/id/restore": {says(202, `{"restore": {"backup_id": "id", "volume_id": "v", "volume_name": null}}`)}})
	r, err := c.client(Options{}).RestoreBackup(t.Context(), "id", RestoreOpts{VolumeID: "v"})
	require.NoError(t, err)
	assert.Equal(t, Restore{BackupID: "id", VolumeID: "v"}, r)
}

func TestARecordGoesRound(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /backups/id/export_record": {recorded(t, "record")},
		"POST /backups/import_record":   {recorded(t, "imported")},
	})
	client := c.client(Options{})
	r, err := client.ExportRecord(t.Context(), "id")
	require.NoError(t, err)
	decoded, err := driverstate.DecodeRecord(driverstate.ExportedRecord(r))
	require.NoError(t, err)
	assert.Equal(t, "dcb81aa0-33dc-4776-9c80-6ab2591189a7", decoded.Backup.ID)

	imported, err := client.ImportRecord(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, Imported{ID: "dcb81aa0-33dc-4776-9c80-6ab2591189a7"}, imported)
	var sent map[string]Record
	require.NoError(t, json.Unmarshal([]byte(c.asked()[1].body), &sent))
	assert.Equal(t, map[string]Record{"backup-record": r}, sent)
}

func TestServicesAreRead(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /os-services": {recorded(t, "services")}})
	list, err := c.client(Options{}).ListServices(t.Context(), "solo", "cinder-volume")
	require.NoError(t, err)
	require.NotEmpty(t, list)
	assert.Equal(t, Service{Binary: driverstate.BinaryVolume, Host: "solo@file", Zone: "nova", Status: "enabled", State: "up",
		UpdatedAt: time.Date(2026, 11, 21, 6, 26, 6, 0, time.UTC)}, list[0])
	r := c.one()
	assert.Equal(t, map[string][]string{"host": {"solo"}, "binary": {"cinder-volume"}}, r.query)
	assert.Equal(t, "volume 3.7", r.version)
}

func TestAVolumeIsReadAndCreated(t *testing.T) {
	shown := recorded(t, "volume available")
	c := newCloud(t, map[string][]answer{
		"GET /volumes/id": {shown},
		"POST /volumes":   {{Status: 202, Body: shown.Body}},
	})
	client := c.client(Options{})
	v, err := client.ShowVolume(t.Context(), "id")
	require.NoError(t, err)
	assert.Equal(t, driverstate.VolumeAvailable, v.Status)
	assert.Equal(t, ptr("vol-p"), v.Name)
	assert.EqualValues(t, 1, v.Size)
	assert.Equal(t, time.Date(2026, 11, 21, 6, 24, 46, 0, time.UTC), v.CreatedAt)
	made, err := client.CreateVolume(t.Context(), CreateVolumeOpts{Size: 1, Name: "vol-p", Metadata: map[string]string{"k": "v"}})
	require.NoError(t, err)
	assert.Equal(t, v, made)
	assert.JSONEq(t, `{"volume": {"size": 1, "name": "vol-p", "metadata": {"k": "v"}}}`, c.asked()[1].body)
}

func TestCleanupSendsOnlyTheFiltersThatAreSet(t *testing.T) {
	c := newCloud(t, map[string][]answer{"POST /workers/cleanup": {recorded(t, "cleanup")}})
	client := c.client(Options{})
	got, err := client.CleanupWorkers(t.Context(), CleanupOpts{})
	require.NoError(t, err)
	assert.Equal(t, []CleanupService{{ID: 4, Host: "vol1@file", Binary: driverstate.BinaryVolume, ClusterName: ptr("labcluster@file")}}, got.Cleaning)
	require.NotEmpty(t, got.Unavailable)
	assert.Equal(t, CleanupService{ID: 1, Host: "solo@file", Binary: driverstate.BinaryVolume}, got.Unavailable[0])

	_, err = client.CleanupWorkers(t.Context(), CleanupOpts{
		ServiceID: ptr(int64(0)), ClusterName: "c", Host: "h@b", Binary: "cinder-volume", IsUp: ptr(false), Disabled: ptr(true),
		ResourceID: "r", ResourceType: "Volume",
	})
	require.NoError(t, err)
	asked := c.asked()
	assert.Equal(t, "volume 3.24", asked[0].version)
	assert.JSONEq(t, `{}`, asked[0].body)
	assert.JSONEq(t, `{"service_id": 0, "cluster_name": "c", "host": "h@b", "binary": "cinder-volume", "is_up": false,
		"disabled": true, "resource_id": "r", "resource_type": "Volume"}`, asked[1].body)
}

func TestWhatTheStoreHoldsIsRead(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /manageable_backups": {says(200, `{"manageable_backups": [
		{"id": "b", "volume_id": "v", "parent_id": "a", "name": "n", "description": null, "created_at": "2026-11-21T06:24:58.000000",
		 "size": 2, "container": "c", "object_prefix": "p", "object_count": 3, "bytes": 5000000000, "project_id": null,
		 "condition": "damaged", "reason": "r", "warnings": ["w"],
		 "problems": [{"backup_id": "a", "object": "o", "reason": "missing", "offset": 1, "length": 2}], "managed": true, "host": "h@s"},
		{"id": "d", "volume_id": null, "parent_id": null, "name": null, "created_at": null, "size": 0, "condition": "partial"}]}`)}})
	list, err := c.client(Options{}).ManageableBackups(t.Context(), ManageableOpts{Containers: []string{"c d", "e"}, Host: "h@s"})
	require.NoError(t, err)
	assert.Equal(t, []Manageable{
		{ID: "b", VolumeID: "v", ParentID: "a", Name: ptr("n"), CreatedAt: time.Date(2026, 11, 21, 6, 24, 58, 0, time.UTC),
			Size: 2, Container: "c", ObjectPrefix: "p", ObjectCount: 3, Bytes: 5000000000, Condition: driverstate.ConditionDamaged,
			Reason: "r", Warnings: []string{"w"}, Problems: []Problem{{"a", "o", "missing", 1, 2}}, Managed: true, Host: "h@s"},
		{ID: "d", Condition: driverstate.ConditionPartial, Problems: []Problem{}},
	}, list)
	r := c.one()
	assert.Equal(t, map[string][]string{"container": {"c d", "e"}, "host": {"h@s"}}, r.query)
	assert.Empty(t, r.version)
}

// Of a list that breaks off, what came is not had twice.
func TestAListOfTheStoreThatBreaksOffIsNotBegunAgain(t *testing.T) {
	half := says(200, `{"manageable_backups": [{"id": "b", "condition": "whole"},`)
	c := newCloud(t, map[string][]answer{"GET /manageable_backups": {half, half, half}})
	var got []string
	use := func(m Manageable) error {
		got = append(got, m.ID)
		return nil
	}
	require.Error(t, c.client(Options{}).EachManageable(t.Context(), ManageableOpts{}, use))
	assert.Equal(t, []string{"b"}, got)
	c.one()
	_, err := c.client(Options{}).ManageableBackups(t.Context(), ManageableOpts{})
	require.Error(t, err)
	enough := errors.New("enough")
	require.ErrorIs(t, c.client(Options{}).EachManageable(t.Context(), ManageableOpts{}, func(Manageable) error { return enough }), enough)
	assert.Len(t, c.asked(), 3)
}

func TestManagingSaysWhatIsAllowed(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"POST /manageable_backups": {{Status: 202, Body: recorded(t, "backup error").Body}},
		"POST /manageable_volumes": {{Status: 202, Body: recorded(t, "volume available").Body}},
	})
	client := c.client(Options{})
	b, err := client.ManageBackup(t.Context(), ManageOpts{ID: "id", AllowDamaged: true})
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusError, b.Status)
	v, err := client.ManageVolume(t.Context(), ManageVolumeOpts{SourceName: "/to/file", Name: "n", Size: 3, Overwrite: true})
	require.NoError(t, err)
	assert.Equal(t, "6b0b468c-ee4a-46d5-be0f-fb34124f2d6a", v.ID)
	asked := c.asked()
	assert.JSONEq(t, `{"backup": {"id": "id", "allow_damaged": true}}`, asked[0].body)
	assert.JSONEq(t, `{"volume": {"ref": {"source-name": "/to/file"}, "name": "n", "size": 3, "overwrite": true}}`, asked[1].body)
}

func TestACloudHasNoneOfTheEnginesCalls(t *testing.T) {
	unrouted := says(404, `{"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}`)
	c := newCloud(t, map[string][]answer{
		"GET /manageable_backups": {unrouted}, "POST /manageable_backups": {unrouted}, "POST /verifications": {unrouted},
	})
	client := c.client(Options{})
	_, err := client.ManageableBackups(t.Context(), ManageableOpts{})
	requireKind(t, err, driverstate.ErrNotSupported)
	_, err = client.ManageBackup(t.Context(), ManageOpts{ID: "id"})
	requireKind(t, err, driverstate.ErrNotSupported)
	_, err = client.Verify(t.Context(), "id", driverstate.DepthData)
	requireKind(t, err, driverstate.ErrNotSupported)
}
