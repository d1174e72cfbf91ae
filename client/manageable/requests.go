package manageable

import (
	"context"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
)

// ListBackupsOptsBuilder allows extensions to add parameters to the
// ListBackups request.
type ListBackupsOptsBuilder interface {
	ToManageableBackupsListQuery() (string, error)
}

// ListBackupsOpts says where to look for backups.
type ListBackupsOpts struct {
	// Container is the one to look in; every container when empty.
	Container string `q:"container"`
}

// ToManageableBackupsListQuery formats a ListBackupsOpts into a query string.
func (opts ListBackupsOpts) ToManageableBackupsListQuery() (string, error) {
	q, err := gophercloud.BuildQueryString(opts)
	return q.String(), err
}

// ListBackups requests what is found in the backup store. The answer is not
// paged, and is read as it is extracted: Extract must be called, once.
func ListBackups(ctx context.Context, client *gophercloud.ServiceClient, opts ListBackupsOptsBuilder) (r ListBackupsResult) {
	u := backupsURL(client)
	if opts != nil {
		query, err := opts.ToManageableBackupsListQuery()
		if err != nil {
			r.Err = err
			return
		}
		u += query
	}
	resp, err := client.Get(ctx, u, nil, &gophercloud.RequestOpts{KeepResponseBody: true})
	r.Body, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// ManageBackupOptsBuilder allows extensions to add parameters to the
// ManageBackup request.
type ManageBackupOptsBuilder interface {
	ToManageBackupMap() (map[string]any, error)
}

// ManageBackupOpts says which backup of the store gets a row.
type ManageBackupOpts struct {
	// ID of the backup, as it was found.
	ID string `json:"id" required:"true"`

	// AllowOrphaned admits a backup whose parent is not in the store.
	AllowOrphaned bool `json:"allow_orphaned,omitempty"`

	// AllowDamaged admits a backup whose data is known to be damaged.
	AllowDamaged bool `json:"allow_damaged,omitempty"`
}

// ToManageBackupMap assembles a request body.
func (opts ManageBackupOpts) ToManageBackupMap() (map[string]any, error) {
	return gophercloud.BuildRequestBody(opts, "backup")
}

// ManageBackup requests a row for a backup found in the store.
func ManageBackup(ctx context.Context, client *gophercloud.ServiceClient, opts ManageBackupOptsBuilder) (r ManageBackupResult) {
	b, err := opts.ToManageBackupMap()
	if err != nil {
		r.Err = err
		return
	}
	resp, err := client.Post(ctx, backupsURL(client), b, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusAccepted},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// ManageVolumeOptsBuilder allows extensions to add parameters to the
// ManageVolume request.
type ManageVolumeOptsBuilder interface {
	ToManageVolumeMap() (map[string]any, error)
}

// ManageVolumeOpts says what becomes a volume.
type ManageVolumeOpts struct {
	// Host is the back end that has it. Optional on an engine.
	Host string `json:"host,omitempty"`

	// Ref names it in the words of the back end, such as source-name.
	Ref map[string]string `json:"ref" required:"true"`

	// Name of the volume.
	Name string `json:"name,omitempty"`

	// Metadata of the volume.
	Metadata map[string]string `json:"metadata,omitempty"`

	// Size in GiB, for what has none yet. An engine's extension.
	Size int64 `json:"size,omitempty"`

	// Overwrite admits what holds data already. An engine's extension.
	Overwrite bool `json:"overwrite,omitempty"`
}

// ToManageVolumeMap assembles a request body.
func (opts ManageVolumeOpts) ToManageVolumeMap() (map[string]any, error) {
	return gophercloud.BuildRequestBody(opts, "volume")
}

// ManageVolume requests that something on a back end becomes a volume.
func ManageVolume(ctx context.Context, client *gophercloud.ServiceClient, opts ManageVolumeOptsBuilder) (r ManageVolumeResult) {
	b, err := opts.ToManageVolumeMap()
	if err != nil {
		r.Err = err
		return
	}
	resp, err := client.Post(ctx, volumesURL(client), b, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusAccepted},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// CreateVerificationOptsBuilder allows extensions to add parameters to the
// CreateVerification request.
type CreateVerificationOptsBuilder interface {
	ToVerificationCreateMap() (map[string]any, error)
}

// CreateVerificationOpts says which backup to look at.
type CreateVerificationOpts struct {
	// BackupID of a backup that has a row, or that the store has.
	BackupID string `json:"backup_id" required:"true"`

	// Depth is structure or data; structure when empty.
	Depth string `json:"depth,omitempty"`
}

// ToVerificationCreateMap assembles a request body.
func (opts CreateVerificationOpts) ToVerificationCreateMap() (map[string]any, error) {
	return gophercloud.BuildRequestBody(opts, "verification")
}

// CreateVerification starts a look at a backup.
func CreateVerification(ctx context.Context, client *gophercloud.ServiceClient, opts CreateVerificationOptsBuilder) (r VerificationResult) {
	b, err := opts.ToVerificationCreateMap()
	if err != nil {
		r.Err = err
		return
	}
	resp, err := client.Post(ctx, verificationsURL(client), b, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusAccepted},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// GetVerification requests how far a look at a backup is.
func GetVerification(ctx context.Context, client *gophercloud.ServiceClient, id string) (r VerificationResult) {
	resp, err := client.Get(ctx, verificationURL(client, id), &r.Body, nil)
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}
