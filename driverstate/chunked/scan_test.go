package chunked

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

func scanned(t *testing.T, d *Driver) map[string]driverstate.Found {
	t.Helper()
	found := make(map[string]driverstate.Found)
	for f, err := range d.Scan(t.Context(), "") {
		require.NoError(t, err)
		require.NotContains(t, found, f.Backup.ID)
		found[f.Backup.ID] = f
	}
	return found
}

func TestAScanReadsNoChunk(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	f := scanned(t, d)[backupID]
	assert.Equal(t, driverstate.ConditionWhole, f.Condition, f.Reason)
	assert.Equal(t, 3, f.Backup.ObjectCount)
	for _, call := range store.Calls() {
		if strings.HasPrefix(call, "get ") {
			assert.NotRegexp(t, `-\d+$`, call)
		}
	}
}

func TestAScanJudgesByStructure(t *testing.T) {
	const none, size = "none", 32768
	full := strings.Repeat("x", size)
	one := entry(chunkName(fileP, 1), 0, size, none)
	two := entry(chunkName(fileP, 2), size, size, none)
	type objects map[string]string
	sound := func(change ...string) objects {
		o := objects{"-00001": full, "-00002": full, "_metadata": document(one + "," + two), "_sha256file": hashDocument(digest, digest)}
		for i := 0; i < len(change); i += 2 {
			if change[i+1] == "gone" {
				delete(o, change[i])
			} else {
				o[change[i]] = change[i+1]
			}
		}
		return o
	}
	for _, c := range []struct {
		name      string
		objects   objects
		condition driverstate.Condition
		reason    string
		warning   string
		problem   *driverstate.Problem
	}{
		{name: "sound", objects: sound(), condition: "whole"},
		{name: "no metadata", objects: sound("_metadata", "gone"), condition: "partial", reason: "missing"},
		{name: "empty metadata", objects: sound("_metadata", ""), condition: "partial", reason: "empty"},
		{name: "cut metadata", objects: sound("_metadata", document(one)[:200]), condition: "partial", reason: "cut"},
		{name: "metadata of zeros", objects: sound("_metadata", strings.Repeat("\x00", 500)), condition: "partial", reason: "cut"},
		{name: "forged metadata", objects: sound("_metadata", document(one, `"backup_id": "`+backupID, `"backup_id": "`+otherID)),
			condition: "damaged", reason: "named for"},
		{name: "metadata of another version", objects: sound("_metadata", document(one, "1.0.0", "9")), condition: "damaged", reason: "version"},
		{name: "missing chunk", objects: sound("-00002", "gone"), condition: "damaged", reason: "-00002 is missing",
			problem: &driverstate.Problem{Reason: "missing", Object: chunkName(fileP, 2), Offset: size, Length: size}},
		{name: "empty chunk", objects: sound("-00001", ""), condition: "damaged", reason: "empty",
			problem: &driverstate.Problem{Reason: "empty", Object: chunkName(fileP, 1), Length: size}},
		{name: "short chunk", objects: sound("-00001", full[1:]), condition: "damaged", reason: "cut short: 32767 bytes of 32768"},
		{name: "long chunk", objects: sound("-00001", full+"x"), condition: "damaged", reason: "too long"},
		{name: "chunk that cannot inflate to its length",
			objects:   sound("-00001", "x", "_metadata", document(entry(chunkName(fileP, 1), 0, size, "zlib")+","+two)),
			condition: "damaged", reason: "cannot inflate"},
		{name: "compressed chunk longer than any",
			objects:   sound("-00001", full+full, "_metadata", document(entry(chunkName(fileP, 1), 0, size, "zstd")+","+two)),
			condition: "damaged", reason: "too long"},
		{name: "gap in a full backup", objects: sound("-00001", "gone", "_metadata", document(two)), condition: "damaged",
			reason: "no object for a part", problem: &driverstate.Problem{Reason: "no object for a part of the volume", Length: size}},
		{name: "end missing", objects: sound("-00002", "gone", "_metadata", document(one)), condition: "damaged",
			reason: "end of the volume", problem: &driverstate.Problem{Reason: "no object for the end of the volume", Offset: size, Length: size}},
		{name: "stray chunk", objects: sound("-00007", "x"), condition: "whole", warning: "-00007 is not listed"},
		{name: "no hash list", objects: sound("_sha256file", "gone"), condition: "whole", warning: "missing: restorable, but no incremental"},
		{name: "cut hash list", objects: sound("_sha256file", hashDocument(digest)[:200]), condition: "whole", warning: "cut short: restorable, but no incremental"},
		{name: "foreign hash list", objects: sound("_sha256file", strings.Replace(hashDocument(digest), backupID, otherID, 1)),
			condition: "whole", warning: "no incremental"},
		{name: "short hash list", objects: sound("_sha256file", hashDocument(digest)), condition: "whole", warning: "beyond its hash list"},
		{name: "bad volume_meta", objects: sound("_metadata", document(one+","+two, `"volume_meta": null`, `"volume_meta": "x"`)),
			condition: "whole", warning: "volume_meta"},
		{name: "key of the volume", objects: sound("_metadata", document(one+","+two, `"volume_meta": null`,
			`"volume_meta": "{\"volume-base-metadata\": {\"size\": 1, \"encryption_key_id\": \"abc\"}}"`)),
			condition: "whole", warning: "the volume's was abc"},
		{name: "sizes that disagree", objects: sound("_metadata", document(one+","+two, `"volume_meta": null`,
			`"volume_meta": "{\"volume-base-metadata\": {\"size\": 5}}"`)), condition: "whole", warning: "covers 1 GiB"},
		{name: "an increment with no change", objects: objects{"_sha256file": hashDocument(digest),
			"_metadata": document("", `"parent_id": null`, `"parent_id": "`+otherID+`"`)}, condition: "whole"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, store := newDriver(t, FileLayout{})
			for suffix, content := range c.objects {
				store.Set(ownDir, fileP+suffix, content)
			}
			f, ok := scanned(t, d)[backupID]
			require.True(t, ok)
			assert.Equal(t, c.condition, f.Condition, f.Reason)
			assert.Contains(t, f.Reason, c.reason)
			assert.Equal(t, c.reason == "", f.Reason == "")
			if c.warning == "" {
				assert.Empty(t, f.Warnings)
			} else {
				assert.Contains(t, strings.Join(f.Warnings, "\n"), c.warning)
			}
			if c.problem != nil {
				c.problem.BackupID = backupID
				assert.Contains(t, f.Problems, *c.problem)
			}
			assert.Equal(t, ownDir, f.Backup.Container)
			assert.Equal(t, fileP, f.Backup.ServiceMetadata)
			assert.Equal(t, volumeID, f.Backup.VolumeID)
			inspected, err := d.Inspect(t.Context(), row(ownDir, fileP))
			require.NoError(t, err)
			inspected.Backup.UpdatedAt = f.Backup.UpdatedAt
			assert.Equal(t, f, inspected)
		})
	}
}

