package client

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// said is what Cinder 21.3.1 (Zed) said to a call around backups.
func said(t *testing.T, name string) answer {
	t.Helper()
	a, ok := readJSON[map[string]answer](t, "neighbours.json")[name]
	require.True(t, ok, name)
	return a
}

func at(h, m, s int) time.Time { return time.Date(2026, 11, 21, h, m, s, 0, time.UTC) }

func TestVolumesAreListedFromAllPagesWithWhatTheyAreAttachedTo(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /volumes/detail": {said(t, "volumes"), says(200, `{"volumes": []}`)}})
	list, err := c.client(Options{AllProjects: true}).ListVolumes(t.Context(), VolumeListOpts{Host: "vol1@file", Status: "in-use"})
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, Volume{
		ID: "99ec953d-ff9d-4b9b-af6c-52ae13a79a16", Name: ptr("a1"), Status: driverstate.VolumeInUse, Size: 1,
		AvailabilityZone: ptr("nova"), VolumeType: ptr("__DEFAULT__"), Bootable: "false", Metadata: map[string]string{},
		UserID: "84b47ca8b0154ef69eb22bae1397388c", ProjectID: "2139fae63bf5468480bc54b27f82615f", Host: "vol1@file#files",
		Attachments: []Attachment{{ServerID: "1eeb45f6-e5a2-11f1-9974-02fc00000001", Device: "/dev/vdb"}},
		CreatedAt:   at(11, 47, 2), UpdatedAt: at(11, 53, 21),
	}, list[0])
	asked := c.asked()
	require.Len(t, asked, 2)
	assert.Equal(t, map[string][]string{"all_tenants": {"1"}, "host": {"vol1@file"}, "status": {"in-use"}}, asked[0].query)
	assert.Equal(t, []string{"99ec953d-ff9d-4b9b-af6c-52ae13a79a16"}, asked[1].query["marker"])
}

func TestAFilterThatATenantMayNotUseIsRefusedAndNotDropped(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /volumes/detail": {said(t, "volumes, a tenant filters by host")}})
	_, err := c.client(Options{}).ListVolumes(t.Context(), VolumeListOpts{Host: "x"})
	requireKind(t, err, driverstate.ErrInvalidInput)
	assert.Equal(t, "volume 3.34", c.one().version, "before 3.31 it would be dropped")

	c = newCloud(t, map[string][]answer{"GET /snapshots/detail": {said(t, "volumes, a tenant filters by host")}})
	_, err = c.client(Options{}).ListSnapshots(t.Context(), SnapshotListOpts{Filters: map[string]string{"host": "x"}})
	requireKind(t, err, driverstate.ErrInvalidInput)
	assert.Equal(t, "volume 3.34", c.one().version)
}

func TestSnapshotsAreRead(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /snapshots/detail": {said(t, "snapshots")}})
	list, err := c.client(Options{}).ListSnapshots(t.Context(), SnapshotListOpts{
		AllProjects: ptr(true), VolumeID: "41a3af03-4f42-439b-979e-8723f16b37be", Limit: 7, Sort: "created_at:asc"})
	require.NoError(t, err)
	assert.Equal(t, []Snapshot{{ID: "a04734ee-aebe-4c8d-a018-0c8a48694011", Name: ptr("rec-s"), Status: "available",
		VolumeID: "41a3af03-4f42-439b-979e-8723f16b37be", Size: 1, Metadata: map[string]string{},
		ProjectID: "fe42d64b4de44f28aad1f49cc2a6c70b", CreatedAt: at(11, 54, 13), UpdatedAt: at(11, 54, 13)}}, list)
	r := c.one()
	assert.Equal(t, map[string][]string{"all_tenants": {"1"}, "volume_id": {"41a3af03-4f42-439b-979e-8723f16b37be"},
		"limit": {"7"}, "sort": {"created_at:asc"}}, r.query)
	assert.Empty(t, r.version, "the base version does it")
}

