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
	// Host is that of the service whose store is looked at; every store when
	// empty.
	Host string `q:"host"`

	// Containers are those to look in; every container when there is none.
	Containers []string `q:"container"`
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

	// Host is that of the service on whose store it was found; the first that
	// has it when empty.
	Host string `json:"host,omitempty"`

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

// CreateVerificationOpts says which backups to look at.
type CreateVerificationOpts struct {
	// BackupIDs of backups that have rows, or that the store has.
	BackupIDs []string `json:"backup_ids,omitempty" xor:"All"`

	// All backups that have rows.
	All bool `json:"all,omitempty" xor:"BackupIDs"`

	// Depth is structure or data; structure when empty.
	Depth string `json:"depth,omitempty"`

	// Subset of the data to read, such as 2/7, 5% or 20G; all when empty.
	Subset string `json:"subset,omitempty"`

	// NotVerifiedSince leaves out what was proven then or later; RFC 3339.
	NotVerifiedSince string `json:"not_verified_since,omitempty"`
}

// ToVerificationCreateMap assembles a request body.
func (opts CreateVerificationOpts) ToVerificationCreateMap() (map[string]any, error) {
	return gophercloud.BuildRequestBody(opts, "verification")
}

// CreateVerification starts a look at backups.
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

// ExamineOptsBuilder allows extensions to add parameters to the Examine
// request.
type ExamineOptsBuilder interface {
	ToExamineMap() (map[string]any, error)
}

// ExamineOpts says which drivers to examine, and how far.
type ExamineOpts struct {
	// Host of a service; all of the engine when empty.
	Host string `json:"host,omitempty"`

	// Write has an object written and removed.
	Write bool `json:"write,omitempty"`
}

// ToExamineMap assembles a request body.
func (opts ExamineOpts) ToExamineMap() (map[string]any, error) {
	return gophercloud.BuildRequestBody(opts, "examination")
}

// Examine has the drivers of services examined.
func Examine(ctx context.Context, client *gophercloud.ServiceClient, opts ExamineOptsBuilder) (r ExamineResult) {
	b, err := opts.ToExamineMap()
	if err != nil {
		r.Err = err
		return
	}
	resp, err := client.Post(ctx, examinationsURL(client), b, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusOK},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}
