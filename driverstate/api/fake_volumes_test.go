package api_test

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// volumeFake is the part of fake that is about volumes, snapshots and quotas.
type volumeFake struct {
	snapshots []*driverstate.Snapshot
	quotas    []driverstate.Quota
	pools     []driverstate.Pool

	changed    driverstate.VolumeUpdate
	metadata   driverstate.MetadataChange
	attach     driverstate.AttachRequest
	attachment string
	size       int64
	flag       bool
	snapshot   driverstate.SnapshotRequest
	snapStatus driverstate.SnapshotStatus
	limits     map[string]int64
	freeze     driverstate.FreezeSetting
}

func (f *fake) volumeOne() *driverstate.Volume {
	if len(f.volumes) == 0 {
		return &driverstate.Volume{}
	}
	return f.volumes[0]
}

func (f *fake) snapshotOne() *driverstate.Snapshot {
	if len(f.snapshots) == 0 {
		return &driverstate.Snapshot{}
	}
	return f.snapshots[0]
}

func (f *fake) DeleteVolumeWithSnapshots(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "DeleteVolumeWithSnapshots", id)
}

func (f *fake) UpdateVolume(_ context.Context, c driverstate.Caller, id string, u driverstate.VolumeUpdate) (*driverstate.Volume, error) {
	f.changed = u
	return f.volumeOne(), f.call(c, "UpdateVolume", id)
}

func (f *fake) VolumeMetadata(_ context.Context, c driverstate.Caller, id string) (map[string]string, error) {
	return f.volumeOne().Metadata, f.call(c, "VolumeMetadata", id)
}

func (f *fake) ChangeVolumeMetadata(_ context.Context, c driverstate.Caller, id string, m driverstate.MetadataChange) (map[string]string, error) {
	f.metadata = m
	return f.volumeOne().Metadata, f.call(c, "ChangeVolumeMetadata", id)
}

func (f *fake) ExtendVolume(_ context.Context, c driverstate.Caller, id string, size int64, inUse bool) error {
	f.size, f.flag = size, inUse
	return f.call(c, "ExtendVolume", id)
}

func (f *fake) AttachVolume(_ context.Context, c driverstate.Caller, id string, r driverstate.AttachRequest) error {
	f.attach = r
	return f.call(c, "AttachVolume", id)
}

func (f *fake) DetachVolume(_ context.Context, c driverstate.Caller, id, attachment string) error {
	f.attachment = attachment
	return f.call(c, "DetachVolume", id)
}

func (f *fake) ReserveVolume(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "ReserveVolume", id)
}

func (f *fake) UnreserveVolume(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "UnreserveVolume", id)
}

func (f *fake) SetVolumeBootable(_ context.Context, c driverstate.Caller, id string, on bool) error {
	f.flag = on
	return f.call(c, "SetVolumeBootable", id)
}

func (f *fake) SetVolumeReadOnly(_ context.Context, c driverstate.Caller, id string, on bool) error {
	f.flag = on
	return f.call(c, "SetVolumeReadOnly", id)
}

func (f *fake) ForgetAttachments(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "ForgetAttachments", id)
}

func (f *fake) Pools(_ context.Context, c driverstate.Caller) ([]driverstate.Pool, error) {
	return f.pools, f.call(c, "Pools", "")
}

func (f *fake) SetFrozen(_ context.Context, c driverstate.Caller, s driverstate.FreezeSetting) error {
	f.freeze = s
	return f.call(c, "SetFrozen", s.Host)
}

func (f *fake) Failover(_ context.Context, c driverstate.Caller, s driverstate.FreezeSetting) error {
	f.freeze = s
	return f.call(c, "Failover", s.Host)
}

func (f *fake) CreateSnapshot(_ context.Context, c driverstate.Caller, r driverstate.SnapshotRequest) (*driverstate.Snapshot, error) {
	f.snapshot = r
	return f.snapshotOne(), f.call(c, "CreateSnapshot", r.VolumeID)
}

func (f *fake) Snapshot(_ context.Context, c driverstate.Caller, id string) (*driverstate.Snapshot, error) {
	if err := f.call(c, "Snapshot", id); err != nil {
		return nil, err
	}
	if len(f.snapshots) == 0 {
		return nil, &driverstate.Error{Resource: "snapshot", ID: id, Err: driverstate.ErrNotFound}
	}
	return f.snapshots[0], nil
}

func (f *fake) Snapshots(_ context.Context, c driverstate.Caller, all bool) ([]*driverstate.Snapshot, error) {
	f.all = all
	return f.snapshots, f.call(c, "Snapshots", "")
}

func (f *fake) UpdateSnapshot(_ context.Context, c driverstate.Caller, id string, u driverstate.VolumeUpdate) (*driverstate.Snapshot, error) {
	f.changed = u
	return f.snapshotOne(), f.call(c, "UpdateSnapshot", id)
}

func (f *fake) ChangeSnapshotMetadata(_ context.Context, c driverstate.Caller, id string, m driverstate.MetadataChange) (map[string]string, error) {
	f.metadata = m
	return f.snapshotOne().Metadata, f.call(c, "ChangeSnapshotMetadata", id)
}

func (f *fake) DeleteSnapshot(_ context.Context, c driverstate.Caller, id string, force bool) error {
	f.force = force
	return f.call(c, "DeleteSnapshot", id)
}

func (f *fake) ResetSnapshotStatus(_ context.Context, c driverstate.Caller, id string, to driverstate.SnapshotStatus) error {
	f.snapStatus = to
	return f.call(c, "ResetSnapshotStatus", id)
}

func (f *fake) UpdateSnapshotStatus(_ context.Context, c driverstate.Caller, id string, to driverstate.SnapshotStatus, _ string) error {
	f.snapStatus = to
	return f.call(c, "UpdateSnapshotStatus", id)
}

func (f *fake) Quotas(_ context.Context, c driverstate.Caller, project string) ([]driverstate.Quota, error) {
	return f.quotas, f.call(c, "Quotas", project)
}

func (f *fake) DefaultQuotas(context.Context) ([]driverstate.Quota, error) { return f.quotas, nil }

func (f *fake) ClassQuotas(_ context.Context, c driverstate.Caller, class string) ([]driverstate.Quota, error) {
	return f.quotas, f.call(c, "ClassQuotas", class)
}

func (f *fake) SetClassQuotas(_ context.Context, c driverstate.Caller, class string, limits map[string]int64) ([]driverstate.Quota, error) {
	f.limits = limits
	return f.quotas, f.call(c, "SetClassQuotas", class)
}

func (f *fake) SetQuotas(_ context.Context, c driverstate.Caller, project string, limits map[string]int64) ([]driverstate.Quota, error) {
	f.limits = limits
	return f.quotas, f.call(c, "SetQuotas", project)
}

func (f *fake) DeleteQuotas(_ context.Context, c driverstate.Caller, project string) error {
	return f.call(c, "DeleteQuotas", project)
}
