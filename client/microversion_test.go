package client

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func offers(version string) answer {
	return says(200, `{"versions": [{"id": "v2.0", "version": ""}, {"id": "v3.0", "version": "`+version+`", "min_version": "3.0"}]}`)
}

func TestVersionsAreAskedOnceAndOnlyWhenNeeded(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /backups/id": {recorded(t, "backup available")}, "DELETE /backups/id": {says(202, "")},
	})
	client := c.client(Options{})
	require.NoError(t, client.DeleteBackup(t.Context(), "id"))
	assert.Len(t, c.requests, 1, "the base version needs no question")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := client.ShowBackup(t.Context(), "id")
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Len(t, c.requests, 1+1+8)
}

func TestTheLowestVersionThatDoesTheJobIsAskedFor(t *testing.T) {
	for offer, want := range map[string]string{"3.71": "volume 3.64", "3.64": "volume 3.64", "3.59": "volume 3.59", "3.0": "", "": ""} {
		t.Run("of "+offer, func(t *testing.T) {
			c := newCloud(t, map[string][]answer{"GET /v3/": {offers(offer)}, "GET /backups/id": {recorded(t, "backup available")}})
			_, err := c.client(Options{}).ShowBackup(t.Context(), "id")
			require.NoError(t, err)
			assert.Equal(t, want, c.one().version)
		})
	}
}

func TestACloudThatIsTooOldIsNotAsked(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /v3/": {offers("3.23")}})
	client := c.client(Options{})
	_, err := client.CleanupWorkers(t.Context(), CleanupOpts{})
	requireKind(t, err, driverstate.ErrNotSupported)
	assert.EqualError(t, err, "workers cleanup: this needs microversion 3.24, and the cloud offers up to 3.23")
	_, err = client.ListBackups(t.Context(), ListOpts{Filters: map[string]string{"name~": "x"}})
	requireKind(t, err, driverstate.ErrNotSupported)
	assert.ErrorContains(t, err, "needs microversion 3.34")
	assert.Empty(t, c.asked())
}

func TestTheVersionAboveIsAskedWhenTheFirstIsSilent(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /v3/":        {says(404, "nothing here")},
		"GET /":           {recorded(t, "versions")}, // with status 300
		"GET /backups/id": {recorded(t, "backup available")},
	})
	_, err := c.client(Options{}).ShowBackup(t.Context(), "id")
	require.NoError(t, err)
	assert.Equal(t, "volume 3.64", c.one().version)
}

func TestACloudThatTellsNoVersionsIsAskedForWhatIsNeeded(t *testing.T) {
	refusal := says(406, `{"computeFault": {"code": 406, "message": "Version 3.24 is not supported by the API. Minimum is 3.0 and maximum is 3.15."}}`)
	c := newCloud(t, map[string][]answer{
		"GET /v3/": {says(200, "<html>")}, "GET /": {says(403, "")},
		"GET /backups/id": {recorded(t, "backup available")}, "POST /workers/cleanup": {refusal},
	})
	client := c.client(Options{})
	_, err := client.ShowBackup(t.Context(), "id")
	require.NoError(t, err)
	_, err = client.CleanupWorkers(t.Context(), CleanupOpts{})
	requireKind(t, err, driverstate.ErrNotSupported)
	assert.ErrorContains(t, err, "the cloud offers microversions 3.0 to 3.15, and this needs 3.24")
	asked := c.asked()
	assert.Empty(t, asked[0].version)
	assert.Equal(t, "volume 3.24", asked[1].version)
}

func TestATroubledDiscoveryIsAskedAgainNextTime(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /v3/":        {says(500, "{}"), recorded(t, "versions")},
		"GET /backups/id": {recorded(t, "backup available")},
	})
	client := c.client(Options{})
	_, err := client.ShowBackup(t.Context(), "id")
	requireKind(t, err, driverstate.ErrUnavailable)
	_, err = client.ShowBackup(t.Context(), "id")
	require.NoError(t, err)
	assert.Equal(t, "volume 3.64", c.one().version)
}

func TestATokenThatIsRefusedAtDiscoveryIsForbidden(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /v3/": {says(401, `{"error":{"code":401,"message":"The request you have made requires authentication."}}`)}})
	_, err := c.client(Options{}).ShowBackup(t.Context(), "id")
	requireKind(t, err, driverstate.ErrForbidden)
}

func TestWhereVersionsAreAskedFor(t *testing.T) {
	for endpoint, want := range map[string][]string{
		"http://c:8776/v3/":                    {"http://c:8776/v3/", "http://c:8776/"},
		"http://c:8776/v3/" + project + "/":    {"http://c:8776/v3/", "http://c:8776/"},
		"https://c/volume/v3/" + project + "/": {"https://c/volume/v3/", "https://c/volume/"},
		"https://c/volume/":                    {"https://c/volume/"},
		"https://v3.c/":                        {"https://v3.c/"},
	} {
		assert.Equal(t, want, discovery(endpoint), endpoint)
	}
}

func TestAServiceClientsOwnVersionAndTypeAreNotTouched(t *testing.T) {
	var headers http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = r.Header.Clone()
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	sc := &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: s.URL + "/v3/", Type: "volumev3", Microversion: "3.50"}
	require.NoError(t, New(sc, Options{}).DeleteBackup(t.Context(), "id"))
	assert.Equal(t, "3.50", sc.Microversion)
	assert.Equal(t, "volumev3", sc.Type)
	assert.Empty(t, headers.Get("OpenStack-API-Version"))
}
