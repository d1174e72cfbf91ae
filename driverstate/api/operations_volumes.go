package api

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// VolumeOperations are what is done with volumes besides making and removing
// them.
type VolumeOperations interface {
	// DeleteVolumeWithSnapshots is DeleteVolume, its snapshots included.
	DeleteVolumeWithSnapshots(ctx context.Context, c driverstate.Caller, id string) error
	UpdateVolume(ctx context.Context, c driverstate.Caller, id string, u driverstate.VolumeUpdate) (*driverstate.Volume, error)
	// VolumeMetadata is what a user has set; ChangeVolumeMetadata answers with
	// all of it.
	VolumeMetadata(ctx context.Context, c driverstate.Caller, id string) (map[string]string, error)
	ChangeVolumeMetadata(ctx context.Context, c driverstate.Caller, id string, m driverstate.MetadataChange) (map[string]string, error)
	// ExtendVolume makes it size GiB large, also when it is in use if inUse.
	ExtendVolume(ctx context.Context, c driverstate.Caller, id string, size int64, inUse bool) error
	AttachVolume(ctx context.Context, c driverstate.Caller, id string, r driverstate.AttachRequest) error
	// DetachVolume ends the attachment of that id; the only one when it is empty.
	DetachVolume(ctx context.Context, c driverstate.Caller, id, attachmentID string) error
	// ReserveVolume and UnreserveVolume are of one who is about to attach it.
	ReserveVolume(ctx context.Context, c driverstate.Caller, id string) error
	UnreserveVolume(ctx context.Context, c driverstate.Caller, id string) error
	SetVolumeBootable(ctx context.Context, c driverstate.Caller, id string, bootable bool) error
	SetVolumeReadOnly(ctx context.Context, c driverstate.Caller, id string, readOnly bool) error
	// ForgetAttachments is os-reset_status of attach_status to detached.
	ForgetAttachments(ctx context.Context, c driverstate.Caller, id string) error
	Pools(ctx context.Context, c driverstate.Caller) ([]driverstate.Pool, error)
	SetFrozen(ctx context.Context, c driverstate.Caller, s driverstate.FreezeSetting) error
	Failover(ctx context.Context, c driverstate.Caller, s driverstate.FreezeSetting) error
}

// SnapshotOperations are what is done with snapshots.
type SnapshotOperations interface {
	CreateSnapshot(ctx context.Context, c driverstate.Caller, r driverstate.SnapshotRequest) (*driverstate.Snapshot, error)
	Snapshot(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Snapshot, error)
	Snapshots(ctx context.Context, c driverstate.Caller, allProjects bool) ([]*driverstate.Snapshot, error)
	UpdateSnapshot(ctx context.Context, c driverstate.Caller, id string, u driverstate.VolumeUpdate) (*driverstate.Snapshot, error)
	ChangeSnapshotMetadata(ctx context.Context, c driverstate.Caller, id string, m driverstate.MetadataChange) (map[string]string, error)
	// DeleteSnapshot removes it; with force, which is os-force_delete, in any status.
	DeleteSnapshot(ctx context.Context, c driverstate.Caller, id string, force bool) error
	ResetSnapshotStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.SnapshotStatus) error
	// UpdateSnapshotStatus writes what another who works on the snapshot tells.
	UpdateSnapshotStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.SnapshotStatus, progress string) error
}

// TypeOperations are what is done with volume types.
type TypeOperations interface {
	// VolumeTypes are those that the caller may use, newest first.
	VolumeTypes(ctx context.Context, c driverstate.Caller) ([]*driverstate.VolumeTypeRow, error)
	VolumeType(ctx context.Context, c driverstate.Caller, id string) (*driverstate.VolumeTypeRow, error)
	CreateVolumeType(ctx context.Context, c driverstate.Caller, t driverstate.VolumeTypeRow) (*driverstate.VolumeTypeRow, error)
	UpdateVolumeType(ctx context.Context, c driverstate.Caller, id string, u driverstate.TypeUpdate) (*driverstate.VolumeTypeRow, error)
	DeleteVolumeType(ctx context.Context, c driverstate.Caller, id string) error
	// ChangeExtraSpecs answers a bare ErrNotFound when the key to be removed
	// is not there, and so does ChangeTypeAccess of a project.
	ChangeExtraSpecs(ctx context.Context, c driverstate.Caller, id string, change driverstate.MetadataChange) error
	ChangeTypeAccess(ctx context.Context, c driverstate.Caller, id, project string, let bool) error
}

// TransferOperations are what is done with offers of volumes.
type TransferOperations interface {
	// CreateTransfer answers with the key, too.
	CreateTransfer(ctx context.Context, c driverstate.Caller, r driverstate.TransferRequest) (*driverstate.Transfer, string, error)
	Transfers(ctx context.Context, c driverstate.Caller, allProjects bool) ([]*driverstate.Transfer, error)
	Transfer(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Transfer, error)
	DeleteTransfer(ctx context.Context, c driverstate.Caller, id string) error
	AcceptTransfer(ctx context.Context, c driverstate.Caller, id, key string) (*driverstate.Transfer, error)
}

// QuotaOperations are limits and what is used of them. Lists have every
// resource, in the order of driverstate.QuotaResources.
type QuotaOperations interface {
	// Quotas are those of a project; one who is not admin may ask for their own.
	Quotas(ctx context.Context, c driverstate.Caller, projectID string) ([]driverstate.Quota, error)
	DefaultQuotas(ctx context.Context) ([]driverstate.Quota, error)
	ClassQuotas(ctx context.Context, c driverstate.Caller, class string) ([]driverstate.Quota, error)
	SetClassQuotas(ctx context.Context, c driverstate.Caller, class string, limits map[string]int64) ([]driverstate.Quota, error)
	SetQuotas(ctx context.Context, c driverstate.Caller, projectID string, limits map[string]int64) ([]driverstate.Quota, error)
	DeleteQuotas(ctx context.Context, c driverstate.Caller, projectID string) error
}
