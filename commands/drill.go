package commands

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// smallStore is up to how many stored bytes a store is copied and read whole.
const smallStore = 512 << 20

type drillOptions struct {
	con *console
	now func() time.Time
	// cinder runs the program itself, with an environment of its own.
	cinder func(ctx context.Context, args []string, s *iostreams.Streams, env lookup) int

	store string // of the operator; empty for the embedded one
	keep  bool
}

func newDrill(f *Factory, run runner[drillOptions]) *cobra.Command {
	o := &drillOptions{con: f.con, now: f.now, cinder: runMain}
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Rehearse the recovery of a lost database",
		Long: `Rehearse a database loss from beginning to end, in a temporary directory: what
does the store hold, take it under management, prove it, restore a full backup
and an incremental chain, move the records to a second, empty database, reset
and force-delete backups that are stuck. Each step is the very command that you
would type, with what came of it and how long it took, and each result is
checked: the restored bytes against the hashes on the store.

Without --store it works on a small store that a real Cinder wrote, carried in
this program: it takes seconds and needs nothing. With --store URL it works on
your own, opened read-only; the steps that write work on a copy if the store is
small (512 MiB), and are left out, and said to be, if it is not.

It never writes to your store, calls no cloud, and removes its directory unless
told to --keep it.

Exit 0: every check held. Exit 1: one did not.`,
		Example: `  cinder-go drill
  cinder-go drill --keep
  cinder-go drill --store posix:///srv/backup`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("store") {
				if len(f.g.stores.urls) > 1 {
					return usagef("a drill is on one store: say --store once")
				}
				o.store = f.g.stores.parse()[0].URL
			}
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the directory, to look at it afterwards")
	return cmd
}

func runDrill(ctx context.Context, o *drillOptions) error {
	dir, err := os.MkdirTemp("", "cinder-go-drill-")
	if err != nil {
		return err
	}
	d := &drill{drillOptions: o, dir: dir, io: o.con.io, env: map[string]string{}, began: o.now()}
	if o.keep {
		defer func() { d.say("The directory is kept: %s", dir) }()
	} else {
		defer os.RemoveAll(dir)
	}
	if err := d.prepare(); err != nil {
		return err
	}
	if err := d.play(ctx); err != nil {
		return err
	}
	return d.end()
}

// drill is one rehearsal.
type drill struct {
	*drillOptions
	io  *iostreams.Streams
	dir string
	env map[string]string // that the commands see

	url      string // of the store that is looked at
	root     string // its directory
	embedded bool

	began  time.Time
	steps  int
	checks int
	broken []string
}

// prepare puts the store in place.
func (d *drill) prepare() error {
	d.say("%s", d.io.Bold("The database of a cloud is lost. Its backup store is all that is left."))
	if d.store != "" {
		u, err := url.Parse(d.store)
		if err != nil || !filepath.IsAbs(u.Path) {
			return usagef("--store %q is no URL with an absolute path, such as posix:///srv/backup", d.store)
		}
		d.url, d.root = d.store, u.Path
		d.say("The store is yours, %s, opened read-only. All else is in a directory of its own.", d.store)
		d.say("   $ D=%s", shellQuote(d.dir))
		return nil
	}
	d.embedded, d.root = true, filepath.Join(d.dir, "store")
	d.url = "posix://" + d.root
	if err := unpackStore(d.root); err != nil {
		return err
	}
	d.say("The store is a small one that a real Cinder wrote. Everything is in a directory of its own.")
	d.say("   $ D=%s", shellQuote(d.dir))
	return nil
}

func unpackStore(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return drillstore.Unpack(dir)
}

func (d *drill) say(format string, args ...any) {
	fmt.Fprintf(d.io.Out, format+"\n", args...)
}

// step begins a step with what it is for.
func (d *drill) step(title string) {
	d.steps++
	d.say("\n%s", d.io.Bold(fmt.Sprintf("%d. %s", d.steps, title)))
}

