package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cinder-go/cinder-go/driverstate"
)

// limitsView shows limits, or with usage also what is used of them. What is
// used is counted when it is asked for, so nothing is ever reserved.
func limitsView(quotas []driverstate.Quota, usage bool) object {
	set := make(object, 0, len(quotas)+1)
	for _, l := range quotas {
		if usage {
			set = append(set, member{l.Resource, object{{"limit", l.Limit}, {"in_use", l.InUse}, {"reserved", 0}}})
		} else {
			set = append(set, member{l.Resource, l.Limit})
		}
	}
	return set
}

// showQuotas answers os-quota-sets/{project} (cinder/api/contrib/quotas.py).
func (s *server) showQuotas(q *request) (int, any, error) {
	text, asked := params(q.Request)["usage"]
	usage, sound := parseBool(text)
	quotas, err := s.ops.Quotas(q.Context(), q.caller, q.vars["project"])
	if err != nil {
		return 0, nil, err
	}
	if asked && !sound {
		return 0, nil, badRequest("Value '%s' for 'usage' is not a boolean.", clip(text))
	}
	return http.StatusOK, object{{"quota_set", append(limitsView(quotas, usage), member{"id", q.vars["project"]})}}, nil
}

// showDefaultQuotas answers os-quota-sets/{project}/defaults.
func (s *server) showDefaultQuotas(q *request) (int, any, error) {
	if q.vars["project"] != q.caller.ProjectID {
		if err := q.requireAdmin("volume_extension:quotas:show"); err != nil {
			return 0, nil, err
		}
	}
	quotas, err := s.ops.DefaultQuotas(q.Context())
	if err != nil {
		return 0, nil, err
	}
	view := append(limitsView(quotas, false), member{"id", q.vars["project"]})
	return http.StatusOK, object{{"quota_set", view}}, nil
}

// setQuotas changes some limits of a project. Unlike Cinder 21 it compares a
// limit that is set for the first time with what is used, too.
func (s *server) setQuotas(q *request) (int, any, error) {
	limits, err := q.readLimits("quota_set", "quota set")
	if err != nil {
		return 0, nil, err
	}
	quotas, err := s.ops.SetQuotas(q.Context(), q.caller, q.vars["project"], limits)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"quota_set", limitsView(quotas, false)}}, nil
}

// readLimits reads the body of a change of limits
// (cinder/api/validation/validators.py _validate_quota_set).
func (q *request) readLimits(key, name string) (map[string]int64, error) {
	asked, err := q.inner(key, schema{open: true})
	if err != nil {
		return nil, err
	}
	if len(asked) == 0 {
		return nil, violation(key, asked, "{} does not have enough properties")
	}
	known, err := q.srv.ops.DefaultQuotas(q.Context())
	if err != nil {
		return nil, err
	}
	limits, wrong := map[string]int64{}, []string{}
	for _, resource := range slices.Sorted(maps.Keys(asked)) {
		switch {
		case resource == "tenant_id" || resource == "id":
			continue // clients send back what they read
		case !slices.ContainsFunc(known, func(l driverstate.Quota) bool { return l.Resource == resource }):
			wrong = append(wrong, resource)
			continue
		}
		limit, err := readLimit(resource, asked[resource])
		if err != nil {
			return nil, err
		}
		limits[resource] = limit
	}
	if len(wrong) > 0 {
		return nil, invalidInput("Bad key(s) in %s: %s", name, clip(strings.Join(wrong, ", ")))
	}
	return limits, nil
}

func readLimit(resource string, v any) (int64, error) {
	const most = 1<<31 - 1 // Cinder's column
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil && !strings.HasSuffix(err.Error(), strconv.ErrRange.Error()):
		return 0, badRequest("%s must be an integer", resource)
	case n < driverstate.Unlimited:
		return 0, badRequest("%s must be >= -1", resource)
	case n > most:
		return 0, badRequest("%s must be <= %d", resource, most)
	}
	return n, nil
}

func (s *server) deleteQuotas(q *request) (int, any, error) {
	return http.StatusOK, nil, s.ops.DeleteQuotas(q.Context(), q.caller, q.vars["project"])
}

// showQuotaClass answers os-quota-class-sets (cinder/api/contrib/quota_classes.py).
func (s *server) showQuotaClass(q *request) (int, any, error) {
	quotas, err := s.ops.ClassQuotas(q.Context(), q.caller, q.vars["class"])
	if err != nil {
		return 0, nil, err
	}
	view := append(limitsView(quotas, false), member{"id", q.vars["class"]})
	return http.StatusOK, object{{"quota_class_set", view}}, nil
}

func (s *server) setQuotaClass(q *request) (int, any, error) {
	limits, err := q.readLimits("quota_class_set", "quota class set")
	if err != nil {
		return 0, nil, err
	}
	class := q.vars["class"]
	if utf8.RuneCountInString(class) > 255 {
		return 0, nil, invalidInput("quota_class_name has %d characters, more than 255.", utf8.RuneCountInString(class))
	}
	quotas, err := s.ops.SetClassQuotas(q.Context(), q.caller, class, limits)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"quota_class_set", limitsView(quotas, false)}}, nil
}
