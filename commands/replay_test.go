package commands

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/driverstate/loglevel"
)

// Projects of the scenarios at the engine.
const (
	replayProject = "5f0c2d7e9a1b4c3d8e6f7a8b9c0d1e2f"
	replayTenant  = "7b8c9d0e1f2a4b3c8d4e5f6a7b8c9d0e"
)

// TestReplay asks the engine what the scenarios asked a real Cinder, and wants
// its answers: status, fault, message, members, kinds and values. The answers
// are recorded; TestCloudReplay holds the recording to a cloud.
func TestReplay(t *testing.T) {
	for _, sc := range readScenarios(t) {
		t.Run(sc.name, func(t *testing.T) {
			if testing.Short() && sc.copies() {
				t.Skip("SKIPPED: backups of whole GiBs take long")
			}
			t.Parallel()
			recording := readRecording(t, sc.name)
			server := replayEngine(t, sc.noauth)
			for i, step := range sc.steps {
				if step.wait != "" {
					server.await(t, step)
					continue
				}
				record := recording[stepKey(i, step)]
				if record == nil {
					t.Errorf("%s: not recorded; CINDER_GO_UPDATE=1 make test-cloud records it", step.name())
					record = &replayRecord{Step: stepKey(i, step), Cinder: &replayAnswer{}}
				}
				got := server.ask(t, step)
				if updating() {
					if record.Engine = nil; step.ours() {
						record.Engine = &got
					}
				}
				checkStep(t, step, record, got)
			}
			if updating() {
				recording.write(t, sc)
			}
		})
	}
}

func checkStep(t *testing.T, step *replayStep, record *replayRecord, got replayAnswer) {
	t.Helper()
	want := record.Cinder
	if step.ours() {
		if record.Engine == nil {
			t.Errorf("%s: CINDER_GO_UPDATE=1 go test -run TestReplay ./commands records the engine's answer", step.name())
			return
		}
		want = record.Engine
		assert.NotEmpty(t, record.Cinder.differences(*record.Engine), "%s: it is no better", step.name())
	}
	if differences := strings.Join(want.differences(got), "\n"); differences != "" {
		t.Errorf("%s\n%s", step.name(), differences)
	}
}

// replayIdentity knows the users of the scenarios, as the cloud's Keystone does.
type replayIdentity struct{ users map[string]driverstate.Caller }

func (i replayIdentity) Authenticate(w http.ResponseWriter, r *http.Request) (driverstate.Caller, bool) {
	caller, ok := i.users[r.Header.Get("X-Auth-Token")]
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
	}
	return caller, ok
}

// replayEngine starts an engine that speaks the version of the recorded cloud.
func replayEngine(t *testing.T, noauth bool) *replayServer {
	t.Helper()
	e, err := engine.Start(t.Context(), engine.Config{
		StateDir: filepath.Join(t.TempDir(), "state"), Stores: []engine.Store{{URL: "posix://" + t.TempDir()}}, Host: "bak-posix",
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(context.WithoutCancel(t.Context()))) })
	levels := loglevel.New(t.Context(), slog.New(slog.DiscardHandler))
	config := api.Config{MaxVersion: api.Microversion{Major: 3, Minor: 70}, LogLevels: levels, Auth: replayIdentity{map[string]driverstate.Caller{
		"admin": {UserID: "admin", ProjectID: replayProject, Admin: true},
		"demo":  {UserID: "demo", ProjectID: replayTenant},
		"both":  {UserID: "admin", ProjectID: replayTenant, Admin: true},
	}}}
	s := &replayServer{users: map[string]replayUser{
		"admin": {"admin", replayProject}, "demo": {"demo", replayTenant}, "both": {"both", replayTenant},
	}}
	if noauth {
		config.Auth = api.NoAuth{}
		s.users = noauthUsers(replayProject)
	}
	server := httptest.NewServer(api.New(e.Manager(), config))
	t.Cleanup(server.Close)
	s.base = server.URL
	s.vars = map[string]string{"P": replayProject, "D": replayTenant, "backup_host": "bak-posix", "volume_host": "bak-posix@file", "base": server.URL}
	return s
}

func noauthUsers(project string) map[string]replayUser {
	return map[string]replayUser{
		"admin": {"admin:" + project, project}, "none": {"", project},
	}
}
