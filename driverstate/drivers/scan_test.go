package drivers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/testdata/corpus"
)

// stores are the stores of the corpus and the URLs that open them.
var stores = map[string]string{
	"posix-zlib": "posix://", "posix-none": "posix://", "posix-zstd": "posix://", "posix-bz2": "posix://",
	"swift/AUTH_6579b5ed3baf4f71832361a0ffca7f9b": "objects://?service=swift",
	"s3/TEMP_lab": "objects://?service=s3",
}

func open(t *testing.T, root, store string) driverstate.Driver {
	t.Helper()
	form, ok := stores[store]
	require.True(t, ok, store)
	d, err := drivers.Open(strings.Replace(form, "://", "://"+filepath.Join(root, store), 1), drivers.Options{ReadOnly: true})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	require.NoError(t, d.DoSetup(t.Context()))
	require.NoError(t, d.CheckForSetupError(t.Context()))
	return d
}

func scanAll(t *testing.T, d driverstate.Driver, container string) map[string]driverstate.Found {
	t.Helper()
	var found []driverstate.Found
	for f, err := range d.(driverstate.Scanner).Scan(t.Context(), container) {
		require.NoError(t, err)
		found = append(found, f)
	}
	driverstate.LinkChains(found)
	byID := make(map[string]driverstate.Found, len(found))
	for _, f := range found {
		require.NotContains(t, byID, f.Backup.ID, "a backup is yielded once")
		byID[f.Backup.ID] = f
	}
	return byID
}

// byStructure is the condition that a look without reading data must find.
func byStructure(c corpus.Case) driverstate.Condition {
	switch c.Verdict {
	case corpus.NoMetadata, corpus.Incomplete:
		return driverstate.ConditionPartial
	case corpus.ParentMissing:
		return driverstate.ConditionOrphaned
	case corpus.Damaged:
		for _, b := range c.Bad {
			if b.Reason == "missing" || b.Reason == "empty" {
				return driverstate.ConditionDamaged
			}
		}
		// The bytes changed and the size did not, or cannot be judged.
		return driverstate.ConditionWhole
	}
	return driverstate.ConditionWhole
}

func TestScanOfARealStoreGivesTheVerdictOfItsManifest(t *testing.T) {
	root := corpus.Unpack(t)
	expected := make(map[string]map[string]corpus.Case)
	for _, c := range corpus.Cases(t) {
		if expected[c.Store] == nil {
			expected[c.Store] = make(map[string]corpus.Case)
		}
		expected[c.Store][c.BackupID] = c
	}
	for store, cases := range expected {
		t.Run(store, func(t *testing.T) {
			d := open(t, root, store)
			found := scanAll(t, d, "")
			seen := 0
			for id, c := range cases {
				f, ok := found[id]
				if c.Verdict == corpus.Gone || c.Prefix == "" {
					assert.False(t, ok, "%s: nothing of it is in the store", c.Case)
					continue
				}
				if !assert.True(t, ok, "%s %s: not found", c.Case, id) {
					continue
				}
				seen++
				checkFound(t, c, f)
				checkRecord(t, c, f)
				checkInspect(t, d, c, f)
			}
			assert.Len(t, found, seen, "nothing but the manifest's backups is found")
		})
	}
}

func checkFound(t *testing.T, c corpus.Case, f driverstate.Found) {
	t.Helper()
	assert.Equal(t, byStructure(c), f.Condition, "%s %s: %s", c.Case, c.BackupID, f.Reason)
	assert.Equal(t, c.Container, f.Backup.Container, c.Case)
	assert.Equal(t, c.Prefix, f.Backup.ServiceMetadata, c.Case)
	assert.Equal(t, c.VolumeID, f.Backup.VolumeID, c.Case)
	assert.Positive(t, f.Bytes, c.Case)
	assert.Equal(t, f.Condition == driverstate.ConditionWhole, f.Backup.Status == driverstate.StatusAvailable, c.Case)
	assert.Equal(t, f.Condition == driverstate.ConditionWhole, f.Reason == "", c.Case)
	if f.Condition == driverstate.ConditionDamaged {
		for _, bad := range c.Bad {
			assert.Contains(t, problems(f), [3]any{bad.Object, bad.Offset, bad.Length}, "%s: %+v", c.Case, f.Problems)
		}
	}
	warnings := strings.Join(f.Warnings, "\n")
	for name, want := range map[string]string{
		"no-sha256file": "hash list is missing", "truncated-sha256file": "hash list is cut short",
		"stray-object": "-99999 is not listed", "encrypted": "encryption key",
	} {
		if c.Case == name {
			assert.Contains(t, warnings, want)
		} else if name != "encrypted" {
			assert.NotContains(t, warnings, want, c.Case)
		}
	}
}

