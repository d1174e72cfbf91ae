package manager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

const volumeExtending driverstate.VolumeStatus = "extending"

// Keys of a volume's metadata that Cinder keeps apart, as admin metadata, and
// shows with the rest. Users can neither set nor remove them, nor what a restore
// goes by.
const (
	metaReadOnly     = "readonly"
	metaAttachedMode = "attached_mode"
)

var ownMetadata = []string{metaReadOnly, metaAttachedMode, metaOverwrite, metaResume, metaOfError}

// changeVolume edits the row of a volume that c may see, in any status.
func (m *Manager) changeVolume(ctx context.Context, c driverstate.Caller, id string, edit func(*driverstate.Volume) error) (v *driverstate.Volume, err error) {
	if _, err := m.visibleVolume(ctx, c, id); err != nil {
		return nil, err
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if v, err = tx.VolumeGet(ctx, id); err != nil {
			return named(err, volumeNotFound(id))
		}
		from := v.Status
		if err := edit(v); err != nil {
			return err
		}
		return tx.VolumeUpdate(ctx, v, from)
	})
	return v, err
}

// UpdateVolume changes what a volume is called.
func (m *Manager) UpdateVolume(ctx context.Context, c driverstate.Caller, id string, u driverstate.VolumeUpdate) (*driverstate.Volume, error) {
	return m.changeVolume(ctx, c, id, func(v *driverstate.Volume) (err error) {
		if u.Name != nil {
			v.Name = *u.Name
		}
		if u.Description != nil {
			v.Description = *u.Description
		}
		if u.Metadata != nil {
			v.Metadata, err = changeUserMetadata(v, driverstate.MetadataChange{Set: u.Metadata, Replace: true})
		}
		return err
	})
}

// VolumeMetadata is what a user keeps with a volume.
func (m *Manager) VolumeMetadata(ctx context.Context, c driverstate.Caller, id string) (map[string]string, error) {
	v, err := m.visibleVolume(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return userMetadata(v), nil
}

// ChangeVolumeMetadata changes it, and returns all of it.
func (m *Manager) ChangeVolumeMetadata(ctx context.Context, c driverstate.Caller, id string, change driverstate.MetadataChange) (map[string]string, error) {
	v, err := m.changeVolume(ctx, c, id, func(v *driverstate.Volume) (err error) {
		v.Metadata, err = changeUserMetadata(v, change)
		return err
	})
	if err != nil {
		return nil, err
	}
	return userMetadata(v), nil
}

func userMetadata(v *driverstate.Volume) map[string]string {
	out := maps.Clone(v.Metadata)
	for _, key := range ownMetadata {
		delete(out, key)
	}
	return out
}

func changeUserMetadata(v *driverstate.Volume, change driverstate.MetadataChange) (map[string]string, error) {
	for _, key := range ownMetadata {
		if _, forged := change.Set[key]; forged {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, "metadata key "+key+" is reserved")
		}
	}
	now, err := applyChange(userMetadata(v), change, "Volume", v.ID)
	for _, key := range ownMetadata {
		if value, ok := v.Metadata[key]; ok && err == nil {
			now[key] = value
		}
	}
	return now, err
}

// applyChange returns have with change made to it.
func applyChange(have map[string]string, change driverstate.MetadataChange, kind, id string) (map[string]string, error) {
	now := map[string]string{}
	if !change.Replace {
		maps.Copy(now, have)
	}
	maps.Copy(now, change.Set)
	if change.Remove == "" {
		return now, nil
	}
	if _, ok := now[change.Remove]; !ok {
		return nil, metadataNotFound(kind, id, change.Remove)
	}
	delete(now, change.Remove)
	return now, nil
}

func metadataNotFound(kind, id, key string) error {
	return refuse("metadata", kind+" "+id+" has no metadata with key "+key+".", driverstate.ErrNotFound, "")
}

