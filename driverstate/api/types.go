package api

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// visibleSpecs are the extra specs that everybody sees (cinder/policies/type_extra_specs.py
// USER_VISIBLE_EXTRA_SPECS).
var visibleSpecs = []string{"RESKEY:availability_zones", "multiattach", "replication_enabled"}

func (q *request) extraSpecs(t *driverstate.VolumeTypeRow) map[string]string {
	specs := map[string]string{}
	for key, value := range t.ExtraSpecs {
		if q.caller.Admin || slices.Contains(visibleSpecs, key) {
			specs[key] = value
		}
	}
	return specs
}

// typeView shows a volume type; public says whether with its last member
// (cinder/api/v3/views/types.py, cinder/api/contrib/volume_type_access.py).
func (q *request) typeView(t *driverstate.VolumeTypeRow, public bool) object {
	view := q.newTypeView(t)
	if q.caller.Admin {
		view = append(view, member{"qos_specs_id", nil})
	}
	if public {
		view = append(view, member{"os-volume-type-access:is_public", t.Public})
	}
	return view
}

// newTypeView shows a type that was made or changed.
func (q *request) newTypeView(t *driverstate.VolumeTypeRow) object {
	return object{
		{"id", t.ID},
		{"name", t.Name},
		{"is_public", t.Public},
		{"description", nullable(t.Description)},
		{"extra_specs", q.extraSpecs(t)},
	}
}

// typeID is the id of the type that a volume's row names.
func (q *request) typeID(name string) string {
	if name == "" || name == driverstate.VolumeType {
		return driverstate.DefaultType
	}
	if q.typeIDs == nil {
		q.typeIDs = map[string]string{}
		c := q.caller
		c.Admin = true // also of a type that the project may use no longer
		all, err := q.srv.ops.VolumeTypes(q.Context(), c)
		if err != nil {
			q.srv.log.ErrorContext(q.Context(), "volume types not read", "error", err)
		}
		for _, t := range all {
			q.typeIDs[t.Name] = t.ID
		}
	}
	return q.typeIDs[name]
}

// listTypes answers types. Those that are not public are listed to an admin who
// asks for them (cinder/api/v3/types.py _get_volume_types).
func (s *server) listTypes(q *request) (int, any, error) {
	asked := q.URL.Query()
	wanted, err := q.typeFilter(asked)
	if err != nil {
		return 0, nil, err
	}
	asked.Del("is_public")
	asked.Del("extra_specs")
	u := *q.URL
	u.RawQuery = asked.Encode()
	r := *q.Request
	r.URL = &u
	q.Request = &r
	t := table[*driverstate.VolumeTypeRow]{
		key: "volume_types", linksKey: "volume_type_links", collection: "types", resource: "Volume type",
		tenant:    append([]string{"name", "description"}, tenantFilters("volume_type")...),
		valueless: []string{"deleted_at", "qos_specs_id"},
		column:    typeColumn, times: typeTime,
		view: func(t *driverstate.VolumeTypeRow) object { return q.typeView(t, true) },
	}
	return t.list(q, func(bool) ([]*driverstate.VolumeTypeRow, error) {
		all, err := s.ops.VolumeTypes(q.Context(), q.caller)
		return slices.DeleteFunc(all, func(t *driverstate.VolumeTypeRow) bool { return !wanted(t) }), err
	})
}

// typeFilter is what is_public and extra_specs select.
func (q *request) typeFilter(asked url.Values) (func(*driverstate.VolumeTypeRow) bool, error) {
	public, both := true, false
	if text := asked.Get("is_public"); asked.Has("is_public") && q.caller.Admin {
		sound := true
		if both = strings.EqualFold(text, "none"); !both {
			public, sound = parseBool(text)
		}
		if !sound {
			return nil, badRequest("Invalid is_public filter [%s]", clip(text))
		}
	}
	specs, sound := map[string]string{}, true
	if asked.Has("extra_specs") {
		specs, sound = parsePairs(asked.Get("extra_specs"))
	}
	return func(t *driverstate.VolumeTypeRow) bool {
		for key, want := range specs {
			have, there := t.ExtraSpecs[key]
			if !there || have != want || !q.caller.Admin && !slices.Contains(visibleSpecs, key) {
				return false
			}
		}
		// Those that the project was let use stand beside the public ones.
		mine := public && slices.Contains(t.Projects, q.caller.ProjectID)
		return sound && (both || t.Public == public || mine)
	}, nil
}

func typeColumn(t *driverstate.VolumeTypeRow, name string) (string, bool) {
	if t == nil {
		t = &driverstate.VolumeTypeRow{}
	}
	switch name {
	case "id":
		return t.ID, true
	case "name":
		return t.Name, true
	case "description":
		return t.Description, true
	case "is_public":
		return strconv.FormatBool(t.Public), true
	}
	return "", false
}

func typeTime(t *driverstate.VolumeTypeRow, name string) (time.Time, bool) {
	if t == nil {
		t = &driverstate.VolumeTypeRow{}
	}
	return stampOf(name, t.CreatedAt, t.UpdatedAt)
}

