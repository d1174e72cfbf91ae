package api

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wanted turns filters into a test of a row. A key~ is LIKE %value%, and a
// volume's times may be compared (cinder/api/v3/volumes.py
// _handle_time_comparison_filters).
func (t table[T]) wanted(filters map[string]string) (func(T) bool, error) {
	var tests []func(T) bool
	for key, want := range filters {
		name, like := strings.CutSuffix(key, "~")
		test, err := t.test(name, want, like)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	return func(row T) bool {
		return !slices.ContainsFunc(tests, func(test func(T) bool) bool { return !test(row) })
	}, nil
}

func (t table[T]) test(name, want string, like bool) (func(T) bool, error) {
	var zero T
	if name == "metadata" && t.metadata != nil && !like {
		pairs, ok := parsePairs(want)
		return func(row T) bool {
			have := t.metadata(row)
			for k, v := range pairs {
				if got, there := have[k]; !there || got != v {
					return false
				}
			}
			return ok
		}, nil
	}
	if _, isTime := t.times(zero, name); isTime && !like {
		if compare, isComparison, err := parseComparison(want); isComparison || err != nil {
			return func(row T) bool {
				at, _ := t.times(row, name)
				return compare(at)
			}, err
		}
		return func(row T) bool {
			at, _ := t.times(row, name)
			have, _ := apiTime(at).(string)
			return strings.TrimRight(have, "0") == strings.TrimRight(want, "0")
		}, nil
	}
	same := func(have string) bool { return have == want }
	if like {
		same = likeForm(want).MatchString
	}
	return func(row T) bool {
		have, ok := t.column(row, name)
		return ok && same(have)
	}, nil
}

// readFlag is the value of a filter by a column that is true or false; before 3.2
// all but false and nothing is true (cinder/volume/api.py
// _check_boolean_filter_value).
func (q *request) readFlag(key, value string) (string, error) {
	b, sound := parseBool(strings.TrimSpace(value))
	switch {
	case !q.version.since(2):
		b = value != "" && value != "False" && value != "false" && value != "FALSE"
	case !sound:
		return "", invalidInput("'%s = %s'", key, clip(value))
	}
	return strconv.FormatBool(b), nil
}

// likeForm is SQL's LIKE %value% as Cinder's MySQL compares: without regard to
// case, % and _ in the value standing for anything.
func likeForm(value string) *regexp.Regexp {
	return regexp.MustCompile("(?is)" + strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(value)))
}

var pair = regexp.MustCompile(`^\s*(?:u?'([^']*)'|"([^"]*)")\s*:\s*(?:u?'([^']*)'|"([^"]*)")\s*$`)

// parsePairs reads a dict of strings as Python writes it, or JSON; ok is false
// for anything else, which selects nothing.
func parsePairs(s string) (pairs map[string]string, ok bool) {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "{") || !strings.HasSuffix(s, "}") {
		return nil, false
	}
	pairs = map[string]string{}
	s = strings.TrimSpace(s[1 : len(s)-1])
	if s == "" {
		return pairs, true
	}
	for item := range strings.SplitSeq(s, ",") {
		m := pair.FindStringSubmatch(item)
		if m == nil {
			return nil, false
		}
		pairs[m[1]+m[2]] = m[3] + m[4]
	}
	return pairs, true
}

// parseComparison reads op:time,op:time; isComparison is false for a bare time.
func parseComparison(s string) (test func(time.Time) bool, isComparison bool, err error) {
	type bound struct {
		op string
		at time.Time
	}
	var bounds []bound
	for item := range strings.SplitSeq(s, ",") {
		op, text, found := strings.Cut(item, ":")
		if !slices.Contains([]string{"gt", "gte", "eq", "neq", "lt", "lte"}, op) {
			if found && op != "" && strings.Trim(op, "abcdefghijklmnopqrstuvwxyz") == "" {
				return nil, true, badRequest("Invalid %s operator", clip(op))
			}
			return nil, false, nil
		}
		at, ok := parseISO(text)
		if !ok {
			return nil, true, badRequest("Invalid %s value", clip(text))
		}
		bounds = append(bounds, bound{op, at})
	}
	return func(at time.Time) bool {
		for _, b := range bounds {
			order := at.Compare(b.at)
			holds := map[string]bool{
				"gt": order > 0, "gte": order >= 0, "eq": order == 0, "neq": order != 0, "lt": order < 0, "lte": order <= 0,
			}[b.op]
			if at.IsZero() || !holds {
				return false
			}
		}
		return true
	}, true, nil
}

func parseISO(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02"} {
		if at, err := time.Parse(form, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