func TestMessagesAreAskedForByWhatTheyAreAbout(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /messages": {said(t, "messages")}})
	list, err := c.client(Options{AllProjects: true}).ListMessages(t.Context(), MessageListOpts{
		ResourceID: "c833c70c-4ad4-425f-a831-617ba20f07e2", ResourceType: "VOLUME_BACKUP", RequestID: "req", Level: "ERROR", Limit: 1})
	require.NoError(t, err)
	assert.Equal(t, []Message{{ID: "0e5e12f4-7c3c-458c-8421-4c75037a89fb", EventID: "VOLUME_VOLUME_BACKUP_013_024",
		UserMessage:  "create backup:Backup failed to schedule. Service not found for creating backup.",
		MessageLevel: "ERROR", ResourceType: ptr("VOLUME_BACKUP"), ResourceUUID: ptr("c833c70c-4ad4-425f-a831-617ba20f07e2"),
		RequestID: "req-7635cf5c-3455-44eb-bae7-d49f41e81ada", CreatedAt: at(11, 47, 6),
		GuaranteedUntil: time.Date(2026, 12, 21, 11, 47, 6, 0, time.UTC)}}, list)
	r := c.one()
	assert.Equal(t, map[string][]string{"sort": {"created_at:desc"}, "limit": {"1"}, "request_id": {"req"}, "message_level": {"ERROR"},
		"resource_uuid": {"c833c70c-4ad4-425f-a831-617ba20f07e2"}, "resource_type": {"VOLUME_BACKUP"}}, r.query)
	assert.Equal(t, "volume 3.5", r.version)
}

func TestClustersAreReadAndFiltered(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /clusters/detail": {said(t, "clusters"), said(t, "clusters of a tenant")}})
	client := c.client(Options{})
	list, err := client.ListClusters(t.Context(), ClusterListOpts{Name: "labcluster@file", Binary: "cinder-volume", IsUp: ptr(true), Disabled: ptr(false)})
	require.NoError(t, err)
	assert.Equal(t, []Cluster{{Name: "labcluster@file", Binary: driverstate.BinaryVolume, State: "up", Status: "enabled", NumHosts: 2,
		LastHeartbeat: at(11, 54, 44), CreatedAt: at(11, 46, 7), UpdatedAt: at(11, 46, 9)}}, list)
	_, err = client.ListClusters(t.Context(), ClusterListOpts{})
	requireKind(t, err, driverstate.ErrForbidden)
	asked := c.asked()
	assert.Equal(t, map[string][]string{"name": {"labcluster@file"}, "binary": {"cinder-volume"}, "is_up": {"true"}, "disabled": {"false"}}, asked[0].query)
	assert.Equal(t, "volume 3.7", asked[0].version)
	assert.Empty(t, asked[1].query)
}

func TestACloudThatIsTooOldIsToldByItsVersion(t *testing.T) {
	old := says(200, `{"versions": [{"id": "v3.0", "version": "3.4", "min_version": "3.0"}]}`)
	for name, do := range map[string]func(*Client) error{
		"3.7": func(c *Client) error { _, err := c.ListClusters(t.Context(), ClusterListOpts{}); return err },
		"3.5": func(c *Client) error { _, err := c.ListMessages(t.Context(), MessageListOpts{}); return err },
		"3.9": func(c *Client) error {
			_, err := c.UpdateBackup(t.Context(), "id", UpdateBackupOpts{Name: ptr("n")})
			return err
		},
		"3.43": func(c *Client) error {
			_, err := c.CreateBackup(t.Context(), CreateBackupOpts{VolumeID: "v", Metadata: map[string]string{"k": "v"}})
			return err
		},
		"3.51": func(c *Client) error {
			_, err := c.CreateBackup(t.Context(), CreateBackupOpts{VolumeID: "v", AvailabilityZone: "z", Metadata: map[string]string{"k": "v"}})
			return err
		},
		"3.31": func(c *Client) error { _, err := c.Dependents(t.Context(), "id"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, map[string][]answer{"GET /v3/": {old}})
			err := do(c.client(Options{}))
			requireKind(t, err, driverstate.ErrNotSupported)
			assert.ErrorContains(t, err, name)
			assert.Empty(t, c.asked(), "nothing was sent")
		})
	}
	c := newCloud(t, map[string][]answer{"GET /clusters/detail": {said(t, "clusters too early")}})
	_, err := c.client(Options{}).ListClusters(t.Context(), ClusterListOpts{})
	requireKind(t, err, driverstate.ErrNotSupported)
	assert.ErrorContains(t, err, "came with 3.7")
}

