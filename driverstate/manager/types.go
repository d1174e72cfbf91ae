package manager

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// defaultType is the type of volumes that were made without one. It has no row
// and cannot be changed.
func defaultType() *driverstate.VolumeTypeRow {
	return &driverstate.VolumeTypeRow{
		ID: driverstate.DefaultType, Name: driverstate.VolumeType, Description: "Default Volume Type", Public: true,
		ExtraSpecs: map[string]string{},
	}
}

func typeNotFound(id string) error {
	return refuse("volume type", id, driverstate.ErrNotFound, "Volume type "+id+" could not be found.")
}

// mayUse reports whether c may know of a type (cinder/db/sqlalchemy/api.py
// volume_type_get).
func mayUse(c driverstate.Caller, t *driverstate.VolumeTypeRow) bool {
	return c.Admin || t.Public || slices.Contains(t.Projects, c.ProjectID)
}

// VolumeTypes lists the types that c may use, newest first.
func (m *Manager) VolumeTypes(ctx context.Context, c driverstate.Caller) ([]*driverstate.VolumeTypeRow, error) {
	all, err := m.db.VolumeTypeGetAll(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t *driverstate.VolumeTypeRow) bool { return !mayUse(c, t) })
	return append(all, defaultType()), nil
}

// VolumeType returns the type of that id, if c may use it.
func (m *Manager) VolumeType(ctx context.Context, c driverstate.Caller, id string) (*driverstate.VolumeTypeRow, error) {
	return m.typeOf(ctx, m.db, c, id)
}

func (m *Manager) typeOf(ctx context.Context, rows db.VolumeTypes, c driverstate.Caller, id string) (*driverstate.VolumeTypeRow, error) {
	if id == driverstate.DefaultType {
		return defaultType(), nil
	}
	t, err := rows.VolumeTypeGet(ctx, id)
	if err != nil {
		return nil, named(err, typeNotFound(id))
	}
	if !mayUse(c, t) {
		return nil, typeNotFound(id)
	}
	return t, nil
}

// findType is the type that a request names, by id or by name; the default one
// when it names none (cinder/volume/volume_types.py get_by_name_or_id).
func (m *Manager) findType(ctx context.Context, c driverstate.Caller, named string) (*driverstate.VolumeTypeRow, error) {
	if named == "" {
		return defaultType(), nil
	}
	all, err := m.VolumeTypes(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, same := range []func(*driverstate.VolumeTypeRow) bool{
		func(t *driverstate.VolumeTypeRow) bool { return t.ID == named },
		func(t *driverstate.VolumeTypeRow) bool { return t.Name == named },
	} {
		if i := slices.IndexFunc(all, same); i >= 0 {
			return all[i], nil
		}
	}
	if _, err := uuid.Parse(named); err == nil {
		return nil, typeNotFound(named)
	}
	return nil, typeNotFound("with name " + named)
}

// takesType reports whether a volume of a type can be made by the engine's one
// back end, as Cinder's scheduler would (cinder/scheduler/filters/capabilities_filter.py):
// specs without a scope, or of the scope capabilities, must be the back end's.
func takesType(t *driverstate.VolumeTypeRow) bool {
	return capabilitiesHold(t.ExtraSpecs, map[string]string{
		"volume_backend_name": volumeBackend[1:], "storage_protocol": driverstate.StorageProtocol, "vendor_name": driverstate.VendorName,
		"pool_name": "file", "thin_provisioning_support": "True", "multiattach": "False",
	})
}

func typeExists(name string) error {
	return driverstate.Fail(driverstate.ErrConflict, "Volume Type "+name+" already exists.")
}

// nameFree answers ErrConflict when a type other than id has the name.
func nameFree(ctx context.Context, tx db.Tx, id, name string) error {
	all, err := tx.VolumeTypeGetAll(ctx)
	if err != nil {
		return err
	}
	taken := slices.ContainsFunc(all, func(t *driverstate.VolumeTypeRow) bool { return t.Name == name && t.ID != id })
	if taken || name == driverstate.VolumeType {
		return typeExists(name)
	}
	return nil
}

// CreateVolumeType adds a type; admin only. Its id is made here.
func (m *Manager) CreateVolumeType(ctx context.Context, c driverstate.Caller, t driverstate.VolumeTypeRow) (*driverstate.VolumeTypeRow, error) {
	if err := allow(c, "volume_extension:type_create"); err != nil {
		return nil, err
	}
	t.ID, t.CreatedAt = m.cfg.NewID(), m.cfg.Now().UTC()
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if err := nameFree(ctx, tx, t.ID, t.Name); err != nil {
			return err
		}
		return tx.VolumeTypeCreate(ctx, &t)
	})
	if err != nil {
		return nil, err
	}
	return &t, nil
}

