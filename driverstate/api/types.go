package api

import (
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// The one volume type of the engine.
const (
	volumeType   = driverstate.VolumeType
	volumeTypeID = "6a7c3a0e-5d1c-4f43-9a0c-0d6f1f7f2c11"
)

// isType reports whether a volume type is asked for that the engine has.
func isType(idOrName string) bool { return idOrName == volumeType || idOrName == volumeTypeID }

// typeView is the engine's volume type; the default one is shown without its
// last member (cinder/api/v3/views/types.py).
func (q *request) typeView(last bool) object {
	view := object{
		{"id", volumeTypeID},
		{"name", volumeType},
		{"is_public", true},
		{"description", "Default Volume Type"},
		{"extra_specs", object{}},
	}
	if q.caller.Admin {
		view = append(view, member{"qos_specs_id", nil})
	}
	if last {
		view = append(view, member{"os-volume-type-access:is_public", true})
	}
	return view
}

// listTypes answers types: the one there is, if the query selects it.
func (s *server) listTypes(q *request) (int, any, error) {
	t := table[string]{
		key: "volume_types", linksKey: "volume_type_links", collection: "types", resource: "Volume type",
		tenant: append([]string{"name", "description"}, tenantFilters("volume_type")...),
		column: typeColumn, times: func(string, string) (time.Time, bool) { return time.Time{}, false },
		view: func(string) object { return q.typeView(true) },
	}
	return t.list(q, func(bool) ([]string, error) { return []string{volumeTypeID}, nil })
}

func typeColumn(_, name string) (string, bool) {
	switch name {
	case "id":
		return volumeTypeID, true
	case "name":
		return volumeType, true
	case "description":
		return "Default Volume Type", true
	}
	return "", false
}

// createType refuses: the engine's volumes are all of one kind.
func (s *server) createType(q *request) (int, any, error) {
	if err := q.requireAdmin("volume_extension:type_create"); err != nil {
		return 0, nil, err
	}
	return unsupported("volume types besides " + volumeType)(q)
}

func (s *server) showType(q *request) (int, any, error) {
	switch id := q.vars["id"]; id {
	case "default":
		return http.StatusOK, object{{"volume_type", q.typeView(false)}}, nil
	case volumeTypeID:
		return http.StatusOK, object{{"volume_type", q.typeView(true)}}, nil
	default:
		return 0, nil, typeNotFound(id)
	}
}

func typeNotFound(id string) error {
	return newFault(http.StatusNotFound, "Volume type "+clip(id)+" could not be found.")
}

// ofType answers what hangs on the engine's type, which has nothing set.
func ofType(answer func(q *request) (int, any, error)) handler {
	return func(q *request) (int, any, error) {
		if q.vars["id"] != volumeTypeID {
			return 0, nil, typeNotFound(q.vars["id"])
		}
		return answer(q)
	}
}

func listExtraSpecs(*request) (int, any, error) {
	return http.StatusOK, object{{"extra_specs", object{}}}, nil
}

func showExtraSpec(q *request) (int, any, error) {
	return 0, nil, newFault(http.StatusNotFound,
		"Volume Type "+volumeTypeID+" has no extra specs with key "+clip(q.vars["key"])+".")
}

func showTypeEncryption(*request) (int, any, error) { return http.StatusOK, object{}, nil }

func listTypeAccess(*request) (int, any, error) {
	return 0, nil, newFault(http.StatusNotFound, "Access list not available for public volume types.")
}