// detail is a line of what a command found.
func (d *drill) detail(format string, args ...any) {
	d.say("     %s", iostreams.Escape(fmt.Sprintf(format, args...)))
}

// check counts a check and says how it came out.
func (d *drill) check(held bool, format string, args ...any) {
	d.checks++
	text := iostreams.Escape(fmt.Sprintf(format, args...))
	if held {
		d.say("   %s %s", d.io.Green("ok"), text)
		return
	}
	d.broken = append(d.broken, text)
	d.say("   %s %s", d.io.Red("FAILED"), text)
}

// setenv sets the environment of the commands that follow, as a line to type.
func (d *drill) setenv(pairs ...string) {
	d.env = map[string]string{}
	var line []string
	for i := 0; i < len(pairs); i += 2 {
		d.env[pairs[i]] = pairs[i+1]
		line = append(line, pairs[i]+"="+shellQuote(pairs[i+1]))
	}
	d.say("   $ export %s", d.shorten(strings.Join(line, " ")))
}

// standalone makes an engine on a store and a state directory the target.
func (d *drill) standalone(store, state string, readOnly bool) {
	pairs := []string{"CINDER_GO_STANDALONE", "1", "CINDER_GO_STORE", store, "CINDER_GO_STATE_DIR", filepath.Join(d.dir, state)}
	if readOnly {
		pairs = append(pairs, "CINDER_GO_READ_ONLY", "1")
	}
	d.setenv(pairs...)
}

// shorten puts $D in the place of the directory, where a shell would do the
// reverse.
func (d *drill) shorten(line string) string {
	if shellQuote(d.dir) != d.dir {
		return line
	}
	return strings.ReplaceAll(line, d.dir, "$D")
}

// ran is the outcome of one command.
type ran struct {
	code int
	out  string
	errs string
	took time.Duration
}

// run runs the program as typed, and shows that and the time it took.
func (d *drill) run(ctx context.Context, args ...string) ran {
	streams, out, errs := iostreams.Buffers(strings.NewReader(""))
	return d.runOn(ctx, streams, func() (string, string) { return out.String(), errs.String() }, "", args...)
}

func (d *drill) runOn(ctx context.Context, s *iostreams.Streams, output func() (string, string), suffix string, args ...string) ran {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = shellQuote(a)
	}
	// The command appears when it starts, its time when it has ended.
	fmt.Fprintf(d.io.Out, "   $ cinder-go %s%s", d.shorten(strings.Join(quoted, " ")), suffix)
	start, env := d.now(), d.env
	code := d.cinder(ctx, args, s, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	r := ran{code: code, took: d.now().Sub(start)}
	r.out, r.errs = output()
	d.say("   %s", d.io.Faint(fmt.Sprintf("# %.2f s, exit %d", r.took.Seconds(), r.code)))
	return r
}

// expect checks the exit code of a command, and shows its messages when it is
// another.
func (d *drill) expect(r ran, code int, format string, args ...any) bool {
	d.check(r.code == code, format, args...)
	if r.code == code {
		return true
	}
	for line := range strings.Lines(r.errs) {
		d.detail("%s", strings.TrimRight(line, "\n"))
	}
	return false
}

func (d *drill) end() error {
	took := d.now().Sub(d.began)
	d.say("")
	if len(d.broken) > 0 {
		d.say("%s", d.io.Red(fmt.Sprintf("%d of %d checks failed, in %.1f s:", len(d.broken), d.checks, took.Seconds())))
		for _, b := range d.broken {
			d.say("  - %s", b)
		}
		return fmt.Errorf("drill: %d of %d checks failed", len(d.broken), d.checks)
	}
	d.say("%s", d.io.Green(fmt.Sprintf("All %d checks of %d steps held, in %.1f s.", d.checks, d.steps, took.Seconds())))
	return nil
}

// shellQuote spells s so that a shell reads it as one word.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// short is the beginning of an id, enough for the eye.
func short(id string) string {
	if len(id) > 8 {
		return id[:8]
	}
	return id
}