// setMetadata sets a key of a volume's own.
func setMetadata(v *driverstate.Volume, key, value string) {
	now := maps.Clone(v.Metadata)
	if now == nil {
		now = map[string]string{}
	}
	if now[key] = value; value == "" {
		delete(now, key)
	}
	v.Metadata = now
}

// SetVolumeBootable writes the flag; nothing is looked at.
func (m *Manager) SetVolumeBootable(ctx context.Context, c driverstate.Caller, id string, bootable bool) error {
	_, err := m.changeVolume(ctx, c, id, func(v *driverstate.Volume) error {
		v.Bootable = bootable
		return nil
	})
	return err
}

// SetVolumeReadOnly writes the flag, which servers heed that attach the volume.
func (m *Manager) SetVolumeReadOnly(ctx context.Context, c driverstate.Caller, id string, readOnly bool) error {
	_, err := m.changeVolume(ctx, c, id, func(v *driverstate.Volume) error {
		if v.Status != driverstate.VolumeAvailable {
			return refuse("volume", id, driverstate.ErrInvalidStatus, fmt.Sprintf(
				"Volume %s status must be available to update readonly flag, but current status is: %s.", id, v.Status))
		}
		setMetadata(v, metaReadOnly, pythonBool(readOnly))
		return nil
	})
	return err
}

func pythonBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// AttachVolume records that a server has the volume, which is then in-use; the
// engine itself attaches nothing (cinder/volume/api.py attach).
func (m *Manager) AttachVolume(ctx context.Context, c driverstate.Caller, id string, r driverstate.AttachRequest) error {
	_, err := m.changeVolume(ctx, c, id, func(v *driverstate.Volume) error {
		for _, a := range v.Attachments {
			if a.ServerID == r.ServerID && a.HostName == r.HostName {
				return nil // as in Cinder
			}
		}
		switch v.Status {
		case driverstate.VolumeAvailable, "attaching", "reserved":
		case driverstate.VolumeInUse:
			return refuse("volume", id, driverstate.ErrInvalidStatus, "volume is already attached")
		default:
			return refuse("volume", id, driverstate.ErrInvalidStatus, fmt.Sprintf(
				"Volume status must be available to attach, but the status is %s.", v.Status))
		}
		mode := "rw"
		if r.ReadOnly {
			mode = "ro"
		}
		if v.Metadata[metaReadOnly] == "" {
			setMetadata(v, metaReadOnly, pythonBool(false))
		}
		if v.Metadata[metaReadOnly] == pythonBool(true) && !r.ReadOnly {
			return refuse("volume", id, driverstate.ErrInvalidStatus, "Invalid attaching mode 'rw' for volume "+id+".")
		}
		setMetadata(v, metaAttachedMode, mode)
		v.Status = driverstate.VolumeInUse
		v.Attachments = append(v.Attachments, driverstate.Attachment{
			ID: v.ID, AttachmentID: m.cfg.NewID(), ServerID: r.ServerID, HostName: r.HostName, Device: r.Device, AttachedAt: m.cfg.Now().UTC(),
		})
		return nil
	})
	return err
}

// DetachVolume ends one attachment, the only one when attachmentID is empty.
func (m *Manager) DetachVolume(ctx context.Context, c driverstate.Caller, id, attachmentID string) error {
	_, err := m.changeVolume(ctx, c, id, func(v *driverstate.Volume) error {
		var left []driverstate.Attachment
		for _, a := range v.Attachments {
			if attachmentID != "" && a.AttachmentID != attachmentID {
				left = append(left, a)
			}
		}
		if attachmentID != "" && len(left) == len(v.Attachments) {
			return driverstate.Fail(driverstate.ErrInvalidStatus, "Error detaching volume - VolumeAttachmentNotFound: "+
				"Volume attachment could not be found with filter: attachment_id = "+attachmentID+".")
		}
		forgetAttachments(v, left)
		return nil
	})
	return err
}

func forgetAttachments(v *driverstate.Volume, left []driverstate.Attachment) {
	v.Attachments = left
	if len(left) > 0 {
		return
	}
	setMetadata(v, metaAttachedMode, "")
	if v.Status == driverstate.VolumeInUse || v.Status == "detaching" {
		v.Status = driverstate.VolumeAvailable
	}
}

