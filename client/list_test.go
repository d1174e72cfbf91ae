package client

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// page is an answer with these ids and a next link, if it is not empty.
func page(next string, ids ...string) answer {
	type item struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	body := map[string]any{}
	items := []item{}
	for _, id := range ids {
		items = append(items, item{id, "nightly"})
	}
	body["backups"] = items
	if next != "" {
		body["backups_links"] = []map[string]string{{"rel": "next", "href": next}}
	}
	text, _ := json.Marshal(body)
	return says(200, string(text))
}

func ids(list []Backup) []string {
	out := make([]string, len(list))
	for i, b := range list {
		out[i] = b.ID
	}
	return out
}

func TestARecordedListIsRead(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {recorded(t, "backups")}})
	list, err := c.client(Options{}).ListBackups(t.Context(), ListOpts{})
	require.NoError(t, err)
	assert.Len(t, list, 5)
	assert.Equal(t, "256b2b58-fa77-4659-a354-d0eaf2545b12", list[0].ID)
	assert.Empty(t, c.one().query, "the caller's own project, all of it")
}

func TestAListIsAskedForAsToldOrAsByDefault(t *testing.T) {
	for name, c := range map[string]struct {
		all   bool
		opts  ListOpts
		query map[string][]string
	}{
		"all projects by default": {true, ListOpts{}, map[string][]string{"all_tenants": {"1"}}},
		"not all projects":        {true, ListOpts{AllProjects: ptr(false)}, map[string][]string{}},
		"all projects":            {false, ListOpts{AllProjects: ptr(true)}, map[string][]string{"all_tenants": {"1"}}},
		"everything": {false, ListOpts{Name: "n", Status: "error", VolumeID: "v", Filters: map[string]string{"host": "h", "name~": "x"},
			Limit: 5, Sort: "name:asc,size"}, map[string][]string{"name": {"n"}, "status": {"error"}, "volume_id": {"v"},
			"host": {"h"}, "name~": {"x"}, "limit": {"5"}, "sort": {"name:asc,size"}}},
		"a limit above a page": {false, ListOpts{Limit: 5000}, map[string][]string{"limit": {"1000"}}},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, map[string][]answer{"GET /backups/detail": {page("")}})
			_, err := cloud.client(Options{AllProjects: c.all}).ListBackups(t.Context(), c.opts)
			require.NoError(t, err)
			assert.Equal(t, c.query, cloud.one().query)
		})
	}
}

func TestAllPagesAreFollowedToTheEmptyOneAfterAFullOne(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {
		page("http://cloud/v3/backups/detail?limit=2&marker=b", "a", "b"),
		page("http://cloud/v3/backups/detail?limit=2&marker=d", "c", "d"),
		page(""),
	}})
	list, err := c.client(Options{}).ListBackups(t.Context(), ListOpts{})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c", "d"}, ids(list))
	asked := c.asked()
	require.Len(t, asked, 3)
	assert.Equal(t, map[string][]string{"limit": {"2"}, "marker": {"b"}}, asked[1].query)
	assert.Equal(t, map[string][]string{"limit": {"2"}, "marker": {"d"}}, asked[2].query)
}

// The backup that a page begins after can be deleted before that is asked for.
func TestAListWhoseMarkerIsGoneBeginsAnew(t *testing.T) {
	gone := says(404, `{"itemNotFound": {"code": 404, "message": "Backup b could not be found."}}`)
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {
		page("?limit=2&marker=b", "a", "b"), gone, page("?limit=2&marker=c", "a", "c"), page(""),
	}})
	list, err := c.client(Options{}).ListBackups(t.Context(), ListOpts{Status: "error"})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "c"}, ids(list))
	asked := c.asked()
	require.Len(t, asked, 4)
	assert.Equal(t, map[string][]string{"status": {"error"}}, asked[2].query)

	c = newCloud(t, map[string][]answer{"GET /backups/detail": {gone}})
	_, err = c.client(Options{}).ListBackups(t.Context(), ListOpts{})
	requireKind(t, err, driverstate.ErrNotFound)
	assert.Len(t, c.asked(), 1, "nothing was deleted")

	var answers []answer
	for range 100 {
		answers = append(answers, page("?limit=2&marker=b", "a", "b"), gone)
	}
	c = newCloud(t, map[string][]answer{"GET /backups/detail": answers})
	_, err = c.client(Options{}).ListBackups(t.Context(), ListOpts{})
	requireKind(t, err, driverstate.ErrNotFound)
	assert.Len(t, c.asked(), 2*(maxRestarts+1), "it ends")
}

