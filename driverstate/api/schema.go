package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// rule judges one value of a request's body. The text is what jsonschema says
// of it in Python's notation, as Cinder hands it on; empty when it is sound.
type rule func(v any) string

// schema is what an object of a request's body may hold.
type schema struct {
	required []string
	members  map[string]rule
	open     bool // other members are allowed
}

// inner takes the one member named key out of a request's body, an object that
// s describes (cinder/api/validation/validators.py _SchemaValidator).
func (q *request) inner(key string, s schema) (map[string]any, error) {
	outer := schema{required: []string{key}, members: map[string]rule{key: isObject}, open: false}
	if f := outer.check("", q.body); f != nil {
		return nil, f
	}
	value := q.body.(map[string]any)[key]
	if f := s.check(key, value); f != nil {
		return nil, f
	}
	return value.(map[string]any), nil
}

// check judges an object. name is its key; empty for the body itself.
func (s schema) check(name string, v any) *fault {
	if text := isObject(v); text != "" {
		return violation(name, v, text)
	}
	members := v.(map[string]any)
	for _, key := range s.required {
		if _, ok := members[key]; !ok {
			return violation(name, v, python(key)+" is a required property")
		}
	}
	var extra []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if s.members[key] == nil {
			extra = append(extra, python(key))
		}
	}
	if len(extra) > 0 && !s.open {
		verb := "was"
		if len(extra) > 1 {
			verb = "were"
		}
		return violation(name, v, fmt.Sprintf("Additional properties are not allowed (%s %s unexpected)", strings.Join(extra, ", "), verb))
	}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		judge := s.members[key]
		if judge == nil {
			continue
		}
		if text := judge(members[key]); text != "" {
			return violation(key, members[key], text)
		}
	}
	return nil
}

// shownValue is how much of a wrong value a message repeats, in characters.
const shownValue = 300

func violation(name string, v any, text string) *fault {
	if name == "" {
		return badRequest("%s", clip(text))
	}
	shown, ok := v.(string)
	if !ok {
		shown = python(v)
	}
	return badRequest("Invalid input for field/attribute %s. Value: %s. %s", clip(name), clip(shown), clip(text))
}

// clip shortens a text in the middle: what is wrong stands at its end.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= shownValue {
		return s
	}
	r := []rune(s)
	return string(r[:shownValue/2]) + "..." + string(r[len(r)-shownValue/2:])
}

// python writes a value as Python's repr does.
func python(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		return v.String()
	case string:
		quote := "'"
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			quote = `"`
		}
		escaped := strings.NewReplacer(`\`, `\\`, quote, `\`+quote, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(v)
		return quote + escaped + quote
	case []any:
		var items []string
		for _, e := range v {
			items = append(items, python(e))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		var items []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			items = append(items, python(k)+": "+python(v[k]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func isObject(v any) string {
	if _, ok := v.(map[string]any); !ok {
		return python(v) + " is not of type 'object'"
	}
	return ""
}

// text is a string of least to most characters, or null if nullable. Form is a
// pattern of its whole, nil for none.
func text(nullable bool, least, most int, form *regexp.Regexp) rule {
	types := "'string'"
	if nullable {
		types += ", 'null'"
	}
	return func(v any) string {
		s, ok := v.(string)
		switch n := utf8.RuneCountInString(s); {
		case v == nil && nullable:
			return ""
		case !ok:
			return python(v) + " is not of type " + types
		case n > most:
			return python(s) + " is too long"
		case n < least:
			return python(s) + " is too short"
		case form != nil && !form.MatchString(s):
			return python(s) + " does not match " + python(form.String())
		}
		return ""
	}
}

// Rules that several requests share (cinder/api/validation/parameter_types.py).
var (
	nameRule = text(true, 0, 255, nil)
	hostRule = text(true, 1, 255, regexp.MustCompile(`^[a-zA-Z0-9-._#@:/+]*$`))
	// poolRule is hostRule for a service's host, or a pool of it, which may be
	// named for a share at an IPv6 address.
	poolRule   = text(true, 1, 255, regexp.MustCompile(`^[a-zA-Z0-9-._#@:/+\[\]]*$`))
	reasonRule = func(v any) string { // why a service is disabled
		if wrong := text(false, 1, 255, nil)(v); wrong != "" {
			return wrong
		}
		if strings.TrimSpace(v.(string)) == "" {
			return python(v) + " is not a 'disabled_reason'"
		}
		return ""
	}
	descriptionRule = func(v any) string {
		if wrong := nameRule(v); wrong != "" || v == nil {
			return wrong
		}
		if strings.ContainsFunc(v.(string), func(c rune) bool {
			return unicode.Is(unicode.C, c) || unicode.Is(unicode.Z, c) && !unicode.Is(unicode.Zs, c)
		}) {
			return python(v) + " does not match the pattern of a description"
		}
		return ""
	}
)

var booleanWords = []string{
	"True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t",
	"False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f",
}

func booleanRule(v any) string {
	switch v := v.(type) {
	case bool:
		return ""
	case string:
		if slices.Contains(booleanWords, v) {
			return ""
		}
	default:
		return python(v) + " is not of type 'boolean', 'string'"
	}
	const half = 12 // words of either sense
	list := []string{"True"}
	for i, w := range booleanWords {
		if i == half {
			list = append(list, "False")
		}
		list = append(list, python(w))
	}
	return python(v) + " is not one of [" + strings.Join(list, ", ") + "]"
}

// truth is the value of what booleanRule accepted.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		b, _ := parseBool(v)
		return b
	}
	return false
}

