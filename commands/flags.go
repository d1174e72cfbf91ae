package commands

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// outputFlags are the flags of every verb that writes data.
type outputFlags struct {
	formatName string
	columns    []string
	long       bool
	format     output.Format
}

func (o *outputFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.formatName, "format", "f", string(output.Table), "`FORMAT` of the output: "+strings.Join(output.Formats, ", "))
	fs.StringArrayVarP(&o.columns, "column", "c", nil, "only this `COLUMN`, by key or heading; may be repeated")
}

// addLong is for verbs whose tables have more columns than fit beside each other.
func (o *outputFlags) addLong(fs *pflag.FlagSet) {
	fs.BoolVar(&o.long, "long", false, "every column in the table, as the other formats have them anyway")
}

// check refuses a format or a column that does not exist, before anything is
// done.
func (o *outputFlags) check(columns []output.Column) error {
	format, err := output.ParseFormat(o.formatName)
	if err != nil {
		return &usageError{err}
	}
	o.format = format
	if o.long && len(o.columns) > 0 {
		return usagef("--long and --column exclude each other")
	}
	if err := (output.Printer{Columns: o.columns}).Check(columns); err != nil {
		return &usageError{err}
	}
	return nil
}

// waitFlags are the flags of every verb whose outcome comes later than the
// answer.
type waitFlags struct {
	noWait  bool
	timeout time.Duration
}

func (w *waitFlags) addFlags(fs *pflag.FlagSet, otherwise time.Duration) {
	fs.BoolVar(&w.noWait, "no-wait", false, "end when the request is accepted, without looking at what becomes of it")
	fs.DurationVar(&w.timeout, "timeout", otherwise, "give up waiting for the outcome of one backup after this long; 0 waits without limit")
}

func (w *waitFlags) check(g *globalFlags) error {
	if w.timeout < 0 {
		return usagef("--timeout must not be negative")
	}
	if w.noWait && g.standalone {
		return usagef("--no-wait needs a server: with --standalone the engine ends with the command")
	}
	return nil
}

// within runs wait under the limit. Running out of time is ErrNotApplied: the
// request was accepted and nothing came of it yet.
func (w *waitFlags) within(ctx context.Context, what string, wait func(context.Context) error) error {
	limited := ctx
	if w.timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	err := wait(limited)
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return driverstate.Fail(driverstate.ErrNotApplied, fmt.Sprintf("%s: still under way after %s", what, w.timeout))
	}
	return err
}

// choosing are the flags that choose what a verb works on, or say where it
// writes. An empty text comes of a variable that is not set: left out, the verb
// would take more than was meant, or do what it was to write down.
var choosing = []string{
	"status", "older-than", "project", "host", "az", "volume", "of-volume", "name", "named", "volume-id", "container",
	"resource-id", "resource-type", "resource-uuid", "request-id", "level", "binary", "cluster", "is-up", "disabled", "service-id",
	"subset", "not-verified-since", "offset", "length",
	"plan", "output", "to", "records",
}

// choosesNothing are verbs with flags of such names that choose nothing: an
// empty text is no name there, or the default.
var choosesNothing = map[string][]string{
	"backup-create":  {"name", "container"},
	"backup-update":  {"name"},
	"backup-restore": {"name"},
	"volume-create":  {"name"},
	"serve":          {"host", "cluster"},
}

// checkEmpty refuses flags that are given and choose nothing.
func checkEmpty(cmd *cobra.Command) error {
	var empty string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(choosing, f.Name) && !slices.Contains(choosesNothing[cmd.Name()], f.Name) && isEmpty(f.Value) {
			empty = f.Name
		}
	})
	if empty != "" {
		return usagef("--%s is empty: leave it out, or set the variable that it comes from", empty)
	}
	return nil
}

func isEmpty(v pflag.Value) bool {
	if list, several := v.(pflag.SliceValue); several {
		words := list.GetSlice()
		return len(words) == 0 || slices.Contains(words, "")
	}
	return v.String() == ""
}

// first is the first of errs that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// refs checks the positional arguments of a verb that takes backups by id or
// name, and drops repetitions.
func refs(args []string) ([]string, error) {
	seen := make(map[string]bool, len(args))
	var out []string
	for _, a := range args {
		if strings.TrimSpace(a) == "" {
			return nil, usagef("a backup's id or name is empty")
		}
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out, nil
}

// refsOrAll is for verbs that take backups or --all, not both and not none.
func refsOrAll(args []string, all bool) error {
	switch {
	case all && len(args) > 0:
		return usagef("--all and backups by name exclude each other")
	case !all && len(args) == 0:
		return usagef("say which backup, by id or name, or --all")
	}
	return nil
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s", what)
		}
		return nil
	}
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("there is nothing to do with %q here", args[0])
	}
	return nil
}

// parseBytes reads a number of bytes with K, M, G or T behind it, each 1024 of
// the one before, also written KiB and so on; 0 for an empty text.
func parseBytes(flag, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	shift := 0
	if n := len(text) - len("iB"); n > 1 && strings.EqualFold(text[n:], "iB") {
		text = text[:n]
	}
	if i := strings.IndexByte("KMGT", strings.ToUpper(text)[len(text)-1]); i >= 0 {
		shift = 10 * (i + 1)
		text = text[:len(text)-1]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>shift {
		return 0, usagef("%s is a number of bytes, such as 500K, 20M or 4G", flag)
	}
	return n << shift, nil
}
