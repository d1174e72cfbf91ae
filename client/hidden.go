package client

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// BackupsWhere returns the backups whose rows have these values in these
// columns, in all projects, columns that no view shows included: host, service,
// parent_id, restore_volume_id, temp_volume_id. A key that ends in ~ matches
// parts; an empty part matches every value and not null. The caller must be
// admin. A column that does not exist selects nothing.
func (c *Client) BackupsWhere(ctx context.Context, columns map[string]string) ([]Backup, error) {
	if len(columns) == 0 {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, "no column is given")
	}
	everywhere := true
	k := call{method: http.MethodGet, path: []string{"backups", "detail"}, need: columnFilters, like: backupFields, resource: "backups"}
	for column := range columns {
		if strings.HasSuffix(column, "~") {
			k.need = likeFilters
		}
	}
	k.query = c.filters(&everywhere, columns, 0, "", nil)
	list, err := pages[Backup](ctx, c, k, "backups", 0)
	return list, adminOnly(err)
}

// What cinder-volume calls what it makes for a backup of a volume that is in
// use, before the id of that volume (cinder/volume/driver.py
// _create_temp_volume, _create_temp_snapshot).
const (
	temporaryVolume   = "backup-vol-"
	temporarySnapshot = "backup-snap-"
)

// TemporaryVolumes returns the volumes that were cloned for a backup to read
// from, by the id of the volume that they are a clone of. They are deleted when
// the backup is done. The caller must be admin.
func (c *Client) TemporaryVolumes(ctx context.Context) (map[string][]Volume, error) {
	list, err := named[Volume](ctx, c, "volumes", temporaryVolume)
	return bySource(list, temporaryVolume, func(v Volume) *string { return v.Name }), err
}

// TemporarySnapshots is the same for snapshots.
func (c *Client) TemporarySnapshots(ctx context.Context) (map[string][]Snapshot, error) {
	list, err := named[Snapshot](ctx, c, "snapshots", temporarySnapshot)
	return bySource(list, temporarySnapshot, func(s Snapshot) *string { return s.Name }), err
}

// named lists what has part in its name, in all projects.
func named[T any](ctx context.Context, c *Client, resource, part string) ([]T, error) {
	everywhere := true
	k := call{method: http.MethodGet, path: []string{resource, "detail"}, need: likeFilters, resource: resource}
	k.query = c.filters(&everywhere, map[string]string{"name~": part}, 0, "", nil)
	list, err := pages[T](ctx, c, k, resource, 0)
	return list, adminOnly(err)
}

// bySource sorts what is named prefix and an id by that id. The server matches
// anywhere in a name.
func bySource[T any](list []T, prefix string, nameOf func(T) *string) map[string][]T {
	out := map[string][]T{}
	for _, item := range list {
		name := nameOf(item)
		if name == nil {
			continue
		}
		if id, ok := strings.CutPrefix(*name, prefix); ok && len(id) == len("00000000-0000-0000-0000-000000000000") {
			out[id] = append(out[id], item)
		}
	}
	return out
}

// adminOnly makes a filter that is refused a lack of permission: only an admin
// may filter by any column.
func adminOnly(err error) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		refused.kind = driverstate.ErrForbidden
		refused.Message = "only an admin can ask for this (" + strings.TrimSuffix(refused.Message, ".") + ")"
	}
	return err
}
