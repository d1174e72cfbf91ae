package identity_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client/clouds"
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/identity"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// keystone answers the two calls that a validation makes.
type keystone struct {
	mu      sync.Mutex
	now     time.Time
	expires map[string]time.Time // of tokens of users
	own     int                  // number of the newest token of the service
	logins  int
	asked   []string // queries of validations that came with a good token
	refuses bool     // logins
	down    bool
	hold    chan struct{} // validations wait for it, if not nil
	held    chan struct{}
}

func (k *keystone) clock() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

func (k *keystone) set(edit func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	edit()
}

func (k *keystone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	hold, held := k.hold, k.held
	k.mu.Unlock()
	if r.Method == http.MethodGet && hold != nil {
		held <- struct{}{}
		<-hold
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path != "/v3/auth/tokens":
		w.WriteHeader(http.StatusTeapot)
	case r.Method == http.MethodPost && k.refuses:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost:
		k.logins++
		w.Header().Set("X-Subject-Token", fmt.Sprint("own-", k.own))
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"token":{"expires_at":"2100-01-01T00:00:00.000000Z"}}`))
	case r.Header.Get("X-Auth-Token") != fmt.Sprint("own-", k.own):
		w.WriteHeader(http.StatusUnauthorized)
	default:
		k.asked = append(k.asked, r.URL.RawQuery)
		k.validate(w, r)
	}
}

func (k *keystone) validate(w http.ResponseWriter, r *http.Request) {
	until, known := k.expires[r.Header.Get("X-Subject-Token")]
	if !known || !until.After(k.now) && r.URL.Query().Get("allow_expired") != "1" ||
		r.Header.Get("OpenStack-Identity-Access-Rules") == "" {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":{"code":404,"message":"Could not find token."}}`))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{
		"expires_at": until.Format("2006-01-02T15:04:05.000000Z"),
		"user":       map[string]any{"id": "u1", "domain": map[string]any{"id": "default"}},
		"project":    map[string]any{"id": "p1"},
		"roles":      []any{map[string]any{"id": "1", "name": "member"}, map[string]any{"id": "2", "name": "reader"}},
		"application_credential": map[string]any{"access_rules": []any{
			map[string]any{"method": "GET", "path": "/v3/**", "service": "volumev3"}}},
	}})
}

func start(t *testing.T, c identity.Config) (*keystone, *identity.Validator) {
	t.Helper()
	k := &keystone{now: epoch, expires: map[string]time.Time{"good": epoch.Add(time.Hour), "soon": epoch.Add(time.Minute)}}
	s := httptest.NewServer(k)
	t.Cleanup(s.Close)
	client, err := clouds.Identity(clouds.Options{AuthURL: s.URL + "/v3", Username: "cinder", Password: "secret", ProjectName: "service"})
	require.NoError(t, err)
	if c.Now == nil {
		c.Now = k.clock
	}
	return k, identity.New(client, c)
}

func TestATokenIsWhatKeystoneSays(t *testing.T) {
	k, v := start(t, identity.Config{})
	got, err := v.Validate(t.Context(), "good", false)
	require.NoError(t, err)
	assert.Equal(t, &api.Token{UserID: "u1", ProjectID: "p1", Roles: []string{"member", "reader"}, ExpiresAt: epoch.Add(time.Hour),
		Restricted: true, Rules: []api.AccessRule{{Method: "GET", Path: "/v3/**", Service: "volumev3"}}}, got)
	assert.Equal(t, []string{"nocatalog"}, k.asked)
	assert.Equal(t, 1, k.logins, "the first answer is 401, and then it logs in")
}

