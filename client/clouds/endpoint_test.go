package clouds

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tells makes the root of the Block Storage API tell these versions.
func (k *keystone) tells(root string, versions ...string) {
	k.cinder = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != root {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusMultipleChoices) // as Cinder does
		fmt.Fprint(w, `{"versions": [`)
		for i, v := range versions {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"id": %q, "status": "CURRENT"}`, v)
		}
		fmt.Fprint(w, `]}`)
	}
}

func TestEveryNameOfTheServiceIsKnown(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	for _, kind := range []string{"volumev3", "block-storage", "block-store", "volume"} {
		k.catalog = []any{service(kind, endpoint{"public", "one", "one", k.url + "/v3/" + projectID})}
		assert.Equal(t, k.url+"/v3/"+projectID+"/", connect(t, k.password()).Endpoint, kind)
	}
	assert.Empty(t, k.seen, "v3 needs no question")
}

func TestACatalogueWithV2AloneLeadsToV3WhereTheServerHasIt(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	for _, kind := range []string{"volumev2", "volume", "block-storage"} {
		k.catalog = []any{service(kind, endpoint{"public", "one", "one", k.url + "/cinder/v2/" + projectID})}
		k.tells("/cinder/", "v2.0", "v3.0")
		k.seen = nil
		assert.Equal(t, k.url+"/cinder/v3/"+projectID+"/", connect(t, k.password()).Endpoint, kind)
		require.Len(t, k.seen, 1, "asked once")
	}
	k.tells("/cinder/", "v1.0", "v2.0")
	err := settings(t, k.password())
	assert.Equal(t, "the catalogue has block storage API v2 alone, and "+k.url+"/cinder offers v1.0, v2.0: this needs v3 (Mitaka or later)", err.Text)
	assert.Contains(t, err.Hint, "--os-endpoint")
	k.tells("/elsewhere/")
	err = settings(t, k.password())
	assert.Equal(t, "the catalogue has no block storage API v3 with public interface in region one; it has block-storage public in region one", err.Text)
	k.cinder = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	_, failed := Connect(t.Context(), k.password())
	require.ErrorContains(t, failed, "versions of block storage at "+k.url+"/cinder")
}
