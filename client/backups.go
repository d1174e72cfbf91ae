package client

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Backup is a backup as the API shows it. Nil and zero times stand for null,
// and for what the server does not tell this caller.
type Backup struct {
	ID                  string             `json:"id"`
	Name                *string            `json:"name"`
	Description         *string            `json:"description"`
	Status              driverstate.Status `json:"status"`
	Size                int64              `json:"size"`         // GiB, of the volume
	ObjectCount         int                `json:"object_count"` // chunks
	AvailabilityZone    *string            `json:"availability_zone"`
	Container           *string            `json:"container"`
	FailReason          *string            `json:"fail_reason"`
	CreatedAt           time.Time          `json:"created_at"`
	UpdatedAt           time.Time          `json:"updated_at"`
	DataTimestamp       time.Time          `json:"data_timestamp"`
	VolumeID            string             `json:"volume_id"`
	SnapshotID          *string            `json:"snapshot_id"`
	IsIncremental       bool               `json:"is_incremental"`
	HasDependentBackups bool               `json:"has_dependent_backups"`
	ProjectID           string             `json:"os-backup-project-attr:project_id"` // from 3.18, admin
	Metadata            map[string]string  `json:"metadata"`                          // from 3.43
	UserID              string             `json:"user_id"`                           // from 3.56, admin
	EncryptionKeyID     *string            `json:"encryption_key_id"`                 // from 3.64
}

// UnmarshalJSON reads the API's form.
func (b *Backup) UnmarshalJSON(text []byte) error {
	type plain Backup
	s := struct {
		*plain
		CreatedAt     apiTime `json:"created_at"`
		UpdatedAt     apiTime `json:"updated_at"`
		DataTimestamp apiTime `json:"data_timestamp"`
	}{(*plain)(b), apiTime{&b.CreatedAt}, apiTime{&b.UpdatedAt}, apiTime{&b.DataTimestamp}}
	return json.Unmarshal(text, &s)
}

// ByAge compares backups for sorting: the oldest first, and by id those of the
// same second.
func ByAge(a, b Backup) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// backupFields is the last version that adds fields to a backup.
const backupFields = 64

type backupAnswer struct {
	Backup *Backup `json:"backup"`
}

// ShowBackup returns the backup with this id.
func (c *Client) ShowBackup(ctx context.Context, id string) (Backup, error) {
	if err := checkID("backup", id); err != nil {
		return Backup{}, err
	}
	var a backupAnswer
	k := call{method: http.MethodGet, path: []string{"backups", id}, like: backupFields, resource: "backup", id: id}
	if err := c.do(ctx, k, &a); err != nil {
		return Backup{}, err
	}
	if a.Backup == nil {
		return Backup{}, k.notFound()
	}
	return *a.Backup, nil
}

// DeleteBackup asks for the deletion of a backup that is available or error.
// The server accepts it and goes on by itself: WaitGone waits.
func (c *Client) DeleteBackup(ctx context.Context, id string) error {
	if err := checkID("backup", id); err != nil {
		return err
	}
	return c.do(ctx, call{
		method: http.MethodDelete, path: []string{"backups", id}, ok: accepted, resource: "backup", id: id,
	}, nil)
}

// accepted are the statuses that accept a write.
var accepted = []int{http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent}

// ForceDeleteBackup asks for the deletion of a backup in any status; the
// caller must be admin. A backup that others stand on is refused all the same,
// as ErrHasDependents.
func (c *Client) ForceDeleteBackup(ctx context.Context, id string) error {
	return c.act(ctx, id, map[string]any{"os-force_delete": struct{}{}})
}

// ResetBackupStatus asks for the status available or error; the caller must be
// admin. The server answers before it is done, and may leave the status as it
// is: look with WaitBackup.
func (c *Client) ResetBackupStatus(ctx context.Context, id string, to driverstate.Status) error {
	return c.act(ctx, id, map[string]any{"os-reset_status": map[string]any{"status": to}})
}

func (c *Client) act(ctx context.Context, id string, body any) error {
	if err := checkID("backup", id); err != nil {
		return err
	}
	return c.do(ctx, call{
		method: http.MethodPost, path: []string{"backups", id, "action"}, body: body, ok: accepted,
		resource: "backup", id: id,
	}, nil)
}

// RestoreOpts says where to restore to. With VolumeID empty the server creates
// a volume, called Name or, when that is empty too, restore_backup_<id>.
type RestoreOpts struct {
	VolumeID string `json:"volume_id,omitempty"`
	Name     string `json:"name,omitempty"`
	// What follows only an engine of cinder-go understands; Cinder refuses it.
	// Its zero value is not sent.
	Offset  int64 `json:"offset,omitempty"` // bytes of the image
	Length  int64 `json:"length,omitempty"` // bytes; 0 is to the end
	Resume  bool  `json:"resume,omitempty"`
	Salvage bool  `json:"salvage,omitempty"`
	// Map is the absolute path for the map of what Salvage leaves out.
	Map string `json:"map,omitempty"`
}

// Restore is an accepted restore.
type Restore struct {
	BackupID   string `json:"backup_id"`
	VolumeID   string `json:"volume_id"`
	VolumeName string `json:"volume_name"` // empty for a volume without a name
}

// RestoreBackup asks for a restore, which the server does by itself:
// WaitRestore waits for the outcome. It is sent once.
func (c *Client) RestoreBackup(ctx context.Context, id string, o RestoreOpts) (Restore, error) {
	if err := checkID("backup", id); err != nil {
		return Restore{}, err
	}
	var a struct {
		Restore Restore `json:"restore"`
	}
	err := c.do(ctx, call{
		method: http.MethodPost, path: []string{"backups", id, "restore"}, body: map[string]any{"restore": o}, ok: accepted,
		resource: "backup", id: id,
	}, &a)
	return a.Restore, err
}
