package commands

import (
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tuning is how much of the machine, and of the way to the store, may be taken.
type tuning struct {
	parallelText, memoryText, limitText string // as given

	parallel int    // 0 for the default
	memory   int64  // bytes; 0 for no bound
	limit    int64  // bytes per second; 0 for no bound
	level    string // of new backups, as engine.Config takes it
}

func (t *tuning) settings() []setting {
	return []setting{
		{flag: "parallel", env: "CINDER_GO_PARALLEL", to: &t.parallelText,
			help: "do at most `N` things at once: backups of a verb that takes several (default 8), and objects or pieces of each in the engine (default: one per CPU)"},
		{flag: "memory", env: "CINDER_GO_MEMORY", to: &t.memoryText,
			help: "the engine's buffers for each backup that it copies take at most `SIZE`, such as 64M; it works on fewer objects at once for that"},
		{flag: "bwlimit", env: "CINDER_GO_BWLIMIT", to: &t.limitText,
			help: "the engine reads and writes a store at no more than `RATE` bytes per second, such as 500K or 20M"},
	}
}

// complete reads what was given.
func (t *tuning) complete() (err error) {
	if t.parallelText != "" {
		if t.parallel, err = strconv.Atoi(t.parallelText); err != nil || t.parallel < 1 {
			return usagef("--parallel must be a number, 1 or more")
		}
	}
	if t.memory, err = parseBytes("--memory", t.memoryText); err != nil {
		return err
	}
	t.limit, err = parseBytes("--bwlimit", t.limitText)
	return err
}

// checkTuning refuses flags that are about an engine where there is none.
func (g *globalFlags) checkTuning(cmd *cobra.Command) error {
	if g.standalone || !g.stores.none() || cmd.Name() == "serve" {
		return nil
	}
	for _, flag := range []string{"memory", "bwlimit"} {
		shipping := flag == "bwlimit" && cmd.Name() == "backup-ship" // which asks a server to
		if cmd.Flags().Changed(flag) && !shipping {
			return usagef("--%s is about the engine: it belongs to --standalone, --store and serve", flag)
		}
	}
	return nil
}

// levelFlags say how hard an engine in this process packs.
type levelFlags struct{ fast, fastest bool }

func (l *levelFlags) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&l.fast, "fast", false, "pack faster than Cinder's levels of zlib and zstd, a little larger; the engine's own, and Cinder restores it")
	fs.BoolVar(&l.fastest, "fastest", false, "pack at almost twice the speed, some 8 % larger with zlib")
}

// check takes the level into the settings of the engine; serves is true for
// the verb that starts one for others.
func (l *levelFlags) check(g *globalFlags, serves bool) error {
	switch {
	case l.fast && l.fastest:
		return usagef("--fast and --fastest exclude each other")
	case !l.fast && !l.fastest:
		return nil
	case !g.standalone && !serves:
		return withHint(usagef("--fast and --fastest are the engine's own, and no server can be asked for them: they belong to --standalone and serve"),
			"an engine that serves takes them when it is started, cinder-go serve --fast, or in the URL of a store, posix:///srv/backup?level=fast")
	}
	g.tune.level = "fast"
	if l.fastest {
		g.tune.level = "fastest"
	}
	return nil
}
