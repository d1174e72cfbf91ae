package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// fault is an error that is an answer.
type fault struct {
	code    int
	message string
}

func (f *fault) Error() string { return f.message }

// newFault returns a fault; an empty message is the generic one of its code.
func newFault(code int, message string) *fault {
	if message == "" {
		switch code {
		case http.StatusBadRequest:
			message = "The server could not comply with the request since it is either malformed or otherwise incorrect."
		case http.StatusNotFound:
			message = "The resource could not be found."
		default:
			message = "The server has either erred or is incapable of performing the requested operation."
		}
	}
	return &fault{code: code, message: message}
}

func badRequest(format string, args ...any) *fault {
	return newFault(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

// invalidInput is Cinder's InvalidInput.
func invalidInput(format string, args ...any) *fault {
	return badRequest("Invalid input received: "+format, args...)
}

// faultNames are the keys of fault bodies (cinder/api/openstack/wsgi.py Fault);
// any other code is a computeFault.
var faultNames = map[int]string{
	http.StatusBadRequest:            "badRequest",
	http.StatusUnauthorized:          "unauthorized",
	http.StatusForbidden:             "forbidden",
	http.StatusNotFound:              "itemNotFound",
	http.StatusMethodNotAllowed:      "badMethod",
	http.StatusConflict:              "conflictingRequest",
	http.StatusRequestEntityTooLarge: "overLimit",
	http.StatusUnsupportedMediaType:  "badMediaType",
	http.StatusNotImplemented:        "notImplemented",
	http.StatusServiceUnavailable:    "serviceUnavailable",
}

func (s *server) answerFault(w http.ResponseWriter, f *fault) {
	name, ok := faultNames[f.code]
	if !ok {
		name = "computeFault"
	}
	body := object{{"code", f.code}, {"message", f.message}}
	if f.code == http.StatusRequestEntityTooLarge {
		body = append(body, member{"retryAfter", "0"}) // a string in Cinder
		w.Header().Set("Retry-After", "0")
	}
	s.answer(w, f.code, object{{name, body}})
}

// faultOf chooses the answer to an error of Operations.
//
// The kind of the error (errors.Is) chooses the status. The text is that of
// what stands inside the outermost *driverstate.Error, or of the whole error
// when there is none, with the prefix of Cinder's exception class before it,
// which Resource chooses for the kinds that are about one thing's state:
//
//	kind                              status  text
//	ErrNotFound                       404     "<Resource> <ID> could not be found.", generic without ID
//	ErrServiceDown                    404     "Service <ID> could not be found."; 503 on import_record
//	ErrInvalidStatus ErrHasDependents 400     "Invalid backup: " / "Invalid volume: " + text
//	ErrTooSmall                       400     "Invalid volume: " + text
//	ErrInvalidInput                   400     as ErrInvalidStatus with Resource backup or volume,
//	                                          else "Invalid input received: " + text
//	ErrForbidden ErrReadOnly          403     text
//	ErrNotSupported                   405     text
//	ErrConflict                       409     text
//	ErrOverLimit                      413     text (the caller adds Cinder's class name to it)
//	ErrUnavailable                    503     text
//	ErrCorrupt                        500     text
//	none of them                      500     generic; the error goes to the log alone
func faultOf(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	resource, id, text := "", "", err.Error()
	var e *driverstate.Error
	if errors.As(err, &e) && e.Err != nil {
		resource, id, text = e.Resource, e.ID, e.Err.Error()
	}
	is := func(kinds ...error) bool {
		for _, k := range kinds {
			if errors.Is(err, k) {
				return true
			}
		}
		return false
	}
	switch {
	case is(driverstate.ErrNotFound):
		if id == "" {
			return newFault(http.StatusNotFound, "")
		}
		return newFault(http.StatusNotFound, title(cmp.Or(resource, "resource"))+" "+id+" could not be found.")
	case is(driverstate.ErrServiceDown):
		return newFault(http.StatusNotFound, "Service "+cmp.Or(id, string(driverstate.BinaryBackup))+" could not be found.")
	case is(driverstate.ErrTooSmall):
		return badRequest("Invalid volume: %s", text)
	case is(driverstate.ErrInvalidStatus, driverstate.ErrHasDependents):
		if resource == "" {
			return badRequest("%s", text)
		}
		return badRequest("Invalid %s: %s", resource, text)
	case is(driverstate.ErrInvalidInput):
		if resource == "backup" || resource == "volume" {
			return badRequest("Invalid %s: %s", resource, text)
		}
		return invalidInput("%s", text)
	case is(driverstate.ErrForbidden, driverstate.ErrReadOnly):
		return newFault(http.StatusForbidden, text)
	case is(driverstate.ErrNotSupported):
		return newFault(http.StatusMethodNotAllowed, text)
	case is(driverstate.ErrConflict):
		return newFault(http.StatusConflict, text)
	case is(driverstate.ErrOverLimit):
		return newFault(http.StatusRequestEntityTooLarge, text)
	case is(driverstate.ErrUnavailable, context.DeadlineExceeded):
		return newFault(http.StatusServiceUnavailable, text)
	case is(driverstate.ErrCorrupt):
		return newFault(http.StatusInternalServerError, text)
	}
	return newFault(http.StatusInternalServerError, "")
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Forms of the answer to a URL that is not routed.
const (
	formText = iota
	formHTML
	formJSON
)

// unrouted answers 404 as webob does to what no route matches: no fault body,
// and no header but the request id.
func unrouted(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch prefers(r.Header.Get("Accept")) {
	case formHTML:
		h.Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n"+
			"  The resource could not be found.<br /><br />\n\n\n\n </body>\n</html>")
	case formJSON:
		h.Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}`)
	default:
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "404 Not Found\n\nThe resource could not be found.\n\n   ")
	}
}

// prefers is the form that an Accept header asks for: HTML before JSON where
// it likes both as much, text when it names neither or is absent.
func prefers(accept string) int {
	html, json := quality(accept, "text", "html"), quality(accept, "application", "json")
	switch {
	case html > 0 && html >= json:
		return formHTML
	case json > 0:
		return formJSON
	}
	return formText
}

// quality is how much accept likes a media type: the q of the most specific
// range that has it, 0 when none has.
func quality(accept, kind, subtype string) float64 {
	best, at := 0.0, -1
	for item := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(item, ";")
		a, b, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "/")
		specific := 0
		switch {
		case a == kind && b == subtype:
			specific = 2
		case a == kind && b == "*":
			specific = 1
		case a != "*" || b != "*":
			continue
		}
		if specific <= at {
			continue
		}
		best, at = 1, specific
		for param := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
				if q, err := strconv.ParseFloat(v, 64); err == nil {
					best = q
				}
			}
		}
	}
	return best
}
