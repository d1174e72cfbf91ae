package measure

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	assert.Zero(t, Median([]float64(nil)))
	list := []float64{5, 1, 100}
	assert.InDelta(t, 5, Median(list), 0)
	assert.Equal(t, []float64{5, 1, 100}, list, "the list stays as it is")
	assert.Equal(t, 3*time.Second, Median([]time.Duration{4 * time.Second, time.Second, 2 * time.Second, time.Minute}))
}

func TestInTurns(t *testing.T) {
	var order string
	contestant := func(name string, fail int, err error) func(int) (int, error) {
		return func(round int) (int, error) {
			order += fmt.Sprint(name, round, " ")
			if round == fail {
				return 0, err
			}
			return round, nil
		}
	}
	samples, err := InTurns(1, 3, []func(int) (int, error){
		contestant("a", -1, nil),
		contestant("b", 2, fmt.Errorf("%w: broken", ErrDropOut)),
	})
	require.NoError(t, err)
	assert.Equal(t, "a0 b0 a1 b1 a2 b2 a3 ", order)
	assert.Equal(t, [][]int{{1, 2, 3}, nil}, samples, "who drops out has no samples")

	broken := errors.New("broken")
	_, err = InTurns(0, 3, []func(int) (int, error){contestant("a", 1, broken)})
	assert.ErrorIs(t, err, broken)
}

func TestRun(t *testing.T) {
	u, err := Run(context.Background(), nil, "sh", "-c", "echo here; cat /dev/zero | head -c 1 >/dev/null")
	require.NoError(t, err)
	assert.Equal(t, "here\n", string(u.Stdout))
	assert.Positive(t, u.Wall)
	assert.Positive(t, u.Peak)

	_, err = Run(context.Background(), nil, "sh", "-c", "echo no such thing >&2; exit 3")
	assert.ErrorContains(t, err, "no such thing")

	// What it started ends with it: or the pipe would stay open.
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = Run(ctx, nil, "sh", "-c", "sleep 60 & wait")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 50*time.Second)
}

func TestSmallTellsWhatItStarted(t *testing.T) {
	small := filepath.Join(t.TempDir(), "small")
	_, err := Run(context.Background(), nil, "go", "build", "-o", small, "./small")
	require.NoError(t, err)
	r := Runner{Small: small}
	u, err := r.Run(context.Background(), nil, "sh", "-c", "echo here; exec head -c 30000000 /dev/zero | tail -c 20000000 | wc -c")
	require.NoError(t, err)
	assert.Equal(t, "here\n20000000\n", string(u.Stdout))
	assert.Positive(t, u.Wall)
	assert.Greater(t, u.Peak, int64(15<<20), "what a child of a child held")

	_, err = r.Run(context.Background(), nil, "sh", "-c", "echo no such thing >&2; exit 3")
	require.ErrorContains(t, err, "no such thing")
	require.ErrorContains(t, err, "exit status 3")
	_, err = r.Run(context.Background(), nil, "no-such-program")
	require.ErrorContains(t, err, "no-such-program")

	floor, err := r.Floor(context.Background())
	require.NoError(t, err)
	assert.Less(t, floor, int64(12<<20))
}