func TestANextLinkNeverLeadsAwayFromTheEndpoint(t *testing.T) {
	elsewhere := newCloud(t, nil)
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {
		page(elsewhere.url+"/v3/evil?marker=b", "a", "b"), page("file:///etc/passwd?marker=d", "c", "d"), page(""),
	}})
	list, err := c.client(Options{}).ListBackups(t.Context(), ListOpts{})
	require.NoError(t, err)
	assert.Len(t, list, 4)
	assert.Empty(t, elsewhere.requests)
	for _, r := range c.asked() {
		assert.Equal(t, "/backups/detail", r.path)
	}
}

func TestAListThatDoesNotEndIsGivenUp(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {page("?marker=a", "a")}})
	_, err := c.client(Options{}).ListBackups(t.Context(), ListOpts{})
	requireKind(t, err, driverstate.ErrUnavailable)
	assert.Len(t, c.asked(), 2)
}

func TestALinkWithoutAMarkerEndsTheList(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {page("::bad", "a")}})
	list, err := c.client(Options{}).ListBackups(t.Context(), ListOpts{})
	require.NoError(t, err)
	assert.Len(t, list, 1)
}

func TestALimitIsKeptAcrossPages(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/detail": {page("?marker=b", "a", "b"), page("?marker=d", "c", "d")}})
	list, err := c.client(Options{}).ListBackups(t.Context(), ListOpts{Limit: 3})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c"}, ids(list))
	assert.Len(t, c.asked(), 2)
	_, err = c.client(Options{}).ListBackups(t.Context(), ListOpts{Limit: -1})
	requireKind(t, err, driverstate.ErrInvalidInput)
}

func TestABackupIsFoundByID(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/p-1": {recorded(t, "backup available")}})
	b, err := c.client(Options{}).FindBackup(t.Context(), "p-1")
	require.NoError(t, err)
	assert.Equal(t, "97f10361-8e72-4465-8d43-72a5ba8c372d", b.ID)
	assert.Len(t, c.asked(), 1)
}

func TestABackupIsFoundByName(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /backups/nightly": {recorded(t, "backup absent")},
		"GET /backups/detail":  {page("", "a")},
	})
	b, err := c.client(Options{AllProjects: true}).FindBackup(t.Context(), "nightly")
	require.NoError(t, err)
	assert.Equal(t, "a", b.ID)
	assert.Equal(t, map[string][]string{"all_tenants": {"1"}, "name": {"nightly"}}, c.asked()[1].query)
}

func TestANameOfSeveralBackupsIsAConflictThatNamesThem(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /backups/nightly": {recorded(t, "backup absent")},
		"GET /backups/detail":  {page("", "a", "b")},
	})
	_, err := c.client(Options{}).FindBackup(t.Context(), "nightly")
	requireKind(t, err, driverstate.ErrConflict)
	assert.ErrorContains(t, err, "a, b")
}

func TestWhatIsNeitherIDNorNameIsNotFound(t *testing.T) {
	// The database may match names more generously than asked.
	c := newCloud(t, map[string][]answer{
		"GET /backups/Nightly": {recorded(t, "backup absent")},
		"GET /backups/detail":  {page("", "a")},
	})
	client := c.client(Options{})
	for _, ref := range []string{"Nightly", "detail", "..", ""} {
		_, err := client.FindBackup(t.Context(), ref)
		requireKind(t, err, driverstate.ErrNotFound)
		assert.ErrorContains(t, err, ref)
	}
}

func TestATroubledCloudIsNotTakenForAnAbsentBackup(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/x": {says(500, `{}`)}})
	_, err := c.client(Options{}).FindBackup(t.Context(), "x")
	requireKind(t, err, driverstate.ErrUnavailable)
}

func TestSortingByNameIsSpelledForOldClouds(t *testing.T) {
	for version, want := range map[int]string{36: "display_name:asc,size,display_name", 37: "name:asc,size,name"} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			c := newCloud(t, map[string][]answer{
				"GET /v3/":            {says(200, fmt.Sprintf(`{"versions": [{"id": "v3.0", "version": "3.%d"}]}`, version))},
				"GET /backups/detail": {page("")},
			})
			_, err := c.client(Options{}).ListBackups(t.Context(), ListOpts{Sort: "name:asc,size,name"})
			require.NoError(t, err)
			assert.Equal(t, []string{want}, c.one().query["sort"])
		})
	}
}
