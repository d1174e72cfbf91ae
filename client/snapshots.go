package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Snapshot is a snapshot of a volume as the API shows it.
type Snapshot struct {
	ID          string            `json:"id"`
	Name        *string           `json:"name"`
	Description *string           `json:"description"`
	Status      string            `json:"status"`
	VolumeID    string            `json:"volume_id"`
	Size        int64             `json:"size"` // GiB
	Metadata    map[string]string `json:"metadata"`
	ProjectID   string            `json:"os-extended-snapshot-attributes:project_id"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
}

// UnmarshalJSON reads the API's form.
func (s *Snapshot) UnmarshalJSON(text []byte) error {
	type plain Snapshot
	v := struct {
		*plain
		CreatedAt apiTime `json:"created_at"`
		UpdatedAt apiTime `json:"updated_at"`
	}{(*plain)(s), apiTime{&s.CreatedAt}, apiTime{&s.UpdatedAt}}
	return json.Unmarshal(text, &v)
}

// SnapshotListOpts selects snapshots. Zero fields do not filter.
type SnapshotListOpts struct {
	// AllProjects overrides Options.AllProjects when it is not nil.
	AllProjects            *bool
	Name, Status, VolumeID string
	Filters                map[string]string
	Limit                  int    // most snapshots returned; 0 = all
	Sort                   string // key[:asc|desc],...; newest first when empty
}

// ListSnapshots returns all snapshots that o selects, from all pages.
func (c *Client) ListSnapshots(ctx context.Context, o SnapshotListOpts) ([]Snapshot, error) {
	k := call{method: http.MethodGet, path: []string{"snapshots", "detail"}, resource: "snapshots"}
	k.query = c.filters(o.AllProjects, o.Filters, o.Limit, o.Sort,
		map[string]string{"name": o.Name, "status": o.Status, "volume_id": o.VolumeID})
	if len(o.Filters) > 0 {
		k.like = likeFilters // before 3.31 a filter that the caller may not use is silently dropped
	}
	return pages[Snapshot](ctx, c, k, "snapshots", o.Limit)
}
