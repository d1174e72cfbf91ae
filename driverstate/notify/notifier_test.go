package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/trace"
)

const (
	wait = time.Minute
	tick = 2 * time.Millisecond
)

func message(n int) Message {
	return Message{
		PublisherID: "backup.lab", EventType: fmt.Sprintf("backup.test.%d", n), Priority: Info,
		Time:    time.Date(2026, 11, 21, 14, 45, 24, 80662000, time.FixedZone("", 3600)),
		Request: trace.Request{ID: "req-1", UserID: "u", ProjectID: "p"}, Payload: json.RawMessage(`{"n":` + fmt.Sprint(n) + `}`),
	}
}

// fickle is a driver that answers what it is told to.
type fickle struct {
	mu     sync.Mutex
	answer error
	hold   chan struct{} // when set, Publish waits for it or its context
	took   []string
	closed bool
}

func (f *fickle) Kind() string { return "fickle" }

func (f *fickle) Publish(ctx context.Context, m *Message) error {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answer == nil {
		f.took = append(f.took, m.EventType)
	}
	return f.answer
}

func (f *fickle) Close() error { f.closed = true; return nil }

func (f *fickle) answers(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = err
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func TestAFailingDriverIsComeBackToInOrderAndToldOfOnce(t *testing.T) {
	log := &lines{}
	bad, good := &fickle{answer: errors.New("no route")}, &fickle{}
	n := New(t.Context(), []Driver{bad, good}, Options{Logger: slog.New(slog.NewTextHandler(log, nil)), FirstRetry: time.Millisecond, LastRetry: time.Millisecond})
	for i := range QueueSize + 50 {
		n.Send(message(i))
		require.Eventually(t, func() bool { return n.Stats()[1].Queued == 0 && (i > 0 || n.Stats()[0].Queued == 0) }, wait, time.Microsecond)
	}
	stats := n.Stats()
	assert.Equal(t, "fickle", stats[0].Driver)
	assert.Equal(t, "fickle-2", stats[1].Driver)
	assert.Zero(t, stats[0].Sent)
	assert.EqualValues(t, 49, stats[0].Dropped, "one is being tried, QueueSize wait")
	bad.answers(nil)
	require.Eventually(t, func() bool { return n.Stats()[0].Sent == QueueSize+1 }, wait, tick)
	require.NoError(t, n.Close())
	require.NoError(t, n.Close(), "again")
	n.Send(message(0))

	for i, event := range bad.took {
		require.Equal(t, message(i).EventType, event)
	}
	assert.Len(t, good.took, QueueSize+50)
	assert.True(t, bad.closed && good.closed)
	assert.Equal(t, 1, log.count("are not delivered"))
	assert.Equal(t, 1, log.count("are delivered again"))
	assert.Equal(t, 1, log.count("dropped=49"))
}

func TestARefusedMessageIsDroppedAndTheNextGoesOn(t *testing.T) {
	f := &fickle{answer: fmt.Errorf("%w: too large", ErrRefused)}
	n := New(t.Context(), []Driver{f}, Options{})
	n.Send(message(1))
	require.Eventually(t, func() bool { return n.Stats()[0].Dropped == 1 }, wait, tick)
	f.answers(nil)
	n.Send(message(2))
	require.NoError(t, n.Close())
	assert.Equal(t, []string{"backup.test.2"}, f.took)
}

func TestCloseGivesAFailingDriverOneMoreAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fickle{answer: errors.New("no route")}
		log := &lines{}
		n := New(t.Context(), []Driver{f}, Options{Logger: slog.New(slog.NewTextHandler(log, nil)), FirstRetry: time.Hour})
		n.Send(message(1))
		n.Send(message(2))
		synctest.Wait()
		assert.Equal(t, 1, log.count("are not delivered"))
		began := time.Now()
		require.NoError(t, n.Close())
		assert.Zero(t, time.Since(began))
		assert.EqualValues(t, 2, n.Stats()[0].Dropped)
		assert.Equal(t, 1, log.count("lost=2"))
	})
}

func TestCloseWaitsNoLongerThanTheDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fickle{hold: make(chan struct{})}
		n := New(t.Context(), []Driver{f}, Options{})
		n.Send(message(1))
		began := time.Now()
		require.NoError(t, n.Close())
		assert.Equal(t, DrainTimeout, time.Since(began))
		assert.EqualValues(t, 1, n.Stats()[0].Dropped)
	})
}

func TestSendNeverWaits(t *testing.T) {
	f := &fickle{hold: make(chan struct{})}
	n := New(t.Context(), []Driver{f}, Options{})
	for i := range 10 * QueueSize {
		n.Send(message(i)) // would be stuck forever
	}
	close(f.hold)
	require.NoError(t, n.Close())
	assert.GreaterOrEqual(t, len(f.took), QueueSize)
}

func readLines(t *testing.T, path string) []map[string]any {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var all []map[string]any
	for line := range strings.Lines(string(raw)) {
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &v), line)
		all = append(all, v)
	}
	return all
}

func TestTheFileHasOneObjectPerLineAndSurvivesLogrotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.jsonl")
	f := NewFile(path)
	publish := func(n int) {
		m := message(n)
		require.NoError(t, f.Publish(t.Context(), m.withID()))
	}
	publish(1)
	publish(2)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Rename(path, path+".1"))
	publish(3)
	require.NoError(t, os.Remove(path))
	publish(4)
	require.NoError(t, f.Close())

	old := readLines(t, path+".1")
	require.Len(t, old, 2)
	assert.Equal(t, "2026-11-21 13:45:24.080662", old[0]["timestamp"])
	assert.Equal(t, "req-1", old[0]["_context_request_id"])
	assert.Nil(t, old[0]["_context_global_request_id"])
	assert.NotEqual(t, old[0]["message_id"], old[1]["message_id"])
	fresh := readLines(t, path)
	require.Len(t, fresh, 1)
	assert.Equal(t, "backup.test.4", fresh[0]["event_type"])

	require.Error(t, NewFile(filepath.Join(path, "below")).Publish(t.Context(), message(1).withID()))
}

func TestALineThatWasTornIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(`{"half`), 0o600))
	f := NewFile(path)
	require.NoError(t, f.open())
	f.torn = true // as after a write to a full disk
	require.NoError(t, f.Publish(t.Context(), message(1).withID()))
	require.NoError(t, f.Publish(t.Context(), message(2).withID()))
	require.NoError(t, f.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	parts := strings.Split(strings.TrimSpace(string(raw)), "\n")
	require.Len(t, parts, 3)
	assert.Equal(t, `{"half`, parts[0])
	assert.True(t, json.Valid([]byte(parts[1])) && json.Valid([]byte(parts[2])))
}

func TestTheLogHasThePayloadAndTheRequest(t *testing.T) {
	log := &lines{}
	d, err := Open("log:", slog.New(trace.Handler(slog.NewJSONHandler(log, nil))))
	require.NoError(t, err)
	m := message(7)
	m.Priority = Error
	require.NoError(t, d.Publish(t.Context(), m.withID()))
	var line map[string]any
	require.NoError(t, json.Unmarshal(log.buf.Bytes(), &line))
	assert.Equal(t, "ERROR", line["level"])
	assert.Equal(t, "backup.test.7", line["event"])
	assert.Equal(t, map[string]any{"n": 7.0}, line["payload"])
	assert.Equal(t, "req-1", line["request"])
	require.NoError(t, d.Close())
}
