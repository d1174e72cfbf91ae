package progress_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/progress"
	"github.com/cinder-go/cinder-go/driverstate"
)

const id = "31136ebd-183c-4c85-9249-b1a09f4e2cd7"

// play observes a restore of 1 GiB that takes two minutes, an event a second.
func play(mode progress.Mode, tty bool) string {
	s, _, errOut := iostreams.Buffers(strings.NewReader(""))
	s.ErrTTY = tty
	s.ErrWidth = func() int { return 200 }
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := progress.New(s, mode, func() time.Time { return now })
	e := driverstate.Event{Type: driverstate.EventStart, Op: "restore", BackupID: id, BytesTotal: 1 << 30, ObjectsTotal: 120, Time: now}
	r.Observe(e)
	for i := range 120 {
		now = now.Add(time.Second)
		e.Type, e.Time = driverstate.EventProgress, now
		e.BytesDone, e.ObjectsDone = int64(i+1)<<30/120, i+1
		r.Observe(e)
	}
	e.Type = driverstate.EventEnd
	r.Observe(e)
	r.Clear()
	return errOut.String()
}

func TestOffATerminalALineComesAtStartEvery30SecondsAndAtTheEnd(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(play(progress.ModePlain, false)), "\n")
	require.Len(t, lines, 6)
	assert.Equal(t, "restore "+id+": 1.0 GiB to go", lines[0])
	assert.Equal(t, "restore "+id+": 256.0 MiB of 1.0 GiB (25 %), 8.5 MiB/s, object 30 of 120, 1m30s left", lines[1])
	assert.Equal(t, "restore "+id+": done in 2m0s, 1.0 GiB, 8.5 MiB/s, 120 objects", lines[5])
}

func TestAtATerminalOneLineIsRewrittenAndCleared(t *testing.T) {
	got := play(progress.ModePlain, true)
	assert.NotContains(t, got, "\n")
	assert.True(t, strings.HasSuffix(got, "\r\x1b[K"))
	assert.Contains(t, got, "(50 %)")
}

func TestNoRemainingTimeIsShownBeforeTheRateIsKnown(t *testing.T) {
	first := strings.Split(play(progress.ModePlain, true), "\r\x1b[K")
	for _, line := range first[1:6] {
		assert.NotContains(t, line, "left")
	}
	assert.Contains(t, first[60], "left")
}

func TestQuietIsSilent(t *testing.T) {
	assert.Empty(t, play(progress.ModeNone, false))
	assert.Empty(t, play(progress.ModeNone, true))
}

func TestJSONEventsAreOneObjectALine(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(play(progress.ModeJSON, false)), "\n")
	require.Len(t, lines, 122)
	for i, line := range lines {
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		want := "progress"
		switch i {
		case 0:
			want = "start"
		case 121:
			want = "end"
		}
		assert.Equal(t, want, e["type"])
		assert.Equal(t, id, e["backup_id"])
		assert.Equal(t, "restore", e["op"])
	}
}

func TestWarningsAreShownAtOnceAndMadeHarmless(t *testing.T) {
	s, _, errOut := iostreams.Buffers(strings.NewReader(""))
	r := progress.New(s, progress.ModePlain, time.Now)
	r.Observe(driverstate.Event{Type: driverstate.EventWarning, Op: "verify", BackupID: id, Message: "stray object a\x1b[2J"})
	assert.Equal(t, "warning: verify "+id+`: stray object a\x1b[2J`+"\n", errOut.String())
}

func TestBytesAreSaidInBinaryUnits(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB",
		1<<30 - 1: "1.0 GiB", 5 << 40: "5.0 TiB", 1<<63 - 1: "8.0 EiB",
	} {
		assert.Equal(t, want, progress.Bytes(n))
	}
}
