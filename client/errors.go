package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Error is a call that failed. It answers to one of driverstate's kinds, and
// through the cause to what the transport reported.
type Error struct {
	Status    int    // HTTP status; 0 when there was no answer
	Fault     string // name of the fault, such as itemNotFound; may be empty
	Message   string // the server's words
	RequestID string // of the answer, for the server's log
	Resource  string // what was asked for: backup, volume
	ID        string

	kind  error
	cause error
}

// Error says which object it is, what is wrong, and the request's id.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Resource != "" {
		b.WriteString(e.Resource)
		if e.ID != "" {
			b.WriteString(" " + e.ID)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.text())
	switch {
	case e.RequestID != "":
		fmt.Fprintf(&b, " (HTTP %d, %s)", e.Status, e.RequestID)
	case e.Status != 0:
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	return b.String()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	out := make([]error, 0, 2)
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// families are what Cinder puts before the words of an exception
// (cinder/exception.py).
var families = []string{"Invalid backup: ", "Invalid volume: ", "Invalid snapshot: ", "Invalid input received: "}

// text is the message in the form of this program's own.
func (e *Error) text() string {
	s := strings.TrimSpace(e.Message)
	for _, f := range families {
		s = strings.TrimPrefix(s, f)
	}
	switch {
	case errors.Is(e.kind, driverstate.ErrNotFound) && strings.EqualFold(s, e.Resource+" "+e.ID+" could not be found."):
		return "not found"
	case errors.Is(e.kind, driverstate.ErrServiceDown):
		return "no backup service is up to do it (" + strings.TrimSuffix(s, ".") + ")"
	case s == "":
		return http.StatusText(e.Status)
	}
	s = strings.TrimSuffix(s, ".")
	if object := e.Resource + " " + e.ID + " "; e.ID != "" && len(s) > len(object) && strings.EqualFold(s[:len(object)], object) {
		s = s[len(object):] // it was named already
	}
	first, size := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[size:])
	if unicode.IsUpper(first) && !unicode.IsUpper(second) {
		s = string(unicode.ToLower(first)) + s[size:]
	}
	return s
}

// Explain turns an error of gophercloud's transport, such as that of a login,
// into one that answers to driverstate's kinds. Nil, and an error that has a
// kind already, come back as they are.
func Explain(ctx context.Context, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if _, refused := answerOf(err); !refused && !isTransport(err) {
		return err // not from the network, such as a file that is missing
	}
	explained := (&call{}).fail(ctx, err)
	if ctx.Err() == nil && errors.As(explained, &known) {
		known.Message, known.cause = err.Error(), err // its own words say what was tried
	}
	return explained
}

func (k *call) notFound() error {
	return &Error{Resource: k.resource, ID: k.id, Message: "not found", kind: driverstate.ErrNotFound}
}

// fail turns whatever came of k into an *Error.
func (k *call) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	e := &Error{Resource: k.resource, ID: k.id, cause: err, kind: driverstate.ErrUnavailable}
	if login := failedLogin(err); login != nil && ctx.Err() == nil {
		return k.notRenewed(ctx, login)
	}
	answer, refused := answerOf(err)
	unreadable := (*answerError)(nil)
	switch {
	case ctx.Err() != nil:
		// An interrupted call says nothing of the server.
		e.kind, e.cause, e.Message = nil, context.Cause(ctx), ctx.Err().Error()
	case refused:
		e.cause = nil // its text is the raw body
		e.Status, e.RequestID = answer.Actual, requestID(answer.ResponseHeader)
		e.Fault, e.Message = readFault(answer.Body)
		if isUnknownCredential(answer, e.Message) {
			e.kind = driverstate.ErrForbidden
		} else {
			e.kind = k.kind(e)
		}
	case errors.As(err, &unreadable):
		e.Status, e.RequestID, e.Message = unreadable.status, unreadable.requestID, unreadable.Error()
	case errors.Is(err, errTooOld):
		e.kind, e.Message = driverstate.ErrNotSupported, err.Error()
	default:
		e.Message = err.Error()
	}
	return e
}

// answerOf is the refusal of a server in err, wherever gophercloud put it.
func answerOf(err error) (gophercloud.ErrUnexpectedResponseCode, bool) {
	var (
		answer gophercloud.ErrUnexpectedResponseCode
		after  *gophercloud.ErrErrorAfterReauthentication
		unable *gophercloud.ErrUnableToReauthenticate
	)
	switch {
	case errors.As(err, &answer):
		return answer, true
	case errors.As(err, &after) && after.ErrOriginal != nil:
		return answerOf(after.ErrOriginal)
	case errors.As(err, &unable) && unable.ErrOriginal != nil:
		return answerOf(unable.ErrOriginal)
	}
	return answer, false
}

