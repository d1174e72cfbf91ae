package manageable

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

	// Host is that of the service on whose store it is.
	Host string `json:"host"`

	CreatedAt time.Time `json:"-"`
}

// plainBackup is a Backup that encoding/json reads by itself.
type plainBackup Backup

// decodedBackup is a Backup with dates as the API writes them.
type decodedBackup struct {
	plainBackup
	CreatedAt gophercloud.JSONRFC3339MilliNoZ `json:"created_at"`
}

func (d *decodedBackup) backup() *Backup {
	b := Backup(d.plainBackup)
	b.CreatedAt = time.Time(d.CreatedAt)
	return &b
}

// UnmarshalJSON reads the API's form of dates.
func (b *Backup) UnmarshalJSON(text []byte) error {
	var d decodedBackup
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	*b = *d.backup()
	return nil
}

// ListBackupsResult is the response of a ListBackups request. Call its Extract
// method to interpret it.
type ListBackupsResult struct {
	gophercloud.Result
}

// Extract gets the backups out of the ListBackupsResult.
func (r ListBackupsResult) Extract() (list []Backup, err error) {
	err = r.Each(func(b *Backup) error {
		list = append(list, *b)
		return nil
	})
	return list, err
}

// Each calls use for each backup of the ListBackupsResult as it is read, which
// keeps none. It ends with the first error of use.
func (r ListBackupsResult) Each(use func(*Backup) error) error {
	if r.Err != nil {
		return r.Err
	}
	body, ok := r.Body.(io.ReadCloser)
	if !ok {
		return fmt.Errorf("the answer is %T", r.Body)
	}
	defer body.Close()
	from := json.NewDecoder(body)
	if err := expect(from, json.Delim('{'), "manageable_backups", json.Delim('[')); err != nil {
		return err
	}
	for from.More() {
		var b decodedBackup
		if err := from.Decode(&b); err != nil {
			return unexpected(err)
		}
		if err := use(b.backup()); err != nil {
			return err
		}
	}
	return expect(from, json.Delim(']'), json.Delim('}'))
}

// expect reads the tokens that must come next.
func expect(from *json.Decoder, tokens ...json.Token) error {
	for _, want := range tokens {
		switch got, err := from.Token(); {
		case err != nil:
			return unexpected(err)
		case got != want:
			return fmt.Errorf("the answer has %v where %v belongs", got, want)
		}
	}
	return nil
}

// unexpected is err, but that an answer that ends too early is an error.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
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

	// Subset is what part of the data was asked for; empty for all.
	Subset string `json:"subset"`

	// Results are of each backup, when done.
	Results []VerificationOfOne `json:"results"`

	CreatedAt  time.Time `json:"-"`
	FinishedAt time.Time `json:"-"`
}

// VerificationOfOne is the outcome of a Verification for one backup.
type VerificationOfOne struct {
	BackupID string `json:"backup_id"`

	Condition string    `json:"condition"`
	Reason    string    `json:"reason"`
	Problems  []Problem `json:"problems"`
	Warnings  []string  `json:"warnings"`

	BytesRead   int64  `json:"bytes_read"`
	ObjectsRead int    `json:"objects_read"`
	Method      string `json:"method"`

	// Bytes is what it needs of the data of its chain, Share how much of that
	// has been proven, from 0 to 1.
	Bytes int64   `json:"bytes"`
	Share float64 `json:"share"`

	// Skipped: all of it was proven lately enough.
	Skipped bool `json:"skipped"`

	// Error says why it could not be looked at, Fault what kind of error it is.
	Error string `json:"error"`
	Fault string `json:"fault"`

	// VerifiedAt is when the object that was read least recently was proven.
	VerifiedAt time.Time `json:"-"`
}

// UnmarshalJSON reads the API's form of dates.
func (v *VerificationOfOne) UnmarshalJSON(text []byte) error {
	type tmp VerificationOfOne
	var s struct {
		tmp
		VerifiedAt gophercloud.JSONRFC3339MilliNoZ `json:"verified_at"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*v = VerificationOfOne(s.tmp)
	v.VerifiedAt = time.Time(s.VerifiedAt)
	return nil
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

// Examination is what the driver of one service was found to be.
type Examination struct {
	Host    string `json:"host"`
	Service string `json:"service"` // class path of the driver
	Steps   []Step `json:"steps"`
}

// Step is one step of an examination.
type Step struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`

	// Kind, Error and Advice say what is wrong when it did not pass.
	Kind   string `json:"kind"`
	Error  string `json:"error"`
	Advice string `json:"advice"`
}

// ExamineResult is the response of an Examine request. Call its Extract method
// to interpret it.
type ExamineResult struct {
	gophercloud.Result
}

// Extract gets the examinations out of the ExamineResult.
func (r ExamineResult) Extract() ([]Examination, error) {
	var s struct {
		Examinations []Examination `json:"examinations"`
	}
	err := r.ExtractInto(&s)
	return s.Examinations, err
}
