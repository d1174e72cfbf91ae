package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cinder-go/cinder-go/driverstate"
)

// checkTexts refuses a request of which a text cannot be kept by every database
// (driverstate.TextFault): of who sends it, of the path, the query or the body.
// Cinder leaves that to its database, and answers with what that says.
func (q *request) checkTexts() error {
	said := maps.Clone(q.vars)
	if said == nil {
		said = map[string]string{}
	}
	said["user_id"], said["project_id"] = q.caller.UserID, q.caller.ProjectID
	for _, name := range slices.Sorted(maps.Keys(said)) {
		if f := checkText(name, said[name]); f != nil {
			return f
		}
	}
	if q.URL.RawQuery != "" {
		query := q.URL.Query()
		for _, name := range slices.Sorted(maps.Keys(query)) {
			for _, text := range append([]string{name}, query[name]...) {
				if f := checkText(name, text); f != nil {
					return f
				}
			}
		}
	}
	if f := checkTextsIn("", q.body); f != nil {
		return f
	}
	return nil
}

// checkTextsIn judges a value of a body, which is of the member called name.
func checkTextsIn(name string, v any) *fault {
	switch v := v.(type) {
	case string:
		return checkText(name, v)
	case []any:
		for _, item := range v {
			if f := checkTextsIn(name, item); f != nil {
				return f
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if f := checkText(key, key); f != nil {
				return f
			}
			if f := checkTextsIn(key, v[key]); f != nil {
				return f
			}
		}
	}
	return nil
}

func checkText(name, value string) *fault {
	wrong := driverstate.TextFault(value)
	if wrong == "" {
		return nil
	}
	return violation(printable(name), printable(value), "'"+clip(printable(value))+"' "+wrong)
}

// printable writes as Python's repr does what TextFault is about.
func printable(s string) string {
	var out strings.Builder
	for i, c := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		if c == 0 || c == utf8.RuneError && size == 1 {
			fmt.Fprintf(&out, `\x%02x`, s[i])
			continue
		}
		out.WriteRune(c)
	}
	return out.String()
}
