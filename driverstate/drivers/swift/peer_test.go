package swift_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
)

func peer(options map[string]string) drivertest.Peer {
	return drivertest.Peer{
		Class: swift.Service, Options: options, Imports: "swiftclient",
		SizeOption: "backup_swift_object_size", BlockOption: "backup_swift_block_size",
		Context: map[string]any{"user_id": "anybody"},
	}
}

// token is one that Swift itself gives.
func token(t *testing.T, c swift.Credentials) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.AuthURL, nil)
	require.NoError(t, err)
	r.Header.Set("X-Auth-User", c.User)
	r.Header.Set("X-Auth-Key", c.Key)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	return answer.Header.Get("X-Auth-Token")
}

func TestCinderAndOursReadWhatTheOtherWrotePerUser(t *testing.T) {
	a := newAccount(t, config(t))
	p := peer(map[string]string{"backup_swift_url": a.cfg.URL})
	p.Context = map[string]any{"user_id": "anybody", "project_id": a.cfg.Credentials.ProjectID, "auth_token": token(t, a.cfg.Credentials), "service_catalog": []any{}}
	drivertest.RunPeer(t, drivertest.Harness{New: func(*testing.T) drivertest.Store { return a }}, p)
}

func TestCinderAndOursReadWhatTheOtherWroteSingleUser(t *testing.T) {
	c := config(t)
	c.SingleUser, c.Credentials.User, c.Credentials.Key = true, "other:cinder", "other"
	c.Container = "peer" + project(t)
	a := &account{cfg: c, store: openStore(t, c, "")}
	p := peer(map[string]string{
		"backup_swift_auth": "single_user", "backup_swift_auth_version": "1", "backup_swift_auth_url": c.Credentials.AuthURL,
		"backup_swift_user": c.Credentials.User, "backup_swift_key": c.Credentials.Key, "backup_swift_container": c.Container,
	})
	p.Codecs = []chunked.Compression{chunked.CompressionZlib}
	drivertest.RunPeer(t, drivertest.Harness{New: func(*testing.T) drivertest.Store { return a }}, p)
}