func TestServicesAreEnabledAndDisabled(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"PUT /os-services/enable":             {said(t, "service enable")},
		"PUT /os-services/disable":            {said(t, "service plain disable"), said(t, "service unknown")},
		"PUT /os-services/disable-log-reason": {said(t, "service disable")},
	})
	client := c.client(Options{})
	s, err := client.DisableService(t.Context(), "bak-s3", "cinder-backup", "disk full")
	require.NoError(t, err)
	assert.Equal(t, ServiceState{Binary: driverstate.BinaryBackup, Host: "bak-s3", Status: "disabled", DisabledReason: ptr("disk full")}, s)
	s, err = client.DisableService(t.Context(), "bak-s3", "cinder-backup", "")
	require.NoError(t, err)
	assert.Equal(t, "disabled", s.Status)
	s, err = client.EnableService(t.Context(), "bak-s3", "cinder-backup")
	require.NoError(t, err)
	assert.Equal(t, "enabled", s.Status)
	_, err = client.DisableService(t.Context(), "nosuch", "cinder-backup", "")
	require.Error(t, err)
	asked := c.asked()
	assert.JSONEq(t, `{"host": "bak-s3", "binary": "cinder-backup", "disabled_reason": "disk full"}`, asked[0].body)
	assert.JSONEq(t, `{"host": "bak-s3", "binary": "cinder-backup"}`, asked[1].body)
	assert.JSONEq(t, `{"host": "bak-s3", "binary": "cinder-backup"}`, asked[2].body)
}

func TestABackupIsCreatedOnceInTheVersionThatItNeeds(t *testing.T) {
	for _, c := range []struct {
		name, version, body string
		ask                 CreateBackupOpts
	}{
		{"plain", "", `{"backup": {"volume_id": "v", "incremental": false, "force": false}}`, CreateBackupOpts{VolumeID: "v"}},
		{"of a snapshot", "", `{"backup": {"volume_id": "v", "snapshot_id": "s", "name": "n", "description": "d", "container": "c", "incremental": true, "force": true}}`,
			CreateBackupOpts{VolumeID: "v", SnapshotID: "s", Name: "n", Description: "d", Container: "c", Incremental: true, Force: true}},
		{"metadata", "volume 3.43", `{"backup": {"volume_id": "v", "incremental": false, "force": false, "metadata": {"k": "v"}}}`,
			CreateBackupOpts{VolumeID: "v", Metadata: map[string]string{"k": "v"}}},
		{"zone", "volume 3.51", `{"backup": {"volume_id": "v", "incremental": false, "force": false, "availability_zone": "az-swift"}}`,
			CreateBackupOpts{VolumeID: "v", AvailabilityZone: "az-swift"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := newCloud(t, map[string][]answer{"POST /backups": {said(t, "backup create")}})
			made, err := cloud.client(Options{}).CreateBackup(t.Context(), c.ask)
			require.NoError(t, err)
			assert.Equal(t, Created{ID: "a860ce5d-3c20-4bfb-8ab1-21da3ad6d1dd", Name: ptr("rec-b")}, made, "Zed names no volume")
			r := cloud.one()
			assert.Equal(t, c.version, r.version)
			assert.JSONEq(t, c.body, r.body)
		})
	}
}

func TestARefusedOrLostCreationIsNeverRepeated(t *testing.T) {
	for _, c := range []struct {
		name string
		a    answer
		kind error
		lost bool
	}{
		{"no volume", said(t, "backup of an unknown volume"), driverstate.ErrNotFound, false},
		{"no base", said(t, "backup without a base"), driverstate.ErrInvalidStatus, false},
		{"an emoji in the name", said(t, "backup with an emoji"), driverstate.ErrUnavailable, false},
		{"a gateway", says(http.StatusBadGateway, `{}`), driverstate.ErrUnavailable, true},
		{"a slow gateway", says(http.StatusGatewayTimeout, `{}`), driverstate.ErrUnavailable, true},
		{"a broken connection", answer{hangUp: true}, driverstate.ErrUnavailable, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := newCloud(t, map[string][]answer{"POST /backups": {c.a}, "POST /volumes": {c.a}})
			client := cloud.client(Options{})
			_, err := client.CreateBackup(t.Context(), CreateBackupOpts{VolumeID: "v"})
			requireKind(t, err, c.kind)
			assert.Equal(t, c.lost, Lost(err))
			_, err = client.CreateVolume(t.Context(), CreateVolumeOpts{Size: 1})
			assert.Equal(t, c.lost, Lost(err))
			assert.Len(t, cloud.asked(), 2)
		})
	}
}

