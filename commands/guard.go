package commands

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/commands/prompt"
)

// guardFlags are the flags of verbs that cannot be undone.
type guardFlags struct {
	dryRun bool
}

func (g *guardFlags) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&g.dryRun, "dry-run", false, "say what would be done, and do the reads only")
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
