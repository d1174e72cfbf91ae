package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type driverCheckClient interface {
	Examine(ctx context.Context, r driverstate.ExamineRequest) ([]driverstate.Examination, error)
}

type driverCheckOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (driverCheckClient, error)

	out  outputFlags
	host string
	with driverstate.ExamineOptions
}

func newDriverCheck(f *Factory, run runner[driverCheckOptions]) *cobra.Command {
	o := &driverCheckOptions{con: f.con, client: func(ctx context.Context) (driverCheckClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "driver-check",
		Short: "Find out step by step why a backup driver does not work",
		Long: `Examine the backup driver of the engine: its configuration, the name of its
server, the mount, the connection, TLS, the clock, the credentials, the free
space, the container, a list, a read. Each step is a row; the first that fails
is the last, and it is said what to change.

Without --write nothing is changed, but that a share is mounted. With --write an
object that no backup can be confused with is written, read, and removed, and so
is its container if it was not there.

A cloud cannot do this; the engine can (--standalone, or "cinder-go serve").

Exit 0: all is well. 2: the configuration is wrong. 5: there is no container.
6: no space is left. 7: the credentials, the rights they have, or the clock.
8: no directory, name, mount, connection, TLS or answer. 9: other bytes came back.`,
		Example: `  cinder-go --standalone --config-file /etc/cinder/cinder.conf driver-check
  cinder-go --standalone --store posix:///srv/backup driver-check --write
  cinder-go --os-endpoint http://127.0.0.1:8776/v3 driver-check --host backup-1 -f json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.check(driverCheckColumns()); err != nil {
				return err
			}
			if o.with.Write && f.g.standalone && f.g.readOnly {
				return usagef("--write and --read-only exclude each other")
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	o.out.addLong(fs)
	fs.StringVar(&o.host, "host", "", "only the driver of the service on this `HOST` (default: all of the engine)")
	fs.BoolVar(&o.with.Write, "write", false, "also write, read and remove an object, and its container if it is not there")
	return cmd
}

func driverCheckColumns() []output.Column {
	return []output.Column{
		{Key: "host", Title: "Host"}, {Key: "step", Title: "Step"}, {Key: "passed", Title: "Passed"}, {Key: "detail", Title: "Detail"},
		{Key: "advice", Title: "Advice"}, {Key: "kind", Title: "Kind", Wide: true}, {Key: "service", Title: "Service", Wide: true},
	}
}

func runDriverCheck(ctx context.Context, o *driverCheckOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	all, err := c.Examine(ctx, driverstate.ExamineRequest{Host: o.host, ExamineOptions: o.with})
	if err != nil {
		return err
	}
	v := output.View{Columns: driverCheckColumns()}
	var failures []error
	for _, x := range all {
		for _, s := range x.Steps {
			detail := s.Detail
			if s.Err != nil {
				detail = s.Err.Error()
			}
			v.Rows = append(v.Rows, []any{x.Host, s.Name, s.Err == nil, orNil(detail), orNil(s.Advice), orNil(driverstate.StepKind(s.Err)), x.Service})
		}
		if s := x.Failed(); s != nil {
			failures = append(failures, driverFailure(x, s))
		}
	}
	if err := o.print(v); err != nil {
		return err
	}
	return first(failures...)
}

// driverFailure is what the verb ends with when a step failed. A wrong
// configuration has the exit code of wrong usage, and a store that cannot be
// written that of a missing right.
func driverFailure(x driverstate.Examination, s *driverstate.Step) error {
	err := fmt.Errorf("driver of %s: %s: %w", x.Host, s.Name, s.Err)
	switch {
	case errors.Is(s.Err, driverstate.ErrInvalidInput):
		err = &stepError{err, errUsage}
	case errors.Is(s.Err, driverstate.ErrReadOnly):
		err = &stepError{err, driverstate.ErrForbidden}
	}
	if s.Advice != "" {
		return withHint(err, s.Advice)
	}
	return err
}

// stepError is an error with the exit code of kind: errUsage without the usage
// line, for the command is right.
type stepError struct {
	error
	kind error
}

func (e *stepError) Unwrap() []error { return []error{e.kind, e.error} }
