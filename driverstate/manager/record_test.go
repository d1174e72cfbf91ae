package manager_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// edited returns the record with fields changed.
func edited(t *testing.T, r driverstate.ExportedRecord, change func(map[string]any)) driverstate.ExportedRecord {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(r.BackupURL)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(raw, &fields))
	change(fields)
	raw, err = json.Marshal(fields)
	require.NoError(t, err)
	r.BackupURL = base64.StdEncoding.EncodeToString(raw)
	return r
}

// exported returns the record of a backup that is whole on the store and has
// no row.
func (l *lab) exported(parent *driverstate.Backup, seed uint64) driverstate.ExportedRecord {
	l.t.Helper()
	b := l.managed(parent, image(200<<10, seed))
	r, err := l.ExportRecord(l.t.Context(), admin, b.ID)
	require.NoError(l.t, err)
	l.forget(b.ID)
	return r
}

// forget loses the row and keeps the objects, as a lost database does.
func (l *lab) forget(id string) {
	l.t.Helper()
	require.NoError(l.t, l.db.BackupDestroy(l.t.Context(), id))
}

func TestExportAlwaysHasADataTimestamp(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	l.set(b.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.DataTimestamp = time.Time{} })
	r, err := l.ExportRecord(t.Context(), admin, b.ID)
	require.NoError(t, err)
	assert.Equal(t, "cinder.backup.drivers.posix.PosixBackupDriver", r.BackupService)
	edited(t, r, func(fields map[string]any) { assert.Equal(t, fields["created_at"], fields["data_timestamp"]) })
}

func TestExportIsRefused(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	_, err := l.ExportRecord(t.Context(), tenant, b.ID)
	requireText(t, err, driverstate.ErrForbidden, "Policy doesn't allow backup:export-import to be performed.")
	l.set(b.ID, driverstate.StatusCreating, nil)
	_, err = l.ExportRecord(t.Context(), admin, b.ID)
	requireText(t, err, driverstate.ErrInvalidStatus, "Backup status must be available and not creating.")
	l.set(b.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.Service = "cinder.backup.drivers.nfs.NFSBackupDriver" })
	_, err = l.ExportRecord(t.Context(), admin, b.ID)
	requireText(t, err, driverstate.ErrInvalidStatus, "Export record aborted, the backup service currently configured "+
		"[cinder.backup.drivers.posix.PosixBackupDriver] is not the backup service that was used to create this backup [cinder.backup.drivers.nfs.NFSBackupDriver].")
}

func TestImportMakesABackupAvailable(t *testing.T) {
	l := newLab(t, nil)
	before := l.managed(nil, image(200<<10, 1))
	l.set(before.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) {
		name := "nightly"
		b.Name, b.Metadata, b.ProjectID = &name, map[string]string{"k": "v"}, other
	})
	before = l.row(before.ID)
	r, err := l.ExportRecord(t.Context(), admin, before.ID)
	require.NoError(t, err)
	l.forget(before.ID)
	b, err := l.ImportRecord(t.Context(), admin, r)
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusCreating, b.Status)
	got := l.until(before.ID, driverstate.StatusAvailable)
	assert.Equal(t, "nightly", *got.Name)
	assert.Equal(t, before.Metadata, got.Metadata)
	assert.Equal(t, before.VolumeID, got.VolumeID)
	assert.Equal(t, before.ObjectCount, got.ObjectCount)
	assert.True(t, before.CreatedAt.Equal(got.CreatedAt))
	assert.Equal(t, other, got.ProjectID, "the record's owner")
	assert.Equal(t, host, got.Host)

	_, err = l.ImportRecord(t.Context(), admin, r)
	requireText(t, err, driverstate.ErrInvalidStatus, "Backup already exists in database.")
}

func TestImportOfANamelessOwnerIsTheImporters(t *testing.T) {
	l := newLab(t, nil)
	r := edited(t, l.exported(nil, 1), func(f map[string]any) { f["project_id"] = "../" })
	b, err := l.ImportRecord(t.Context(), admin, r)
	require.NoError(t, err)
	assert.Equal(t, project, b.ProjectID)
	assert.Equal(t, admin.UserID, b.UserID)
	l.until(b.ID, driverstate.StatusAvailable)
}

