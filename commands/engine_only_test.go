package commands

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// What only the engine has is asked of a cloud by everyone who knows it from
// there: the way to it is told, whatever the verb.
func TestWhatOnlyTheEngineHasSaysHowToGetIt(t *testing.T) {
	target, err := url.Parse(replayEngine(t, true).base)
	require.NoError(t, err)
	extensions := regexp.MustCompile(`/(examinations|manageable_backups|verifications)(/|$)`)
	pass := httputil.NewSingleHostReverseProxy(target)
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if extensions.MatchString(r.URL.Path) {
			// As Cinder Zed answers for an address that it has not.
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			w.Write([]byte(`{"itemNotFound": {"code": 404, "message": "The resource could not be found."}}`))
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(cloud.Close)
	const id = "0f0c2d7e-9a1b-4c3d-8e6f-7a8b9c0d1e2f"
	for _, line := range []string{
		"backup-verify " + id, "backup-manageable-list", "backup-manage " + id, "backup-manage --all", "driver-check",
	} {
		t.Run(line, func(t *testing.T) {
			code, out, errOut := invoke(t, nil, append(strings.Fields(line), "--yes", "--os-endpoint", cloud.URL+"/v3")...)
			assert.Equal(t, 1, code)
			assert.Empty(t, out)
			assert.Contains(t, errOut, "this cloud has no such call; the engine of cinder-go has")
			assert.Contains(t, errOut, "hint: straight on the backup store: the same with --standalone --store URL")
		})
	}
}

func TestBackupServicesAreCleanedUpByAnEngineAlone(t *testing.T) {
	f := halfDead()
	_, err := cleanup(t, f, nil, "--binary", "cinder-backup")
	require.ErrorContains(t, err, "a cloud of Cinder takes cinder-volume and cinder-scheduler, and cleans up no backups")
	assert.Equal(t, 2, exitCode(err))
	assert.Empty(t, f.asked)
	f.engine = true
	_, err = cleanup(t, f, nil, "--binary", "cinder-backup")
	assert.NotErrorIs(t, err, driverstate.ErrInvalidInput) // of the fake's fixed answer
	require.Len(t, f.asked, 1)
	assert.Equal(t, "cinder-backup", f.asked[0].Binary)
}