func TestTokensAreRemembered(t *testing.T) {
	k, v := start(t, identity.Config{})
	validate := func(token string, expired bool, wantAsked int, want error) {
		t.Helper()
		_, err := v.Validate(t.Context(), token, expired)
		require.ErrorIs(t, err, want)
		assert.Len(t, k.asked, wantAsked)
	}
	validate("good", false, 1, nil)
	validate("good", false, 1, nil)
	k.set(func() { k.now = epoch.Add(299 * time.Second) })
	validate("good", false, 1, nil)
	k.set(func() { k.now = epoch.Add(300 * time.Second) })
	validate("good", false, 2, nil)

	k.set(func() { k.now = epoch })
	validate("soon", false, 3, nil)
	k.set(func() { k.now = epoch.Add(time.Minute) })
	validate("soon", false, 3, driverstate.ErrForbidden) // remembered, but no longer sound
	validate("soon", true, 4, nil)
	assert.Equal(t, "nocatalog&allow_expired=1", k.asked[3])

	validate("bad", false, 5, driverstate.ErrForbidden)
	validate("bad", false, 5, driverstate.ErrForbidden)
	k.set(func() { k.now = k.now.Add(10 * time.Second) })
	validate("bad", false, 6, driverstate.ErrForbidden)
	validate("", false, 6, driverstate.ErrForbidden)
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	k, v := start(t, identity.Config{CacheSize: 2})
	for i := range 3 {
		k.expires[fmt.Sprint(i)] = epoch.Add(time.Hour)
		_, err := v.Validate(t.Context(), fmt.Sprint(i), false)
		require.NoError(t, err)
	}
	for range 100 { // refused ones push no good ones out
		_, err := v.Validate(t.Context(), fmt.Sprint("bad", len(k.asked)), false)
		require.ErrorIs(t, err, driverstate.ErrForbidden)
	}
	// Which of the older two went is left to chance, and so is what asking for
	// one pushes out: only the newest is sure to be there, and is asked for first.
	before := len(k.asked)
	_, err := v.Validate(t.Context(), "2", false)
	require.NoError(t, err)
	assert.Len(t, k.asked, before, "the newest stays")
	for i := range 2 {
		_, err := v.Validate(t.Context(), fmt.Sprint(i), false)
		require.NoError(t, err)
	}
	assert.Greater(t, len(k.asked), before, "one of three had to go")
}

func TestNothingIsRememberedWhenToldSo(t *testing.T) {
	k, v := start(t, identity.Config{CacheTime: -1})
	for range 2 {
		_, err := v.Validate(t.Context(), "good", false)
		require.NoError(t, err)
	}
	assert.Len(t, k.asked, 2)
}

func TestManyWhoComeAtOnceAskOnce(t *testing.T) {
	k, v := start(t, identity.Config{})
	k.hold, k.held = make(chan struct{}), make(chan struct{}, 8)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_, err := v.Validate(t.Context(), "good", false)
			assert.NoError(t, err)
		})
	}
	<-k.held
	close(k.hold)
	all.Wait()
	assert.Len(t, k.asked, 1)
}

func TestTheServicesOwnTokenIsRenewedOnce(t *testing.T) {
	k, v := start(t, identity.Config{CacheTime: -1})
	_, err := v.Validate(t.Context(), "good", false)
	require.NoError(t, err)
	k.set(func() { k.own++ })
	_, err = v.Validate(t.Context(), "good", false)
	require.NoError(t, err)
	assert.Equal(t, 2, k.logins)
	k.set(func() { k.own++ })
	_, err = v.Validate(t.Context(), "bad", false)
	require.ErrorIs(t, err, driverstate.ErrForbidden, "also when what is asked for is not there")
	assert.Equal(t, 3, k.logins)
}

func TestKeystoneThatCannotTellIsUnavailable(t *testing.T) {
	k, v := start(t, identity.Config{CacheTime: -1})
	k.set(func() { k.refuses = true })
	_, err := v.Validate(t.Context(), "good", false)
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.NotContains(t, err.Error(), "good", "a token stands in no message")
	k.set(func() { k.refuses, k.down = false, true })
	_, err = v.Validate(t.Context(), "good", false)
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	k.set(func() { k.down = false })
	_, err = v.Validate(t.Context(), "good", false)
	require.NoError(t, err, "and is asked again")
}

func TestKeystoneThatDoesNotAnswerIsWaitedForSoLong(t *testing.T) {
	k, v := start(t, identity.Config{Timeout: 50 * time.Millisecond})
	k.hold, k.held = make(chan struct{}), make(chan struct{}, 8)
	_, err := v.Validate(t.Context(), "good", false)
	close(k.hold)
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
}
