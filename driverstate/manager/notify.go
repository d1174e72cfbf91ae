package manager

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// Notification is one event as Cinder publishes it
// (cinder/volume/volume_utils.py notify_about_backup_usage).
type Notification struct {
	EventType string // such as backup.delete.start
	Publisher string // backup.<host>
	Failure   bool   // published with priority ERROR instead of INFO
	Time      time.Time
	Request   trace.Request // that the event follows from
	Payload   Payload
}

// Payload is the body of a notification, under Cinder's names; an empty string
// is null where Cinder has null. One without a backup is of the driver: host,
// service and fail reason alone are published of it. What has omitempty is only
// there when it is meant.
type Payload struct {
	TenantID            string
	UserID              string
	AvailabilityZone    string
	BackupID            string
	Host                string
	DisplayName         *string
	CreatedAt           string // ISO 8601 with +00:00
	Status              string
	VolumeID            string
	Size                int64 // GiB
	ServiceMetadata     string
	Service             string
	FailReason          string
	ParentID            string
	NumDependentBackups int
	SnapshotID          string
	Force               *bool     // of the two delete events; ours
	Progress            *Progress // of createprogress
}

// Progress is what createprogress adds. Cinder adds the list of all chunks so
// far too, which makes the events of a large backup as large as its metadata;
// ours do without.
type Progress struct {
	ID      int     `json:"id"`             // of the next chunk
	Prefix  string  `json:"prefix"`         // of the chunks' names
	Percent float64 `json:"backup_percent"` // of the volume's bytes, 100 exactly once
	// VolumeMeta is null: Cinder fills it in after the last of these events.
	VolumeMeta *struct{} `json:"volume_meta"`
}

type driverPayload struct {
	Host       *string `json:"host"`
	Service    *string `json:"service"`
	FailReason *string `json:"fail_reason"`
}

type backupPayload struct {
	TenantID            *string `json:"tenant_id"`
	UserID              *string `json:"user_id"`
	AvailabilityZone    *string `json:"availability_zone"`
	BackupID            string  `json:"backup_id"`
	Host                *string `json:"host"`
	DisplayName         *string `json:"display_name"`
	CreatedAt           string  `json:"created_at"`
	Status              string  `json:"status"`
	VolumeID            string  `json:"volume_id"`
	Size                int64   `json:"size"`
	ServiceMetadata     *string `json:"service_metadata"`
	Service             *string `json:"service"`
	FailReason          *string `json:"fail_reason"`
	ParentID            *string `json:"parent_id"`
	NumDependentBackups int     `json:"num_dependent_backups"`
	SnapshotID          *string `json:"snapshot_id"`
	Force               *bool   `json:"force,omitempty"`
	*Progress
}

// MarshalJSON writes what is published.
func (p Payload) MarshalJSON() ([]byte, error) {
	if p.BackupID == "" {
		return json.Marshal(driverPayload{Host: orNull(p.Host), Service: orNull(p.Service), FailReason: orNull(p.FailReason)})
	}
	return json.Marshal(backupPayload{
		TenantID: orNull(p.TenantID), UserID: orNull(p.UserID), AvailabilityZone: orNull(p.AvailabilityZone),
		BackupID: p.BackupID, Host: orNull(p.Host), DisplayName: p.DisplayName, CreatedAt: p.CreatedAt,
		Status: p.Status, VolumeID: p.VolumeID, Size: p.Size, ServiceMetadata: orNull(p.ServiceMetadata),
		Service: orNull(p.Service), FailReason: orNull(p.FailReason), ParentID: orNull(p.ParentID),
		NumDependentBackups: p.NumDependentBackups, SnapshotID: orNull(p.SnapshotID), Force: p.Force, Progress: p.Progress,
	})
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Event types. Cinder has no error events and none of driver_init: those are
// ours.
const (
	eventCreateStart    = "backup.create.start"
	eventCreateProgress = "backup.createprogress"
	eventCreateEnd      = "backup.create.end"
	eventCreateError    = "backup.create.error"
	// eventRestoreEnd is also sent after a cancelled restore, not after one
	// that failed.
	eventRestoreStart    = "backup.restore.start"
	eventRestoreEnd      = "backup.restore.end"
	eventRestoreError    = "backup.restore.error"
	eventDeleteStart     = "backup.delete.start"
	eventDeleteEnd       = "backup.delete.end"
	eventDeleteError     = "backup.delete.error"
	eventResetStart      = "backup.reset_status.start"
	eventResetEnd        = "backup.reset_status.end"
	eventResetError      = "backup.reset_status.error"
	eventDriverInitStart = "backup.driver_init.start"
	eventDriverInitEnd   = "backup.driver_init.end"
	eventDriverInitError = "backup.driver_init.error"
)

// failures are the events that are published with priority ERROR.
var failures = map[string]bool{
	eventCreateError: true, eventRestoreError: true, eventDeleteError: true, eventResetError: true, eventDriverInitError: true,
}

func (m *Manager) notify(ctx context.Context, event string, b *driverstate.Backup) {
	m.publish(ctx, event, payloadOf(b))
}

func (m *Manager) notifyDelete(ctx context.Context, event string, b *driverstate.Backup, force bool) {
	p := payloadOf(b)
	p.Force = &force
	m.publish(ctx, event, p)
}

func (m *Manager) publish(ctx context.Context, event string, p Payload) {
	m.cfg.Notify(Notification{
		EventType: event, Publisher: "backup." + m.cfg.Host, Failure: failures[event],
		Time: m.cfg.Now().UTC(), Request: trace.Of(ctx), Payload: p,
	})
}

func payloadOf(b *driverstate.Backup) Payload {
	return Payload{
		TenantID: b.ProjectID, UserID: b.UserID, AvailabilityZone: b.AvailabilityZone,
		BackupID: b.ID, Host: b.Host, DisplayName: b.Name, Status: string(b.Status), VolumeID: b.VolumeID, Size: b.Size,
		ServiceMetadata: b.ServiceMetadata, Service: b.Service, FailReason: b.FailReason,
		ParentID: b.ParentID, NumDependentBackups: b.NumDependentBackups, SnapshotID: b.SnapshotID,
		CreatedAt: b.CreatedAt.UTC().Format("2006-01-02T15:04:05+00:00"),
	}
}
