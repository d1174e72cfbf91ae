// Package api speaks Cinder's Block Storage API v3 over an Operations: routes,
// microversions, faults, views. It holds no state; every answer is that of
// Cinder (cinder/api) except where Cinder answers 500 to a malformed request.
//
// Beyond Cinder's own routes there are manageable_backups, verifications, shipments,
// examinations, devices, and backups, their actions and records also under /v2/{project}.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// Config is how the API is served. Every zero field has a default.
type Config struct {
	Logger *slog.Logger // discards when nil
	// PublicURL is what links begin with, such as https://cloud:8776; what the
	// request was sent to when empty.
	PublicURL string
	// MaxVersion is the highest microversion that is spoken; 3.71 when zero.
	MaxVersion Microversion
	// MaxLimit is the most items in a page; 1000 when zero (osapi_max_limit).
	MaxLimit int
	// Host is the name of this process's services, and LogLevels what
	// os-services get-log and set-log read and write; nil for none.
	Host      string
	LogLevels LogLevels
	Auth      Authenticator // NoAuth when nil
	// MaxRequests is how many requests are worked on at once; no limit when
	// zero. One more waits for up to patience and is then answered with 503 and
	// Retry-After. /healthcheck is answered always.
	MaxRequests int
	// Health answers why the server cannot work; it always can when nil.
	Health func(context.Context) error
	// Served is told of every request when it was answered; it must not block.
	Served func(Served)
}

// maxBody bounds a request's body. The longest sound one is an import.
const maxBody = 2 << 20

// New returns the API over ops.
func New(ops Operations, c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxVersion == (Microversion{}) {
		c.MaxVersion = maxVersion
	}
	if c.MaxLimit <= 0 {
		c.MaxLimit = 1000
	}
	if c.Auth == nil {
		c.Auth = NoAuth{}
	}
	s := &server{ops: ops, cfg: c, log: c.Logger}
	s.routes = s.table()
	if c.MaxRequests > 0 {
		s.slots = make(chan struct{}, c.MaxRequests)
	}
	return s
}

type server struct {
	ops    Operations
	cfg    Config
	log    *slog.Logger
	routes []route
	slots  chan struct{} // of requests; nil without a limit
}

// handler does a request and returns the status and the body of its answer; a
// nil body is an empty one.
type handler func(*request) (status int, body any, err error)

// bodyRule says what a route expects as a body.
type bodyRule int

const (
	noBody       bodyRule = iota
	needsBody             // absent is malformed
	optionalBody          // absent is an empty object
	actionBody            // one member names the action
)

// route is one call of the API. In path, {name} stands for any one segment.
type route struct {
	method, path string
	since        Microversion
	body         bodyRule
	v2           bool // also answered under /v2/{project}
	open         bool // no policy stands before it
	// bodyFirst: its handler asks for an admin, once it has judged the body.
	bodyFirst bool
	handle    handler
}

func (s *server) table() []route { return append(s.backupRoutes(), s.neighbourRoutes()...) }

func (s *server) backupRoutes() []route {
	return []route{
		{method: "GET", path: "backups", handle: s.listBackups, v2: true},
		{method: "GET", path: "backups/detail", handle: s.listBackupsDetail, v2: true},
		{method: "POST", path: "backups", body: needsBody, handle: s.createBackup, v2: true},
		{method: "POST", path: "backups/import_record", body: needsBody, bodyFirst: true, handle: s.importRecord, v2: true},
		{method: "GET", path: "backups/{id}", handle: s.showBackup, v2: true},
		{method: "PUT", path: "backups/{id}", since: version(9), body: needsBody, handle: s.updateBackup},
		{method: "DELETE", path: "backups/{id}", handle: s.deleteBackup, v2: true},
		{method: "POST", path: "backups/{id}/restore", body: needsBody, handle: s.restoreBackup, v2: true},
		{method: "POST", path: "backups/{id}/action", body: actionBody, handle: s.backupAction, v2: true},
		{method: "GET", path: "backups/{id}/export_record", handle: s.exportRecord, v2: true},

		{method: "GET", path: "os-services", handle: s.listServices},
		{method: "PUT", path: "os-services/{action}", body: needsBody, handle: s.setService},
		{method: "GET", path: "clusters", since: version(7), handle: s.listClusters},
		{method: "GET", path: "clusters/detail", since: version(7), handle: s.listClustersDetail},
		{method: "GET", path: "clusters/{name}", since: version(7), handle: s.showCluster},
		{method: "PUT", path: "clusters/{name}", since: version(7), body: needsBody, handle: s.setCluster},
		{method: "POST", path: "workers/cleanup", since: version(24), body: optionalBody, bodyFirst: true, handle: s.cleanupWorkers},

		{method: "GET", path: "manageable_backups", handle: s.listManageable},
		{method: "POST", path: "manageable_backups", body: needsBody, handle: s.manageBackup},
		{method: "POST", path: "verifications", body: needsBody, handle: s.createVerification},
		{method: "GET", path: "verifications/{id}", handle: s.showVerification},
		{method: "POST", path: "shipments", body: needsBody, handle: s.createShipment},
		{method: "GET", path: "shipments/{id}", handle: s.showShipment},
		{method: "DELETE", path: "shipments/{id}", handle: s.cancelShipment},
		{method: "POST", path: "examinations", body: needsBody, handle: s.examine},
		{method: "POST", path: "devices", body: needsBody, handle: s.createDevice},
		{method: "GET", path: "devices/{id}", handle: s.showDevice},
		{method: "DELETE", path: "devices/{id}", handle: s.deleteDevice},

		{method: "GET", path: "messages", since: version(3), handle: s.listMessages},
		{method: "GET", path: "messages/{id}", since: version(3), handle: s.showMessage},
		{method: "DELETE", path: "messages/{id}", since: version(3), handle: s.deleteMessage},
	}
}

