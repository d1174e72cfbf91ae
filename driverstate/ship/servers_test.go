package ship_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/ship"
)

// swiftServer is a Swift with its own login and its S3 interface, as
// testdata/servers/swift/up starts it.
func swiftServer(t *testing.T) (auth, s3 string) {
	t.Helper()
	auth = os.Getenv("CINDER_GO_SWIFT")
	if auth == "" {
		if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
			require.FailNow(t, "no Swift is there: CINDER_GO_SWIFT is not set", `eval "$(testdata/servers/up swift)"`)
		}
		t.Skip(`SKIPPED: no Swift to ship to: eval "$(testdata/servers/up swift)" starts one and sets CINDER_GO_SWIFT`)
	}
	u, err := url.Parse(auth)
	require.NoError(t, err)
	return auth, "http://" + u.Host
}

// posix, swift, s3, a tape, posix: at every stop the chain restores to the same
// bytes, and the files at the end are those of the beginning.
func TestAChainTravelsOverRealServers(t *testing.T) {
	auth, s3 := swiftServer(t)
	dir := t.TempDir()
	box := fmt.Sprintf("travel-%d", os.Getpid())
	env := func(name string) (string, bool) {
		value := map[string]string{
			"CINDER_GO_TO_KEY": "cinder", "CINDER_GO_TO_ACCESS_KEY": "project:cinder", "CINDER_GO_TO_SECRET_KEY": "cinder",
		}[name]
		return value, value != ""
	}
	at := open(t, posixURL(filepath.Join(dir, "first")), nil)
	aChain(t, at)
	for _, to := range []string{
		"swift:///" + box + "?auth=single_user&auth_version=1&user=project:cinder&object_size=65536&block_size=4096&auth_url=" + url.QueryEscape(auth),
		"s3:///" + box + "-s3?object_size=65536&block_size=4096&endpoint_url=" + url.QueryEscape(s3),
		"file://" + filepath.Join(dir, "x.cbk"),
		posixURL(filepath.Join(dir, "last")),
	} {
		l := ship.NewLanding("")
		reach := func(wrap func(objectstore.Store) objectstore.Store) driverstate.Driver {
			if to[0] == 'f' || to[0] == 'p' {
				return open(t, to, wrap)
			}
			d, err := drivers.Open(to, drivers.Options{Env: env, EnvPrefixes: []string{"CINDER_GO_TO_"}, Wrap: wrap})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			require.NoError(t, d.DoSetup(t.Context()))
			require.NoError(t, d.CheckForSetupError(t.Context()))
			return d
		}
		job := &ship.Job{Source: at, Target: reach(l.Wrap), Landing: l, Request: driverstate.ShipRequest{Chain: true}, Observer: driverstate.Discard}
		out, err := job.Ship(t.Context(), lineOf(t, at, ids()[2]))
		require.NoError(t, err, to)
		require.Len(t, out.Landed, 3)
		if to[0] == 'f' {
			require.NoError(t, job.Target.Close())
		}
		at = reach(nil)
		requireImages(t, at)
	}
	require.Equal(t, filesOf(t, filepath.Join(dir, "first")), filesOf(t, filepath.Join(dir, "last")))
}
