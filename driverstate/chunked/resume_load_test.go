package chunked

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// older is a target with an older state of the image. It takes its time, and
// notes how far the restore said it was when it was changed first.
type older struct {
	slowVolume
	mu     sync.Mutex
	begins func()
}

func (o *older) Blank() bool { return false }

func (o *older) WriteAt(p []byte, off int64) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return copy(o.content[off:], p), nil
}

func (o *older) Begin(int64) error {
	o.begins()
	return nil
}

// resumedInABubble backs 8 MiB up in 8 objects and resumes a restore to a target
// in which the first wrong MiB are not as they were; each read of either takes a
// second. It returns what was told, and how much of that before the target was
// written.
func resumedInABubble(t *testing.T, wrong int, held int) (events []driverstate.Event, compared int) {
	const mib = 1 << 20
	d, store := newDriver(t, FileLayout{})
	d.held = held
	image := words(8 * mib)
	b := row(ownDir, fileP)
	b.Size, b.CreatedAt = 1, time.Unix(1700000000, 0)
	_, err := d.Backup(t.Context(), b, nil, ram{image}, nil)
	require.NoError(t, err)
	target := &older{slowVolume: slowVolume{ram: ram{bytes.Clone(image)}, read: time.Second}}
	clear(target.content[:wrong*mib])
	target.begins = func() { compared = len(events) }
	d.store = &slowly{Store: store, get: time.Second}
	var mu sync.Mutex
	done, err := d.Restore(t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{Resume: true},
		driverstate.ObserverFunc(func(e driverstate.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		}))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(image, target.content))
	assert.EqualValues(t, (8-wrong)*mib, done.BytesKept)
	return events, compared
}

func TestAComparisonTellsHowFarItIs(t *testing.T) {
	for wrong, least := range map[int]int64{0: 8 << 20, 3: 5 << 20, 8: 0} {
		emptyPools()
		synctest.Test(t, func(t *testing.T) {
			events, compared := resumedInABubble(t, wrong, heldDigests)
			require.Greater(t, compared, 4, "16 stretches, by 3 workers")
			assert.Equal(t, least, events[compared-1].BytesDone)
			assert.Less(t, events[1].BytesDone, int64(8<<20), "in more than one jump")
			assert.True(t, slices.IsSortedFunc(events, func(a, b driverstate.Event) int { return int(a.BytesDone - b.BytesDone) }))
			last := events[len(events)-1]
			assert.Equal(t, driverstate.EventEnd, last.Type)
			assert.EqualValues(t, 8<<20, last.BytesTotal)
			assert.Equal(t, last.BytesTotal, last.BytesDone)
			assert.Equal(t, wrong, last.ObjectsTotal)
		})
	}
	emptyPools()
}

// In a bubble only waiting takes time. Of 16 stretches of the target and 8
// objects, each of a second, each worker has its part.
func TestAResumedRestoreWaitsForTheTargetWhileItCompares(t *testing.T) {
	for _, c := range []struct {
		name        string
		wrong, held int
		bound       string
	}{
		{"all is right", 0, heldDigests, "target"},
		{"all is right, with a list that is not held", 0, 0, ""},
		{"all is wrong", 8, heldDigests, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			emptyPools()
			defer emptyPools()
			synctest.Test(t, func(t *testing.T) {
				events, _ := resumedInABubble(t, c.wrong, c.held)
				load := events[len(events)-1].Load
				assert.InDelta(t, 0, load.CPU, 1e-6)
				if c.bound != "" {
					assert.InDelta(t, 1, load.Target, 1e-6)
				} else {
					assert.Greater(t, load.Target, 0.1)
					assert.Greater(t, load.Source, 0.1)
				}
			})
		})
	}
}