func TestOfSeveralCopiesTheBestIsFoundAndTheOthersAreNamed(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	earlier := strings.Replace(fileP, "20261121", "20261120", 1)
	later := strings.Replace(fileP, "20261121", "20261122", 1)
	fillBackup(store, ownDir, earlier)
	fillBackup(store, "elsewhere", fileP)
	store.Set(ownDir, chunkName(later, 1), "unfinished")
	found := scanned(t, d)
	require.Len(t, found, 1)
	f := found[backupID]
	assert.Equal(t, driverstate.ConditionWhole, f.Condition)
	assert.Equal(t, "elsewhere", f.Backup.Container, "the whole one that is later")
	warnings := strings.Join(f.Warnings, "\n")
	assert.Contains(t, warnings, "under "+earlier+", is whole")
	assert.Contains(t, warnings, "under "+later+", is partial: its metadata document is missing")
}

func TestTheOldPrefixIsNamedByDirectoryOrDocument(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, oldPrefix)
	assert.Equal(t, driverstate.ConditionWhole, scanned(t, d)[backupID].Condition)

	d, store = newDriver(t, FileLayout{})
	store.Set(ownDir, chunkName(oldPrefix, 1), "x")
	assert.Equal(t, driverstate.ConditionPartial, scanned(t, d)[backupID].Condition)

	d, store = newDriver(t, FileLayout{})
	store.Set("box", hashesName(oldPrefix), hashDocument(digest))
	assert.Equal(t, driverstate.ConditionPartial, scanned(t, d)[backupID].Condition)

	d, store = newDriver(t, FileLayout{})
	store.Set("box", chunkName(oldPrefix, 1), "x")
	assert.Empty(t, scanned(t, d), "nothing names it")
}

