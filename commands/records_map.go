package commands

import (
	"fmt"
	"slices"
	"strings"
)

// mappable are the words of --map and the members of a record that they mean.
// What decides where the data lies is not among them but for the container: a
// prefix that names another backup is refused.
var mappable = map[string]string{
	"project": "project_id", "user": "user_id", "az": "availability_zone", "host": "host",
	"service": "service", "container": "container", "name": "display_name", "description": "display_description",
}

// mapping says that a field of a record with the value from becomes to.
type mapping struct {
	field, from, to string
	used            int
}

func (m *mapping) String() string { return m.field + "=" + m.from + ":" + m.to }

// recordMap is what --map says.
type recordMap []*mapping

// parseRecordMap reads FIELD=OLD:NEW, several with commas. A backslash takes
// the meaning from the character after it.
func parseRecordMap(texts []string) (recordMap, error) {
	var out recordMap
	for _, text := range texts {
		for _, part := range splitEscaped(text, ',') {
			field, values, ok := strings.Cut(part, "=")
			pair := splitEscaped(values, ':')
			switch {
			case !ok || len(pair) != 2:
				return nil, usagef(`--map %q is not FIELD=OLD:NEW; write \: and \, for these characters in a value`, part)
			case mappable[field] == "":
				return nil, usagef("--map %s: a record's %q cannot be mapped: it is one of %s", part, field, strings.Join(mapWords(), ", "))
			case pair[0] == pair[1]:
				return nil, usagef("--map %s changes nothing", part)
			}
			m := &mapping{field: field, from: unescape(pair[0]), to: unescape(pair[1])}
			if slices.ContainsFunc(out, func(o *mapping) bool { return o.field == m.field && o.from == m.from }) {
				return nil, usagef("--map: %s %q is mapped twice", field, m.from)
			}
			out = append(out, m)
		}
	}
	return out, nil
}

func mapWords() []string {
	var words []string
	for w := range mappable {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

// splitEscaped splits s at every sep that no backslash precedes, and leaves the
// backslashes.
func splitEscaped(s string, sep byte) []string {
	var out []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// apply maps the members of a record and says what it changed. An empty old
// value means null, an empty new one writes it.
func (m recordMap) apply(members map[string]any) []string {
	var said []string
	done := map[string]bool{}
	for _, one := range m {
		key := mappable[one.field]
		value, _ := members[key].(string)
		if value != one.from || done[key] {
			continue // a value that was mapped is not mapped again
		}
		done[key] = true
		one.used++
		members[key] = orNil(one.to)
		said = append(said, fmt.Sprintf("%s %q became %q", one.field, one.from, one.to))
	}
	return said
}

// service maps the driver class that stands beside a record.
func (m recordMap) service(class string) string {
	for _, one := range m {
		if one.field == "service" && one.from == class {
			one.used++
			return one.to
		}
	}
	return class
}

// targets are the new values of a field that any record got.
func (m recordMap) targets(field string) []string {
	var out []string
	for _, one := range m {
		if one.field == field && one.used > 0 && !slices.Contains(out, one.to) {
			out = append(out, one.to)
		}
	}
	return out
}
