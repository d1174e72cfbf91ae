package driverstate

import (
	"fmt"
	"time"
)

// Device is the image of a backup that is served as a read-only network block
// device, asked for through the engine's extension /devices. It ends with the
// engine, and leaves no row.
type Device struct {
	ID        string
	BackupID  string
	Chain     []string // ids of the backups that are read, the full one first
	URI       string   // nbd://HOST:PORT or nbd+unix:///?socket=PATH
	Size      int64    // bytes
	Warnings  []string
	Error     string // why it is not served any more; empty while it is
	CreatedAt time.Time
	DeviceUsage
}

// DeviceUsage is what has come of a device so far.
type DeviceUsage struct {
	Connected int   // clients
	Clients   int   // that have connected so far
	Bytes     int64 // served
	// Problems are why bytes could not be served, each once. MoreProblems
	// counts those that are not listed.
	Problems     []Problem
	MoreProblems int
}

// DeviceRequest asks for a device.
type DeviceRequest struct {
	BackupID string `json:"backup_id"` // it may have no row
	// Address is HOST:PORT to listen at; port 0 takes a free one. Empty for
	// Socket.
	Address string `json:"address,omitempty"`
	// Socket is the path of a Unix socket to make.
	Socket string `json:"socket,omitempty"`
	// AllowRemote allows an Address that is not of the machine itself. Who
	// connects can read all of the backup.
	AllowRemote bool `json:"allow_remote,omitempty"`
}

// Validate answers ErrInvalidInput to what cannot be asked for.
func (r *DeviceRequest) Validate() error {
	switch {
	case !IsUUID(r.BackupID):
		return Fail(ErrInvalidInput, fmt.Sprintf("backup id %.80q is not a UUID", r.BackupID))
	case (r.Address == "") == (r.Socket == ""):
		return Fail(ErrInvalidInput, "a device listens either at an address or at a socket")
	}
	return nil
}
