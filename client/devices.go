package client

import (
	"context"
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Device is the image of a backup that an engine serves as a read-only network
// block device.
type Device struct {
	ID           string          `json:"id"`
	BackupID     string          `json:"backup_id"`
	Chain        []string        `json:"chain"` // backups that are read, the full one first
	URI          string          `json:"uri"`
	Size         int64           `json:"size"` // bytes
	Connected    int             `json:"clients_connected"`
	Clients      int             `json:"clients"` // so far
	Bytes        int64           `json:"bytes_served"`
	Problems     []DeviceProblem `json:"problems"` // why bytes could not be served, oldest first
	MoreProblems int             `json:"more_problems"`
	Warnings     []string        `json:"warnings"`
	Error        string          `json:"error"` // why it is served no more
}

// DeviceProblem says why bytes of a device could not be served.
type DeviceProblem struct {
	BackupID string `json:"backup_id"`
	Object   string `json:"object"`
	Reason   string `json:"reason"`
	Offset   int64  `json:"offset"` // in the volume
	Length   int64  `json:"length"`
}

// DeviceOpts ask for a device; the fields are those of
// driverstate.DeviceRequest.
type DeviceOpts = driverstate.DeviceRequest

// CreateDevice has a backup served. A cloud, and an engine in another process,
// answer ErrNotSupported.
func (c *Client) CreateDevice(ctx context.Context, o DeviceOpts) (Device, error) {
	return c.device(ctx, call{method: http.MethodPost, path: []string{"devices"}, resource: "backup", id: o.BackupID, extension: true,
		body: map[string]any{"device": o}, ok: []int{http.StatusAccepted}})
}

func (c *Client) device(ctx context.Context, k call) (Device, error) {
	var answer struct {
		Device Device `json:"device"`
	}
	err := c.do(ctx, k, &answer)
	return answer.Device, err
}

// DeleteDevice ends a device, and returns when nobody is connected any more.
func (c *Client) DeleteDevice(ctx context.Context, id string) error {
	if err := checkID("device", id); err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodDelete, path: []string{"devices", id}, resource: "device", id: id, extension: true,
		ok: []int{http.StatusAccepted}}, nil)
}

// WatchDevice shows a device again and again, until it ends or ctx does.
func (c *Client) WatchDevice(ctx context.Context, id string, see func(Device)) error {
	if err := checkID("device", id); err != nil {
		return err
	}
	return c.poll(ctx, func(ctx context.Context) (bool, error) {
		d, err := c.device(ctx, call{method: http.MethodGet, path: []string{"devices", id}, resource: "device", id: id, extension: true})
		if err != nil {
			return false, err
		}
		see(d)
		if d.Error != "" {
			return true, driverstate.Fail(driverstate.ErrUnavailable, d.Error)
		}
		return false, nil
	})
}
