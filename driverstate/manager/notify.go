package manager

import (
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Notification is one event as Cinder publishes it
// (cinder/volume/volume_utils.py notify_about_backup_usage).
type Notification struct {
	EventType string // such as backup.delete.start
	Publisher string // backup.<host>
	Time      time.Time
	Payload   Payload
}

// Payload is the body of a notification, under Cinder's names. Force is ours:
// it is set on the two delete events only.
type Payload struct {
	TenantID            string `json:"tenant_id"`
	UserID              string `json:"user_id"`
	AvailabilityZone    string `json:"availability_zone"`
	BackupID            string `json:"backup_id"`
	Host                string `json:"host"`
	DisplayName         string `json:"display_name"`
	CreatedAt           string `json:"created_at"`
	Status              string `json:"status"`
	VolumeID            string `json:"volume_id"`
	Size                int64  `json:"size"`
	ServiceMetadata     string `json:"service_metadata"`
	Service             string `json:"service"`
	FailReason          string `json:"fail_reason"`
	ParentID            string `json:"parent_id"`
	NumDependentBackups int    `json:"num_dependent_backups"`
	SnapshotID          string `json:"snapshot_id"`
	Force               *bool  `json:"force,omitempty"`
}

// Event types. The three of driver_init are ours.
const (
	eventCreateStart = "backup.create.start"
	eventCreateEnd   = "backup.create.end"
	// eventRestoreEnd is also sent after a cancelled restore, not after one
	// that failed.
	eventRestoreStart    = "backup.restore.start"
	eventRestoreEnd      = "backup.restore.end"
	eventDeleteStart     = "backup.delete.start"
	eventDeleteEnd       = "backup.delete.end"
	eventResetStart      = "backup.reset_status.start"
	eventResetEnd        = "backup.reset_status.end"
	eventDriverInitStart = "backup.driver_init.start"
	eventDriverInitEnd   = "backup.driver_init.end"
	eventDriverInitError = "backup.driver_init.error"
)

func (m *Manager) notify(event string, b *driverstate.Backup) { m.publish(event, payloadOf(b)) }

func (m *Manager) notifyDelete(event string, b *driverstate.Backup, force bool) {
	p := payloadOf(b)
	p.Force = &force
	m.publish(event, p)
}

func (m *Manager) publish(event string, p Payload) {
	m.cfg.Notify(Notification{EventType: event, Publisher: "backup." + m.cfg.Host, Time: m.cfg.Now().UTC(), Payload: p})
}

func payloadOf(b *driverstate.Backup) Payload {
	p := Payload{
		TenantID: b.ProjectID, UserID: b.UserID, AvailabilityZone: b.AvailabilityZone,
		BackupID: b.ID, Host: b.Host, Status: string(b.Status), VolumeID: b.VolumeID, Size: b.Size,
		ServiceMetadata: b.ServiceMetadata, Service: b.Service, FailReason: b.FailReason,
		ParentID: b.ParentID, NumDependentBackups: b.NumDependentBackups, SnapshotID: b.SnapshotID,
		CreatedAt: b.CreatedAt.UTC().Format("2006-01-02T15:04:05+00:00"),
	}
	if b.Name != nil {
		p.DisplayName = *b.Name
	}
	return p
}
