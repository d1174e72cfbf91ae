package engine_test

import (
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

func BenchmarkList(b *testing.B) {
	state := b.TempDir()
	require.NoError(b, os.Chmod(state, 0o700))
	database, err := sqlite.Open(b.Context(), filepath.Join(state, "cinder-go.db"), sqlite.Options{})
	require.NoError(b, err)
	at := time.Now().UTC()
	for i := range 10000 {
		name := fmt.Sprint("n", i)
		require.NoError(b, database.BackupCreate(b.Context(), &driverstate.Backup{ID: uuid.NewString(), VolumeID: uuid.NewString(), ProjectID: project, UserID: project, Host: "h", Name: &name, Status: "available", Size: 1, Service: "x", CreatedAt: at.Add(time.Duration(i) * time.Second), UpdatedAt: at}))
	}
	require.NoError(b, database.Close())
	e, err := engine.Start(b.Context(), engine.Config{StateDir: state, Stores: []engine.Store{{URL: "posix://" + b.TempDir()}}})
	require.NoError(b, err)
	defer e.Close(b.Context())
	for b.Loop() {
		request := httptest.NewRequest(http.MethodGet, "/v3/"+project+"/backups/detail?limit=1000", nil)
		request.Header.Set("X-Auth-Token", "admin:"+project)
		answer := httptest.NewRecorder()
		e.Handler().ServeHTTP(answer, request)
		require.Equal(b, 200, answer.Code)
	}
}
