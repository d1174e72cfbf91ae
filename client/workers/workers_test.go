package workers

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fakeClient(t *testing.T, h http.HandlerFunc) *gophercloud.ServiceClient {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "token"},
		Endpoint:       s.URL + "/v3/", Type: "block-storage", Microversion: "3.24",
	}
}

func TestCleanup(t *testing.T) {
	client := fakeClient(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "POST /v3/workers/cleanup", r.Method+" "+r.URL.Path)
		assert.Equal(t, "volume 3.24", r.Header.Get("OpenStack-API-Version"))
		assert.Equal(t, "token", r.Header.Get("X-Auth-Token"))
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.JSONEq(t, `{"host": "node1", "is_up": true}`, string(body))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"cleaning": [{"id": 4, "host": "node1@a", "binary": "cinder-volume", "cluster_name": "c"}],
			"unavailable": [{"id": 1, "host": "node1@b", "binary": "cinder-volume", "cluster_name": null}]}`)
	})
	up := true
	services, err := Cleanup(t.Context(), client, CleanupOpts{Host: "node1", IsUp: &up}).Extract()
	require.NoError(t, err)
	cluster := "c"
	assert.Equal(t, &Services{
		Cleaning:    []Service{{ID: 4, Host: "node1@a", Binary: "cinder-volume", ClusterName: &cluster}},
		Unavailable: []Service{{ID: 1, Host: "node1@b", Binary: "cinder-volume"}},
	}, services)
}

func TestCleanupOfEverythingHasABodyAllTheSame(t *testing.T) {
	body, err := CleanupOpts{}.ToWorkersCleanupMap()
	require.NoError(t, err)
	assert.Equal(t, map[string]any{}, body)
}

func TestCleanupRefused(t *testing.T) {
	client := fakeClient(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	_, err := Cleanup(t.Context(), client, CleanupOpts{}).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusForbidden))
}
