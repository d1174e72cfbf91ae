package manager_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// cleaning is a driver whose examination is given up, and then has something to
// remove.
type cleaning struct {
	driverstate.Driver
	begun, clean chan struct{}
	removed      bool
}

func (c *cleaning) Examine(ctx context.Context, _ driverstate.ExamineOptions) iter.Seq[driverstate.Step] {
	return func(yield func(driverstate.Step) bool) {
		close(c.begun)
		<-ctx.Done()
		<-c.clean
		c.removed = true
		yield(driverstate.Step{Name: "write", Err: ctx.Err()})
	}
}

// The process of driver-check ends with Stop, also when nobody waits for the
// answer any more.
func TestStopEndsAnExaminationAndWaitsForIt(t *testing.T) {
	for _, gone := range []bool{true, false} {
		d := &cleaning{begun: make(chan struct{}), clean: make(chan struct{})}
		l := newLab(t, func(c *manager.Config) { d.Driver, c.Driver = c.Driver, d })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		failed := make(chan error, 1)
		go func() {
			_, err := l.Examine(ctx, admin, driverstate.ExamineRequest{})
			failed <- err
		}()
		<-d.begun
		if gone {
			cancel()
		}
		short, over := context.WithTimeout(t.Context(), 20*tick)
		err := l.Stop(short)
		over()
		require.ErrorIs(t, err, context.DeadlineExceeded, "it is not removed yet")
		close(d.clean)
		require.NoError(t, l.Stop(t.Context()))
		assert.True(t, d.removed)
		require.ErrorIs(t, <-failed, context.Canceled)
	}
}