// parseBool reads a boolean word in any case (oslo.utils strutils).
func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no":
		return false, true
	}
	return false, false
}

var looseUUID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// isUUID is as lenient as oslo.utils is_uuid_like.
func isUUID(s string) bool {
	s = strings.ToLower(s)
	s = strings.ReplaceAll(strings.ReplaceAll(s, "urn:", ""), "uuid:", "")
	return looseUUID.MatchString(strings.ReplaceAll(strings.Trim(s, "{}"), "-", ""))
}

func uuidRule(v any) string {
	s, ok := v.(string)
	switch {
	case !ok:
		return python(v) + " is not of type 'string'"
	case !isUUID(s):
		return python(s) + " is not a 'uuid'"
	}
	return ""
}

func uuidOrNullRule(v any) string {
	if v != nil && uuidRule(v) != "" {
		return python(v) + " is not valid under any of the given schemas"
	}
	return ""
}

func oneOf(words ...string) rule {
	return func(v any) string {
		if s, ok := v.(string); ok && slices.Contains(words, s) {
			return ""
		}
		var list []string
		for _, w := range words {
			list = append(list, python(w))
		}
		return python(v) + " is not one of [" + strings.Join(list, ", ") + "]"
	}
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// whole is a whole number, also as a string of digits.
func whole(least, most int64) rule {
	return func(v any) string {
		n, ok := integer(v)
		switch {
		case !ok:
			return python(v) + " is not of type 'integer', 'string'"
		case n < least:
			return fmt.Sprintf("%s is less than the minimum of %d", python(v), least)
		case n > most:
			return fmt.Sprintf("%s is greater than the maximum of %d", python(v), most)
		}
		return ""
	}
}

// integer is the value of what whole accepts.
func integer(v any) (int64, bool) {
	var digits string
	switch v := v.(type) {
	case json.Number:
		digits = v.String()
	case string:
		digits = v
	default:
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

func isObjectOrNull(v any) string {
	if v != nil && isObject(v) != "" {
		return python(v) + " is not of type 'object', 'null'"
	}
	return ""
}

// checkMetadata judges the members of a backup's metadata; what is wrong with a
// value is said of its own key.
func checkMetadata(v any) *fault {
	members, _ := v.(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(members)) {
		if !metadataKey().MatchString(k) {
			return violation("metadata", v, python(k)+" does not match any of the regexes: '^[a-zA-Z0-9-_:. /]{1,255}$'")
		}
		if wrong := text(false, 0, 255, nil)(members[k]); wrong != "" {
			return violation(k, members[k], wrong)
		}
	}
	return nil
}

// metadataKey is compiled when it is wanted: a form with a bound in the hundreds
// takes a millisecond of every start.
var metadataKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9\-_:. /]{1,255}$`) })

func metadataRule(v any) string {
	if v == nil {
		return ""
	}
	if wrong := isObject(v); wrong != "" {
		return wrong
	}
	members := v.(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(members)) {
		if !metadataKey().MatchString(k) {
			return python(k) + " does not match any of the regexes: '" + metadataKey().String() + "'"
		}
		if wrong := text(false, 0, 255, nil)(members[k]); wrong != "" {
			return wrong
		}
	}
	return ""
}

// metadata is the value of what metadataRule accepted.
func metadata(v any) map[string]string {
	members, _ := v.(map[string]any)
	out := make(map[string]string, len(members))
	for k, e := range members {
		out[k], _ = e.(string)
	}
	return out
}

// optional is a string member without white space around it; nil when it is
// null or absent.
func optional(members map[string]any, key string) *string {
	s, ok := members[key].(string)
	if !ok {
		return nil
	}
	s = strings.TrimSpace(s)
	return &s
}

// word is a string member without white space around it; empty when it is null
// or absent.
func word(members map[string]any, key string) string {
	s, _ := members[key].(string)
	return strings.TrimSpace(s)
}
