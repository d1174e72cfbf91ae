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

// refuses is the answer of a server whose highest version is offer to a request
// in another, as Zed gave it for 3.71.
func refuses(asked, offer string) answer {
	return says(406, `{"computeFault": {"code": 406, "message": "Version `+asked+` is not supported by the API. Minimum is 3.0 and maximum is `+offer+`."}}`)
}

func TestAReadOfACloudThatIsNewEnoughNeedsNoQuestion(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/id": {recorded(t, "backup available")}})
	client := c.client(Options{})
	for range 2 {
		_, err := client.ShowBackup(t.Context(), "id")
		require.NoError(t, err)
	}
	assert.Len(t, c.requests, 2)
	for _, r := range c.asked() {
		assert.Equal(t, "volume 3.64", r.version, "the lowest version that has all fields")
	}
}

func TestVersionsAreAskedOnceAndOnlyWhenNeeded(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /backups/id": {recorded(t, "backup available")}, "DELETE /backups/id": {says(202, "")},
		"POST /workers/cleanup": {says(202, `{"cleaning": [], "unavailable": []}`)},
	})
	client := c.client(Options{})
	require.NoError(t, client.DeleteBackup(t.Context(), "id"))
	assert.Len(t, c.requests, 1, "the base version needs no question")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := client.CleanupWorkers(t.Context(), CleanupOpts{})
			assert.NoError(t, err)
			assert.False(t, client.IsEngine(t.Context()))
		})
	}
	wg.Wait()
	assert.Len(t, c.requests, 1+1+8)
}

func TestTheRefusalOfAVersionTellsTheBest(t *testing.T) {
	for offer, want := range map[string]string{"3.59": "volume 3.59", "3.1": "volume 3.1", "3.0": ""} {
		t.Run("of "+offer, func(t *testing.T) {
			show := recorded(t, "backup available")
			c := newCloud(t, map[string][]answer{"GET /backups/id": {refuses("3.64", offer), show}})
			client := c.client(Options{})
			for range 2 {
				_, err := client.ShowBackup(t.Context(), "id")
				require.NoError(t, err)
			}
			require.Len(t, c.requests, 3, "nothing else is asked, and not again")
			assert.Equal(t, "volume 3.64", c.requests[0].version)
			assert.Equal(t, want, c.requests[1].version)
			assert.Equal(t, want, c.requests[2].version)
			assert.Empty(t, c.slept)
		})
	}
}

func TestARefusalThatTellsNothingLeadsToTheVersionDocument(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /v3/": {offers("3.59")}, "GET /backups/id": {says(406, "<html>"), recorded(t, "backup available")},
	})
	_, err := c.client(Options{}).ShowBackup(t.Context(), "id")
	require.NoError(t, err)
	asked := c.asked()
	require.Len(t, asked, 2)
	assert.Equal(t, "volume 3.59", asked[1].version)
}

func TestAServerThatRefusesEveryVersionIsNotAskedForEver(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/id": {says(406, "")}})
	_, err := c.client(Options{}).ShowBackup(t.Context(), "id")
	requireKind(t, err, driverstate.ErrNotSupported)
	assert.Len(t, c.asked(), 2)
}

func TestTheLowestVersionThatDoesTheJobIsAskedFor(t *testing.T) {
	for offer, want := range map[string]string{"3.71": "volume 3.64", "3.64": "volume 3.64", "3.59": "volume 3.59", "3.0": "", "": ""} {
		t.Run("of "+offer, func(t *testing.T) {
			c := newCloud(t, map[string][]answer{"GET /v3/": {offers(offer)}, "GET /backups/id": {recorded(t, "backup available")}})
			client := c.client(Options{})
			client.IsEngine(t.Context()) // asks for the versions
			_, err := client.ShowBackup(t.Context(), "id")
			require.NoError(t, err)
			assert.Equal(t, want, c.one().version)
		})
	}
}

func TestACloudThatIsTooOldIsNotAsked(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /v3/": {offers("3.15")}})
	client := c.client(Options{})
	_, err := client.CleanupWorkers(t.Context(), CleanupOpts{})
	requireKind(t, err, driverstate.ErrNotSupported)
	assert.EqualError(t, err, "workers cleanup: this needs microversion 3.24 (Ocata), and the cloud offers up to 3.15 (Newton)")
	_, err = client.ListBackups(t.Context(), ListOpts{Filters: map[string]string{"name~": "x"}})
	requireKind(t, err, driverstate.ErrNotSupported)
	assert.ErrorContains(t, err, "needs microversion 3.34")
	assert.Empty(t, c.asked())
}

func TestTheVersionAboveIsAskedWhenTheFirstIsSilent(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /v3/":              {says(404, "nothing here")},
		"GET /":                 {recorded(t, "versions")}, // with status 300
		"POST /workers/cleanup": {says(202, `{}`)},
	})
	_, err := c.client(Options{}).CleanupWorkers(t.Context(), CleanupOpts{})
	require.NoError(t, err)
	assert.Equal(t, "volume 3.24", c.one().version)
}

func TestACloudThatTellsNoVersionsIsAskedForWhatIsNeeded(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /v3/": {says(200, "<html>")}, "GET /": {says(403, "")},
		"GET /backups/id": {recorded(t, "backup available")}, "POST /workers/cleanup": {refuses("3.24", "3.15")},
	})
	client := c.client(Options{})
	_, err := client.CleanupWorkers(t.Context(), CleanupOpts{})
	requireKind(t, err, driverstate.ErrNotSupported)
	assert.ErrorContains(t, err, "the cloud offers microversions 3.0 to 3.15, and this needs 3.24")
	_, err = client.ShowBackup(t.Context(), "id")
	require.NoError(t, err)
	asked := c.asked()
	assert.Equal(t, "volume 3.24", asked[0].version)
	assert.Empty(t, asked[1].version)
}

func TestATroubledDiscoveryIsAskedAgainNextTime(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /v3/":              {says(500, "{}"), recorded(t, "versions")},
		"POST /workers/cleanup": {says(202, `{}`)},
	})
	client := c.client(Options{})
	_, err := client.CleanupWorkers(t.Context(), CleanupOpts{})
	requireKind(t, err, driverstate.ErrUnavailable)
	_, err = client.CleanupWorkers(t.Context(), CleanupOpts{})
	require.NoError(t, err)
	assert.Equal(t, "volume 3.24", c.one().version)
}

func TestATokenThatIsRefusedAtDiscoveryIsForbidden(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /v3/": {says(401, `{"error":{"code":401,"message":"The request you have made requires authentication."}}`)}})
	_, err := c.client(Options{}).CleanupWorkers(t.Context(), CleanupOpts{})
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
