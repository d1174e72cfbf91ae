// Package commands is the command line of cinder-go: each verb turns flags
// into calls of a Cinder-compatible API and answers into output. It exports
// the entry point, the command tree for the documentation, and the table of
// exit codes, and nothing else.
package commands

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/prompt"
	"github.com/cinder-go/cinder-go/driverstate"
)

// ExitCode is one row of the table of exit codes.
type ExitCode struct {
	Code    int
	Meaning string
	kinds   []error
}

// ExitCodes is the table of exit codes, in order. Codes are promised: scripts
// rely on them.
func ExitCodes() []ExitCode {
	return []ExitCode{
		{0, "done, or nothing to change", nil},
		{1, "any failure not named here", nil},
		{2, "wrong usage, or a confirmation is needed (--yes)", []error{errUsage, errNeedsYes}},
		{3, "some done, some failed; restored in part", []error{errPartial, driverstate.ErrIncomplete}},
		{4, "accepted, but the state did not change", []error{driverstate.ErrNotApplied}},
		{5, "not found", []error{driverstate.ErrNotFound}},
		{6, "forbidden by the state: wrong status, dependent backups, a conflict, a limit", []error{
			driverstate.ErrInvalidStatus, driverstate.ErrHasDependents, driverstate.ErrConflict, driverstate.ErrOverLimit}},
		{7, "not permitted", []error{driverstate.ErrForbidden}},
		{8, "no answer, or no backup service is up", []error{driverstate.ErrServiceDown, driverstate.ErrUnavailable}},
		{9, "damaged data, or a record that cannot be trusted", []error{driverstate.ErrCorrupt}},
		{10, "declined at the prompt", []error{errDeclined}},
		{130, "interrupted", []error{context.Canceled, prompt.ErrInterrupted}},
	}
}

var (
	errUsage    = errors.New("wrong usage")
	errNeedsYes = errors.New("confirmation is needed: say --yes")
	errDeclined = errors.New("declined, nothing was changed")
	errPartial  = errors.New("some done, some failed")
)

// exitCode turns an error into an exit code.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var bulk *bulkError
	switch broken := (*notWholeError)(nil); {
	case errors.As(err, &broken):
		return exitCode(driverstate.ErrCorrupt)
	case errors.As(err, &bulk):
		return bulk.exitCode()
	}
	// Interruption first: a call that was cut off reports other kinds too.
	table := ExitCodes()
	last := len(table) - 1
	for _, row := range slices.Concat(table[last:], table[:last]) {
		for _, kind := range row.kinds {
			if errors.Is(err, kind) {
				return row.Code
			}
		}
	}
	return 1
}

// Main runs the command that args (without the program's name) ask for on the
// streams s, and returns its exit code. It reads the environment of the
// process, and ends early, leaving the rows true, when ctx does.
func Main(ctx context.Context, args []string, s *iostreams.Streams) int {
	return runMain(ctx, args, s, os.LookupEnv)
}

func runMain(ctx context.Context, args []string, s *iostreams.Streams, env lookup) int {
	f := newFactory(s, env, time.Now)
	root := newRoot(f)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if closeErr := f.close(ctx); err == nil {
		err = closeErr
	}
	if ctx.Err() != nil && err != nil {
		err = errors.Join(context.Canceled, err)
	}
	code := exitCode(err)
	if err == nil {
		return code
	}
	var bulk *bulkError
	if errors.As(err, &bulk) {
		return code // every item was reported when it failed
	}
	f.con.fail(err)
	var usage *usageError
	if errors.As(err, &usage) && !f.con.jsonEvents {
		f.con.io.Errf("usage: %s\n       %s --help tells more", cmd.UseLine(), cmd.CommandPath())
	}
	return code
}

func message(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return err.Error()
}

// usageError is a mistake in flags or arguments.
type usageError struct{ err error }

func (e *usageError) Error() string   { return e.err.Error() }
func (e *usageError) Unwrap() []error { return []error{errUsage, e.err} }

func usagef(format string, args ...any) error {
	return &usageError{errorf(format, args...)}
}
