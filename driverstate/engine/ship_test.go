package engine_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// shipped starts a shipment and returns it when it has ended.
func shipped(t *testing.T, e *engine.Engine, r driverstate.ShipRequest) *driverstate.Shipment {
	t.Helper()
	s, err := e.Manager().CreateShipment(t.Context(), admin, r)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err = e.Manager().Shipment(t.Context(), admin, s.ID)
		require.NoError(t, err)
		return s.Status != driverstate.ShipmentRunning
	}, time.Minute, 5*time.Millisecond)
	return s
}

// eavesdropper is a server that keeps all that it is sent, and answers 401.
type eavesdropper struct {
	*httptest.Server
	mu    sync.Mutex
	heard string
}

func newEavesdropper(t *testing.T) *eavesdropper {
	t.Helper()
	e := &eavesdropper{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := httputil.DumpRequest(r, true)
		e.mu.Lock()
		e.heard += fmt.Sprintf("%s %v\n", raw, err)
		e.mu.Unlock()
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *eavesdropper) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	heard := e.heard
	e.heard = ""
	return heard
}

// ownSecrets are those of the engine's own store, and of the shell it was
// started from.
func ownSecrets(t *testing.T) map[string]string {
	key := filepath.Join(t.TempDir(), "key.json")
	require.NoError(t, os.WriteFile(key, []byte("{}"), 0o600))
	return map[string]string{
		"OS_USERNAME": "own-user", "OS_PASSWORD": "own-password", "OS_PROJECT_NAME": "own-project", "OS_USER_DOMAIN_NAME": "own-domain",
		"OS_PROJECT_DOMAIN_NAME": "own-domain", "ST_USER": "own-st-user", "ST_KEY": "own-st-key",
		"AWS_ACCESS_KEY_ID": "own-access", "AWS_SECRET_ACCESS_KEY": "own-secret", "GOOGLE_APPLICATION_CREDENTIALS": key,
		"CINDER_GO_STORE_KEY": "own-store-key", "CINDER_GO_STORE_ACCESS_KEY": "own-store-access", "CINDER_GO_STORE_SECRET_KEY": "own-store-secret",
		"CINDER_GO_STORE_OS_USERNAME": "own-store-user", "CINDER_GO_STORE_OS_PASSWORD": "own-store-password", "CINDER_GO_STORE_USER": "own-store-user",
	}
}

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

// Whoever asks for a shipment names the server. It is sent no secret of the
// engine's own stores and none of other tools, whether it is shipped to,
// compared with or compared from.
func TestTheServerThatAShipmentNamesIsSentNoSecretOfOthers(t *testing.T) {
	ear := newEavesdropper(t)
	at := url.QueryEscape(ear.URL)
	for _, listen := range []string{"http://127.0.0.1:19510", ""} {
		e := start(t, engine.Config{
			StateDir: t.TempDir(), Stores: []engine.Store{{URL: store(t)}}, StoreReadOnly: true, Listen: listen, Env: lookup(ownSecrets(t)),
		})
		for _, to := range []string{
			"swift:///bkt?retry_attempts=0&os_auth_url=" + at + "/v3",
			"swift:///bkt?retry_attempts=0&auth=single_user&auth_url=" + at + "/auth/v1.0",
			"swift:///bkt?retry_attempts=0&auth=single_user&auth_version=3&auth_url=" + at + "/v3",
			"swift:///bkt?retry_attempts=0&auth=single_user&user=known&url=" + at + "/v1/AUTH_&auth_url=" + at,
			"s3:///bkt?retry_max_attempts=1&endpoint_url=" + at,
			"gcs://bkt?num_retries=0&endpoint=" + at,
		} {
			s := shipped(t, e, driverstate.ShipRequest{Mode: driverstate.ShipCopy, BackupID: drillstore.Full, To: to})
			assert.Equal(t, driverstate.ShipmentFailed, s.Status, to)
			assert.NotContains(t, ear.take(), "own-", to)
			s = shipped(t, e, driverstate.ShipRequest{Mode: driverstate.ShipCompare, To: to})
			assert.Equal(t, driverstate.ShipmentFailed, s.Status, to)
			assert.NotContains(t, ear.take(), "own-", to)
			if listen == "" {
				continue // who names the first store of a comparison has set the variables
			}
			s = shipped(t, e, driverstate.ShipRequest{Mode: driverstate.ShipCompare, From: to, To: "posix://" + t.TempDir()})
			assert.Equal(t, driverstate.ShipmentFailed, s.Status, to)
			assert.NotContains(t, ear.take(), "own-", to)
		}
	}
}

