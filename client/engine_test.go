package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/client/clouds"
	"github.com/cinder-go/cinder-go/client/inproc"
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// onEngine returns a client of an engine in this process, over store.
func onEngine(t *testing.T, store string) *client.Client {
	t.Helper()
	e, err := engine.Start(t.Context(), engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: "posix://" + store}}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(context.WithoutCancel(t.Context()))) })
	sc, err := clouds.NoAuth("http://inproc/v3", "admin", "admin", inproc.Transport(e.Handler()))
	require.NoError(t, err)
	return client.New(sc, client.Options{AllProjects: true, PollInterval: 5 * time.Millisecond})
}

func drill(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, drillstore.Unpack(dir))
	return dir
}

func TestAnEngineOnAnEmptyStore(t *testing.T) {
	c := onEngine(t, t.TempDir())
	list, err := c.ListBackups(t.Context(), client.ListOpts{})
	require.NoError(t, err)
	assert.Empty(t, list)
	found, err := c.ManageableBackups(t.Context(), client.ManageableOpts{})
	require.NoError(t, err)
	assert.Empty(t, found)

	services, err := c.ListServices(t.Context(), "", string(driverstate.BinaryBackup))
	require.NoError(t, err)
	require.Len(t, services, 1)
	assert.Equal(t, "up", services[0].State)
	assert.Equal(t, "enabled", services[0].Status)
	assert.NotEmpty(t, services[0].Host)
	assert.False(t, services[0].UpdatedAt.IsZero())

	cleanup, err := c.CleanupWorkers(t.Context(), client.CleanupOpts{})
	require.NoError(t, err)
	assert.Empty(t, cleanup.Cleaning)
}

func TestWhatAnEngineRefusesHasItsKind(t *testing.T) {
	c := onEngine(t, t.TempDir())
	absent := "11111111-1111-4111-8111-111111111111"
	garbage := client.Record{BackupService: "cinder.backup.drivers.posix.PosixBackupDriver", BackupURL: "bm90IGpzb24="}
	for name, do := range map[string]struct {
		kind error
		call func() error
	}{
		"show":            {driverstate.ErrNotFound, func() error { _, err := c.ShowBackup(t.Context(), absent); return err }},
		"find":            {driverstate.ErrNotFound, func() error { _, err := c.FindBackup(t.Context(), "nightly"); return err }},
		"delete":          {driverstate.ErrNotFound, func() error { return c.DeleteBackup(t.Context(), absent) }},
		"force delete":    {driverstate.ErrNotFound, func() error { return c.ForceDeleteBackup(t.Context(), absent) }},
		"export":          {driverstate.ErrNotFound, func() error { _, err := c.ExportRecord(t.Context(), absent); return err }},
		"volume":          {driverstate.ErrNotFound, func() error { _, err := c.ShowVolume(t.Context(), absent); return err }},
		"manage":          {driverstate.ErrNotFound, func() error { _, err := c.ManageBackup(t.Context(), client.ManageOpts{ID: absent}); return err }},
		"verify":          {driverstate.ErrNotFound, func() error { _, err := c.Verify(t.Context(), absent, driverstate.DepthData); return err }},
		"verification":    {driverstate.ErrNotFound, func() error { _, err := c.WaitVerification(t.Context(), absent); return err }},
		"import garbage":  {driverstate.ErrInvalidInput, func() error { _, err := c.ImportRecord(t.Context(), garbage); return err }},
		"import nothing":  {driverstate.ErrInvalidInput, func() error { _, err := c.ImportRecord(t.Context(), client.Record{}); return err }},
		"a relative path": {driverstate.ErrInvalidInput, func() error { return manageVolume(t, c, "relative", false) }},
		"a file with data": {driverstate.ErrConflict, func() error {
			file := filepath.Join(t.TempDir(), "full")
			require.NoError(t, os.WriteFile(file, []byte("data"), 0o600))
			return manageVolume(t, c, file, false)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			err := do.call()
			require.ErrorIs(t, err, do.kind)
		})
	}
	require.NoError(t, c.WaitGone(t.Context(), absent))
}

func manageVolume(t *testing.T, c *client.Client, path string, overwrite bool) error {
	t.Helper()
	_, err := c.ManageVolume(t.Context(), client.ManageVolumeOpts{SourceName: path, Name: "n", Size: 1, Overwrite: overwrite})
	return err
}

