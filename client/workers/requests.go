package workers

import (
	"context"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
)

// CleanupOptsBuilder allows extensions to add parameters to the Cleanup
// request.
type CleanupOptsBuilder interface {
	ToWorkersCleanupMap() (map[string]any, error)
}

// CleanupOpts selects the services whose work is cleaned up. Fields that are
// not set do not filter.
type CleanupOpts struct {
	// ServiceID is the number of the service's row. Releases up to Zed at
	// least match no service by it.
	ServiceID *int64 `json:"service_id,omitempty"`

	// ClusterName selects the services of a cluster.
	ClusterName string `json:"cluster_name,omitempty"`

	// Host selects the services of a host; one without a back end selects
	// those of all its back ends.
	Host string `json:"host,omitempty"`

	// Binary is cinder-volume or cinder-scheduler.
	Binary string `json:"binary,omitempty"`

	// IsUp selects services that are up; when it is not set the service takes
	// false, only those that are down. Of a service that is up the work in
	// hand is cleaned up as if it had died.
	IsUp *bool `json:"is_up,omitempty"`

	// Disabled selects services by their administrative status.
	Disabled *bool `json:"disabled,omitempty"`

	// ResourceID is the volume or snapshot to be cleaned up. Alone it is looked
	// up by the number of its service, with the same result: set ClusterName
	// or Host as well.
	ResourceID string `json:"resource_id,omitempty"`

	// ResourceType is Volume or Snapshot.
	ResourceType string `json:"resource_type,omitempty"`
}

// ToWorkersCleanupMap assembles a request body. It is never absent: the
// service does not take a request without one.
func (opts CleanupOpts) ToWorkersCleanupMap() (map[string]any, error) {
	return gophercloud.BuildRequestBody(opts, "")
}

// Cleanup requests the cleanup. It is asynchronous: the answer says which
// services were asked for, not what came of it.
func Cleanup(ctx context.Context, client *gophercloud.ServiceClient, opts CleanupOptsBuilder) (r CleanupResult) {
	b, err := opts.ToWorkersCleanupMap()
	if err != nil {
		r.Err = err
		return
	}
	resp, err := client.Post(ctx, cleanupURL(client), b, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusAccepted},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}
