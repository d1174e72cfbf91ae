package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// metadataOf are the calls for what a user keeps with a resource
// (cinder/api/v3/volume_metadata.py, snapshot_metadata.py).
type metadataOf struct {
	kind   string // as a 404 names it
	read   func(q *request) (map[string]string, error)
	change func(q *request, m driverstate.MetadataChange) (map[string]string, error)
}

var metadataOfVolume = metadataOf{
	kind: "Volume",
	read: func(q *request) (map[string]string, error) {
		return q.srv.ops.VolumeMetadata(q.Context(), q.caller, q.vars["id"])
	},
	change: func(q *request, m driverstate.MetadataChange) (map[string]string, error) {
		return q.srv.ops.ChangeVolumeMetadata(q.Context(), q.caller, q.vars["id"], m)
	},
}

var metadataOfSnapshot = metadataOf{
	kind: "Snapshot",
	read: func(q *request) (map[string]string, error) {
		snap, err := q.srv.ops.Snapshot(q.Context(), q.caller, q.vars["id"])
		if err != nil {
			return nil, err
		}
		return snap.Metadata, nil
	},
	change: func(q *request, m driverstate.MetadataChange) (map[string]string, error) {
		return q.srv.ops.ChangeSnapshotMetadata(q.Context(), q.caller, q.vars["id"], m)
	},
}

// routes are those below path, which names the resource.
func (m metadataOf) routes(path string) []route {
	path += "/metadata"
	return []route{
		{method: "GET", path: path, handle: m.list},
		{method: "POST", path: path, body: needsBody, handle: m.set(false)},
		{method: "PUT", path: path, body: needsBody, handle: m.set(true)},
		{method: "GET", path: path + "/{key}", handle: m.show},
		{method: "PUT", path: path + "/{key}", body: needsBody, handle: m.setOne},
		{method: "DELETE", path: path + "/{key}", handle: m.remove},
	}
}

func (m metadataOf) list(q *request) (int, any, error) {
	all, err := m.read(q)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"metadata", orEmpty(all)}}, nil
}

// set adds keys, or replaces all.
func (m metadataOf) set(replace bool) handler {
	return func(q *request) (int, any, error) {
		asked, err := q.inner("metadata", schema{open: true})
		if err != nil {
			return 0, nil, err
		}
		if f := checkMetadata(asked); f != nil {
			return 0, nil, f
		}
		now, err := m.change(q, driverstate.MetadataChange{Set: metadata(asked), Replace: replace})
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, object{{"metadata", orEmpty(now)}}, nil
	}
}

func (m metadataOf) show(q *request) (int, any, error) {
	all, err := m.read(q)
	if err != nil {
		return 0, nil, err
	}
	value, ok := all[q.vars["key"]]
	if !ok {
		return 0, nil, m.missing(q)
	}
	return http.StatusOK, object{{"meta", object{{q.vars["key"], value}}}}, nil
}

func (m metadataOf) missing(q *request) error {
	return newFault(http.StatusNotFound, m.kind+" "+q.vars["id"]+" has no metadata with key "+clip(q.vars["key"])+".")
}

func (m metadataOf) setOne(q *request) (int, any, error) {
	asked, err := q.inner("meta", schema{open: true})
	if err != nil {
		return 0, nil, err
	}
	switch {
	case len(asked) == 0:
		return 0, nil, violation("meta", asked, "{} does not have enough properties")
	case len(asked) > 1:
		return 0, nil, violation("meta", asked, python(asked)+" has too many properties")
	}
	if f := checkMetadata(asked); f != nil {
		return 0, nil, f
	}
	if _, ok := asked[q.vars["key"]]; !ok {
		return 0, nil, badRequest("Request body and URI mismatch")
	}
	if _, err := m.change(q, driverstate.MetadataChange{Set: metadata(asked)}); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"meta", metadata(asked)}}, nil
}

// remove looks first: what is not there is told in Cinder's words.
func (m metadataOf) remove(q *request) (int, any, error) {
	all, err := m.read(q)
	if err != nil {
		return 0, nil, err
	}
	if _, ok := all[q.vars["key"]]; !ok {
		return 0, nil, m.missing(q)
	}
	_, err = m.change(q, driverstate.MetadataChange{Remove: q.vars["key"]})
	return http.StatusOK, nil, err
}
