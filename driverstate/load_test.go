package driverstate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestTheLargestPartOfALoadBoundsIt(t *testing.T) {
	for _, c := range []struct {
		total, source, target time.Duration
		want                  driverstate.Load
		bound                 string
	}{
		{0, 0, 0, driverstate.Load{}, ""},
		{100, 10, 20, driverstate.Load{Source: 0.1, CPU: 0.7, Target: 0.2}, "CPU"},
		{100, 60, 20, driverstate.Load{Source: 0.6, CPU: 0.2, Target: 0.2}, "source"},
		{100, 10, 80, driverstate.Load{Source: 0.1, CPU: 0.1, Target: 0.8}, "target"},
		{100, 150, 50, driverstate.Load{Source: 0.75, Target: 0.25}, "source"}, // clocks of several workers may overlap
	} {
		got := driverstate.NewLoad(c.total, c.source, c.target)
		assert.InDeltaMapValues(t, map[string]float64{"s": c.want.Source, "c": c.want.CPU, "t": c.want.Target},
			map[string]float64{"s": got.Source, "c": got.CPU, "t": got.Target}, 1e-9)
		assert.Equal(t, c.bound, got.Bound())
	}
}
