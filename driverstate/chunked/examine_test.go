package chunked

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// However the write step of driver-check ends, nothing of it stays: no object,
// and no container that was not there.
func TestTheWriteStepLeavesNothingBehind(t *testing.T) {
	full := errors.New("no room")
	for _, layout := range []Layout{FileLayout{}, ObjectLayout{}} {
		for name, c := range map[string]struct {
			fails, ends string // the call that fails, or in which the user gives up
			with, want  error
		}{
			"success":          {},
			"put fails":        {fails: "put", with: full, want: full},
			"put is denied":    {fails: "put", with: objectstore.ErrForbidden, want: objectstore.ErrForbidden},
			"get fails":        {fails: "get", with: full, want: full},
			"given up making":  {ends: "put-container", want: context.Canceled},
			"given up writing": {ends: "put", want: context.Canceled},
			"given up reading": {ends: "get", with: context.Canceled, want: context.Canceled},
		} {
			for _, there := range []bool{false, true} {
				d, store := newDriver(t, layout)
				box := layout.Container(&driverstate.Backup{})
				if layout.CheckContainer(box) != nil {
					box = "other" // each backup has its own
				}
				if there {
					store.Set(box, "a", "not ours")
				}
				ctx, cancel := context.WithCancel(t.Context())
				store.Fail = func(op, _, _ string) error {
					switch op {
					case c.ends:
						cancel()
						return c.with
					case c.fails:
						return c.with
					}
					return nil
				}
				var last driverstate.Step
				for step := range Examine(ctx, d.Looks(driverstate.ExamineOptions{Write: true}, "")) {
					last = step
				}
				cancel()
				store.Fail = nil
				require.Equal(t, "write", last.Name)
				if c.want == nil {
					assert.NoError(t, last.Err, name)
				} else {
					assert.ErrorIs(t, last.Err, c.want, name)
				}
				var left, want []string
				for container, err := range store.Containers(t.Context()) {
					require.NoError(t, err)
					left = append(left, container)
				}
				if there {
					want = []string{box}
				}
				assert.Equal(t, want, left, "%s: containers, there before: %t", name, there)
				for _, container := range left {
					assert.Equal(t, []string{"a"}, store.Names(container), name)
				}
			}
		}
	}
}
