package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// transferRoutes are those of offers of volumes: the old ones, and from 3.55
// those that may leave the snapshots out (cinder/api/contrib/volume_transfer.py,
// cinder/api/v3/volume_transfer.py).
func (s *server) transferRoutes() []route {
	var out []route
	for _, at := range []struct {
		path  string
		since Microversion
	}{{"os-volume-transfer", Microversion{}}, {"volume-transfers", version(55)}} {
		now := at.since != Microversion{}
		out = append(out,
			route{method: "GET", path: at.path, since: at.since, handle: s.listTransfers(now, (*request).transferSummary)},
			route{method: "GET", path: at.path + "/detail", since: at.since, handle: s.listTransfers(now, (*request).transferDetail)},
			route{method: "POST", path: at.path, since: at.since, body: needsBody, handle: s.createTransfer(now)},
			route{method: "GET", path: at.path + "/{id}", since: at.since, handle: s.showTransfer},
			route{method: "DELETE", path: at.path + "/{id}", since: at.since, handle: s.deleteTransfer},
			route{method: "POST", path: at.path + "/{id}/accept", since: at.since, body: needsBody, handle: s.acceptTransfer},
		)
	}
	return out
}

// listTransfers lists transfers, the oldest first; from 3.59 the newer route
// sorts as other lists do.
func (s *server) listTransfers(now bool, view func(*request, *driverstate.Transfer) object) handler {
	return func(q *request) (int, any, error) {
		if !now || !q.version.since(59) {
			asked := q.URL.Query()
			asked.Set("sort", "created_at:asc")
			u := *q.URL
			u.RawQuery = asked.Encode()
			r := *q.Request
			r.URL = &u
			q.Request = &r
		}
		t := table[*driverstate.Transfer]{
			key: "transfers", collection: "os-volume-transfer", resource: "Transfer",
			tenant:    []string{"id", "name", "display_name", "volume_id", "no_snapshots", "source_project_id", "created_at", "updated_at"},
			valueless: []string{"accepted", "deleted_at", "destination_project_id", "expires_at"},
			column:    transferColumn, times: transferTime,
			view: func(t *driverstate.Transfer) object { return view(q, t) },
		}
		return t.list(q, func(all bool) ([]*driverstate.Transfer, error) { return s.ops.Transfers(q.Context(), q.caller, all) })
	}
}

func transferColumn(t *driverstate.Transfer, name string) (string, bool) {
	if t == nil {
		t = &driverstate.Transfer{}
	}
	switch name {
	case "id":
		return t.ID, true
	case "name", "display_name":
		return t.Name, true
	case "volume_id":
		return t.VolumeID, true
	case "source_project_id":
		return t.SourceProjectID, true
	case "no_snapshots":
		return strconv.FormatBool(t.NoSnapshots), true
	}
	return "", false
}

func transferTime(t *driverstate.Transfer, name string) (time.Time, bool) {
	if t == nil {
		t = &driverstate.Transfer{}
	}
	return stampOf(name, t.CreatedAt, t.UpdatedAt)
}

// transferSummary is what a list and an accept say (cinder/api/views/transfers.py).
func (q *request) transferSummary(t *driverstate.Transfer) object {
	return object{
		{"id", t.ID},
		{"volume_id", t.VolumeID},
		{"name", nullable(t.Name)},
		{"links", q.links("os-volume-transfer", t.ID)},
	}
}

func (q *request) transferDetail(t *driverstate.Transfer) object {
	return q.transferView(t, "")
}

// transferView shows a transfer, and its key when it was made just now.
func (q *request) transferView(t *driverstate.Transfer, key string) object {
	view := object{
		{"id", t.ID},
		{"created_at", apiTime(t.CreatedAt)},
		{"name", nullable(t.Name)},
		{"volume_id", t.VolumeID},
	}
	if key != "" {
		view = append(view, member{"auth_key", key})
	}
	view = append(view, member{"links", q.links("os-volume-transfer", t.ID)})
	if q.version.since(55) {
		view = append(view, member{"no_snapshots", t.NoSnapshots})
	}
	if q.version.since(57) {
		view = append(view, member{"destination_project_id", nil}, member{"source_project_id", nullable(t.SourceProjectID)}, member{"accepted", false})
	}
	return view
}

func (s *server) createTransfer(now bool) handler {
	return func(q *request) (int, any, error) {
		rules := schema{required: []string{"volume_id"}, members: map[string]rule{"volume_id": uuidRule, "name": nameRule}}
		if now {
			rules.members["no_snapshots"] = booleanRule
		}
		asked, err := q.inner("transfer", rules)
		if err != nil {
			return 0, nil, err
		}
		t, key, err := s.ops.CreateTransfer(q.Context(), q.caller, driverstate.TransferRequest{
			VolumeID: word(asked, "volume_id"), Name: word(asked, "name"), NoSnapshots: truth(asked["no_snapshots"]),
		})
		if err != nil {
			return 0, nil, err
		}
		return http.StatusAccepted, object{{"transfer", q.transferView(t, key)}}, nil
	}
}

func (s *server) showTransfer(q *request) (int, any, error) {
	t, err := s.ops.Transfer(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"transfer", q.transferDetail(t)}}, nil
}

func (s *server) deleteTransfer(q *request) (int, any, error) {
	return http.StatusAccepted, nil, s.ops.DeleteTransfer(q.Context(), q.caller, q.vars["id"])
}

func (s *server) acceptTransfer(q *request) (int, any, error) {
	asked, err := q.inner("accept", schema{required: []string{"auth_key"}, members: map[string]rule{"auth_key": stringOrInteger}})
	if err != nil {
		return 0, nil, err
	}
	key, ok := asked["auth_key"].(string)
	if !ok {
		key = asked["auth_key"].(json.Number).String()
	}
	t, err := s.ops.AcceptTransfer(q.Context(), q.caller, q.vars["id"], key)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"transfer", q.transferSummary(t)}}, nil
}

func stringOrInteger(v any) string {
	if _, ok := v.(string); ok {
		return ""
	}
	if n, ok := v.(json.Number); ok {
		if _, err := n.Int64(); err == nil {
			return ""
		}
	}
	return python(v) + " is not of type 'string', 'integer'"
}
