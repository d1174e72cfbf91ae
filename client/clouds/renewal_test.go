package clouds

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

const backupID = "97f10361-8e72-4465-8d43-72a5ba8c372d"

// backup answers with a backup in this status.
func backup(w http.ResponseWriter, status string) {
	fmt.Fprintf(w, `{"backup": {"id": %q, "status": %q}}`, backupID, status)
}

func clientOf(t *testing.T, o Options) *client.Client {
	t.Helper()
	return client.New(connect(t, o), client.Options{PollInterval: time.Millisecond})
}

func available(b client.Backup) (bool, error) { return b.Status == driverstate.StatusAvailable, nil }

func TestAWaitGoesOnWhenItsTokenExpires(t *testing.T) {
	alone(t)
	for name, change := range map[string]func(*Options){
		"password": func(*Options) {},
		"application credential": func(o *Options) {
			o.Password, o.ApplicationCredentialID, o.ApplicationCredentialSecret = "", "c1", "hush"
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeystone(t, httptest.NewServer)
			looks := 0
			k.cinder = func(w http.ResponseWriter, _ *http.Request) {
				looks++
				switch looks {
				case 3:
					k.tokens++ // the token of this look was its last
					fallthrough
				case 1, 2:
					backup(w, "restoring")
				default:
					backup(w, "available")
				}
			}
			o := k.password()
			change(&o)
			b, err := clientOf(t, o).WaitBackup(t.Context(), backupID, available)
			require.NoError(t, err)
			assert.Equal(t, driverstate.StatusAvailable, b.Status)
			assert.Len(t, k.logins, 2)
			assert.Equal(t, k.logins[0], k.logins[1], "the same login again")
			assert.Len(t, k.seen, 5, "four looks, one of them refused and sent again")
		})
	}
}

func TestAWaitOutlivesAKeystoneThatIsAwayForAMoment(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	k.cinder = func(w http.ResponseWriter, _ *http.Request) { backup(w, "available") }
	c := clientOf(t, k.password())
	k.expire()
	k.refuseNext = []int{http.StatusServiceUnavailable}
	b, err := c.WaitBackup(t.Context(), backupID, available)
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusAvailable, b.Status)
}

func TestALoginThatIsRefusedLaterIsSaid(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	c := clientOf(t, k.password())
	k.expire()
	k.refuse = http.StatusUnauthorized
	_, err := c.ShowBackup(t.Context(), backupID)
	require.ErrorIs(t, err, driverstate.ErrForbidden)
	assert.EqualError(t, err, "backup "+backupID+": login of ann at "+k.url+"/v3: refused; check the password or secret, the project, and the domains of both (HTTP 401)")
	k.refuse = http.StatusInternalServerError
	err = c.DeleteBackup(t.Context(), backupID)
	require.ErrorIs(t, err, driverstate.ErrUnavailable, "the login may succeed at another time")
	require.NotErrorIs(t, err, driverstate.ErrForbidden)
}

func TestATokenThatWasGivenCannotBeRenewedAndSaysSo(t *testing.T) {
	alone(t)
	for name, change := range map[string]func(*Options){
		"with a project":   func(o *Options) { o.ProjectName = "demo" },
		"as it is":         func(*Options) {},
		"without Keystone": func(o *Options) { o.Endpoint, o.AuthURL = o.AuthURL, "" },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeystone(t, httptest.NewServer)
			o := Options{AuthURL: k.url + "/v3", Token: "given", Region: "one"}
			change(&o)
			c := clientOf(t, o)
			logins := len(k.logins)
			k.expire()
			_, err := c.WaitBackup(t.Context(), backupID, available)
			require.ErrorIs(t, err, driverstate.ErrForbidden)
			assert.ErrorContains(t, err, "backup "+backupID+": the token that was given has expired or is not valid here, and cannot be renewed: get another")
			assert.Len(t, k.logins, logins, "it is not tried")
			assert.Len(t, k.seen, 1)
		})
	}
}

func TestAWriteThatWasRefusedForItsTokenIsSentAgainOnce(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	var bodies []string
	k.cinder = func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		bodies = append(bodies, string(body))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"restore": {"backup_id": %q, "volume_id": "v1", "volume_name": "new"}}`, backupID)
	}
	c := clientOf(t, k.password())
	k.expire()
	_, err := c.RestoreBackup(t.Context(), backupID, client.RestoreOpts{Name: "new"})
	require.NoError(t, err)
	require.Len(t, bodies, 1, "executed once")
	assert.Contains(t, bodies[0], `"new"`)
	assert.Len(t, k.seen, 2)
	assert.Len(t, k.logins, 2)
}

func TestAServerThatRefusesEveryTokenIsAskedTwice(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	k.cinder = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}`)
	}
	c := clientOf(t, k.password())
	require.ErrorIs(t, c.DeleteBackup(t.Context(), backupID), driverstate.ErrForbidden)
	assert.Len(t, k.seen, 2)
	assert.Len(t, k.logins, 2)
}

func TestRequestsThatAreRefusedTogetherMakeOneLogin(t *testing.T) {
	alone(t)
	const together = 8
	var waiting, once sync.WaitGroup
	waiting.Add(together)
	k := newKeystone(t, func(h http.Handler) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Auth-Token") == "token-1" { // all are under way before the first is refused
				waiting.Done()
				waiting.Wait()
			}
			h.ServeHTTP(w, r)
		}))
	})
	k.cinder = func(w http.ResponseWriter, _ *http.Request) { backup(w, "available") }
	c := clientOf(t, k.password())
	k.expire()
	for range together {
		once.Go(func() {
			_, err := c.ShowBackup(t.Context(), backupID)
			assert.NoError(t, err)
		})
	}
	once.Wait()
	assert.Len(t, k.logins, 2)
	assert.Len(t, k.seen, 2*together)
}