// notImplementedHere is Cinder's answer to a method that a collection lacks.
func notImplementedHere(*request) (int, any, error) {
	return 0, nil, newFault(http.StatusNotFound, "")
}

// lacked finds the routes that Cinder's mapper makes for every collection, and
// no call stands behind: index, create, and show, update and delete of a
// member.
func (s *server) lacked(q *request, segments []string) (route, bool) {
	if len(segments) == 0 {
		return route{}, false
	}
	collection := segments[0]
	if q.prefix != "/v3" || len(segments) > 2 || segments[len(segments)-1] == "" ||
		!slices.ContainsFunc(s.routes, func(rt route) bool { return rt.path == collection || strings.HasPrefix(rt.path, collection+"/") }) {
		return route{}, false
	}
	switch member := len(segments) == 2; q.Method {
	case http.MethodGet:
	case http.MethodPost:
		if member {
			return route{}, false
		}
	case http.MethodPut, http.MethodDelete:
		if !member {
			return route{}, false
		}
	default:
		return route{}, false
	}
	return route{method: q.Method, path: collection, handle: notImplementedHere, open: true}, true
}

// request is one request on its way through the API.
type request struct {
	*http.Request
	srv     *server
	caller  driverstate.Caller
	version Microversion
	prefix  string // /v3, or /v2 for the old proposals
	// project is the one in the URL; empty when the URL has none.
	project string
	route   string // pattern of the route; empty when there is none
	vars    map[string]string
	typeIDs map[string]string // of volume types by name, once asked for
	body    any               // decoded JSON, numbers as json.Number; nil without a body
}

// projectID is Cinder's default of project_id_regex.
var projectID = regexp.MustCompile(`^[0-9a-f-]+$`)

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := "req-" + uuid.NewString()
	w.Header().Set("X-Openstack-Request-Id", id)
	w.Header().Set("Server", "cinder-go") // how a client tells an engine from a cloud
	r = oneSlash(r)
	q := &request{Request: r, srv: s}
	q.follow(trace.Request{ID: id})
	answer := &recorder{ResponseWriter: w}
	w = answer
	began := time.Now()
	defer func() { s.served(q, answer, began) }()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.log.ErrorContext(q.Context(), "panic", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
		s.answerFault(w, newFault(http.StatusInternalServerError, ""))
	}()
	if r.URL.Path != healthPath {
		if !s.enter(w, r) {
			return
		}
		defer s.leave()
	}
	switch path := r.URL.Path; {
	case path == "/" || path == "":
		s.discover(w, q, id, http.StatusMultipleChoices)
	case path == healthPath && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		q.route = "healthcheck"
		s.health(w, r)
	case path == "/v3" || strings.HasPrefix(path, "/v3/"):
		s.serveVersion(w, q, id, "/v3")
	case strings.HasPrefix(path, "/v2/"):
		s.serveVersion(w, q, id, "/v2")
	default:
		unrouted(w, r)
	}
}

var slashes = regexp.MustCompile(`//+`)

// oneSlash is the request with one slash in its path for each run of them, which
// is what a client sends whose endpoint ends in a slash (paste/urlmap.py
// normalize_url, which stands before everything in Cinder).
func oneSlash(r *http.Request) *http.Request {
	escaped := r.URL.EscapedPath()
	if !strings.Contains(escaped, "//") {
		return r
	}
	escaped = slashes.ReplaceAllString(escaped, "/")
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return r
	}
	to, u := *r, *r.URL
	u.Path, u.RawPath = plain, escaped
	to.URL = &u
	return &to
}

