package client

import (
	"context"
	"encoding/json"
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
	Host             string                   `json:"os-vol-host-attr:host"`        // admin
	ProjectID        string                   `json:"os-vol-tenant-attr:tenant_id"` // on show only
	CreatedAt        time.Time                `json:"created_at"`
	UpdatedAt        time.Time                `json:"updated_at"`
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
