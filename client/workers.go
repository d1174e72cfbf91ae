package client

import (
	"context"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/cinder-go/cinder-go/client/workers"
	"github.com/cinder-go/cinder-go/driverstate"
)

// CleanupOpts selects services for a cleanup. Zero fields do not filter,
// except that the server takes only services that are down when IsUp is nil.
type CleanupOpts struct {
	ServiceID    *int64
	ClusterName  string
	Host         string
	Binary       string // cinder-volume or cinder-scheduler
	IsUp         *bool
	Disabled     *bool
	ResourceID   string
	ResourceType string // Volume or Snapshot
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
// services were working on; backups are never cleaned up. The caller must be
// admin. The answer says what was asked for, not what came of it. It is sent
// once.
func (c *Client) CleanupWorkers(ctx context.Context, o CleanupOpts) (Cleanup, error) {
	var answer Cleanup
	k := call{method: http.MethodPost, path: []string{"workers", "cleanup"}, need: cleanupVersion, resource: "workers cleanup"}
	err := c.attempt(ctx, k, func(sc *gophercloud.ServiceClient) error {
		services, err := workers.Cleanup(ctx, sc, workers.CleanupOpts(o)).Extract()
		if err != nil {
			return err
		}
		answer = Cleanup{cleanupServices(services.Cleaning), cleanupServices(services.Unavailable)}
		return nil
	})
	return answer, err
}

func cleanupServices(list []workers.Service) []CleanupService {
	out := make([]CleanupService, len(list))
	for i, s := range list {
		out[i] = CleanupService{ID: s.ID, Host: s.Host, Binary: driverstate.Binary(s.Binary), ClusterName: s.ClusterName}
	}
	return out
}