func TestABackupIsUpdatedByWhatIsGivenAndReadAgain(t *testing.T) {
	const id = "a860ce5d-3c20-4bfb-8ab1-21da3ad6d1dd"
	c := newCloud(t, map[string][]answer{
		"PUT /backups/" + id: {said(t, "backup update")}, "GET /backups/" + id: {said(t, "backup updated")},
	})
	client := c.client(Options{})
	b, err := client.UpdateBackup(t.Context(), id, UpdateBackupOpts{Name: ptr("rec-b2"), Metadata: map[string]string{"a": "b"}})
	require.NoError(t, err)
	assert.Equal(t, ptr("rec-b2"), b.Name)
	assert.Equal(t, driverstate.StatusAvailable, b.Status)
	assert.Equal(t, map[string]string{"a": "b"}, b.Metadata)
	_, err = client.UpdateBackup(t.Context(), id, UpdateBackupOpts{Description: ptr("")})
	require.NoError(t, err)
	asked := c.asked()
	assert.Equal(t, "volume 3.43", asked[0].version)
	assert.JSONEq(t, `{"backup": {"name": "rec-b2", "metadata": {"a": "b"}}}`, asked[0].body)
	assert.Equal(t, "volume 3.9", asked[2].version)
	assert.JSONEq(t, `{"backup": {"description": ""}}`, asked[2].body, "an empty text is one that is given")
}

func TestVolumesAreForcedAndReset(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"POST /volumes/id/action": {says(202, ""), says(202, ""), said(t, "volume reset by a tenant"), said(t, "volume reset to in-use")},
		"DELETE /volumes/id":      {said(t, "volume delete with snapshots")},
	})
	client := c.client(Options{})
	require.NoError(t, client.ForceDeleteVolume(t.Context(), "id"))
	require.NoError(t, client.ResetVolumeStatus(t.Context(), "id", driverstate.VolumeAvailable))
	requireKind(t, client.ResetVolumeStatus(t.Context(), "id", driverstate.VolumeAvailable), driverstate.ErrForbidden)
	requireKind(t, client.ResetVolumeStatus(t.Context(), "id", driverstate.VolumeInUse), driverstate.ErrInvalidInput)
	requireKind(t, client.DeleteVolume(t.Context(), "id"), driverstate.ErrInvalidStatus)
	asked := c.asked()
	assert.JSONEq(t, `{"os-force_delete": {}}`, asked[0].body)
	assert.JSONEq(t, `{"os-reset_status": {"status": "available"}}`, asked[1].body)
	for _, id := range []string{"", ".", ".."} {
		requireKind(t, client.ResetVolumeStatus(t.Context(), id, driverstate.VolumeError), driverstate.ErrInvalidInput)
	}
}

func TestAVolumeIsWaitedForUntilItIsGone(t *testing.T) {
	deleting := edit(t, "volume available", "volume", map[string]any{"status": "deleting"})
	for _, c := range []struct {
		name  string
		looks []answer
		kind  error
	}{
		{"gone", []answer{deleting, deleting, said(t, "volume gone")}, nil},
		{"given up", []answer{deleting, edit(t, "volume available", "volume", map[string]any{"status": "error_deleting"})}, driverstate.ErrNotApplied},
	} {
		t.Run(c.name, func(t *testing.T) {
			// the recorded 404 is about this id
			const id = "41a3af03-4f42-439b-979e-8723f16b37be"
			cloud := newCloud(t, map[string][]answer{"GET /volumes/" + id: c.looks})
			err := cloud.client(Options{}).WaitVolumeGone(t.Context(), id)
			if c.kind == nil {
				require.NoError(t, err)
				return
			}
			requireKind(t, err, c.kind)
			assert.ErrorContains(t, err, "error_deleting")
		})
	}
}

func TestTheQuotaCountsWhatIsReserved(t *testing.T) {
	const project = "fe42d64b4de44f28aad1f49cc2a6c70b"
	c := newCloud(t, map[string][]answer{"GET /os-quota-sets/" + project: {said(t, "quota"), said(t, "quota of another project")}})
	client := c.client(Options{})
	q, err := client.BackupQuota(t.Context(), project)
	require.NoError(t, err)
	assert.Equal(t, Quota{Backups: 1000, BackupsInUse: 3, Gigabytes: 100000, GigabytesInUse: 3}, q)
	assert.Equal(t, map[string][]string{"usage": {"True"}}, c.asked()[0].query)
	_, err = client.BackupQuota(t.Context(), project)
	requireKind(t, err, driverstate.ErrForbidden)
}

func TestOnlyAnAdminLearnsWhatStandsOnABackup(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {said(t, "backups by a column"), said(t, "backups by a column, as a tenant")}})
	client := c.client(Options{})
	list, err := client.Dependents(t.Context(), "p")
	require.NoError(t, err)
	require.Len(t, list, 1)
	r := c.asked()[0]
	assert.Equal(t, map[string][]string{"all_tenants": {"1"}, "parent_id": {"p"}}, r.query)
	assert.Equal(t, "volume 3.64", r.version)
	_, err = client.Dependents(t.Context(), "p")
	requireKind(t, err, driverstate.ErrForbidden)
}
