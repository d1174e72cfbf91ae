package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"
)

// readBody decodes the body of a request into q.body, as rule says. Its order
// is Cinder's: the media type, the syntax, then what the route needs
// (cinder/api/openstack/wsgi.py Resource). Where Cinder has 500 for a body
// that is absent, this has 400.
func (q *request) readBody(w http.ResponseWriter, rule bodyRule) error {
	if rule == noBody {
		return nil
	}
	malformed := badRequest("Malformed request body")
	noAction := unknownAction("None")
	raw, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return newFault(http.StatusRequestEntityTooLarge, "Request is too large.")
		}
		return malformed
	}
	kind := q.Header.Get("Content-Type")
	switch {
	case len(raw) == 0 && rule == optionalBody:
		q.body = map[string]any{}
		return nil
	case len(raw) == 0 && rule == actionBody:
		return noAction
	case len(raw) == 0:
		return malformed
	}
	switch media, _, _ := mime.ParseMediaType(kind); media {
	case "application/json", "application/vnd.openstack.volume+json":
	default:
		return newFault(http.StatusUnsupportedMediaType, "Unsupported Content-Type")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if !utf8.Valid(raw) || dec.Decode(&q.body) != nil || dec.More() {
		return malformed
	}
	if _, err := dec.Token(); err != io.EOF {
		return malformed
	}
	if rule == actionBody {
		if members, ok := q.body.(map[string]any); !ok || len(members) != 1 {
			return malformed
		}
	}
	return nil
}

func unknownAction(name string) *fault {
	return badRequest("There is no such action: %s. Verify the request body and Content-Type header and try again.", name)
}