func TestALostDatabaseIsRecoveredThroughTheAPI(t *testing.T) {
	if testing.Short() {
		t.Skip("restores a gibibyte")
	}
	c := onEngine(t, drill(t))
	found, err := c.ManageableBackups(t.Context(), client.ManageableOpts{})
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, m := range found {
		if m.Condition == driverstate.ConditionWhole {
			b, err := c.ManageBackup(t.Context(), client.ManageOpts{ID: m.ID})
			require.NoError(t, err)
			assert.Equal(t, m.ID, b.ID)
			assert.Equal(t, m.VolumeID, b.VolumeID)
			assert.Equal(t, m.ParentID != "", b.IsIncremental)
		}
	}
	_, err = c.ManageBackup(t.Context(), client.ManageOpts{ID: drillstore.Full})
	require.ErrorIs(t, err, driverstate.ErrConflict)

	target := filepath.Join(t.TempDir(), "volume.raw")
	b, err := c.ShowBackup(t.Context(), drillstore.Full)
	require.NoError(t, err)
	v, err := c.ManageVolume(t.Context(), client.ManageVolumeOpts{SourceName: target, Name: "n", Size: b.Size})
	require.NoError(t, err)
	r, err := c.RestoreBackup(t.Context(), b.ID, client.RestoreOpts{VolumeID: v.ID})
	require.NoError(t, err)
	assert.Equal(t, v.ID, r.VolumeID)
	_, v, err = c.WaitRestore(t.Context(), b.ID, v.ID)
	require.NoError(t, err)
	assert.Equal(t, driverstate.VolumeAvailable, v.Status)
	require.NoError(t, c.DeleteVolume(t.Context(), v.ID))
	file, err := os.Open(target)
	require.NoError(t, err)
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	require.NoError(t, err)
	assert.Equal(t, drillstore.Expected()[drillstore.Full], hex.EncodeToString(sum.Sum(nil)))

	record, err := c.ExportRecord(t.Context(), drillstore.ChainTip)
	require.NoError(t, err)
	_, err = c.ImportRecord(t.Context(), record)
	require.ErrorIs(t, err, driverstate.ErrConflict, "it has a row")
	parent, err := c.ShowBackup(t.Context(), parentOf(found, drillstore.ChainTip))
	require.NoError(t, err)
	assert.True(t, parent.HasDependentBackups)
	require.ErrorIs(t, c.DeleteBackup(t.Context(), parent.ID), driverstate.ErrHasDependents)
	require.NoError(t, c.ForceDeleteBackup(t.Context(), drillstore.ChainTip))
	require.NoError(t, c.WaitGone(t.Context(), drillstore.ChainTip))
}

func parentOf(found []client.Manageable, id string) string {
	for _, m := range found {
		if m.ID == id {
			return m.ParentID
		}
	}
	return ""
}

func TestDamageIsToldByEveryCallThatMeetsIt(t *testing.T) {
	c := onEngine(t, drill(t))
	_, err := c.ManageBackup(t.Context(), client.ManageOpts{ID: drillstore.MissingChunk})
	require.ErrorIs(t, err, driverstate.ErrInvalidStatus)
	v, err := c.Verify(t.Context(), drillstore.MissingChunk, driverstate.DepthStructure)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionDamaged, v.Condition)
	require.NotEmpty(t, v.Problems)
	b, err := c.ManageBackup(t.Context(), client.ManageOpts{ID: drillstore.MissingChunk, AllowDamaged: true})
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusError, b.Status)
	require.NotNil(t, b.FailReason)

	require.NoError(t, c.ResetBackupStatus(t.Context(), b.ID, driverstate.StatusAvailable))
	after, err := c.WaitBackup(t.Context(), b.ID, func(now client.Backup) (bool, error) {
		return now.UpdatedAt.After(b.UpdatedAt) && now.Status.Resting(), nil
	})
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusError, after.Status, "the store is looked at first")
}

func TestARestoreOfForgedDataIsCorrupt(t *testing.T) {
	c := onEngine(t, drill(t))
	b, err := c.ManageBackup(t.Context(), client.ManageOpts{ID: drillstore.ForgedChunk})
	require.NoError(t, err, "it looks whole")
	target := filepath.Join(t.TempDir(), "volume.raw")
	v, err := c.ManageVolume(t.Context(), client.ManageVolumeOpts{SourceName: target, Name: "n", Size: b.Size})
	require.NoError(t, err)
	_, err = c.RestoreBackup(t.Context(), b.ID, client.RestoreOpts{VolumeID: v.ID})
	require.NoError(t, err)
	b, v, err = c.WaitRestore(t.Context(), b.ID, v.ID)
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	assert.Equal(t, driverstate.StatusAvailable, b.Status, "as Cinder leaves it")
	assert.Equal(t, driverstate.VolumeErrorRestoring, v.Status)
	assert.NoFileExists(t, target)
}

func TestAnEngineSaysThatItIsOne(t *testing.T) {
	assert.True(t, onEngine(t, t.TempDir()).IsEngine(t.Context()))
}
