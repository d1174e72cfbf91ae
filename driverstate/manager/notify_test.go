package manager_test

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// published is what a real Cinder published, by event type; of createprogress
// the last one.
func published(t *testing.T) map[string]map[string]any {
	t.Helper()
	file, err := os.Open("../../testdata/notify/cinder-21.3.1.jsonl")
	require.NoError(t, err)
	defer file.Close()
	all := map[string]map[string]any{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line struct {
			Message struct {
				EventType string         `json:"event_type"`
				Payload   map[string]any `json:"payload"`
			} `json:"message"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		all[line.Message.EventType] = line.Message.Payload
	}
	return all
}

func encoded(t *testing.T, p manager.Payload) map[string]any {
	t.Helper()
	raw, err := json.Marshal(p)
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// requireShape wants the keys of a real payload, and values of the same JSON
// types: null where Cinder has null.
func requireShape(t *testing.T, want, got map[string]any, event string, extra ...string) {
	t.Helper()
	for key, value := range want {
		have, ok := got[key]
		if assert.True(t, ok, "%s has no %s", event, key) {
			assert.IsType(t, value, have, "%s %s", event, key)
		}
	}
	for key := range got {
		_, ok := want[key]
		assert.True(t, ok || slices.Contains(extra, key), "%s has %s, which Cinder does not have", event, key)
	}
}

func TestPayloadsHaveTheKeysAndTypesOfARealCinder(t *testing.T) {
	real := published(t)
	delete(real["backup.createprogress"], "list") // of all chunks so far: not ours
	for _, p := range real {
		// Zed leaves the zone of a backup empty; later releases fill it in.
		p["availability_zone"] = "nova"
	}

	l := newLab(t, nil)
	ctx := trace.With(t.Context(), trace.Request{ID: "req-1", GlobalID: "req-2", UserID: "u", ProjectID: project})
	name := "notify-backup"
	v := l.newVolume()
	b, err := l.CreateBackup(ctx, admin, driverstate.BackupRequest{VolumeID: v.ID, Name: &name})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	_, err = l.RestoreBackup(ctx, admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	require.NoError(t, l.DeleteBackup(ctx, admin, b.ID, false))
	l.untilGone(b.ID)
	require.Eventually(t, func() bool { return len(l.notified("backup.delete.end", b.ID)) == 1 }, wait, tick)

	for event, want := range real {
		l.announced(event, b.ID)
		got := l.notified(event, b.ID)
		require.Len(t, got, 1, event)
		assert.Equal(t, trace.Request{ID: "req-1", GlobalID: "req-2", UserID: "u", ProjectID: project}, got[0].Request, event)
		assert.False(t, got[0].Failure, event)
		if event == "backup.create.start" {
			// The row knows the place before the copy begins, where Cinder's
			// learns it in its course.
			want["service"], want["service_metadata"] = "", ""
		}
		requireShape(t, want, encoded(t, got[0].Payload), event, "force")
		assert.Equal(t, want["status"], got[0].Payload.Status, event)
	}
	progress := l.announced("backup.createprogress", b.ID).Payload.Progress
	assert.Equal(t, manager.Progress{ID: 5, Prefix: progress.Prefix, Percent: 100}, *progress, "256 KiB in four chunks")
}

func TestProgressIsToldEveryTenthObjectAndOnceAtTheEnd(t *testing.T) {
	l := newLab(t, func(c *manager.Config) {
		c.OpenSource = func(string, []byte) (manager.Source, error) { return &memory{content: image(25*65536, 3)}, nil }
	})
	v := l.newVolume()
	b, err := l.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
	require.Eventually(t, func() bool { return len(l.notified("backup.create.end", b.ID)) == 1 }, wait, tick)
	var percents []float64
	for _, n := range l.notified("backup.createprogress", b.ID) {
		percents = append(percents, n.Payload.Progress.Percent)
		assert.Equal(t, "creating", n.Payload.Status)
	}
	require.Len(t, percents, 3, "at 10, at 20, and at the end")
	assert.IsNonDecreasing(t, percents)
	// More may be read already, and wait for the store.
	assert.GreaterOrEqual(t, percents[0], 100*10.0/25)
	assert.GreaterOrEqual(t, percents[1], 100*20.0/25)
	assert.Equal(t, 100.0, percents[2])
}

// One large object: nothing else is heard of the copy until it is over.
func TestProgressIsToldByTimeToo(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.ProgressInterval = time.Millisecond })
	v := l.newVolume()
	copying := l.driver.hold(atBackup)
	b, err := l.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	copying.wait(t)
	require.Eventually(t, func() bool { return len(l.notified("backup.createprogress", b.ID)) > 3 }, wait, tick)
	l.driver.open(atBackup)
	l.until(b.ID, driverstate.StatusAvailable)
	l.announced("backup.create.end", b.ID)

	events := l.notified("backup.createprogress", b.ID)
	assert.Equal(t, manager.Progress{ID: 1, Prefix: events[0].Payload.ServiceMetadata}, *events[0].Payload.Progress, "at the beginning")
	assert.NotEmpty(t, events[0].Payload.ServiceMetadata)
	for i, e := range events[1:] {
		assert.GreaterOrEqual(t, e.Payload.Progress.Percent, events[i].Payload.Progress.Percent)
		assert.Equal(t, i == len(events)-2, e.Payload.Progress.Percent == 100, "once, at the end")
	}
}

func TestAFailedOperationIsPublishedAsAnErrorWithItsReason(t *testing.T) {
	l := newLab(t, func(c *manager.Config) {
		c.OpenSource = func(string, []byte) (manager.Source, error) { return nil, os.ErrPermission }
	})
	v := l.newVolume()
	b, err := l.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	row := l.until(b.ID, driverstate.StatusError)
	require.Eventually(t, func() bool { return len(l.notified("backup.create.error", b.ID)) == 1 }, wait, tick)
	n := l.announced("backup.create.error", b.ID)
	assert.True(t, n.Failure)
	assert.Equal(t, row.FailReason, encoded(t, n.Payload)["fail_reason"])
	assert.NotEmpty(t, row.FailReason)
	assert.Empty(t, l.notified("backup.create.end", b.ID))
}

func TestAnEventOfTheDriverHasNoBackup(t *testing.T) {
	assert.Equal(t, map[string]any{"host": "a", "service": "x.Y", "fail_reason": nil},
		encoded(t, manager.Payload{Host: "a", Service: "x.Y"}))
}