// changeType edits the row of a type; admin only. The default one has none.
func (m *Manager) changeType(ctx context.Context, c driverstate.Caller, id, rule string, edit func(db.Tx, *driverstate.VolumeTypeRow) error) (t *driverstate.VolumeTypeRow, err error) {
	if err := allow(c, rule); err != nil {
		return nil, err
	}
	if id == driverstate.DefaultType {
		return nil, driverstate.Fail(driverstate.ErrInvalidStatus, "Volume type "+driverstate.VolumeType+" is the engine's own and cannot be changed.")
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if t, err = tx.VolumeTypeGet(ctx, id); err != nil {
			return named(err, typeNotFound(id))
		}
		if err := edit(tx, t); err != nil {
			return err
		}
		return tx.VolumeTypeUpdate(ctx, t)
	})
	return t, err
}

// UpdateVolumeType changes what a type is called, and whether it is public.
func (m *Manager) UpdateVolumeType(ctx context.Context, c driverstate.Caller, id string, u driverstate.TypeUpdate) (*driverstate.VolumeTypeRow, error) {
	return m.changeType(ctx, c, id, "volume_extension:type_update", func(tx db.Tx, t *driverstate.VolumeTypeRow) error {
		if u.Description != nil {
			t.Description = *u.Description
		}
		if u.Public != nil {
			t.Public = *u.Public
		}
		if u.Name == nil {
			return nil
		}
		t.Name = *u.Name
		return nameFree(ctx, tx, id, t.Name)
	})
}

// DeleteVolumeType removes a type that no volume has; admin only.
func (m *Manager) DeleteVolumeType(ctx context.Context, c driverstate.Caller, id string) error {
	if err := allow(c, "volume_extension:type_delete"); err != nil {
		return err
	}
	if id == driverstate.DefaultType {
		return driverstate.Fail(driverstate.ErrInvalidStatus, "The volume type "+id+" is a default volume type and cannot be deleted.")
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		if err := unusedType(ctx, tx, id, "Target volume type is still in use."); err != nil {
			return err
		}
		return named(tx.VolumeTypeDestroy(ctx, id), typeNotFound(id))
	})
}

// unusedType refuses with text what cannot be done to a type that volumes have.
func unusedType(ctx context.Context, tx db.Tx, id, text string) error {
	t, err := tx.VolumeTypeGet(ctx, id)
	if err != nil {
		return named(err, typeNotFound(id))
	}
	n, err := tx.VolumesOfType(ctx, t.Name)
	if err == nil && n > 0 {
		err = driverstate.Fail(driverstate.ErrInvalidStatus, text)
	}
	return err
}

// ChangeExtraSpecs sets and removes extra specs of a type that no volume has;
// admin only. ErrNotFound when the one to be removed is not there.
func (m *Manager) ChangeExtraSpecs(ctx context.Context, c driverstate.Caller, id string, change driverstate.MetadataChange) error {
	rule := "volume_extension:types_extra_specs:update"
	if change.Remove != "" {
		rule = "volume_extension:types_extra_specs:delete"
	}
	_, err := m.changeType(ctx, c, id, rule, func(tx db.Tx, t *driverstate.VolumeTypeRow) error {
		if err := unusedType(ctx, tx, id, "Volume Type is currently in use."); err != nil {
			return err
		}
		specs := map[string]string{}
		maps.Copy(specs, t.ExtraSpecs)
		maps.Copy(specs, change.Set)
		if _, there := specs[change.Remove]; change.Remove != "" && !there {
			return driverstate.ErrNotFound
		}
		delete(specs, change.Remove)
		t.ExtraSpecs = specs
		return nil
	})
	return err
}

// ChangeTypeAccess lets a project use a type that is not public, or takes that
// back; admin only. ErrNotFound when there is nothing to be taken back.
func (m *Manager) ChangeTypeAccess(ctx context.Context, c driverstate.Caller, id, project string, let bool) error {
	rule := "volume_extension:volume_type_access:removeProjectAccess"
	if let {
		rule = "volume_extension:volume_type_access:addProjectAccess"
	}
	_, err := m.changeType(ctx, c, id, rule, func(_ db.Tx, t *driverstate.VolumeTypeRow) error {
		at, has := slices.BinarySearch(t.Projects, project)
		switch {
		case t.Public:
			return driverstate.Fail(driverstate.ErrInvalidStatus, "Invalid volume type: Type access modification is not applicable to public volume type.")
		case let && has:
			return driverstate.Fail(driverstate.ErrConflict, "Volume type access for "+id+" / "+project+" combination already exists.")
		case let:
			t.Projects = slices.Insert(t.Projects, at, project)
		case !has:
			return driverstate.ErrNotFound
		default:
			t.Projects = slices.Delete(t.Projects, at, at+1)
		}
		return nil
	})
	return err
}
