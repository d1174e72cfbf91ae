package drivers

import (
	"maps"
	"net/url"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// label is the URL of the store that values describe, without its secrets:
// ParseURL makes the same values of it. Options with their defaults are left
// out, so that a store has one label however it was described.
func (s *spec) label(values oslo.Values) string {
	u := url.URL{Scheme: s.module, Path: "/"}
	var placed []string
	if s.address != nil {
		whole := oslo.Values{}
		for _, o := range s.options {
			whole[o.Key()] = o.Default
		}
		maps.Copy(whole, values)
		u.Host, u.Path, placed = s.address(whole)
	}
	query := url.Values{}
	for _, o := range s.options {
		value, given := values[o.Key()]
		if given && !o.Secret && value != o.Default && !slices.Contains(placed, o.Key()) {
			query.Set(s.param(o), value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// at is the place of a store that has no host: the path is an option.
func at(option string) func(oslo.Values) (host, path string, placed []string) {
	return func(v oslo.Values) (string, string, []string) { return "", v[option], []string{option} }
}

// inHost is the place of a store whose host is an option, and that has no path.
func inHost(option string) func(oslo.Values) (host, path string, placed []string) {
	return func(v oslo.Values) (string, string, []string) { return v[option], "", []string{option} }
}
