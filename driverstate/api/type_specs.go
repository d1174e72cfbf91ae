package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// ofType answers what hangs on a type.
func (s *server) ofType(answer func(q *request, t *driverstate.VolumeTypeRow) (int, any, error)) handler {
	return func(q *request) (int, any, error) {
		t, err := s.ops.VolumeType(q.Context(), q.caller, q.vars["id"])
		if err != nil {
			return 0, nil, err
		}
		return answer(q, t)
	}
}

func listExtraSpecs(q *request, t *driverstate.VolumeTypeRow) (int, any, error) {
	return http.StatusOK, object{{"extra_specs", q.extraSpecs(t)}}, nil
}

func showExtraSpec(q *request, t *driverstate.VolumeTypeRow) (int, any, error) {
	key := q.vars["key"]
	value, ok := q.extraSpecs(t)[key]
	if !ok {
		return 0, nil, specNotFound(q)
	}
	return http.StatusOK, object{{key, value}}, nil
}

func specNotFound(q *request) error {
	return newFault(http.StatusNotFound, "Volume Type "+clip(q.vars["id"])+" has no extra specs with key "+clip(q.vars["key"])+".")
}

// setExtraSpecs adds extra specs (cinder/api/contrib/types_extra_specs.py create).
func (s *server) setExtraSpecs(q *request) (int, any, error) {
	asked, err := q.inner("extra_specs", schema{open: true})
	if err != nil {
		return 0, nil, err
	}
	if err := checkSpecs("extra_specs", asked, tightSpecKey()); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, q.body, s.ops.ChangeExtraSpecs(q.Context(), q.caller, q.vars["id"], driverstate.MetadataChange{Set: metadata(asked)})
}

// setExtraSpec sets the one that the URL names.
func (s *server) setExtraSpec(q *request) (int, any, error) {
	if wrong := isObject(q.body); wrong != "" {
		return 0, nil, violation("", q.body, wrong)
	}
	asked := q.body.(map[string]any)
	switch _, named := asked[q.vars["key"]]; {
	case len(asked) == 0:
		return 0, nil, badRequest("{} does not have enough properties")
	case len(asked) > 1:
		return 0, nil, badRequest("%s has too many properties", clip(python(asked)))
	case checkSpecs("", asked, tightSpecKey()) != nil:
		return 0, nil, checkSpecs("", asked, tightSpecKey())
	case !named:
		return 0, nil, badRequest("Request body and URI mismatch")
	}
	return http.StatusOK, q.body, s.ops.ChangeExtraSpecs(q.Context(), q.caller, q.vars["id"], driverstate.MetadataChange{Set: metadata(asked)})
}

func (s *server) deleteExtraSpec(q *request) (int, any, error) {
	err := s.ops.ChangeExtraSpecs(q.Context(), q.caller, q.vars["id"], driverstate.MetadataChange{Remove: q.vars["key"]})
	if isBareNotFound(err) {
		return 0, nil, specNotFound(q)
	}
	return http.StatusAccepted, nil, err
}

func showTypeEncryption(*request, *driverstate.VolumeTypeRow) (int, any, error) {
	return http.StatusOK, object{}, nil
}

func listTypeAccess(_ *request, t *driverstate.VolumeTypeRow) (int, any, error) {
	if t.Public {
		return 0, nil, newFault(http.StatusNotFound, "Access list not available for public volume types.")
	}
	views := []object{}
	for _, project := range t.Projects {
		views = append(views, object{{"volume_type_id", t.ID}, {"project_id", project}})
	}
	return http.StatusOK, object{{"volume_type_access", views}}, nil
}
