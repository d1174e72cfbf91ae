package rows

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// VolumeCreate inserts v; ErrConflict if its id exists.
func (r Rows) VolumeCreate(ctx context.Context, v *driverstate.Volume) error {
	return r.add(ctx, volumeTable, volumeFields(v), v.ID)
}

// VolumeGet returns the volume of id.
func (r Rows) VolumeGet(ctx context.Context, id string) (*driverstate.Volume, error) {
	v := new(driverstate.Volume)
	if err := r.get(ctx, volumeTable, volumeFields(v), "id = ?", id); err != nil {
		return nil, err
	}
	return v, nil
}

// VolumeGetAll returns the volumes of a project, of all when it is empty, newest first.
func (r Rows) VolumeGetAll(ctx context.Context, projectID string) ([]*driverstate.Volume, error) {
	var out []*driverstate.Volume
	err := r.all(ctx, volumeTable, "WHERE ? IN ('', project_id) ORDER BY created_at DESC, id DESC", []any{projectID}, func() []field {
		out = append(out, new(driverstate.Volume))
		return volumeFields(out[len(out)-1])
	})
	return out, err
}

// VolumeUpdate writes v over the row whose status is one of from.
func (r Rows) VolumeUpdate(ctx context.Context, v *driverstate.Volume, from ...driverstate.VolumeStatus) error {
	v.UpdatedAt = r.now()
	where, args := in("status", from)
	done, err := r.put(ctx, volumeTable, volumeFields(v), where, args...)
	if err != nil || done {
		return err
	}
	if _, err := r.VolumeGet(ctx, v.ID); err != nil {
		return err
	}
	return moved("volume", v.ID, "its status changed meanwhile")
}

// VolumeDestroy removes the row.
func (r Rows) VolumeDestroy(ctx context.Context, id string) error {
	return r.remove(ctx, volumeTable, id)
}

// VolumeUsage sums up the volumes of a project.
func (r Rows) VolumeUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error) {
	return r.usage(ctx, volumeTable, "size", "project_id = ?", projectID)
}
