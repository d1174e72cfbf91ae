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

// measured observes an operation of 4 GiB that takes 4 s.
func measured(mode progress.Mode, tty bool, op string, load driverstate.Load) string {
	s, _, errOut := iostreams.Buffers(strings.NewReader(""))
	s.ErrTTY = tty
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := progress.New(s, mode, func() time.Time { return now })
	e := driverstate.Event{Type: driverstate.EventStart, Op: op, BackupID: id, BytesTotal: 4 << 30, ObjectsTotal: 82, Time: now}
	r.Observe(e)
	now = now.Add(4 * time.Second)
	e.Type, e.BytesDone, e.ObjectsDone, e.Load = driverstate.EventEnd, 4<<30, 82, load
	r.Observe(e)
	r.Clear()
	return errOut.String()
}

func TestTheFinalLineSaysWhatBoundedTheRun(t *testing.T) {
	const done = id + ": done in 4s, 4.0 GiB, 1.0 GiB/s, 82 objects"
	for _, c := range []struct {
		op   string
		load driverstate.Load
		want string
	}{
		{"restore", driverstate.NewLoad(100, 17, 2), "; bound by CPU (decoding): source 17 %, CPU 81 %, target 2 %\n"},
		{"backup", driverstate.NewLoad(100, 5, 15), "; bound by CPU (packing): source 5 %, CPU 80 %, target 15 %\n"},
		{"verify", driverstate.NewLoad(100, 70, 0), "; bound by source: source 70 %, CPU 30 %, target 0 %\n"},
		{"ship", driverstate.NewLoad(100, 20, 60), "; bound by target: source 20 %, CPU 20 %, target 60 %\n"},
		{"restore", driverstate.Load{}, "\n"},
	} {
		assert.True(t, strings.HasSuffix(measured(progress.ModePlain, false, c.op, c.load), c.op+" "+done+c.want), c.want)
	}
}

func TestTheFinalLineIsShownAtATerminalTooAndNotWhenQuiet(t *testing.T) {
	load := driverstate.NewLoad(100, 17, 2)
	assert.True(t, strings.HasSuffix(measured(progress.ModePlain, true, "restore", load), "bound by CPU (decoding): source 17 %, CPU 81 %, target 2 %\n"))
	assert.Empty(t, measured(progress.ModeNone, false, "restore", load))
}

func TestJSONEventsTellTheRateAndWhatBoundedTheRun(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(measured(progress.ModeJSON, false, "restore", driverstate.NewLoad(100, 17, 2))), "\n")
	require.Len(t, lines, 2)
	assert.NotContains(t, lines[0], "bound")
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &e))
	assert.Equal(t, float64(1<<30), e["bytes_per_second"])
	assert.Equal(t, map[string]any{"by": "cpu", "source": 0.17, "cpu": 0.81, "target": 0.02}, e["bound"])
}