// serveVersion serves what is below prefix, in Cinder's order: who asks, what
// is asked, in which version, with which body.
func (s *server) serveVersion(w http.ResponseWriter, q *request, id, prefix string) {
	caller, ok := s.cfg.Auth.Authenticate(w, q.Request)
	if !ok {
		return
	}
	q.caller, q.prefix = caller, prefix
	q.caller.RequestID = id
	q.follow(trace.Request{ID: id, UserID: caller.UserID, ProjectID: caller.ProjectID})
	if prefix == "/v3" {
		switch q.URL.Path {
		case "/v3":
			w.Header().Set("Location", s.asked(q.Request)+"/v3/")
			w.Header().Set("Content-Type", "text/plain; charset=utf8")
			w.WriteHeader(http.StatusFound)
			return
		case "/v3/":
			s.discover(w, q, id, http.StatusOK)
			return
		}
	}
	rt, ok := s.find(q)
	if !ok {
		unrouted(w, q.Request)
		return
	}
	q.route = rt.path
	w.Header().Set("X-Compute-Request-Id", id)
	if prefix == "/v2" {
		q.version = minVersion
	} else if !s.negotiate(w, q) {
		return
	}
	status, body, err := s.run(w, q, rt)
	if err != nil {
		f := faultOf(err)
		if errors.Is(err, driverstate.ErrUnavailable) && !q.caller.Admin {
			// Why names the database or the store, which is the operator's.
			f = newFault(f.code, "Service is unavailable at this time.")
		}
		if f.code >= http.StatusInternalServerError {
			s.log.ErrorContext(q.Context(), "request failed", "method", q.Method, "path", q.URL.Path, "status", f.code, "error", err)
		}
		s.answerFault(w, f)
		return
	}
	s.answer(w, status, body)
}

func (s *server) run(w http.ResponseWriter, q *request, rt route) (int, any, error) {
	if err := q.readBody(w, rt.body); err != nil {
		return 0, nil, err
	}
	if q.project != "" && q.project != q.caller.ProjectID && !rt.open {
		return 0, nil, newFault(http.StatusBadRequest, "Malformed request url")
	}
	if q.version.before(rt.since) {
		return 0, nil, newFault(http.StatusNotFound, "")
	}
	if f := q.permitted(rt); f != nil {
		return 0, nil, f
	}
	if err := q.checkTexts(); err != nil {
		return 0, nil, err
	}
	return rt.handle(q)
}

// find finds the route of a request and sets project and vars. Project ids are
// hexadecimal, which no name of a collection is, so the two forms of a URL
// cannot be confused.
func (s *server) find(q *request) (route, bool) {
	path := strings.TrimPrefix(q.URL.EscapedPath(), q.prefix+"/")
	segments := strings.Split(path, "/")
	for i, escaped := range segments {
		plain, err := url.PathUnescape(escaped)
		if err != nil {
			return route{}, false
		}
		segments[i] = plain
	}
	last := len(segments) - 1
	if slices.ContainsFunc(segments, func(s string) bool { return strings.Contains(s, "/") }) {
		return route{}, false // Cinder's mapper sees the path without its escapes
	}
	segments[last] = strings.TrimSuffix(segments[last], ".json")
	if projectID.MatchString(segments[0]) {
		q.project, segments = segments[0], segments[1:]
	} else if q.prefix == "/v2" {
		return route{}, false
	}
	for _, rt := range s.routes {
		if rt.method != q.Method || q.prefix == "/v2" && !rt.v2 {
			continue
		}
		if vars, ok := match(rt.path, segments); ok {
			q.vars = vars
			return rt, true
		}
	}
	return s.lacked(q, segments)
}

func match(pattern string, segments []string) (map[string]string, bool) {
	parts := strings.Split(pattern, "/")
	if len(parts) != len(segments) {
		return nil, false
	}
	vars := map[string]string{}
	for i, part := range parts {
		switch {
		case strings.HasPrefix(part, "{") && segments[i] != "":
			vars[strings.Trim(part, "{}")] = segments[i]
		case part != segments[i]:
			return nil, false
		}
	}
	return vars, true
}

// base is the scheme, host and path that the API is reached under, without a
// slash at the end.
func (s *server) base(r *http.Request) string {
	if forwarded := r.Header.Get("X-Forwarded-Host"); forwarded != "" {
		list := strings.Split(forwarded, ",")
		r = r.Clone(r.Context())
		r.Host = strings.TrimSpace(list[len(list)-1])
	}
	return s.asked(r)
}

// asked is what a request was sent to: base without what a proxy says, which
// Cinder leaves out of the version document.
func (s *server) asked(r *http.Request) string {
	if s.cfg.PublicURL != "" {
		return strings.TrimRight(s.cfg.PublicURL, "/")
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// answer writes a JSON body, or none.
func (s *server) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	if body == nil {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(status)
		return
	}
	if rows, ok := body.(stream); ok {
		w.WriteHeader(status)
		if err := rows.write(w); err != nil {
			// It must not look whole: net/http breaks the connection off.
			s.log.Debug("answer not written", "error", err)
			panic(http.ErrAbortHandler)
		}
		return
	}
	text, err := appendJSON(nil, body)
	if err != nil {
		s.log.Error("answer not encoded", "status", status, "error", err)
		status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if _, err := w.Write(text); err != nil {
		// The client is gone; the status is sent and nothing else can be done.
		s.log.Debug("answer not written", "error", err)
	}
}
