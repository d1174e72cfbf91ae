package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Microversion is a version of the API, such as 3.64.
type Microversion struct{ Major, Minor int }

func version(minor int) Microversion { return Microversion{3, minor} }

// The versions that this package speaks; Cinder's, as of 2023.2.
var (
	minVersion = version(0)
	maxVersion = version(71)
)

func (v Microversion) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

func (v Microversion) before(o Microversion) bool {
	return v.Major < o.Major || v.Major == o.Major && v.Minor < o.Minor
}

// since reports whether v has what came with 3.minor.
func (v Microversion) since(minor int) bool { return !v.before(version(minor)) }

var versionForm = regexp.MustCompile(`^([1-9]\d{0,8})\.([1-9]\d{0,8}|0)$`)

// parseMicroversion reads a version as Cinder spells it.
func parseMicroversion(s string) (Microversion, bool) {
	m := versionForm.FindStringSubmatch(s)
	if m == nil {
		return Microversion{}, false
	}
	major, _ := strconv.Atoi(m[1]) // the form admits nothing else
	minor, _ := strconv.Atoi(m[2])
	return Microversion{major, minor}, true
}

const versionHeader = "OpenStack-API-Version"

// negotiate sets the version of a request from its header, and the headers
// that tell it; if that fails it answers, and returns false
// (cinder/api/openstack/wsgi.py set_api_version_request).
func (s *server) negotiate(w http.ResponseWriter, q *request) bool {
	header := strings.Join(q.Header.Values(versionHeader), ",")
	if header == "" {
		q.version = minVersion
		s.tellVersion(w, q.version)
		return true
	}
	asked, found := "", false
	for entry := range strings.SplitSeq(header, ",") {
		if !strings.Contains(entry, "volume") {
			continue
		}
		found = true
		if words := strings.Fields(entry); len(words) == 2 {
			asked = words[1]
		}
		break
	}
	if !found {
		s.answerFault(w, newFault(http.StatusBadRequest, ""))
		return false
	}
	if asked == "latest" {
		asked = s.cfg.MaxVersion.String()
	}
	v, ok := parseMicroversion(asked)
	if !ok {
		s.answerFault(w, newFault(http.StatusBadRequest, fmt.Sprintf(
			"API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", asked)))
		return false
	}
	if v.before(minVersion) || s.cfg.MaxVersion.before(v) {
		if !v.before(minVersion) {
			s.tellVersion(w, v)
		}
		s.answerFault(w, newFault(http.StatusNotAcceptable, fmt.Sprintf(
			"Version %s is not supported by the API. Minimum is %s and maximum is %s.", v, minVersion, s.cfg.MaxVersion)))
		return false
	}
	q.version = v
	s.tellVersion(w, v)
	return true
}

func (s *server) tellVersion(w http.ResponseWriter, v Microversion) {
	w.Header().Set(versionHeader, "volume "+v.String())
	w.Header().Set("Vary", versionHeader)
}

// discover answers / and /v3/: the one version there is.
func (s *server) discover(w http.ResponseWriter, q *request, id string, status int) {
	w.Header().Set("X-Compute-Request-Id", id)
	if !s.negotiate(w, q) {
		return
	}
	if q.Method != http.MethodGet {
		s.answerFault(w, newFault(http.StatusBadRequest, ""))
		return
	}
	s.answer(w, status, object{{"versions", []object{{
		{"id", "v3.0"},
		{"status", "CURRENT"},
		{"version", s.cfg.MaxVersion.String()},
		{"min_version", minVersion.String()},
		{"updated", "2023-08-31T00:00:00Z"},
		{"links", []object{
			{{"rel", "describedby"}, {"type", "text/html"}, {"href", "https://docs.openstack.org/"}},
			{{"rel", "self"}, {"href", s.asked(q.Request) + "/v3/"}},
		}},
		{"media-types", []object{{
			{"base", "application/json"},
			{"type", "application/vnd.openstack.volume+json;version=3"},
		}}},
	}}}})
}
