// Package identity asks Keystone whose a token is. It remembers what it was
// told for a while, asks once for what many want to know at the same time, and
// keeps the hash of a token, never the token.
package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"golang.org/x/sync/singleflight"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

var _ api.TokenValidator = (*Validator)(nil)

// Config is how a Validator asks. Every zero field has a default.
type Config struct {
	// CacheTime is how long a sound token is believed without asking again;
	// 300 s when zero (token_cache_time), nothing is remembered when negative.
	// No token is believed after it has expired.
	CacheTime time.Duration
	// RefusalTime is how long a refused one is refused without asking; 10 s
	// when zero.
	RefusalTime time.Duration
	// CacheSize is how many tokens, and as many refused ones, are remembered;
	// 10,000 when zero, which are 4 MiB.
	CacheSize int
	// Timeout bounds one answer of Keystone, with the renewal of the engine's
	// own token; 30 s when zero.
	Timeout time.Duration
	Now     func() time.Time // time.Now when nil
}

// Validator asks one Keystone. It is safe for concurrent use.
type Validator struct {
	client *gophercloud.ServiceClient
	cfg    Config
	flight singleflight.Group

	mu      sync.Mutex
	good    map[key]answer
	refused map[key]answer
}

// key is a token's hash, and whether it may have expired.
type key struct {
	sum     [sha256.Size]byte
	expired bool
}

type answer struct {
	token *api.Token
	until time.Time
}

// New returns a Validator over client, an identity v3 client that logs in by
// itself, as the user of this service, whenever Keystone answers 401.
func New(client *gophercloud.ServiceClient, c Config) *Validator {
	if c.CacheTime == 0 {
		c.CacheTime = 300 * time.Second
	}
	if c.RefusalTime == 0 {
		c.RefusalTime = 10 * time.Second
	}
	if c.CacheSize <= 0 {
		c.CacheSize = 10000
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Validator{client: client, cfg: c, good: map[key]answer{}, refused: map[key]answer{}}
}

// Validate answers what Keystone says of token, as api.TokenValidator wants it.
func (v *Validator) Validate(ctx context.Context, token string, expired bool) (*api.Token, error) {
	if token == "" || len(token) > maxToken {
		return nil, errRefused
	}
	k := key{sha256.Sum256([]byte(token)), expired}
	if t, known := v.remembered(k); known {
		return sound(t, expired, v.cfg.Now())
	}
	// One who goes away must not fail the others who wait for the same.
	name := fmt.Sprintf("%x %t", k.sum, expired)
	got, err, _ := v.flight.Do(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.cfg.Timeout)
		defer cancel()
		t, err := v.ask(ctx, token, expired)
		if err == nil || errors.Is(err, driverstate.ErrForbidden) {
			v.remember(k, t)
		}
		return t, err
	})
	if err != nil {
		return nil, err
	}
	return sound(got.(*api.Token), expired, v.cfg.Now())
}

// maxToken is more than any token has; PKI tokens had 8 KiB.
const maxToken = 16 << 10

var errRefused = driverstate.Fail(driverstate.ErrForbidden, "Keystone does not know the token")

// sound looks at what was remembered, or answered by another clock.
func sound(t *api.Token, expired bool, now time.Time) (*api.Token, error) {
	switch {
	case t == nil:
		return nil, errRefused
	case !expired && !now.Before(t.ExpiresAt):
		return nil, driverstate.Fail(driverstate.ErrForbidden, "the token has expired")
	}
	return t, nil
}

func (v *Validator) remembered(k key) (t *api.Token, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range []map[key]answer{v.good, v.refused} {
		if a, ok := m[k]; ok {
			if v.cfg.Now().Before(a.until) {
				return a.token, true
			}
			delete(m, k)
		}
	}
	return nil, false
}

// remember keeps t, or that there is none.
func (v *Validator) remember(k key, t *api.Token) {
	now := v.cfg.Now()
	m, until := v.good, now.Add(v.cfg.CacheTime)
	if t == nil {
		m, until = v.refused, now.Add(v.cfg.RefusalTime)
	}
	if !until.After(now) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(m) >= v.cfg.CacheSize {
		for other := range m { // any one: a map begins anywhere
			delete(m, other)
			break
		}
	}
	m[k] = answer{t, until}
}

// subject is Keystone's answer (keystone/api/auth.py, token schema).
type subject struct {
	Token struct {
		ExpiresAt time.Time `json:"expires_at"`
		User      struct {
			ID string `json:"id"`
		} `json:"user"`
		Project struct {
			ID string `json:"id"`
		} `json:"project"`
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
		Credential *struct {
			Rules *[]struct {
				Method  string `json:"method"`
				Path    string `json:"path"`
				Service string `json:"service"`
			} `json:"access_rules"`
		} `json:"application_credential"`
	} `json:"token"`
}

// ask sends the token to Keystone. That this service can judge access rules is
// said in a header: without it Keystone would know no token that has some.
func (v *Validator) ask(ctx context.Context, token string, expired bool) (*api.Token, error) {
	url := v.client.ServiceURL("auth", "tokens") + "?nocatalog"
	if expired {
		url += "&allow_expired=1"
	}
	var s subject
	resp, err := v.client.Get(ctx, url, &s, &gophercloud.RequestOpts{
		MoreHeaders: map[string]string{"X-Subject-Token": token, "OpenStack-Identity-Access-Rules": "1"},
		OkCodes:     []int{http.StatusOK, http.StatusNonAuthoritativeInfo},
	})
	_, _, err = gophercloud.ParseResponse(resp, err)
	switch {
	case gophercloud.ResponseCodeIs(err, http.StatusNotFound):
		return nil, errRefused
	case err != nil:
		return nil, driverstate.Fail(driverstate.ErrUnavailable, fmt.Sprintf("validating a token: %v", err))
	}
	return s.read(), nil
}

func (s *subject) read() *api.Token {
	t := &api.Token{UserID: s.Token.User.ID, ProjectID: s.Token.Project.ID, ExpiresAt: s.Token.ExpiresAt}
	for _, r := range s.Token.Roles {
		t.Roles = append(t.Roles, r.Name)
	}
	if c := s.Token.Credential; c != nil && c.Rules != nil {
		t.Restricted = true
		for _, r := range *c.Rules {
			t.Rules = append(t.Rules, api.AccessRule{Method: r.Method, Path: r.Path, Service: r.Service})
		}
	}
	t.Roles = slices.Clip(t.Roles)
	return t
}