func TestAnUnreadableDirectoryDoesNotEndAScan(t *testing.T) {
	for _, why := range []error{objectstore.ErrForbidden, objectstore.ErrDamaged} {
		d, store := newDriver(t, FileLayout{})
		fillBackup(store, ownDir, fileP)
		shut := "11/11/" + otherID
		store.Set(shut, "x", "x")
		store.Set("lost+found", "x", "x")
		store.Fail = func(op, container, _ string) error {
			if op == "list" && container != ownDir {
				return fmt.Errorf("container %s: %w", container, why)
			}
			return nil
		}
		found := scanned(t, d)
		assert.Equal(t, driverstate.ConditionWhole, found[backupID].Condition)
		assert.Equal(t, driverstate.ConditionPartial, found[otherID].Condition)
		assert.Contains(t, found[otherID].Reason, why.Error())
		assert.Len(t, found, 2)
	}
}

func TestADocumentThatCannotBeReadIsDamage(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	store.Fail = func(op, _, name string) error {
		if op == "get" && name == metadataName(fileP) {
			return errors.New("input/output error")
		}
		return nil
	}
	f := scanned(t, d)[backupID]
	assert.Equal(t, driverstate.ConditionDamaged, f.Condition)
	assert.Contains(t, f.Reason, "input/output error")
}

func TestAStoreThatDoesNotAnswerEndsAScan(t *testing.T) {
	for _, op := range []string{"containers", "list", "get"} {
		d, store := newDriver(t, FileLayout{})
		fillBackup(store, ownDir, fileP)
		store.Fail = func(got, _, _ string) error {
			if got == op {
				return driverstate.Fail(driverstate.ErrUnavailable, "store is gone")
			}
			return nil
		}
		yielded := 0
		for _, err := range d.Scan(t.Context(), "") {
			yielded++
			assert.ErrorIs(t, err, driverstate.ErrUnavailable, op)
		}
		assert.Equal(t, 1, yielded)
	}
}

func TestInspectRefusesWhatIsNotTheBackups(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	ctx := t.Context()
	for _, b := range []*driverstate.Backup{
		{ID: "x"}, row("../x", fileP), row(ownDir, "volume_"), row(ownDir, strings.Replace(fileP, backupID, otherID, 1)),
	} {
		_, err := d.Inspect(ctx, b)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
	}
	_, err := d.Inspect(ctx, row(ownDir, strings.Replace(fileP, "2026", "2025", 1)))
	assert.ErrorIs(t, err, driverstate.ErrNotFound)
	_, err = d.Inspect(ctx, &driverstate.Backup{ID: otherID})
	assert.ErrorIs(t, err, driverstate.ErrNotFound)
	f, err := d.Inspect(ctx, &driverstate.Backup{ID: backupID})
	require.NoError(t, err)
	assert.Equal(t, fileP, f.Backup.ServiceMetadata)
}
