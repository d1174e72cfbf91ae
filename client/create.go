package client

import (
	"context"
	"net/http"
)

// CreateBackupOpts asks for a backup of a volume, or of a snapshot of it.
type CreateBackupOpts struct {
	VolumeID         string            `json:"volume_id"`
	SnapshotID       string            `json:"snapshot_id,omitempty"`
	Name             string            `json:"name,omitempty"`
	Description      string            `json:"description,omitempty"`
	Container        string            `json:"container,omitempty"`
	AvailabilityZone string            `json:"availability_zone,omitempty"` // from 3.51
	Incremental      bool              `json:"incremental"`
	Force            bool              `json:"force"`              // also of a volume that is in use
	Metadata         map[string]string `json:"metadata,omitempty"` // from 3.43
}

// Created is an accepted backup.
type Created struct {
	ID       string  `json:"id"`
	Name     *string `json:"name"`
	VolumeID string  `json:"volume_id"`
}

// Versions of what a backup can be given.
const (
	updateVersion   = 9
	metadataVersion = 43
	zoneVersion     = 51
)

// CreateBackup asks for a backup, which the server makes by itself: WaitBackup
// waits. It is sent once.
func (c *Client) CreateBackup(ctx context.Context, o CreateBackupOpts) (Created, error) {
	k := call{
		method: http.MethodPost, path: []string{"backups"}, body: map[string]any{"backup": o}, ok: accepted, resource: "backup",
	}
	if o.Metadata != nil {
		k.need = metadataVersion
	}
	if o.AvailabilityZone != "" {
		k.need = zoneVersion
	}
	var a struct {
		Backup Created `json:"backup"`
	}
	err := c.do(ctx, k, &a)
	return a.Backup, err
}

// UpdateBackupOpts says what to write into a backup; nil leaves it.
type UpdateBackupOpts struct {
	Name        *string           `json:"name,omitempty"`
	Description *string           `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"` // replaces all of it; from 3.43
}

// UpdateBackup changes what a backup is called.
func (c *Client) UpdateBackup(ctx context.Context, id string, o UpdateBackupOpts) (Backup, error) {
	if err := checkID("backup", id); err != nil {
		return Backup{}, err
	}
	k := call{
		method: http.MethodPut, path: []string{"backups", id}, body: map[string]any{"backup": o}, ok: accepted,
		need: updateVersion, resource: "backup", id: id,
	}
	if o.Metadata != nil {
		k.need = metadataVersion
	}
	if err := c.do(ctx, k, nil); err != nil {
		return Backup{}, err
	}
	return c.ShowBackup(ctx, id) // the answer is a summary
}