// isUnknownCredential reports whether a login was refused as Keystone does it
// for a token that expired and for an application credential that is gone: with
// 404. A URL that does not lead to Keystone has no message of an API.
func isUnknownCredential(answer gophercloud.ErrUnexpectedResponseCode, message string) bool {
	return answer.Actual == http.StatusNotFound && message != "" && strings.HasSuffix(answer.URL, "/auth/tokens")
}

func requestID(h http.Header) string {
	if id := h.Get("X-Openstack-Request-Id"); id != "" {
		return id
	}
	return h.Get("X-Compute-Request-Id")
}

// readFault returns the fault's name and message of a body: Cinder's
// {"<fault>": {"code", "message"}}, or what a middleware before it answers.
func readFault(body []byte) (name, message string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return "", ""
	}
	for key, value := range members {
		var fault struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(value, &fault) == nil && fault.Message != "" {
			if key == "error" { // keystonemiddleware's
				key = ""
			}
			return key, fault.Message
		}
	}
	// webob's answer to a URL that is not routed
	var plain string
	if json.Unmarshal(members["message"], &plain) == nil {
		plain, _, _ = strings.Cut(plain, "<br")
	}
	return "", plain
}

var (
	serviceGone = regexp.MustCompile(`^Service .* could not be found( on host .*)?\.$`)
	versionsAre = regexp.MustCompile(`Minimum is (\d+\.\d+) and maximum is (\d+\.\d+)`)
)

// ErrEngineOnly is the driverstate.ErrNotSupported of a call that the engine of
// cinder-go has and Cinder has not.
var ErrEngineOnly = fmt.Errorf("only the engine has it: %w", driverstate.ErrNotSupported)

// genericNotFound is Cinder's answer to a call that its version does not have.
const genericNotFound = "The resource could not be found."

// kind is the error kind of an answer. Cinder has few fault names, so that the
// message must be asked too.
func (k *call) kind(e *Error) error {
	has := func(s string) bool { return strings.Contains(e.Message, s) }
	switch e.Status {
	case http.StatusBadRequest:
		return badRequestKind(e.Message)
	case http.StatusUnauthorized:
		return driverstate.ErrForbidden
	case http.StatusForbidden:
		if has("read-only") {
			return driverstate.ErrReadOnly
		}
		return driverstate.ErrForbidden
	case http.StatusNotFound:
		switch {
		case serviceGone.MatchString(e.Message):
			return driverstate.ErrServiceDown
		case k.extension && (e.Fault == "" || e.Message == genericNotFound):
			e.Message = "this cloud has no such call; the engine of cinder-go has"
			return ErrEngineOnly
		case k.need > 0 && e.Message == genericNotFound:
			e.Message = fmt.Sprintf("this cloud has no such call, which came with 3.%d", k.need)
			return driverstate.ErrNotSupported
		case e.Fault == "":
			// No fault body: nobody there speaks this API, and nothing is
			// said of the backup itself.
			e.Message = "the endpoint has no such address: does its URL end in /v3 or /v3/PROJECT_ID?"
			return driverstate.ErrNotSupported
		}
		return driverstate.ErrNotFound
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return driverstate.ErrNotSupported
	case http.StatusNotAcceptable:
		if m := versionsAre.FindStringSubmatch(e.Message); m != nil {
			e.Message = fmt.Sprintf("the cloud offers microversions %s to %s, and this needs 3.%d", m[1], m[2], max(k.need, k.like))
		}
		return driverstate.ErrNotSupported
	case http.StatusConflict:
		return driverstate.ErrConflict
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return driverstate.ErrOverLimit
	case http.StatusServiceUnavailable:
		if serviceGone.MatchString(e.Message) { // import_record
			return driverstate.ErrServiceDown
		}
	}
	switch {
	case e.Status >= 500:
		return driverstate.ErrUnavailable
	case e.Status < 400:
		e.Message = "the endpoint leads elsewhere: does its URL end in /v3 or /v3/PROJECT_ID?"
		return driverstate.ErrNotSupported
	}
	return driverstate.ErrInvalidInput
}

// badRequestKind tells apart what Cinder answers as 400 (cinder/backup/api.py,
// cinder/exception.py InvalidBackup and its kin).
func badRequestKind(message string) error {
	has := func(s string) bool { return strings.Contains(message, s) }
	switch {
	case has("Incremental backups exist"):
		return driverstate.ErrHasDependents
	case has("during system upgrade"):
		return driverstate.ErrInvalidStatus
	case has("already exists in database"):
		return driverstate.ErrConflict
	case has("is too small"):
		return driverstate.ErrTooSmall
	case has("has invalid size"), has("does not match with snapshot"):
		return driverstate.ErrInvalidInput
	}
	for _, family := range families[:3] {
		if strings.HasPrefix(message, family) {
			return driverstate.ErrInvalidStatus
		}
	}
	return driverstate.ErrInvalidInput
}
