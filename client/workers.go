package client

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/cinder-go/cinder-go/client/workers"
	"github.com/cinder-go/cinder-go/driverstate"
)

// CleanupOpts selects services for a cleanup. Zero fields do not filter,
// except that the server takes only services that are down when IsUp is nil.
// Zed matches no service at all by ServiceID, nor by ResourceID unless
// ClusterName or Host is set as well: it filters by a column that the services
// do not have (cinder/db/sqlalchemy/api.py _service_query).
type CleanupOpts struct {
	ServiceID    *int64
	ClusterName  string
	Host         string
	Binary       string // cinder-volume or cinder-scheduler
	IsUp         *bool
	Disabled     *bool
	ResourceID   string
	ResourceType string // Volume or Snapshot; of an engine Backup too
}

// Cleanup lists the services that are being cleaned up after, and those for
// which no other service can do it.
type Cleanup struct {
	Cleaning    []CleanupService `json:"cleaning"`
	Unavailable []CleanupService `json:"unavailable"`
}

// CleanupService is a service in the answer to a cleanup.
type CleanupService struct {
	ID          int64              `json:"id"`
	Host        string             `json:"host"`
	Binary      driverstate.Binary `json:"binary"`
	ClusterName *string            `json:"cluster_name"`
}

// cleanupVersion is the version that has workers/cleanup.
const cleanupVersion = 24

// CleanupWorkers asks for the cleanup of the volumes and snapshots that dead
// services were working on; backups are cleaned up by an engine alone. The caller must be
// admin. The answer says what was asked for, not what came of it. It is sent
// once.
func (c *Client) CleanupWorkers(ctx context.Context, o CleanupOpts) (Cleanup, error) {
	return c.cleanup(ctx, workers.CleanupOpts(o))
}

func (c *Client) cleanup(ctx context.Context, o workers.CleanupOptsBuilder) (Cleanup, error) {
	var answer Cleanup
	k := call{method: http.MethodPost, path: []string{"workers", "cleanup"}, need: cleanupVersion, resource: "workers cleanup"}
	err := c.attempt(ctx, k, func(sc *gophercloud.ServiceClient) error {
		services, err := workers.Cleanup(ctx, sc, o).Extract()
		if err != nil {
			return err
		}
		answer = Cleanup{cleanupServices(services.Cleaning), cleanupServices(services.Unavailable)}
		return nil
	})
	return answer, err
}

// noResource is a UUID that Cinder gives to nothing.
const noResource = "00000000-0000-4000-8000-000000000000"

// numbersProbe asks for the cleanup of a resource that does not exist, on any
// host: a host that is null keeps the API from looking for the resource's own
// service (cinder/api/v3/workers.py).
type numbersProbe struct{ up bool }

// ToWorkersCleanupMap assembles the request body.
func (p numbersProbe) ToWorkersCleanupMap() (map[string]any, error) {
	return map[string]any{"resource_id": noResource, "host": nil, "is_up": p.up}, nil
}

// ServiceNumbers returns all services with the numbers of their rows. No read
// of the API tells them: it asks for the cleanup of a resource that does not
// exist, which changes nothing, and reads the numbers from the answers. The
// caller must be admin.
func (c *Client) ServiceNumbers(ctx context.Context) ([]CleanupService, error) {
	var all []CleanupService
	for _, up := range []bool{false, true} {
		answer, err := c.cleanup(ctx, numbersProbe{up})
		if err != nil {
			return nil, err
		}
		all = append(append(all, answer.Cleaning...), answer.Unavailable...)
	}
	slices.SortFunc(all, func(a, b CleanupService) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(all, func(a, b CleanupService) bool { return a.ID == b.ID }), nil
}

func cleanupServices(list []workers.Service) []CleanupService {
	out := make([]CleanupService, len(list))
	for i, s := range list {
		out[i] = CleanupService{ID: s.ID, Host: s.Host, Binary: driverstate.Binary(s.Binary), ClusterName: s.ClusterName}
	}
	return out
}
