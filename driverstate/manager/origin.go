package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// snapshotOrigin is the snapshot that v is made from, as a volume to be copied;
// v takes over what it has not been given (cinder/volume/flows/api/create_volume.py
// ExtractVolumeRequestTask).
func snapshotOrigin(ctx context.Context, tx db.Tx, c driverstate.Caller, v *driverstate.Volume) (*driverstate.Volume, error) {
	s, err := tx.SnapshotGet(ctx, v.SnapshotID)
	if err != nil || !c.Admin && s.ProjectID != c.ProjectID {
		if err == nil {
			err = snapshotNotFound(v.SnapshotID)
		}
		return nil, named(err, snapshotNotFound(v.SnapshotID))
	}
	if s.Status != driverstate.SnapshotAvailable {
		return nil, refuse("snapshot", s.ID, driverstate.ErrInvalidStatus, "Originating snapshot status must be one of 'available' values")
	}
	if v.Size == 0 {
		v.Size = s.Size
	}
	if v.Size < s.Size {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"Volume size '%d'GB cannot be smaller than the snapshot size %dGB. They must be >= original snapshot size.", v.Size, s.Size))
	}
	of, err := tx.VolumeGet(ctx, s.VolumeID)
	if err == nil {
		v.Bootable, v.VolumeType = of.Bootable, cmp.Or(v.VolumeType, of.VolumeType)
	} else if !errors.Is(err, driverstate.ErrNotFound) {
		return nil, err
	}
	return &driverstate.Volume{ID: s.VolumeID, Path: s.Path, Size: s.Size}, nil
}

// volumeOrigin is the volume that v is a clone of.
func volumeOrigin(ctx context.Context, tx db.Tx, c driverstate.Caller, v *driverstate.Volume) (*driverstate.Volume, error) {
	from, err := tx.VolumeGet(ctx, v.SourceVolID)
	if err != nil || !c.Admin && from.ProjectID != c.ProjectID {
		if err == nil {
			err = volumeNotFound(v.SourceVolID)
		}
		return nil, named(err, volumeNotFound(v.SourceVolID))
	}
	refused := func(text string) error { return refuse("volume", from.ID, driverstate.ErrInvalidStatus, text) }
	switch {
	case from.Status != driverstate.VolumeAvailable && from.Status != driverstate.VolumeInUse:
		return nil, refused("Originating source volume status must be one of 'available, in-use' values")
	case from.Path == stdoutPath:
		return nil, refused("Originating source volume is the standard output of the engine, which cannot be read.")
	}
	if v.Size == 0 {
		v.Size = from.Size
	}
	if v.Size < from.Size {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"Volume size '%d'GB cannot be smaller than original volume size  %dGB. They must be >= original volume size.", v.Size, from.Size))
	}
	v.Bootable, v.VolumeType = from.Bootable, cmp.Or(v.VolumeType, from.VolumeType)
	return from, nil
}

// createFromBackup makes a volume and restores a backup to it.
func (m *Manager) createFromBackup(ctx context.Context, c driverstate.Caller, r driverstate.VolumeRequest) (*driverstate.Volume, error) {
	b, err := m.visible(ctx, c, r.BackupID)
	if err != nil {
		return nil, err
	}
	if b.Status != driverstate.StatusAvailable {
		return nil, refuseBackup(b.ID, driverstate.ErrInvalidStatus, "Originating backup status must be one of 'available' values")
	}
	if r.Size == 0 {
		r.Size = b.Size
	}
	if r.Size < b.Size {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"Volume size %dGB cannot be smaller than the backup size %dGB. It must be >= backup size.", r.Size, b.Size))
	}
	if err := m.requireUp(ctx); err != nil {
		return nil, err
	}
	r.BackupID = ""
	v, err := m.volumeKeeper().CreateVolume(ctx, c, r)
	if err != nil || v.Status != driverstate.VolumeAvailable {
		return v, err
	}
	if _, err := m.RestoreBackup(ctx, c, b.ID, driverstate.RestoreRequest{VolumeID: v.ID}); err != nil {
		return nil, errors.Join(err, m.volumeKeeper().DeleteVolume(ctx, c, v.ID))
	}
	return m.Volume(ctx, c, v.ID)
}

// takeSource says whether what b is to be a backup of can be read, and tells b
// its size. Hold, called in the same transaction, keeps it from other work.
func (m *Manager) takeSource(ctx context.Context, tx db.Tx, v *driverstate.Volume, b *driverstate.Backup, r driverstate.BackupRequest) (hold func() error, err error) {
	if r.SnapshotID == "" {
		if err := checkSourceVolume(v, r.Force); err != nil {
			return nil, err
		}
		b.Size = v.Size
		return func() error {
			from := v.Status
			v.PreviousStatus, v.Status = from, driverstate.VolumeBackingUp
			return tx.VolumeUpdate(ctx, v, from)
		}, nil
	}
	s, err := tx.SnapshotGet(ctx, r.SnapshotID)
	if err != nil {
		return nil, named(err, snapshotNotFound(r.SnapshotID))
	}
	if s.VolumeID != v.ID {
		return nil, refuse("volume", v.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
			"Volume %s does not match with snapshot.volume_id %s.", v.ID, s.VolumeID))
	}
	if s.Status != driverstate.SnapshotAvailable {
		return nil, refuse("snapshot", s.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
			`Snapshot to be backed up must be available, but the current status is "%s".`, s.Status))
	}
	b.SnapshotID, b.Size, b.DataTimestamp = s.ID, s.Size, s.CreatedAt
	return func() error {
		s.Status = driverstate.SnapshotBackingUp
		return tx.SnapshotUpdate(ctx, s, driverstate.SnapshotAvailable)
	}, nil
}

// snapshotOf is the snapshot that b is a backup of; nil when it is of the volume
// itself, or the snapshot is gone.
func snapshotOf(ctx context.Context, tx db.Tx, b *driverstate.Backup) (*driverstate.Snapshot, error) {
	if b.SnapshotID == "" {
		return nil, nil
	}
	s, err := tx.SnapshotGet(ctx, b.SnapshotID)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil, nil
	}
	return s, err
}

// releaseSnapshot makes a snapshot available that was backed up.
func releaseSnapshot(ctx context.Context, tx db.Tx, id string) error {
	s, err := tx.SnapshotGet(ctx, id)
	if errors.Is(err, driverstate.ErrNotFound) || err == nil && s.Status != driverstate.SnapshotBackingUp {
		return nil
	}
	if err != nil {
		return err
	}
	s.Status = driverstate.SnapshotAvailable
	return tx.SnapshotUpdate(ctx, s, driverstate.SnapshotBackingUp)
}
