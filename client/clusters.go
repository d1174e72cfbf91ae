package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Cluster is a set of services that can do each other's work.
type Cluster struct {
	Name           string             `json:"name"`
	Binary         driverstate.Binary `json:"binary"`
	State          string             `json:"state"`  // up, down
	Status         string             `json:"status"` // enabled, disabled
	NumHosts       int                `json:"num_hosts"`
	NumDownHosts   int                `json:"num_down_hosts"`
	LastHeartbeat  time.Time          `json:"last_heartbeat"`
	DisabledReason *string            `json:"disabled_reason"`
	CreatedAt      time.Time          `json:"created_at"`
	UpdatedAt      time.Time          `json:"updated_at"`
}

// UnmarshalJSON reads the API's form.
func (c *Cluster) UnmarshalJSON(text []byte) error {
	type plain Cluster
	v := struct {
		*plain
		LastHeartbeat apiTime `json:"last_heartbeat"`
		CreatedAt     apiTime `json:"created_at"`
		UpdatedAt     apiTime `json:"updated_at"`
	}{(*plain)(c), apiTime{&c.LastHeartbeat}, apiTime{&c.CreatedAt}, apiTime{&c.UpdatedAt}}
	return json.Unmarshal(text, &v)
}

// ClusterListOpts selects clusters. Zero fields do not filter.
type ClusterListOpts struct {
	Name, Binary   string
	IsUp, Disabled *bool
}

// clusterVersion is the version that has clusters.
const clusterVersion = 7

// ListClusters returns the clusters that o selects. The caller must be admin.
func (c *Client) ListClusters(ctx context.Context, o ClusterListOpts) ([]Cluster, error) {
	q := url.Values{}
	for key, value := range map[string]string{"name": o.Name, "binary": o.Binary} {
		if value != "" {
			q.Set(key, value)
		}
	}
	for key, value := range map[string]*bool{"is_up": o.IsUp, "disabled": o.Disabled} {
		if value != nil {
			q.Set(key, strconv.FormatBool(*value))
		}
	}
	var a struct {
		Clusters []Cluster `json:"clusters"`
	}
	err := c.do(ctx, call{
		method: http.MethodGet, path: []string{"clusters", "detail"}, query: q, need: clusterVersion, resource: "clusters",
	}, &a)
	return a.Clusters, err
}