// A secret that is missing is asked for by the name that it has for a target.
func TestAMissingSecretOfATargetIsNamed(t *testing.T) {
	e := start(t, engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: store(t)}}, StoreReadOnly: true, Env: lookup(ownSecrets(t))})
	s := shipped(t, e, driverstate.ShipRequest{Mode: driverstate.ShipCopy, BackupID: drillstore.Full, To: "s3://s3.example.org/vault"})
	assert.Equal(t, "invalid_input", s.Fault)
	assert.Contains(t, s.Error, "backup_s3_store_access_key is not set")
	assert.Contains(t, s.Error, "beside the URL that is shipped to, variables are CINDER_GO_TO_<PARAMETER>")
}

// What was set for shipments arrives; an engine that nobody else can ask also
// takes the variables of other tools, when they name the server.
func TestTheSecretsOfAShipmentArrive(t *testing.T) {
	ear := newEavesdropper(t)
	at := url.QueryEscape(ear.URL)
	swift := "swift:///bkt?retry_attempts=0&auth=single_user&user=known&auth_url=" + at + "/auth/v1.0"
	for name, c := range map[string]struct {
		listen, to string
		env        map[string]string
		want       string
	}{
		"of the target, served":      {"http://127.0.0.1:19510", swift, map[string]string{"CINDER_GO_TO_KEY": "to-key"}, "to-key"},
		"of the target, by itself":   {"", swift, map[string]string{"CINDER_GO_TO_KEY": "to-key"}, "to-key"},
		"of other tools, by itself":  {"", "swift:///bkt?retry_attempts=0&auth=single_user", map[string]string{"ST_AUTH": ear.URL, "ST_USER": "known", "ST_KEY": "st-key"}, "st-key"},
		"of other tools, not served": {"http://127.0.0.1:19510", "swift:///bkt?retry_attempts=0&auth=single_user", map[string]string{"ST_AUTH": ear.URL, "ST_USER": "known", "ST_KEY": "st-key"}, ""},
		"two servers": {"", "swift:///bkt?retry_attempts=0&auth=single_user", map[string]string{
			"CINDER_GO_TO_AUTH_URL": ear.URL, "ST_AUTH": "http://127.0.0.1:1", "ST_USER": "known", "ST_KEY": "st-key"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, engine.Config{
				StateDir: t.TempDir(), Stores: []engine.Store{{URL: store(t)}}, StoreReadOnly: true, Listen: c.listen, Env: lookup(c.env),
			})
			s := shipped(t, e, driverstate.ShipRequest{Mode: driverstate.ShipCopy, BackupID: drillstore.Full, To: c.to})
			assert.Equal(t, driverstate.ShipmentFailed, s.Status)
			heard := ear.take()
			if c.want == "" {
				assert.NotContains(t, heard, "st-key", s.Error)
			} else {
				assert.Contains(t, heard, c.want, s.Error)
			}
		})
	}
}

// A share is not mounted elsewhere because a request says so.
func TestNothingIsMadeOrMountedOutsideTheTargetDirectories(t *testing.T) {
	outside := t.TempDir()
	e := start(t, engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: store(t)}}, StoreReadOnly: true, TargetDirs: []string{t.TempDir()}})
	for _, r := range []driverstate.ShipRequest{
		{Mode: driverstate.ShipCopy, BackupID: drillstore.Full, To: "nfs://127.0.0.1/x?mount_attempts=1&mount_point_base=" + outside + "/made"},
		{Mode: driverstate.ShipCompare, To: "glusterfs://127.0.0.1/x?mount_point=" + outside + "/made"},
		{Mode: driverstate.ShipCompare, From: "ceph://bk?conf=" + outside + "/ceph.conf", To: "posix:///srv"},
	} {
		s := shipped(t, e, r)
		assert.Equal(t, "forbidden", s.Fault)
		assert.Contains(t, s.Error, "is in none of the directories that this engine may write to: put it into one, or leave it to the configuration of the engine")
	}
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Empty(t, left)
}