func (s *server) showType(q *request) (int, any, error) {
	id := q.vars["id"]
	if id == "default" {
		id = driverstate.DefaultType
	}
	t, err := s.ops.VolumeType(q.Context(), q.caller, id)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"volume_type", q.typeView(t, id == q.vars["id"])}}, nil
}

// tightSpecKey is a key of extra specs that are set on a type there is; one of a
// new type is a metadataKey. It is compiled when it is wanted, as that is.
var tightSpecKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9\-_:.]{1,255}$`) })

// checkSpecs judges extra specs (cinder/api/validation/parameter_types.py
// extra_specs_with_null, extra_specs_with_no_spaces_key). name is empty where
// the body itself is the specs.
func checkSpecs(name string, specs map[string]any, form *regexp.Regexp) error {
	for _, key := range slices.Sorted(maps.Keys(specs)) {
		if !form.MatchString(key) {
			shown := strings.ReplaceAll(form.String(), `\-`, "-")
			return violation(name, specs, python(key)+" does not match any of the regexes: '"+shown+"'")
		}
		if wrong := text(true, 0, 255, nil)(specs[key]); wrong != "" {
			return violation(key, specs[key], wrong)
		}
	}
	return nil
}

// createType adds a type (cinder/api/contrib/types_manage.py _create).
func (s *server) createType(q *request) (int, any, error) {
	asked, err := q.inner("volume_type", schema{required: []string{"name"}, members: map[string]rule{
		"name": text(false, 1, 255, nil), "description": descriptionRule, "extra_specs": isObject, "os-volume-type-access:is_public": booleanRule,
	}})
	if err != nil {
		return 0, nil, err
	}
	specs, _ := asked["extra_specs"].(map[string]any)
	if err := checkSpecs("extra_specs", specs, metadataKey()); err != nil {
		return 0, nil, err
	}
	name := asked["name"].(string)
	if strings.TrimSpace(name) == "" {
		return 0, nil, badRequest("An invalid 'name' value was provided. The 'name' can not be empty.")
	}
	description, _ := asked["description"].(string)
	public, given := asked["os-volume-type-access:is_public"]
	t, err := s.ops.CreateVolumeType(q.Context(), q.caller, driverstate.VolumeTypeRow{
		Name: name, Description: description, Public: !given || truth(public), ExtraSpecs: metadata(asked["extra_specs"]),
	})
	if err != nil {
		return 0, nil, err
	}
	view := append(q.newTypeView(t), member{"os-volume-type-access:is_public", t.Public})
	return http.StatusOK, object{{"volume_type", view}}, nil
}

// updateType changes a type (cinder/api/contrib/types_manage.py _update).
func (s *server) updateType(q *request) (int, any, error) {
	asked, err := q.inner("volume_type", schema{members: map[string]rule{
		"name": text(true, 1, 255, nil), "description": descriptionRule, "is_public": booleanRule,
	}})
	if err != nil {
		return 0, nil, err
	}
	var u driverstate.TypeUpdate
	if name, ok := asked["name"].(string); ok {
		if strings.TrimSpace(name) == "" {
			return 0, nil, badRequest("Volume type name can not be empty.")
		}
		u.Name = &name
	}
	if description, ok := asked["description"].(string); ok {
		u.Description = &description
	}
	if public, given := asked["is_public"]; given {
		on := truth(public)
		u.Public = &on
	}
	if u == (driverstate.TypeUpdate{}) {
		return 0, nil, badRequest("Specify volume type name, description, is_public or a combination thereof.")
	}
	t, err := s.ops.UpdateVolumeType(q.Context(), q.caller, q.vars["id"], u)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"volume_type", q.newTypeView(t)}}, nil
}

func (s *server) deleteType(q *request) (int, any, error) {
	return http.StatusAccepted, nil, s.ops.DeleteVolumeType(q.Context(), q.caller, q.vars["id"])
}

// typeAction does addProjectAccess and removeProjectAccess
// (cinder/api/contrib/volume_type_access.py).
func (s *server) typeAction(q *request) (int, any, error) {
	id := q.vars["id"]
	for name := range q.body.(map[string]any) { // exactly one
		if name != "addProjectAccess" && name != "removeProjectAccess" {
			return 0, nil, unknownAction(clip(name))
		}
		asked, err := q.inner(name, schema{required: []string{"project"}, members: map[string]rule{"project": uuidRule}})
		if err != nil {
			return 0, nil, err
		}
		project := word(asked, "project")
		err = s.ops.ChangeTypeAccess(q.Context(), q.caller, id, project, name == "addProjectAccess")
		if isBareNotFound(err) {
			return 0, nil, newFault(http.StatusNotFound, "Volume type access not found for "+id+" / "+project+" combination.")
		}
		return http.StatusAccepted, nil, err
	}
	return 0, nil, unknownAction("None")
}

// isBareNotFound tells a part of a thing that is not there from the thing.
func isBareNotFound(err error) bool {
	var of *driverstate.Error
	return errors.Is(err, driverstate.ErrNotFound) && !errors.As(err, &of)
}