// ForgetAttachments ends all attachments and leaves the status; admin only.
func (m *Manager) ForgetAttachments(ctx context.Context, c driverstate.Caller, id string) error {
	if _, err := m.visibleVolume(ctx, c, id); err != nil {
		return err
	}
	if err := allow(c, "volume_extension:volume_admin_actions:reset_status"); err != nil {
		return err
	}
	_, err := m.changeVolume(ctx, c, id, func(v *driverstate.Volume) error {
		from := v.Status
		forgetAttachments(v, nil)
		v.Status = from
		return nil
	})
	return err
}

// ExtendVolume makes a volume of the engine's own larger, to size GiB; also one
// that is in use if inUse (cinder/volume/api.py extend). It is done when this
// returns.
func (m *Manager) ExtendVolume(ctx context.Context, c driverstate.Caller, id string, size int64, inUse bool) error {
	if _, err := m.visibleVolume(ctx, c, id); err != nil {
		return err
	}
	defer m.holdVolume(id)()
	var v *driverstate.Volume
	err := m.db.Update(ctx, func(tx db.Tx) (err error) {
		if v, err = tx.VolumeGet(ctx, id); err != nil {
			return named(err, volumeNotFound(id))
		}
		if err := checkExtension(v, size, inUse); err != nil {
			return err
		}
		if err := m.admitExtension(ctx, tx, v, size, size-v.Size); err != nil {
			return err
		}
		from := v.Status
		v.PreviousStatus, v.Status = from, volumeExtending
		if err := tx.VolumeUpdate(ctx, v, from); err != nil {
			return err
		}
		return m.claimWork(ctx, tx, volumeResource, id, string(v.Status))
	})
	if err != nil {
		return err
	}
	cause := os.Truncate(v.Path, size*gib)
	ctx, cancel := settle(ctx)
	defer cancel()
	err = m.db.Update(ctx, func(tx db.Tx) error {
		row, err := tx.VolumeGet(ctx, id)
		if err != nil {
			return err
		}
		row.Status, row.PreviousStatus = row.PreviousStatus, ""
		if row.Size = size; cause != nil {
			row.Status, row.Size = "error_extending", v.Size
		}
		if err := tx.VolumeUpdate(ctx, row, volumeExtending); err != nil {
			return err
		}
		return tx.WorkerDestroy(ctx, volumeResource, id)
	})
	return errors.Join(cause, err)
}

func checkExtension(v *driverstate.Volume, size int64, inUse bool) error {
	if size <= v.Size || size > maxVolumeSize {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"New size for extend must be greater than current size. (current: %d, extended: %d).", v.Size, size))
	}
	expected := driverstate.VolumeAvailable
	if inUse && v.Status == driverstate.VolumeInUse {
		expected = driverstate.VolumeInUse
	}
	switch {
	case v.Status != expected:
		return refuse("volume", v.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
			"Volume %s status must be '{'status': '%s'}' to extend, currently %s.", v.ID, expected, v.Status))
	case v.Managed:
		return refuse("volume", v.ID, driverstate.ErrInvalidStatus, "Volume "+v.ID+" is a file or device of the operator's, which the engine does not resize.")
	}
	return nil
}

// undoExtend ends an extension whose process died: the volume is what it was.
func (m *Manager) undoExtend(ctx context.Context, v *driverstate.Volume) error {
	to := driverstate.VolumeStatus("error_extending")
	if err := os.Truncate(v.Path, v.Size*gib); err == nil {
		to = v.PreviousStatus
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		v.Status, v.PreviousStatus = to, ""
		if err := tx.VolumeUpdate(ctx, v, volumeExtending); err != nil && !errors.Is(err, driverstate.ErrConflict) {
			return err
		}
		return tx.WorkerDestroy(ctx, volumeResource, v.ID)
	})
}
