package metrics_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/metrics"
)

func page(t *testing.T, s *metrics.Set) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

func state(s metrics.State, err error) func(context.Context) (metrics.State, error) {
	return func(context.Context) (metrics.State, error) { return s, err }
}

func TestBytesAreCountedWhileAnOperationRuns(t *testing.T) {
	s := metrics.New("v", "c", state(metrics.State{}, nil))
	var passed []driverstate.Event
	o := s.Observer(driverstate.ObserverFunc(func(e driverstate.Event) { passed = append(passed, e) }))
	events := []driverstate.Event{
		{Type: driverstate.EventStart, Op: "restore", BackupID: "a"},
		{Type: driverstate.EventProgress, Op: "restore", BackupID: "a", BytesDone: 10},
		{Type: driverstate.EventProgress, Op: "restore", BackupID: "b", BytesDone: 5},
		{Type: driverstate.EventProgress, Op: "restore", BackupID: "a", BytesDone: 30},
		{Type: driverstate.EventError, Op: "restore", BackupID: "a", BytesDone: 30},
		{Type: driverstate.EventProgress, Op: "restore", BackupID: "a", BytesDone: 7}, // again, from the beginning
		{Type: driverstate.EventProgress, Op: "anything", BackupID: "a", BytesDone: 7},
	}
	for _, e := range events {
		o.Observe(e)
	}
	assert.Equal(t, events, passed)
	text := page(t, s)
	assert.Contains(t, text, "cinder_go_volume_bytes_total{operation=\"restore\"} 42\n")
	assert.NotContains(t, text, "anything")
	s.Observer(nil).Observe(events[0])
}

func TestADatabaseThatCannotBeAskedLeavesTheRest(t *testing.T) {
	text := page(t, metrics.New("v", "c", state(metrics.State{Running: 3, Reported: time.Minute}, errors.New("locked"))))
	assert.Contains(t, text, "cinder_go_state_up 0\n")
	assert.Contains(t, text, "cinder_go_jobs_running 3\n")
	assert.Contains(t, text, "cinder_go_heartbeat_age_seconds 60\n")
	assert.NotContains(t, text, "cinder_go_jobs_waiting")
}

func TestTheDocumentedMetricsAreThoseThereAre(t *testing.T) {
	s := metrics.New("v", "c", state(metrics.State{Ready: map[string]bool{"h": true}, Drivers: []metrics.Notified{{Driver: "log"}}}, nil))
	s.Job("backup_create", "done", time.Second, 1)
	s.Request("GET", "", 200, time.Second)
	var there []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (cinder_go_\S+)`).FindAllStringSubmatch(page(t, s), -1) {
		there = append(there, m[1])
	}
	raw, err := os.ReadFile("../../docs/operating.md")
	require.NoError(t, err)
	documented := regexp.MustCompile(`cinder_go_[a-z_]+`).FindAllString(string(raw), -1)
	slices.Sort(there)
	slices.Sort(documented)
	assert.Equal(t, there, slices.Compact(documented))
	for _, name := range there {
		assert.False(t, strings.HasSuffix(name, "_count"), "%s is what a histogram makes", name)
	}
}
