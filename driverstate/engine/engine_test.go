package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

const project = "b2f3a1c4d5e64f7a8b9c0d1e2f3a4b5c"

var admin = driverstate.Caller{UserID: project, ProjectID: project, Admin: true}

func start(t *testing.T, c engine.Config) *engine.Engine {
	t.Helper()
	e, err := engine.Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(context.WithoutCancel(t.Context()))) })
	return e
}

func store(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, drillstore.Unpack(dir))
	return "posix://" + dir
}

func TestEngineServesAStoreWithoutADatabase(t *testing.T) {
	state := filepath.Join(t.TempDir(), "a", "state")
	c := engine.Config{StateDir: state, Stores: []engine.Store{{URL: store(t)}}, StoreReadOnly: true}
	e := start(t, c)

	info, err := os.Stat(state)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v3/manageable_backups", nil)
	request.Header.Set("X-Auth-Token", "admin:"+project)
	answer := httptest.NewRecorder()
	e.Handler().ServeHTTP(answer, request)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	assert.Contains(t, answer.Body.String(), drillstore.ChainTip)

	_, err = engine.Start(t.Context(), c)
	require.ErrorIs(t, err, driverstate.ErrConflict, "a second engine on the state directory")

	_, err = e.Manager().ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: drillstore.Full})
	require.NoError(t, err)
	require.NoError(t, e.Close(t.Context()))
	again := start(t, c)
	b, err := again.Manager().Backup(t.Context(), admin, drillstore.Full)
	require.NoError(t, err, "rows outlive the engine")
	assert.Equal(t, driverstate.StatusAvailable, b.Status)
	for _, name := range []string{"cinder-go.db", "lock", "host"} {
		info, err := os.Stat(filepath.Join(state, name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
}

func TestEngineStartsWithoutItsStore(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "mount")
	e := start(t, engine.Config{
		StateDir: t.TempDir(), Stores: []engine.Store{{URL: "posix://" + missing}},
		ReportInterval: 10 * time.Millisecond, InitInterval: 10 * time.Millisecond,
	})
	up := func() bool {
		list, err := e.Manager().Services(t.Context(), admin)
		require.NoError(t, err)
		for _, s := range list {
			if s.Binary == driverstate.BinaryBackup {
				return s.Up
			}
		}
		return false
	}
	assert.False(t, up())
	require.NoError(t, os.Mkdir(missing, 0o755))
	require.Eventually(t, up, time.Minute, 5*time.Millisecond)
}

func TestEngineRefusesWhatCannotWork(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(open, 0o755))
	require.NoError(t, os.Chmod(open, 0o777))
	dir := t.TempDir()
	for name, c := range map[string]engine.Config{
		"no state directory":               {Stores: []engine.Store{{URL: "posix:///srv"}}},
		"no store":                         {StateDir: dir},
		"a store of an unknown kind":       {StateDir: dir, Stores: []engine.Store{{URL: "tape:///dev/st0"}}},
		"a state directory open to others": {StateDir: open, Stores: []engine.Store{{URL: "posix:///srv"}}},
		"a target directory not from /":    {StateDir: dir, Stores: []engine.Store{{URL: "posix:///srv"}}, TargetDirs: []string{"a"}},
	} {
		_, err := engine.Start(t.Context(), c)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, name)
	}
	start(t, engine.Config{StateDir: dir, Stores: []engine.Store{{URL: store(t)}}}) // a refused start holds no lock
}

func TestEngineRestoresAChainThatCinderWrote(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes a volume of 1 GiB")
	}
	e := start(t, engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: store(t)}}, StoreReadOnly: true})
	m := e.Manager()
	list, err := m.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{})
	require.NoError(t, err)
	for f := range list { // the oldest first, so parents before children
		if f.Condition == driverstate.ConditionWhole {
			_, err := m.ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: f.Backup.ID})
			require.NoError(t, err)
		}
	}
	path := filepath.Join(t.TempDir(), "disk.raw")
	v, err := m.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: path, Size: 1})
	require.NoError(t, err)
	_, err = m.RestoreBackup(t.Context(), admin, drillstore.ChainTip, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		b, err := m.Backup(t.Context(), admin, drillstore.ChainTip)
		require.NoError(t, err)
		return b.Status == driverstate.StatusAvailable
	}, time.Minute, 5*time.Millisecond)
	v, err = m.Volume(t.Context(), admin, v.ID)
	require.NoError(t, err)
	require.Equal(t, driverstate.VolumeAvailable, v.Status, v.Metadata)

	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	require.NoError(t, err)
	assert.Equal(t, drillstore.Expected()[drillstore.ChainTip], hex.EncodeToString(sum.Sum(nil)))
}
