package engine_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/driverstate/notify"
)

// percents are those of the notifications of progress in a file.
func percents(t *testing.T, path string) (told []float64, ended bool) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false // nothing was told yet
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		var n struct {
			EventType string `json:"event_type"`
			Payload   struct {
				Percent float64 `json:"backup_percent"`
			}
		}
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &n) != nil {
			break
		}
		if n.EventType == "backup.createprogress" {
			told = append(told, n.Payload.Percent)
		}
		ended = ended || n.EventType == "backup.create.end"
	}
	return told, ended
}

func TestTheStoreSaysWhetherProgressIsToldByTime(t *testing.T) {
	for name, c := range map[string]struct {
		parameter string
		want      []float64
	}{
		"by default": {"", []float64{0, 100}},
		"turned off": {"?enable_progress_timer=false", []float64{100}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "n.jsonl")
			l := &twinLab{t: t, e: start(t, engine.Config{
				StateDir: t.TempDir(), Stores: []engine.Store{{URL: "posix://" + t.TempDir() + c.parameter}}, Notify: []notify.URL{notify.URL("file://" + file)},
			})}
			v := l.ask(http.StatusAccepted, "POST", "volumes", map[string]any{"volume": map[string]any{"size": 1}})["volume"].(map[string]any)["id"]
			require.Eventually(t, func() bool {
				return l.ask(http.StatusOK, "GET", "volumes/"+v.(string), nil)["volume"].(map[string]any)["status"] == "available"
			}, time.Minute, 10*time.Millisecond)
			l.ask(http.StatusAccepted, "POST", "backups", map[string]any{"backup": map[string]any{"volume_id": v}})
			require.Eventually(t, func() bool { _, ended := percents(t, file); return ended }, 5*time.Minute, 10*time.Millisecond)
			told, _ := percents(t, file)
			assert.Equal(t, c.want, told, "1 GiB is one object of the posix driver")
		})
	}
}
