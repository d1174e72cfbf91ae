package client

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestRowsAreAskedForByColumnsThatNoViewShows(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {page("", "a")}})
	list, err := c.client(Options{}).BackupsWhere(t.Context(), map[string]string{"status": "creating", "service~": ""})
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, ids(list))
	assert.Equal(t, map[string][]string{"all_tenants": {"1"}, "status": {"creating"}, "service~": {""}}, map[string][]string(c.one().query))

	_, err = c.client(Options{}).BackupsWhere(t.Context(), nil)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput, "without a column it would be everything")
}

func TestTemporaryVolumesAndSnapshotsAreSortedByWhatTheyAreOf(t *testing.T) {
	const source = "4c8e12c0-2801-43f3-956a-068e8758e238"
	c := newCloud(t, map[string][]answer{
		"GET /volumes/detail": {says(200, `{"volumes": [{"id": "v1", "name": "backup-vol-`+source+`"}, {"id": "v2", "name": "my-backup-vol-`+source+`"},
			{"id": "v3", "name": "backup-vol-old"}, {"id": "v4", "name": null}]}`)},
		"GET /snapshots/detail": {says(200, `{"snapshots": [{"id": "s1", "name": "backup-snap-`+source+`"}]}`)},
	})
	client := c.client(Options{})
	volumes, err := client.TemporaryVolumes(t.Context())
	require.NoError(t, err)
	require.Len(t, volumes, 1)
	require.Len(t, volumes[source], 1, "what a user called so is not Cinder's")
	assert.Equal(t, "v1", volumes[source][0].ID)
	snapshots, err := client.TemporarySnapshots(t.Context())
	require.NoError(t, err)
	require.Len(t, snapshots[source], 1)
}

func TestAFilterThatIsRefusedIsALackOfPermission(t *testing.T) {
	// What Cinder answers to one who is not admin.
	c := newCloud(t, map[string][]answer{"GET /volumes/detail": {says(400, `{"badRequest": {"code": 400, "message": "Invalid filters name~ are found in query options."}}`)}})
	_, err := c.client(Options{}).TemporaryVolumes(t.Context())
	require.ErrorIs(t, err, driverstate.ErrForbidden)
}
