package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
	"github.com/cinder-go/cinder-go/driverstate/engine"
)

const posixClass = "cinder.backup.drivers.posix.PosixBackupDriver"

// BenchmarkImport accepts records beside 10,000 rows of the same project. Their
// backups are not in the store, so that what follows is short.
func BenchmarkImport(b *testing.B) {
	state := b.TempDir()
	require.NoError(b, os.Chmod(state, 0o700))
	database, err := sqlite.Open(b.Context(), filepath.Join(state, "cinder-go.db"), sqlite.Options{})
	require.NoError(b, err)
	at := time.Now().UTC()
	row := func(i int) *driverstate.Backup {
		name, id := fmt.Sprint("n", i), uuid.NewString()
		return &driverstate.Backup{ID: id, VolumeID: uuid.NewString(), ProjectID: project, UserID: project, Host: "h", Name: &name,
			Status: "available", Size: 1, Service: posixClass, Container: filepath.Join(id[:2], id[2:4], id), ServiceMetadata: "backup",
			CreatedAt: at.Add(time.Duration(i) * time.Second), UpdatedAt: at}
	}
	for i := range 10000 {
		require.NoError(b, database.BackupCreate(b.Context(), row(i)))
	}
	require.NoError(b, database.Close())
	e, err := engine.Start(b.Context(), engine.Config{StateDir: state, Stores: []engine.Store{{URL: "posix://" + b.TempDir()}}})
	require.NoError(b, err)
	defer e.Close(b.Context())
	for b.Loop() {
		record, err := driverstate.EncodeRecord(row(0), nil)
		require.NoError(b, err)
		body, err := json.Marshal(map[string]any{"backup-record": record})
		require.NoError(b, err)
		request := httptest.NewRequest(http.MethodPost, "/v3/"+project+"/backups/import_record", bytes.NewReader(body))
		request.Header.Set("X-Auth-Token", "admin:"+project)
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		e.Handler().ServeHTTP(answer, request)
		require.Equal(b, http.StatusCreated, answer.Code, answer.Body)
	}
}
