package client

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/cinder-go/cinder-go/client/manageable"
	"github.com/cinder-go/cinder-go/driverstate"
)

// Problem is one thing that is wrong with a backup on the store.
type Problem struct {
	BackupID string `json:"backup_id"` // whose object it is; may be one further down the chain
	Object   string `json:"object"`    // name in the container; empty when no single one is to blame
	Reason   string `json:"reason"`
	Offset   int64  `json:"offset"` // bytes of the volume that are lost by it
	Length   int64  `json:"length"` // 0 when unknown or none
}

// Manageable is a backup as it was found in the store, with or without a row.
type Manageable struct {
	ID           string                `json:"id"`
	VolumeID     string                `json:"volume_id"`
	ParentID     string                `json:"parent_id"` // empty for a full backup
	Name         *string               `json:"name"`
	Description  *string               `json:"description"`
	CreatedAt    time.Time             `json:"created_at"`
	Size         int64                 `json:"size"` // GiB, of the volume
	Container    string                `json:"container"`
	ObjectPrefix string                `json:"object_prefix"`
	ObjectCount  int                   `json:"object_count"` // chunks
	Bytes        int64                 `json:"bytes"`        // stored
	ProjectID    string                `json:"project_id"`
	Condition    driverstate.Condition `json:"condition"`
	Reason       string                `json:"reason"` // why it is not whole; empty if it is
	Warnings     []string              `json:"warnings"`
	Problems     []Problem             `json:"problems"`
	Managed      bool                  `json:"managed"` // has a row already
	Host         string                `json:"host"`    // of the service on whose store it is
}

// ManageableOpts says where to look for backups.
type ManageableOpts struct {
	Host       string   // of the service whose store is looked at; empty for all
	Containers []string // none for all
}

// ManageableBackups returns what the stores of an engine hold. A cloud answers
// ErrNotSupported.
func (c *Client) ManageableBackups(ctx context.Context, o ManageableOpts) ([]Manageable, error) {
	var list []Manageable
	err := c.EachManageable(ctx, o, func(m Manageable) error {
		list = append(list, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// EachManageable calls use for each of what ManageableBackups returns as it
// comes, and holds none: a store may have hundreds of thousands. It ends with the
// first error of use.
func (c *Client) EachManageable(ctx context.Context, o ManageableOpts, use func(Manageable) error) error {
	var used bool
	var late error // after which the request must not be made again
	k := call{method: http.MethodGet, path: []string{"manageable_backups"}, resource: "store", extension: true}
	err := c.attempt(ctx, k, func(sc *gophercloud.ServiceClient) error {
		var refused error
		err := manageable.ListBackups(ctx, sc, manageable.ListBackupsOpts{Host: o.Host, Containers: o.Containers}).Each(func(b *manageable.Backup) error {
			used = true
			refused = use(manageableOf(b))
			return refused
		})
		switch {
		case refused != nil:
			late = refused
		case err != nil && used:
			late = k.fail(ctx, err)
		default:
			return err
		}
		return nil
	})
	return cmp.Or(err, late)
}

func manageableOf(b *manageable.Backup) Manageable {
	return Manageable{
		ID: b.ID, VolumeID: b.VolumeID, ParentID: b.ParentID, Name: b.Name, Description: b.Description,
		CreatedAt: b.CreatedAt, Size: b.Size, Container: b.Container, ObjectPrefix: b.ObjectPrefix,
		ObjectCount: b.ObjectCount, Bytes: b.Bytes, ProjectID: b.ProjectID,
		Condition: driverstate.Condition(b.Condition), Reason: b.Reason, Warnings: b.Warnings,
		Problems: problems(b.Problems), Managed: b.Managed, Host: b.Host,
	}
}

func problems(list []manageable.Problem) []Problem {
	out := make([]Problem, len(list))
	for i, p := range list {
		out[i] = Problem(p)
	}
	return out
}

// ManageOpts says which backup of the store gets a row.
type ManageOpts struct {
	ID string
	// Host is that of the service on whose store it is; empty for the first
	// that has it.
	Host string
	// AllowOrphaned and AllowDamaged admit backups that are not whole; they
	// become error, with the reason.
	AllowOrphaned, AllowDamaged bool
}

// ManageBackup takes a backup of an engine's store under management. One that
// has a row already is ErrConflict.
func (c *Client) ManageBackup(ctx context.Context, o ManageOpts) (Backup, error) {
	var a struct {
		Backup Backup `json:"backup"`
	}
	k := call{method: http.MethodPost, path: []string{"manageable_backups"}, resource: "backup", id: o.ID, extension: true}
	err := c.attempt(ctx, k, func(sc *gophercloud.ServiceClient) error {
		return manageable.ManageBackup(ctx, sc, manageable.ManageBackupOpts{
			ID: o.ID, Host: o.Host, AllowOrphaned: o.AllowOrphaned, AllowDamaged: o.AllowDamaged,
		}).ExtractInto(&a)
	})
	return a.Backup, err
}

// ManageVolumeOpts names a file or device that becomes a volume to restore to.
type ManageVolumeOpts struct {
	SourceName string // absolute path on the engine's machine; "-" is its standard output
	Name       string
	Size       int64 // GiB
	Overwrite  bool  // it may hold data
}

// ManageVolume lends a file or device to an engine as a volume.
func (c *Client) ManageVolume(ctx context.Context, o ManageVolumeOpts) (Volume, error) {
	var a struct {
		Volume Volume `json:"volume"`
	}
	k := call{method: http.MethodPost, path: []string{"manageable_volumes"}, resource: "volume", extension: true}
	err := c.attempt(ctx, k, func(sc *gophercloud.ServiceClient) error {
		return manageable.ManageVolume(ctx, sc, manageable.ManageVolumeOpts{
			Ref: map[string]string{"source-name": o.SourceName}, Name: o.Name, Size: o.Size, Overwrite: o.Overwrite,
		}).ExtractInto(&a)
	})
	return a.Volume, err
}
