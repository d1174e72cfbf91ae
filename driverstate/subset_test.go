package driverstate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestParseSubset(t *testing.T) {
	for text, want := range map[string]driverstate.Subset{
		"":     {},
		"1/1":  {Group: 1, Groups: 1},
		"2/7":  {Group: 2, Groups: 7},
		"5%":   {Percent: 5},
		"2.5%": {Percent: 2.5},
		"100%": {Percent: 100},
		"20G":  {Bytes: 20 << 30},
		"1T":   {Bytes: 1 << 40},
		"500m": {Bytes: 500 << 20},
		"3k":   {Bytes: 3 << 10},
	} {
		got, err := driverstate.ParseSubset(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		again, err := driverstate.ParseSubset(got.String())
		require.NoError(t, err)
		assert.Equal(t, got, again)
	}
	assert.Equal(t, "1T", driverstate.Subset{Bytes: 1 << 40}.String())
	for _, text := range []string{"0/7", "8/7", "-1/7", "a/7", "1/", "/", "0%", "101%", "-5%", "NaN%", "x%", "%", "G", "0G", "-1G", "5", "20B", "1.5G", "99999999999999G", "5 %", "1/2/3"} {
		_, err := driverstate.ParseSubset(text)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, text)
	}
}

func TestAProofKeepsTheTimeOfEveryObject(t *testing.T) {
	l := driverstate.Layout{BackupID: "b", Identity: "i", Lengths: []int64{4, 4, 4, 4, 4, 1}}
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC).Unix()
	for _, times := range [][]int64{
		{0, 0, 0, 0, 0, 0}, {now, now, now, now, now, now}, {0, now, now, 0, now - 5, now}, {5, 4, 3, 2, 1, 0},
	} {
		p := driverstate.NewProof(l, times)
		assert.Equal(t, times, p.Times())
		assert.EqualValues(t, 21, p.Bytes)
		text, err := p.Runs.MarshalText()
		require.NoError(t, err)
		var back driverstate.ProofRuns
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, p.Runs, back)
	}
	var none driverstate.ProofRuns
	require.NoError(t, none.UnmarshalText(nil))
	assert.Empty(t, none)
	for _, bad := range []string{"!", "AQ", "AQE", "////////"} {
		assert.Error(t, none.UnmarshalText([]byte(bad)), bad)
	}
}

// 100,000 backups of 300 objects that are read in 20 nights take some 10 MB.
func TestAProofIsSmall(t *testing.T) {
	l := driverstate.Layout{BackupID: "b", Lengths: make([]int64, 300)}
	times := make([]int64, 300)
	for i := range times {
		l.Lengths[i] = 52428800
		times[i] = 1_800_000_000 + int64(i/15)*86_400
	}
	text, err := driverstate.NewProof(l, times).Runs.MarshalText()
	require.NoError(t, err)
	assert.Less(t, len(text), 260, "20 runs")
	for i := range times {
		times[i] = 1_800_000_000
	}
	text, err = driverstate.NewProof(l, times).Runs.MarshalText()
	require.NoError(t, err)
	assert.Less(t, len(text), 20, "read at once")
}

func FuzzProofRuns(f *testing.F) {
	text, _ := driverstate.ProofRuns{{Objects: 3, Bytes: 12, At: time.Unix(99, 0)}}.MarshalText()
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var r driverstate.ProofRuns
		if r.UnmarshalText(text) != nil {
			return
		}
		again, err := r.MarshalText()
		require.NoError(t, err)
		var same driverstate.ProofRuns
		require.NoError(t, same.UnmarshalText(again))
		require.Equal(t, r, same)
	})
}
