package client

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

const (
	volumeLeft   = `{"id": "v", "name": "clean-v1", "status": "deleting", "os-vol-host-attr:host": "vol1@file#files", "os-vol-tenant-attr:tenant_id": "p", "updated_at": "2026-11-21T07:42:33.000000"}`
	snapshotLeft = `{"id": "s", "name": null, "status": "creating", "volume_id": "v2", "os-extended-snapshot-attributes:project_id": "p"}`
)

// byStatus answers the four lists of volumes in their order: creating,
// deleting, uploading, downloading.
func byStatus(deleting string) []answer {
	none := says(200, `{"volumes": []}`)
	return []answer{none, says(200, `{"volumes": [`+deleting+`]}`), none, none}
}

func TestCleanablesAreWhatServicesWorkOnInAllProjects(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /volumes/detail":   byStatus(volumeLeft),
		"GET /snapshots/detail": {says(200, `{"snapshots": [`+snapshotLeft+`]}`)},
		"GET /volumes/v2":       {says(200, `{"volume": {"id": "v2", "status": "available", "os-vol-host-attr:host": "solo@file#files"}}`)},
	})
	list, err := c.client(Options{}).Cleanables(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Cleanable{
		{Type: "Volume", ID: "v", Name: "clean-v1", Status: "deleting", ProjectID: "p", VolumeID: "v", Host: "vol1@file",
			UpdatedAt: time.Date(2026, 11, 21, 7, 42, 33, 0, time.UTC)},
		{Type: "Snapshot", ID: "s", Status: "creating", ProjectID: "p", VolumeID: "v2", Host: "solo@file"},
	}, list)
	var asked []string
	for _, r := range c.asked() {
		if r.path == "/volumes/detail" || r.path == "/snapshots/detail" {
			assert.Equal(t, []string{"1"}, r.query["all_tenants"])
			asked = append(asked, r.query["status"][0])
		}
	}
	assert.Equal(t, []string{"creating", "deleting", "uploading", "downloading", "creating"}, asked)
}

func TestAnEngineHasNoSnapshotsToCleanUp(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /volumes/detail":   {says(200, `{"volumes": []}`)},
		"GET /snapshots/detail": {says(404, `{"itemNotFound": {"code": 404, "message": "The resource could not be found."}}`)},
	})
	list, err := c.client(Options{}).Cleanables(t.Context())
	require.NoError(t, err)
	assert.Empty(t, list)
}

func TestWhatIsCleanedUpIsWatchedUntilItLeftItsStatus(t *testing.T) {
	gone := says(404, `{"itemNotFound": {"code": 404, "message": "Volume v could not be found."}}`)
	c := newCloud(t, map[string][]answer{
		"GET /volumes/detail": append(byStatus(volumeLeft), says(200, `{"volumes": []}`)),
		"GET /snapshots/detail": {
			says(200, `{"snapshots": [`+snapshotLeft+`]}`), says(200, `{"snapshots": [`+snapshotLeft+`]}`),
			says(200, `{"snapshots": []}`), says(200, `{"snapshots": [{"id": "s", "status": "error", "volume_id": "v2"}]}`),
		},
		"GET /volumes/v": {gone},
	})
	before := []Cleanable{
		{Type: CleanableVolume, ID: "v", Status: "deleting", VolumeID: "v"},
		{Type: CleanableSnapshot, ID: "s", Status: "creating", VolumeID: "v2"},
	}
	var left []string
	now, err := c.client(Options{}).WaitCleaned(t.Context(), before, func(r Cleanable) { left = append(left, r.ID+" "+r.Status) })
	require.NoError(t, err)
	assert.Equal(t, []string{"v ", "s error"}, left)
	assert.Equal(t, "", now[0].Status)
	assert.Equal(t, "error", now[1].Status)
	assert.Equal(t, "deleting", before[0].Status, "the list of the caller stays as it was")
}

func TestAWatchThatEndsTellsWhatItKnows(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := newCloud(t, map[string][]answer{
		"GET /volumes/detail":   append(byStatus(volumeLeft), byStatus(volumeLeft)...),
		"GET /snapshots/detail": {says(200, `{"snapshots": []}`)},
		"GET /volumes/u":        {says(200, `{"volume": {"id": "u", "status": "available"}}`)},
	})
	now, err := c.client(Options{}).WaitCleaned(ctx, []Cleanable{
		{Type: CleanableVolume, ID: "v", Status: "deleting"}, {Type: CleanableVolume, ID: "u", Status: "uploading"},
	}, func(Cleanable) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "deleting", now[0].Status)
	assert.Equal(t, "available", now[1].Status)
}

func TestServiceNumbersAreReadFromACleanupOfNothing(t *testing.T) {
	c := newCloud(t, map[string][]answer{"POST /workers/cleanup": {
		says(202, `{"cleaning": [{"id": 4, "host": "vol1@file", "binary": "cinder-volume", "cluster_name": "labcluster@file"}],
			"unavailable": [{"id": 1, "host": "solo@file", "binary": "cinder-volume", "cluster_name": null}]}`),
		says(202, `{"cleaning": [{"id": 2, "host": "vm", "binary": "cinder-scheduler", "cluster_name": null}], "unavailable": []}`),
	}})
	list, err := c.client(Options{}).ServiceNumbers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []CleanupService{
		{ID: 1, Host: "solo@file", Binary: driverstate.BinaryVolume},
		{ID: 2, Host: "vm", Binary: driverstate.BinaryScheduler},
		{ID: 4, Host: "vol1@file", Binary: driverstate.BinaryVolume, ClusterName: ptr("labcluster@file")},
	}, list)
	assert.JSONEq(t, `{"resource_id": "00000000-0000-4000-8000-000000000000", "host": null, "is_up": false}`, c.asked()[0].body)
	assert.JSONEq(t, `{"resource_id": "00000000-0000-4000-8000-000000000000", "host": null, "is_up": true}`, c.asked()[1].body)
}
