package api

import (
	"context"
	"iter"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Operations is what the handlers need of the manager. Every method checks the
// caller's rights (driverstate.ErrForbidden; another project's backup is
// ErrNotFound for one who is not admin) and answers with Cinder's text in the
// error, without the family prefix such as "Invalid backup: ", which the
// handlers add from the kind and Resource.
type Operations interface {
	Backups(ctx context.Context, c driverstate.Caller, f driverstate.BackupFilter) ([]*driverstate.Backup, error)
	BackupCount(ctx context.Context, c driverstate.Caller, f driverstate.BackupFilter) (int, error)
	Backup(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Backup, error)
	CreateBackup(ctx context.Context, c driverstate.Caller, r driverstate.BackupRequest) (*driverstate.Backup, error)
	UpdateBackup(ctx context.Context, c driverstate.Caller, id string, u driverstate.BackupUpdate) (*driverstate.Backup, error)
	// DeleteBackup accepts a delete; with force it is os-force_delete.
	DeleteBackup(ctx context.Context, c driverstate.Caller, id string, force bool) error
	ResetBackupStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.Status) error
	RestoreBackup(ctx context.Context, c driverstate.Caller, id string, r driverstate.RestoreRequest) (driverstate.RestoreAnswer, error)
	ExportRecord(ctx context.Context, c driverstate.Caller, id string) (driverstate.ExportedRecord, error)
	ImportRecord(ctx context.Context, c driverstate.Caller, r driverstate.ExportedRecord) (*driverstate.Backup, error)

	// ManageableBackups scans the stores; those with a row are marked.
	ManageableBackups(ctx context.Context, c driverstate.Caller, f driverstate.ManageableFilter) (iter.Seq[driverstate.Manageable], error)
	ManageBackup(ctx context.Context, c driverstate.Caller, r driverstate.ManageRequest) (*driverstate.Backup, error)

	// CreateVerification starts a look at backups, with rows or without.
	CreateVerification(ctx context.Context, c driverstate.Caller, r driverstate.VerifyRequest) (*driverstate.Verification, error)
	Verification(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Verification, error)
	// Examine looks at the drivers of services, step by step.
	Examine(ctx context.Context, c driverstate.Caller, r driverstate.ExamineRequest) ([]driverstate.Examination, error)

	// CreateShipment starts a copy of a backup to another store, or a
	// comparison; CancelShipment answers ErrInvalidStatus when it has ended.
	CreateShipment(ctx context.Context, c driverstate.Caller, r driverstate.ShipRequest) (*driverstate.Shipment, error)
	Shipment(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Shipment, error)
	CancelShipment(ctx context.Context, c driverstate.Caller, id string) error

	// CreateDevice serves a backup as a block device of the engine's process.
	CreateDevice(ctx context.Context, c driverstate.Caller, r driverstate.DeviceRequest) (*driverstate.Device, error)
	Device(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Device, error)
	DeleteDevice(ctx context.Context, c driverstate.Caller, id string) error

	Services(ctx context.Context, c driverstate.Caller) ([]driverstate.ServiceState, error)
	// SetService answers ErrNotFound when no service has that host and binary.
	SetService(ctx context.Context, c driverstate.Caller, s driverstate.ServiceSetting) error
	Clusters(ctx context.Context, c driverstate.Caller) ([]driverstate.ClusterState, error)
	Cluster(ctx context.Context, c driverstate.Caller, name string, binary driverstate.Binary) (driverstate.ClusterState, error)
	SetCluster(ctx context.Context, c driverstate.Caller, s driverstate.ClusterSetting) (driverstate.ClusterState, error)
	CleanupWorkers(ctx context.Context, c driverstate.Caller, f driverstate.CleanupFilter) (driverstate.CleanupResult, error)

	CreateVolume(ctx context.Context, c driverstate.Caller, r driverstate.VolumeRequest) (*driverstate.Volume, error)
	Volume(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Volume, error)
	Volumes(ctx context.Context, c driverstate.Caller, allProjects bool) ([]*driverstate.Volume, error)
	DeleteVolume(ctx context.Context, c driverstate.Caller, id string) error
	ForceDeleteVolume(ctx context.Context, c driverstate.Caller, id string) error
	ResetVolumeStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.VolumeStatus) error

	// Messages lists all that the caller may see.
	Messages(ctx context.Context, c driverstate.Caller) ([]*driverstate.Message, error)
	Message(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Message, error)
	DeleteMessage(ctx context.Context, c driverstate.Caller, id string) error

	VolumeOperations
	SnapshotOperations
	TypeOperations
	TransferOperations
	QuotaOperations
}