func TestImportIsRefused(t *testing.T) {
	l := newLab(t, nil)
	r := l.exported(nil, 1)
	_, err := l.ImportRecord(t.Context(), tenant, r)
	requireText(t, err, driverstate.ErrForbidden, "Policy doesn't allow backup:backup-import to be performed.")
	for name, bad := range map[string]driverstate.ExportedRecord{
		"an unknown service":        {BackupService: "c", BackupURL: r.BackupURL},
		"no service":                {BackupURL: r.BackupURL},
		"another driver":            {BackupService: "cinder.backup.drivers.swift.SwiftBackupDriver", BackupURL: r.BackupURL},
		"another driver inside":     edited(t, r, func(f map[string]any) { f["service"] = "cinder.backup.drivers.nfs" }),
		"no JSON":                   {BackupService: r.BackupService, BackupURL: "AAAA"},
		"an id that is none":        edited(t, r, func(f map[string]any) { f["id"] = "x" }),
		"a negative size":           edited(t, r, func(f map[string]any) { f["size"] = -5 }),
		"a container outside":       edited(t, r, func(f map[string]any) { f["container"] = "../../etc" }),
		"another volume's prefix":   edited(t, r, func(f map[string]any) { f["volume_id"] = "8d6f9f2e-58f4-4a53-9d3a-0f6f3a1f7a10" }),
		"a prefix that is too wide": edited(t, r, func(f map[string]any) { f["service_metadata"] = "volume_" }),
	} {
		_, err := l.ImportRecord(t.Context(), admin, bad)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, name)
	}
	rows, err := l.Backups(t.Context(), admin, driverstate.BackupFilter{})
	require.NoError(t, err)
	assert.Empty(t, rows)
}

func TestImportOfWhatTheStoreDoesNotHoldEndsInError(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(200<<10, 1))
	child := l.exported(full, 2)
	l.forget(full.ID)
	for _, path := range l.objects(full.ID) {
		require.NoError(t, os.Remove(path))
	}
	b, err := l.ImportRecord(t.Context(), admin, child)
	require.NoError(t, err)
	assert.Contains(t, l.until(b.ID, driverstate.StatusError).FailReason, full.ID, "names the parent")

	for _, path := range l.objects(b.ID) {
		require.NoError(t, os.Remove(path))
	}
	l.forget(b.ID)
	_, err = l.ImportRecord(t.Context(), admin, child)
	require.NoError(t, err)
	assert.Equal(t, "the store holds nothing of it", l.until(b.ID, driverstate.StatusError).FailReason)
}

func TestImportThatLiesAboutItsParentEndsInError(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(200<<10, 1))
	r := edited(t, l.exported(nil, 2), func(f map[string]any) { f["parent_id"] = full.ID })
	b, err := l.ImportRecord(t.Context(), admin, r)
	require.NoError(t, err)
	assert.Contains(t, l.until(b.ID, driverstate.StatusError).FailReason, "parent")
}

func TestImportCountsDependents(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(200<<10, 1))
	child := l.exported(full, 2)
	parent, err := l.ExportRecord(t.Context(), admin, full.ID)
	require.NoError(t, err)
	l.forget(full.ID)

	b, err := l.ImportRecord(t.Context(), admin, child)
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	_, err = l.ImportRecord(t.Context(), admin, edited(t, parent, func(f map[string]any) { f["num_dependent_backups"] = 7 }))
	require.NoError(t, err)
	assert.Equal(t, 1, l.until(full.ID, driverstate.StatusAvailable).NumDependentBackups)
}

// carrier is a driver whose records say where else the data lies.
type carrier struct {
	fullDriver
	seen map[string]any
}

func (c *carrier) ExportRecord(_ context.Context, b *driverstate.Backup) (map[string]any, error) {
	return map[string]any{"vault": "north", "of": b.ID}, nil
}

func (c *carrier) ImportRecord(_ context.Context, b *driverstate.Backup, info map[string]any) error {
	c.seen = info
	if info["vault"] != "north" {
		return driverstate.Fail(driverstate.ErrInvalidInput, "the vault of backup "+b.ID+" is not north")
	}
	b.AvailabilityZone = "north"
	return nil
}

func TestADriverMayCarryItsOwnPartOfARecord(t *testing.T) {
	var carries *carrier
	l := newLab(t, func(c *manager.Config) {
		carries = &carrier{fullDriver: c.Driver.(fullDriver)}
		c.Driver = carries
	})
	b := l.managed(nil, image(200<<10, 7))
	r, err := l.ExportRecord(t.Context(), admin, b.ID)
	require.NoError(t, err)
	edited(t, r, func(fields map[string]any) {
		assert.Equal(t, map[string]any{"vault": "north", "of": b.ID}, fields["driver_info"])
	})
	l.forget(b.ID)

	south := edited(t, r, func(fields map[string]any) { fields["driver_info"] = map[string]any{"vault": "south"} })
	_, err = l.ImportRecord(t.Context(), admin, south)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	_, err = l.db.BackupGet(t.Context(), b.ID)
	require.ErrorIs(t, err, driverstate.ErrNotFound, "refused before a row is written")

	_, err = l.ImportRecord(t.Context(), admin, r)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"vault": "north", "of": b.ID}, carries.seen)
	assert.Equal(t, "north", l.row(b.ID).AvailabilityZone)

	without := newLab(t, nil)
	_, err = without.ImportRecord(t.Context(), admin, r)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, "driver_info")
}
