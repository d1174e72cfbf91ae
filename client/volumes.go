package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Volume is a volume as the API shows it, as far as backups need it.
type Volume struct {
	ID               string                   `json:"id"`
	Name             *string                  `json:"name"`
	Description      *string                  `json:"description"`
	Status           driverstate.VolumeStatus `json:"status"`
	Size             int64                    `json:"size"` // GiB
	AvailabilityZone *string                  `json:"availability_zone"`
	Metadata         map[string]string        `json:"metadata"`
	Bootable         string                   `json:"bootable"` // "true" or "false"
	VolumeType       *string                  `json:"volume_type"`
	SnapshotID       *string                  `json:"snapshot_id"`
	UserID           string                   `json:"user_id"`
	Attachments      []Attachment             `json:"attachments"`
	Host             string                   `json:"os-vol-host-attr:host"` // admin
	ProjectID        string                   `json:"os-vol-tenant-attr:tenant_id"`
	CreatedAt        time.Time                `json:"created_at"`
	UpdatedAt        time.Time                `json:"updated_at"`
}

// Attachment is a server that a volume is attached to.
type Attachment struct {
	ServerID string `json:"server_id"`
	HostName string `json:"host_name"`
	Device   string `json:"device"`
}

// UnmarshalJSON reads the API's form.
func (v *Volume) UnmarshalJSON(text []byte) error {
	type plain Volume
	s := struct {
		*plain
		CreatedAt apiTime `json:"created_at"`
		UpdatedAt apiTime `json:"updated_at"`
	}{(*plain)(v), apiTime{&v.CreatedAt}, apiTime{&v.UpdatedAt}}
	return json.Unmarshal(text, &s)
}

type volumeAnswer struct {
	Volume *Volume `json:"volume"`
}

// CreateVolumeOpts asks for a blank volume.
type CreateVolumeOpts struct {
	Size             int64             `json:"size"` // GiB
	Name             string            `json:"name,omitempty"`
	Description      string            `json:"description,omitempty"`
	AvailabilityZone string            `json:"availability_zone,omitempty"`
	VolumeType       string            `json:"volume_type,omitempty"`
	SnapshotID       string            `json:"snapshot_id,omitempty"`
	Metadata         map[string]string `json:"metadata,omitempty"`
}

// CreateVolume asks for a volume. It is creating first. It is sent once.
func (c *Client) CreateVolume(ctx context.Context, o CreateVolumeOpts) (Volume, error) {
	return c.volume(ctx, call{
		method: http.MethodPost, path: []string{"volumes"}, body: map[string]any{"volume": o}, ok: accepted, resource: "volume",
	})
}

// ShowVolume returns the volume with this id.
func (c *Client) ShowVolume(ctx context.Context, id string) (Volume, error) {
	if err := checkID("volume", id); err != nil {
		return Volume{}, err
	}
	return c.volume(ctx, call{method: http.MethodGet, path: []string{"volumes", id}, resource: "volume", id: id})
}

// DeleteVolume asks for the deletion of a volume; of one that is managed, an
// engine deletes the row alone.
func (c *Client) DeleteVolume(ctx context.Context, id string) error {
	if err := checkID("volume", id); err != nil {
		return err
	}
	return c.do(ctx, call{
		method: http.MethodDelete, path: []string{"volumes", id}, ok: accepted, resource: "volume", id: id,
	}, nil)
}

// ForceDeleteVolume asks for the deletion of a volume in any status. The caller
// must be admin.
func (c *Client) ForceDeleteVolume(ctx context.Context, id string) error {
	return c.actOnVolume(ctx, id, map[string]any{"os-force_delete": struct{}{}})
}

// ResetVolumeStatus sets the status of a volume, unseen and at once. The caller
// must be admin.
func (c *Client) ResetVolumeStatus(ctx context.Context, id string, to driverstate.VolumeStatus) error {
	return c.actOnVolume(ctx, id, map[string]any{"os-reset_status": map[string]any{"status": to}})
}

func (c *Client) actOnVolume(ctx context.Context, id string, body any) error {
	if err := checkID("volume", id); err != nil {
		return err
	}
	return c.do(ctx, call{
		method: http.MethodPost, path: []string{"volumes", id, "action"}, body: body, ok: accepted, resource: "volume", id: id,
	}, nil)
}

// VolumeListOpts selects volumes. Zero fields do not filter.
type VolumeListOpts struct {
	// AllProjects overrides Options.AllProjects when it is not nil.
	AllProjects        *bool
	Name, Status, Host string // Host: admin
	Filters            map[string]string
	Limit              int    // most volumes returned; 0 = all
	Sort               string // key[:asc|desc],...; newest first when empty
}

// ListVolumes returns all volumes that o selects, from all pages.
func (c *Client) ListVolumes(ctx context.Context, o VolumeListOpts) ([]Volume, error) {
	k := call{method: http.MethodGet, path: []string{"volumes", "detail"}, resource: "volumes"}
	k.query = c.filters(o.AllProjects, o.Filters, o.Limit, o.Sort,
		map[string]string{"name": o.Name, "status": o.Status, "host": o.Host})
	if len(o.Filters) > 0 || o.Host != "" {
		k.like = likeFilters // before 3.31 a filter that the caller may not use is silently dropped
	}
	return pages[Volume](ctx, c, k, "volumes", o.Limit)
}

// FindVolume returns the volume with this id, or else the only one with this
// name. Several of that name are ErrConflict, with their ids in the text.
func (c *Client) FindVolume(ctx context.Context, nameOrID string) (Volume, error) {
	k := call{resource: "volume", id: nameOrID}
	if checkID("volume", nameOrID) == nil && nameOrID != "detail" && nameOrID != "summary" {
		v, err := c.ShowVolume(ctx, nameOrID)
		if !isNotFound(err) {
			return v, err
		}
	}
	if nameOrID == "" {
		return Volume{}, k.notFound()
	}
	list, err := c.ListVolumes(ctx, VolumeListOpts{Name: nameOrID})
	if err != nil {
		return Volume{}, err
	}
	return only(k, list, nameOrID, func(v Volume) (string, *string) { return v.ID, v.Name })
}

// WaitVolume looks at a volume until the function says that it is done, or
// fails, and returns the volume as it was then. It ends with ctx.
func (c *Client) WaitVolume(ctx context.Context, id string, until func(Volume) (done bool, err error)) (Volume, error) {
	var v Volume
	err := c.poll(ctx, func(ctx context.Context) (bool, error) {
		seen, err := c.ShowVolume(ctx, id)
		if err != nil {
			return false, err
		}
		v = seen
		done, err := until(v)
		return done || err != nil, err
	})
	return v, err
}

// WaitVolumeGone returns when a volume that is being deleted is gone. If its
// deletion was given up it is an error that answers to ErrNotApplied.
func (c *Client) WaitVolumeGone(ctx context.Context, id string) error {
	_, err := c.WaitVolume(ctx, id, func(v Volume) (bool, error) {
		if v.Status == driverstate.VolumeDeleting {
			return false, nil
		}
		return true, notApplied("delete", "volume", id, fmt.Sprintf("not deleted, it is %s", v.Status))
	})
	if isNotFound(err) {
		return nil
	}
	return err
}

func (c *Client) volume(ctx context.Context, k call) (Volume, error) {
	var a volumeAnswer
	if err := c.do(ctx, k, &a); err != nil {
		return Volume{}, err
	}
	if a.Volume == nil {
		return Volume{}, k.notFound()
	}
	return *a.Volume, nil
}
