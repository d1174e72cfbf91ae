package manageable

import (
	"encoding/json"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// Problem is one thing that is wrong with a backup.
type Problem struct {
	// BackupID is the backup whose object it is, which may be one that the
	// backup in question stands on.
	BackupID string `json:"backup_id"`

	// Object is its name in the container; empty when no single one is to
	// blame.
	Object string `json:"object"`

	// Reason says what is wrong with it.
	Reason string `json:"reason"`

	// Offset and Length are the bytes of the volume that are lost by it.
	// Length is 0 when that is unknown or none.
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// Backup is a backup as it was found in the store.
type Backup struct {
	ID           string  `json:"id"`
	VolumeID     string  `json:"volume_id"`
	ParentID     string  `json:"parent_id"` // empty for a full backup
	Name         *string `json:"name"`
	Description  *string `json:"description"`
	Size         int64   `json:"size"` // GiB, of the volume
	Container    string  `json:"container"`
	ObjectPrefix string  `json:"object_prefix"`
	ObjectCount  int     `json:"object_count"` // chunks
	Bytes        int64   `json:"bytes"`        // stored
	ProjectID    string  `json:"project_id"`

	// Condition is whole, partial, damaged or orphaned, and Reason says why
	// it is not whole.
	Condition string    `json:"condition"`
	Reason    string    `json:"reason"`
	Warnings  []string  `json:"warnings"`
	Problems  []Problem `json:"problems"`

	// Managed is whether it has a row already.
	Managed bool `json:"managed"`

	CreatedAt time.Time `json:"-"`
}

// UnmarshalJSON reads the API's form of dates.
func (b *Backup) UnmarshalJSON(text []byte) error {
	type tmp Backup
	var s struct {
		tmp
		CreatedAt gophercloud.JSONRFC3339MilliNoZ `json:"created_at"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*b = Backup(s.tmp)
	b.CreatedAt = time.Time(s.CreatedAt)
	return nil
}

// ListBackupsResult is the response of a ListBackups request. Call its Extract
// method to interpret it.
type ListBackupsResult struct {
	gophercloud.Result
}

// Extract gets the backups out of the ListBackupsResult.
func (r ListBackupsResult) Extract() ([]Backup, error) {
	var s struct {
		Backups []Backup `json:"manageable_backups"`
	}
	err := r.ExtractInto(&s)
	return s.Backups, err
}

// ManageBackupResult is the response of a ManageBackup request: a backup as
// the calls for backups show it, for ExtractInto.
type ManageBackupResult struct {
	gophercloud.Result
}

// ManageVolumeResult is the response of a ManageVolume request: a volume as
// the calls for volumes show it, for ExtractInto.
type ManageVolumeResult struct {
	gophercloud.Result
}

// Verification is a look at a backup.
type Verification struct {
	ID       string `json:"id"`
	BackupID string `json:"backup_id"`
	Depth    string `json:"depth"`  // structure, data
	Status   string `json:"status"` // running, done, failed

	// Condition, Reason, Problems and Warnings are the outcome when done.
	Condition string    `json:"condition"`
	Reason    string    `json:"reason"`
	Problems  []Problem `json:"problems"`
	Warnings  []string  `json:"warnings"`

	BytesDone   int64  `json:"bytes_done"`
	BytesTotal  int64  `json:"bytes_total"`
	BytesRead   int64  `json:"bytes_read"`
	ObjectsRead int    `json:"objects_read"`
	Method      string `json:"method"` // what proved the data, such as sha256

	// Error says why it could not look, when failed.
	Error string `json:"error"`

	CreatedAt  time.Time `json:"-"`
	FinishedAt time.Time `json:"-"`
}

// UnmarshalJSON reads the API's form of dates.
func (v *Verification) UnmarshalJSON(text []byte) error {
	type tmp Verification
	var s struct {
		tmp
		CreatedAt  gophercloud.JSONRFC3339MilliNoZ `json:"created_at"`
		FinishedAt gophercloud.JSONRFC3339MilliNoZ `json:"finished_at"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*v = Verification(s.tmp)
	v.CreatedAt, v.FinishedAt = time.Time(s.CreatedAt), time.Time(s.FinishedAt)
	return nil
}

// VerificationResult is the response of a CreateVerification or
// GetVerification request. Call its Extract method to interpret it.
type VerificationResult struct {
	gophercloud.Result
}

// Extract gets the verification out of the VerificationResult.
func (r VerificationResult) Extract() (*Verification, error) {
	var s struct {
		Verification *Verification `json:"verification"`
	}
	err := r.ExtractInto(&s)
	return s.Verification, err
}
