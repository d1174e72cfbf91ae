package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Token is what Keystone says of a token that it has issued.
type Token struct {
	UserID, ProjectID string // no project: a token of a domain, the system, or nothing
	Roles             []string
	ExpiresAt         time.Time
	// Restricted: the token is of an application credential with access rules,
	// and allows what one of Rules says.
	Restricted bool
	Rules      []AccessRule
}

// AccessRule allows one kind of request to one service.
type AccessRule struct {
	Method, Path, Service string
}

// TokenValidator asks Keystone about tokens.
type TokenValidator interface {
	// Validate answers driverstate.ErrForbidden for a token that is not good,
	// and driverstate.ErrUnavailable when Keystone cannot tell. A token that has
	// expired is not good unless expired is true and Keystone still knows it.
	Validate(ctx context.Context, token string, expired bool) (*Token, error)
}

// Keystone lets in whom Keystone knows, as keystonemiddleware does
// (auth_token/__init__.py process_request): it looks at the tokens alone, and
// never at the X-User-Id, X-Roles and others that a client may send.
type Keystone struct {
	Tokens TokenValidator
	URI    string // of Keystone, for those who have no token
	// AdminRoles make an admin; admin when empty (context_is_admin).
	AdminRoles []string
	// ServiceRoles make a service, whose request may carry a user's token that
	// has expired; service when empty (service_token_roles).
	ServiceRoles []string
	// ServiceRolesRequired refuses a service token without one of them
	// (service_token_roles_required).
	ServiceRolesRequired bool
	// NewDefaults asks for the role member, or reader to look, where otherwise
	// any role in the project is enough (oslo.policy's enforce_new_defaults).
	NewDefaults bool
	Logger      *slog.Logger // discards when nil
}

// Authenticate finds the caller, or answers 401, or 503 when Keystone does not
// answer.
func (k *Keystone) Authenticate(w http.ResponseWriter, r *http.Request) (driverstate.Caller, bool) {
	user := header(r, "X-Auth-Token", "X-Storage-Token")
	service := header(r, "X-Service-Token")
	token, err := k.check(r, user, service)
	switch {
	case errors.Is(err, driverstate.ErrUnavailable):
		k.log().Error("keystone does not answer", "error", err)
		keystoneDown(w, r)
		return driverstate.Caller{}, false
	case err != nil:
		k.log().Info("request refused", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr, "reason", err)
		k.refuse(w)
		return driverstate.Caller{}, false
	}
	return k.caller(token), true
}

// header is the first of these headers that is there, stripped; an empty one
// is there too.
func header(r *http.Request, names ...string) string {
	for _, name := range names {
		if values := r.Header.Values(name); len(values) > 0 {
			return strings.TrimSpace(values[0])
		}
	}
	return ""
}

func (k *Keystone) check(r *http.Request, user, service string) (*Token, error) {
	ctx, expired := r.Context(), false
	if service != "" {
		t, err := k.Tokens.Validate(ctx, service, false)
		if err != nil {
			return nil, err
		}
		isService := has(t.Roles, k.ServiceRoles, "service")
		if k.ServiceRolesRequired && !isService {
			return nil, driverstate.Fail(driverstate.ErrForbidden, "the service token is of nobody with a service's role")
		}
		expired = isService
	}
	if user == "" {
		return nil, driverstate.Fail(driverstate.ErrForbidden, "there is no token")
	}
	t, err := k.Tokens.Validate(ctx, user, expired)
	if err != nil {
		return nil, err
	}
	switch {
	case t.UserID == "":
		return nil, driverstate.Fail(driverstate.ErrForbidden, "the token is of nobody")
	case t.Restricted && service == "" && !slices.ContainsFunc(t.Rules, func(a AccessRule) bool { return a.allows(r) }):
		return nil, driverstate.Fail(driverstate.ErrForbidden, "no access rule of the application credential allows the request")
	}
	return t, nil
}

// has reports whether one of roles is wanted; no wanted ones mean only.
func has(roles, wanted []string, only string) bool {
	return slices.ContainsFunc(roles, func(role string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, role) }) ||
			len(wanted) == 0 && strings.EqualFold(only, role)
	})
}

func (k *Keystone) caller(t *Token) driverstate.Caller {
	c := driverstate.Caller{UserID: t.UserID, ProjectID: t.ProjectID, Admin: has(t.Roles, k.AdminRoles, "admin")}
	switch {
	case c.Admin:
	case t.ProjectID == "":
		c.Limit = driverstate.NotAllowed
	case !k.NewDefaults, has(t.Roles, nil, "member"):
	case has(t.Roles, nil, "reader"):
		c.Limit = driverstate.ReadOnly
	default:
		c.Limit = driverstate.NoRole
	}
	return c
}

// refuse answers as keystonemiddleware, whose key is not a fault's.
func (k *Keystone) refuse(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Keystone uri="`+k.URI+`"`)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`)
}

// keystoneDown answers 503 as webob does for keystonemiddleware.
func keystoneDown(w http.ResponseWriter, r *http.Request) {
	const (
		status = "503 Service Unavailable"
		later  = "The server is currently unavailable. Please try again at a later time."
		detail = "The Keystone service is temporarily unavailable."
	)
	kind, body := "text/plain; charset=UTF-8", status+"\n\n"+later+"\n\n "+detail+"  "
	switch prefers(r.Header.Get("Accept")) {
	case formHTML:
		kind, body = "text/html; charset=UTF-8", "<html>\n <head>\n  <title>"+status+"</title>\n </head>\n <body>\n  <h1>"+status+"</h1>\n  "+
			later+"<br /><br />\n"+detail+"\n\n\n </body>\n</html>"
	case formJSON:
		kind, body = "application/json", `{"message": "`+later+`<br /><br />\n`+detail+`\n\n", "code": "`+status+`", "title": "Service Unavailable"}`
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, body)
}

func (k *Keystone) log() *slog.Logger {
	if k.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return k.Logger
}

// serviceTypes are the names of this service in access rules: the official
// type and its aliases (service-types authority).
var serviceTypes = []string{"block-storage", "block-store", "volumev3", "volumev2", "volume"}

// pathWords are the parts of a path in an access rule: a {name} or * stands
// for a segment, ** for anything (keystonemiddleware _path_matches).
var pathWords = regexp.MustCompile(`\{[^}]*\}|\*\*|\*|[^{}*]+`)

func (a AccessRule) allows(r *http.Request) bool {
	if a.Method != r.Method || !slices.Contains(serviceTypes, a.Service) {
		return false
	}
	form := pathWords.ReplaceAllStringFunc(a.Path, func(word string) string {
		switch {
		case word == "**":
			return ".*"
		case word == "*", strings.HasPrefix(word, "{"):
			return "[^/]+"
		}
		return regexp.QuoteMeta(word)
	})
	matches, err := regexp.MatchString("^"+form+"$", r.URL.Path)
	return err == nil && matches
}
