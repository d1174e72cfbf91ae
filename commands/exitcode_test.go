package commands

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/commands/prompt"
	"github.com/cinder-go/cinder-go/driverstate"
)

func TestEveryKindOfErrorHasItsExitCode(t *testing.T) {
	several := func(succeeded int, errs ...error) error { return &bulkError{errs: errs, succeeded: succeeded} }
	for _, c := range []struct {
		name string
		err  error
		code int
	}{
		{"nothing wrong", nil, 0},
		{"unknown", errors.New("disk full"), 1},
		{"invalid input", driverstate.ErrInvalidInput, 1},
		{"usage", usagef("no such flag"), 2},
		{"usage with a kind of its own", &usageError{driverstate.ErrNotFound}, 2},
		{"confirmation needed", fmt.Errorf("delete: %w", errNeedsYes), 2},
		{"not applied", driverstate.ErrNotApplied, 4},
		{"not found", driverstate.Fail(driverstate.ErrNotFound, "backup x: not there"), 5},
		{"not found, hinted", withHint(driverstate.ErrNotFound, "look elsewhere"), 5},
		{"invalid status", driverstate.ErrInvalidStatus, 6},
		{"has dependents", driverstate.ErrHasDependents, 6},
		{"conflict", driverstate.ErrConflict, 6},
		{"over limit", driverstate.ErrOverLimit, 6},
		{"forbidden", driverstate.ErrForbidden, 7},
		{"unavailable", driverstate.ErrUnavailable, 8},
		{"service down", driverstate.ErrServiceDown, 8},
		{"damaged", driverstate.ErrCorrupt, 9},
		{"declined", errDeclined, 10},
		{"interrupted", context.Canceled, 130},
		{"interrupted at the prompt", prompt.ErrInterrupted, 130},
		{"interrupted, and so not answered", errors.Join(context.Canceled, driverstate.ErrUnavailable), 130},
		{"some done, some failed", several(1, driverstate.ErrNotFound), 3},
		{"all failed alike", several(0, driverstate.ErrNotFound, driverstate.ErrNotFound), 5},
		{"all failed, each its own way", several(0, driverstate.ErrNotFound, driverstate.ErrForbidden), 1},
		{"interrupted among several", several(1, driverstate.ErrNotFound, context.Canceled), 130},
		{"not whole among whole ones", &notWholeError{several(5, driverstate.ErrCorrupt)}, 9},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.code, exitCode(c.err)) })
	}
}

func TestExitCodesAreOrderedAndExplained(t *testing.T) {
	last := -1
	for _, c := range ExitCodes() {
		assert.Greater(t, c.Code, last)
		assert.NotEmpty(t, c.Meaning)
		last = c.Code
	}
}

func TestAHintIsANextCommand(t *testing.T) {
	assert.Equal(t, "look elsewhere", hintFor(withHint(driverstate.ErrNotFound, "look elsewhere")))
	assert.Contains(t, hintFor(driverstate.ErrServiceDown), "cinder-go service-list")
	assert.Contains(t, hintFor(driverstate.ErrNotApplied), "cinder-go backup-show")
	assert.Empty(t, hintFor(errors.Join(context.Canceled, driverstate.ErrNotFound)))
	assert.Empty(t, hintFor(errors.New("disk full")))
}
