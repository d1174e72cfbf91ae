package table

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name  string
		row   Row
		ratio float64
		share float64
		want  Verdict
	}{
		{"a rate reaches both goals", Row{Unit: MBps, Ours: 1200, Peer: 150, Limit: 1400, Goal: Goal{Ratio: 8, Share: 0.85}}, 8, 1200.0 / 1400, Met},
		{"a rate is too far from the limit", Row{Unit: MBps, Ours: 1200, Peer: 150, Limit: 1500, Goal: Goal{Ratio: 8, Share: 0.85}}, 8, 0.8, Missed},
		{"a rate is too close to the peer", Row{Unit: MBps, Ours: 1190, Peer: 150, Goal: Goal{Ratio: 8}}, 1190.0 / 150, 0, Missed},
		{"what is printed as the goal is the goal", Row{Unit: MBps, Ours: 7.996, Peer: 1, Goal: Goal{Ratio: 8}}, 7.996, 0, Met},
		{"of seconds fewer are better", Row{Unit: Seconds, Ours: 0.5, Peer: 2, Limit: 0.4, Goal: Goal{Ratio: 4, Share: 0.8}}, 4, 0.8, Met},
		{"memory has a bound", Row{Unit: MiB, Ours: 49, Peer: 4686, Goal: Goal{Ratio: 90, AtMost: 48}}, 4686.0 / 49, 0, Missed},
		{"and is one of a rate's goals", Row{Unit: Seconds, Ours: 1, Peer: 3, OursMiB: 65, Goal: Goal{Ratio: 3, PeakMiB: 64}}, 3, 0, Missed},
		{"a goal whose limit was not measured is missed", Row{Unit: MBps, Ours: 1200, Peer: 150, Goal: Goal{Share: 0.85}}, 8, 0, Missed},
		{"without a goal there is no verdict", Row{Unit: MBps, Ours: 1200, Peer: 150}, 8, 0, NoGoal},
		{"what is not installed is skipped", Row{Unit: MBps, Goal: Goal{Ratio: 8}, Skip: "restic is not installed"}, 0, 0, Skipped},
		{"what went wrong failed", Row{Unit: MBps, Ours: 1200, Peer: 1, Goal: Goal{Ratio: 8}, Failure: "the bytes differ"}, 1200, 0, Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.InDelta(t, c.ratio, c.row.Ratio(), 1e-9)
			assert.InDelta(t, c.share, c.row.Share(), 1e-9)
			assert.Equal(t, c.want, c.row.Verdict())
		})
	}
}

// TestLimits holds the arithmetic to the costs that it was made for: 0.95 ns a
// byte to inflate, 0.34 to hash, 0.03 to find zeros, 0.05 to write, on two cores.
func TestLimits(t *testing.T) {
	rate := func(nanoseconds float64) float64 { return 2e3 / nanoseconds }
	assert.InDelta(t, 2e3/1.37, InTurn(rate(0.95), rate(0.34), rate(0.03), rate(0.05)), 1e-6)
	assert.InDelta(t, 2e3/1.37, InTurn(rate(0.95), 0, rate(0.34), rate(0.03), rate(0.05)), 1e-6, "a step of rate 0 costs nothing")
	assert.Zero(t, InTurn())
	assert.InDelta(t, 2e3/(0.95*1.25+0.34), InTurn(Part(rate(0.95), 1.25), rate(0.34)), 1e-6, "a chain decodes a quarter more than the volume")
	assert.Zero(t, Part(rate(0.95), 0), "a step that nothing goes through costs nothing")
	assert.InDelta(t, 3500, Capped(4200, 3500), 0)
	assert.InDelta(t, 1400, Capped(1400, 3500), 0)
	assert.InDelta(t, 1400, Capped(1400, 0), 0)
}

func TestReportSave(t *testing.T) {
	r := &Report{
		Machine: []string{"two processors"},
		Rows: []Row{
			{Name: "restore zlib", Unit: MBps, Peer: 159, PeerName: "Cinder", Limit: 1440, Ours: 1290, Goal: Goal{Ratio: 8, Share: 0.85}, OursMiB: 30.2, PeerMiB: 628},
			{Name: "list", Unit: Seconds, Goal: Goal{Ratio: 50}, Skip: "cinder is not installed"},
		},
		Growth: []Point{{What: "restore, by depth", At: "20", Value: 0.51, Unit: Seconds}},
	}
	const tables = `* two processors

| job | unit | peer | limit | ours | times the peer | of the limit | goal |  | peak MiB, ours / peer |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| restore zlib | MB/s | 159 (Cinder) | 1440 | 1290 | 8.11 | 0.90 | >= 8 x, >= 0.85 of limit | met | 31 / 628 |
| list | s | - | - | - | - | - | >= 50 x | skipped: cinder is not installed | - / - |

| job | at | value | unit | |
| --- | --- | --- | --- | --- |
| restore, by depth | 20 | 0.510 | s |  |
`
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, []byte("# Speed\n"+beginMark+"old\n"+endMark+"The end.\n"), 0o644))
	for range 2 { // the marks are still there
		require.NoError(t, r.Save(page))
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		assert.Equal(t, "# Speed\n"+beginMark+tables+endMark+"The end.\n", string(text))
	}

	require.NoError(t, os.WriteFile(page, []byte("my notes"), 0o644))
	require.ErrorContains(t, r.Save(page), "has no lines")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, "my notes", string(text), "a page without marks is not overwritten")

	assert.Contains(t, r.Text(), "restore zlib")
	assert.False(t, r.Failed())
	r.Rows[1].Failure = "x"
	assert.True(t, r.Failed())
}

func TestNumbers(t *testing.T) {
	for x, want := range map[float64]string{0: "-", 1440.4: "1440", 83.25: "83.2", 8.111: "8.11", 0.0117: "0.0117", 0.00044: "0.0004"} {
		assert.Equal(t, want, number(x))
	}
	assert.Equal(t, ">= 8 x, >= 0.85 of limit, <= 48", Goal{Ratio: 8, Share: 0.85, AtMost: 48}.String())
	assert.NotContains(t, Row{Failure: "a\n| b"}.cells()[8], "|", "a cell of Markdown")
	assert.True(t, strings.HasPrefix(Row{Failure: "a"}.cells()[8], "FAILED"))
}
