package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// once are the events of which a backup has one in its life.
var once = map[string]bool{"backup.create.end": true, "backup.delete.end": true}

// publishedTwice tells what was done twice, as far as notifications tell: they
// are published when what they tell of is committed, so that a kill can lose
// one and must not repeat one.
func (c *census) publishedTwice(t *testing.T) []string {
	t.Helper()
	var wrong []string
	seen := map[string]int{}
	files, err := os.ReadDir(c.dir)
	require.NoError(t, err)
	for _, f := range files {
		if f.IsDir() || !bytes.HasPrefix([]byte(f.Name()), []byte("notify-")) {
			continue
		}
		raw, err := os.ReadFile(c.published(f.Name()[len("notify-"):]))
		require.NoError(t, err)
		for line := range bytes.Lines(raw) {
			var n struct {
				EventType string `json:"event_type"`
				Payload   struct {
					BackupID string `json:"backup_id"`
				} `json:"payload"`
			}
			if json.Unmarshal(line, &n) != nil {
				continue // cut by a kill
			}
			if once[n.EventType] {
				key := n.EventType + " of backup " + n.Payload.BackupID
				if seen[key]++; seen[key] == 2 {
					wrong = append(wrong, fmt.Sprintf("%s is published twice", key))
				}
			}
		}
	}
	return wrong
}
