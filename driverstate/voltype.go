package driverstate

import "time"

// DefaultType is the id of VolumeType, which every engine has and which has no
// row.
const DefaultType = "6a7c3a0e-5d1c-4f43-9a0c-0d6f1f7f2c11"

// What the engine's one back end says of itself, for the extra specs of types.
const (
	StorageProtocol = "file"
	VendorName      = "cinder-go"
)

// VolumeTypeRow is one row of Cinder's volume_types table, with its extra specs
// and the projects that may use one that is not public.
type VolumeTypeRow struct {
	ID          string
	Name        string
	Description string
	Public      bool
	ExtraSpecs  map[string]string
	Projects    []string // sorted
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// TypeUpdate says what to write into the row of a volume type. What is nil
// stays as it is.
type TypeUpdate struct {
	Name        *string
	Description *string
	Public      *bool
}

// Transfer is one row of Cinder's transfers table: an offer of a volume to
// whoever has its key. Rows of transfers that were accepted or withdrawn are
// removed.
type Transfer struct {
	ID              string
	VolumeID        string
	Name            string
	Salt            string
	CryptHash       string // HMAC-SHA1 of the key, keyed with Salt, in hexadecimal
	SourceProjectID string
	NoSnapshots     bool // the volume's snapshots stay where they are
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// TransferRequest offers a volume.
type TransferRequest struct {
	VolumeID    string
	Name        string
	NoSnapshots bool
}
