package rows

import (
	"context"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

var typeTable = table{"volume type", "volume_types", []string{
	"id", "name", "description", "is_public", "extra_specs", "projects", "created_at", "updated_at",
}}

func typeFields(t *driverstate.VolumeTypeRow) []field {
	return []field{
		text[string]{&t.ID}, text[string]{&t.Name}, text[string]{&t.Description}, flag{&t.Public},
		document{&t.ExtraSpecs}, document{&t.Projects}, stamp{&t.CreatedAt}, stamp{&t.UpdatedAt},
	}
}

// VolumeTypeCreate inserts t; ErrConflict if its id or its name exists.
func (r Rows) VolumeTypeCreate(ctx context.Context, t *driverstate.VolumeTypeRow) error {
	return r.add(ctx, typeTable, typeFields(t), t.ID)
}

// VolumeTypeGet returns the type of id.
func (r Rows) VolumeTypeGet(ctx context.Context, id string) (*driverstate.VolumeTypeRow, error) {
	t := new(driverstate.VolumeTypeRow)
	if err := r.get(ctx, typeTable, typeFields(t), "id = ?", id); err != nil {
		return nil, err
	}
	return t, nil
}

// VolumeTypeGetAll returns all types, newest first.
func (r Rows) VolumeTypeGetAll(ctx context.Context) ([]*driverstate.VolumeTypeRow, error) {
	var out []*driverstate.VolumeTypeRow
	err := r.all(ctx, typeTable, "ORDER BY created_at DESC, id DESC", nil, func() []field {
		out = append(out, new(driverstate.VolumeTypeRow))
		return typeFields(out[len(out)-1])
	})
	return out, err
}

// VolumeTypeUpdate writes t over its row. Volumes and limits follow a new name.
func (r Rows) VolumeTypeUpdate(ctx context.Context, t *driverstate.VolumeTypeRow) error {
	before, err := r.VolumeTypeGet(ctx, t.ID)
	if err != nil {
		return err
	}
	t.UpdatedAt = r.now()
	if _, err := r.put(ctx, typeTable, typeFields(t), ""); err != nil || before.Name == t.Name {
		return err
	}
	rename := func(statement string, args ...any) {
		if err != nil {
			return
		}
		if _, err = r.Q.Exec(ctx, statement, args...); err != nil {
			err = fmt.Errorf("renaming volume type %s: %w", t.ID, err)
		}
	}
	rename("UPDATE volumes SET volume_type = ? WHERE volume_type = ?", t.Name, before.Name)
	for _, kind := range driverstate.QuotasOfType {
		for _, name := range []string{"quotas", "quota_classes"} {
			rename("UPDATE "+name+" SET resource = ? WHERE resource = ?", kind+"_"+t.Name, kind+"_"+before.Name)
		}
	}
	return err
}

// VolumeTypeDestroy removes the row.
func (r Rows) VolumeTypeDestroy(ctx context.Context, id string) error {
	return r.remove(ctx, typeTable, id)
}

// VolumesOfType counts the volumes of every project that have a type.
func (r Rows) VolumesOfType(ctx context.Context, name string) (count int64, err error) {
	count, _, err = r.usage(ctx, volumeTable, "size", "volume_type = ?", name)
	return count, err
}

var transferTable = table{"transfer", "transfers", []string{
	"id", "volume_id", "display_name", "salt", "crypt_hash", "source_project_id", "no_snapshots", "created_at", "updated_at",
}}

func transferFields(t *driverstate.Transfer) []field {
	return []field{
		text[string]{&t.ID}, text[string]{&t.VolumeID}, text[string]{&t.Name}, text[string]{&t.Salt}, text[string]{&t.CryptHash},
		text[string]{&t.SourceProjectID}, flag{&t.NoSnapshots}, stamp{&t.CreatedAt}, stamp{&t.UpdatedAt},
	}
}

// TransferCreate inserts t; ErrConflict if its id exists.
func (r Rows) TransferCreate(ctx context.Context, t *driverstate.Transfer) error {
	return r.add(ctx, transferTable, transferFields(t), t.ID)
}

// TransferGet returns the transfer of id.
func (r Rows) TransferGet(ctx context.Context, id string) (*driverstate.Transfer, error) {
	t := new(driverstate.Transfer)
	if err := r.get(ctx, transferTable, transferFields(t), "id = ?", id); err != nil {
		return nil, err
	}
	return t, nil
}

// TransferGetAll returns the transfers of what a project offers, of all when it
// is empty, oldest first.
func (r Rows) TransferGetAll(ctx context.Context, projectID string) ([]*driverstate.Transfer, error) {
	var out []*driverstate.Transfer
	err := r.all(ctx, transferTable, "WHERE ? IN ('', source_project_id) ORDER BY created_at, id", []any{projectID}, func() []field {
		out = append(out, new(driverstate.Transfer))
		return transferFields(out[len(out)-1])
	})
	return out, err
}

// TransferDestroy removes the row.
func (r Rows) TransferDestroy(ctx context.Context, id string) error {
	return r.remove(ctx, transferTable, id)
}

// TransfersOfVolumeDestroy removes those of a volume; none is success.
func (r Rows) TransfersOfVolumeDestroy(ctx context.Context, volumeID string) error {
	if _, err := r.Q.Exec(ctx, "DELETE FROM transfers WHERE volume_id = ?", volumeID); err != nil {
		return fmt.Errorf("deleting the transfers of volume %s: %w", volumeID, err)
	}
	return nil
}
