package api

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Authenticator tells who sends a request. When ok is false it has answered
// the request itself. It sees every request below /v3 and /v2.
type Authenticator interface {
	Authenticate(w http.ResponseWriter, r *http.Request) (c driverstate.Caller, ok bool)
}

// NoAuth believes everyone, and makes everyone admin: Cinder's auth_strategy
// noauth (cinder/api/middleware/auth.py). It is for a server that only its
// operator reaches.
type NoAuth struct{}

// Authenticate takes the token for user:project. Without a token it answers
// 204 and makes one up from X-Auth-User and X-Auth-Project-Id.
func (NoAuth) Authenticate(w http.ResponseWriter, r *http.Request) (driverstate.Caller, bool) {
	token := r.Header.Get("X-Auth-Token")
	if token == "" {
		h := w.Header()
		h.Set("X-Auth-Token", cmp.Or(r.Header.Get("X-Auth-User"), "admin")+":"+cmp.Or(r.Header.Get("X-Auth-Project-Id"), "admin"))
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		h.Set("X-Server-Management-Url", strings.TrimRight(scheme+"://"+r.Host+r.URL.RequestURI(), "/"))
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		w.WriteHeader(http.StatusNoContent)
		return driverstate.Caller{}, false
	}
	user, project, _ := strings.Cut(token, ":")
	return driverstate.Caller{UserID: user, ProjectID: cmp.Or(project, user), Admin: true}, true
}