func problems(f driverstate.Found) (all [][3]any) {
	for _, p := range f.Problems {
		all = append(all, [3]any{p.Object, p.Offset, p.Length})
	}
	return all
}

// checkRecord compares the rebuilt row with what Cinder exported, in every
// field that a file system store tells.
func checkRecord(t *testing.T, c corpus.Case, f driverstate.Found) {
	t.Helper()
	record, ok := corpus.Record(t, c.BackupID)
	if !ok || len(record.Decoded) == 0 || f.Condition == driverstate.ConditionPartial {
		return
	}
	b, want := f.Backup, record.Decoded
	got := map[string]any{
		"id": b.ID, "volume_id": b.VolumeID, "service": b.Service, "container": b.Container,
		"service_metadata": b.ServiceMetadata, "display_name": pointer(b.Name), "display_description": pointer(b.Description),
		"size": float64(b.Size), "object_count": float64(b.ObjectCount), "parent_id": null(b.ParentID),
		"created_at": b.CreatedAt.Format(time.RFC3339), "data_timestamp": b.DataTimestamp.Format(time.RFC3339),
		"project_id": b.ProjectID, "user_id": b.UserID,
	}
	for key, value := range got {
		if key == "data_timestamp" && c.Case == "snapshot" && want["snapshot_id"] != nil {
			continue // the time of the snapshot is lost
		}
		assert.Equal(t, want[key], value, "%s %s: %s", c.Case, c.BackupID, key)
	}
	assert.NotNil(t, b.Metadata, "a record's metadata is never null")
	if f.Condition == driverstate.ConditionWhole {
		assert.Equal(t, string(b.Status), want["status"])
	}
}

func pointer(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func checkInspect(t *testing.T, d driverstate.Driver, c corpus.Case, scanned driverstate.Found) {
	t.Helper()
	f, err := d.(driverstate.Scanner).Inspect(t.Context(), &scanned.Backup)
	require.NoError(t, err, c.Case)
	assert.Equal(t, scanned.Backup.Name, f.Backup.Name)
	assert.Equal(t, scanned.Bytes, f.Bytes)
	assert.Equal(t, scanned.Warnings, f.Warnings)
	if scanned.Condition == driverstate.ConditionPartial {
		assert.Equal(t, scanned.Condition, f.Condition)
	}
}

func TestInspectFindsABackupByItsIDAlone(t *testing.T) {
	const id, gone = "8036c677-02e9-40b2-bf80-6f50c454ef55", "c96e14e7-e7f0-4bd3-bd94-d4eed0b30bf5"
	root := corpus.UnpackOnly(t, func(path string) bool { return strings.Contains(path, id) })
	d := open(t, root, "posix-zlib").(driverstate.Scanner)
	f, err := d.Inspect(t.Context(), &driverstate.Backup{ID: id})
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionWhole, f.Condition)
	assert.Equal(t, "2430c932-cdba-4f74-940e-a4118c351230", f.Backup.ParentID)

	require.NoError(t, os.MkdirAll(filepath.Join(root, "posix-zlib/c9/6e", gone), 0o755))
	_, err = d.Inspect(t.Context(), &driverstate.Backup{ID: gone})
	assert.ErrorIs(t, err, driverstate.ErrNotFound, "an empty directory is no backup")
}

func TestScanLooksUnderOneContainerOnly(t *testing.T) {
	root := corpus.UnpackOnly(t, func(path string) bool {
		return strings.HasPrefix(path, "posix-zlib/tenant-a/") || strings.HasPrefix(path, "posix-zlib/80/")
	})
	d := open(t, root, "posix-zlib")
	assert.Len(t, scanAll(t, d, ""), 3)
	assert.Len(t, scanAll(t, d, "tenant-a/monthly"), 2)
	assert.Len(t, scanAll(t, d, "tenant-a"), 2)
	for _, err := range d.(driverstate.Scanner).Scan(t.Context(), "tenant-b") {
		assert.ErrorIs(t, err, driverstate.ErrNotFound)
	}
	for _, err := range d.(driverstate.Scanner).Scan(t.Context(), "../posix-none") {
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
	}
}
