package commands

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/commands/prompt"
	"github.com/cinder-go/cinder-go/driverstate"
)

// guardFlags are the flags of verbs that cannot be undone.
type guardFlags struct {
	dryRun bool
	max    int
	plan   string
}

// addDryRun adds the flag of a verb that can be looked at first.
func (g *guardFlags) addDryRun(fs *pflag.FlagSet) {
	fs.BoolVar(&g.dryRun, "dry-run", false, "say what would be done, and do the reads only")
}

// addFlags adds the flags of a verb that works on several things.
func (g *guardFlags) addFlags(fs *pflag.FlagSet) {
	g.addDryRun(fs)
	fs.IntVar(&g.max, "max", 0, "do nothing at all if it would change more than `N`; 0 is no limit")
}

// addPlan adds the flag of verbs that can be planned.
func (g *guardFlags) addPlan(fs *pflag.FlagSet) {
	fs.StringVar(&g.plan, "plan", "", "write what would be done to `FILE`, for cinder-go apply, and do the reads only")
}

func (g *guardFlags) check() error {
	switch {
	case g.max < 0:
		return usagef("--max must not be negative")
	case g.dryRun && g.plan != "":
		return usagef("--dry-run and --plan exclude each other")
	}
	return nil
}

// allows refuses n changes when that is too many. It is asked before the first.
func (g *guardFlags) allows(n int) error {
	if g.max > 0 && n > g.max {
		return withHint(driverstate.Fail(driverstate.ErrOverLimit, fmt.Sprintf("%d would be changed, and --max is %d: nothing was done", n, g.max)),
			"look with --dry-run; then narrow the selection or raise --max")
	}
	return nil
}

// confirm asks before something that cannot be undone is done to n things. It
// answers nil to go on. One is a yes or no, several must be counted.
func confirm(p prompt.Prompter, yes bool, what string, n int) error {
	if yes || n == 0 {
		return nil
	}
	var ok bool
	var err error
	if n == 1 {
		ok, err = p.Confirm(what + "?")
	} else {
		ok, err = p.Type(what+".", strconv.Itoa(n))
	}
	switch {
	case errors.Is(err, prompt.ErrNoTerminal):
		return fmt.Errorf("%s: %w", what, errNeedsYes)
	case err != nil:
		return err
	case !ok:
		return errDeclined
	}
	return nil
}
