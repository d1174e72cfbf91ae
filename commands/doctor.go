package commands

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type doctorOptions struct {
	con    *console
	now    func() time.Time
	print  func(output.View) error
	client func(context.Context) (doctorClient, error)
	// store opens the store that is compared with the rows: nil without one.
	store func(context.Context) (storeClient, func(context.Context) error, error)
	// stores is how the commands of the way out name it.
	stores     storeList
	standalone bool
	target     string // the flags that name the target, for these commands

	out        outputFlags
	parallel   parallelFlags
	stuckAfter time.Duration
	questions  int
	ref        string // of the one backup to explain
}

func newDoctor(f *Factory, run runner[doctorOptions]) *cobra.Command {
	o := &doctorOptions{con: f.con, now: f.now, client: func(ctx context.Context) (doctorClient, error) { return f.Client(ctx) }, store: f.openStore}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "doctor [BACKUP]",
		Short: "Find everything that is stuck, with the command that helps",
		Long: `Look at the whole cloud and list what is stuck, wrong or left over, the worst
first: what it is, why, for how long, and the exact next command.

  backups    stuck in creating, deleting or restoring; error_deleting; failed;
             never taken by a service; on a host that is down or gone;
             chains whose base is missing or in error; counters that lie
  volumes    left in backing-up, restoring-backup, error_restoring or error;
             temporary volumes and snapshots of backups that are over
  services   down, disabled, or none at all; clusters that nobody is left of

With --store URL beside a cloud, the store is read too and compared with the
rows: backups that have no row, rows that have no data, and backups in creating
or error whose data is whole. Structure is looked at; backup-verify reads data.

doctor BACKUP explains one backup: its row, host, chain and messages, which ways
out are shut and why, and which is open.

It only reads. What is running is told from what is stuck by --stuck-after, and
at once when its host is down. Needs the admin role to see all: without it, it
looks at your own project and says what it could not see.

Exit 0: nothing found, and everything was looked at. 1: found something. 7 or 8:
found nothing, but could not look everywhere.`,
		Example: `  cinder-go doctor
  cinder-go doctor --store posix:///var/lib/cinder/backup
  cinder-go doctor nightly
  cinder-go doctor -f json -c severity -c id -c next`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("doctor explains one backup, or looks at all of them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			columns := findingColumns()
			if len(args) == 1 {
				columns, o.ref = caseColumns(), args[0]
			}
			switch {
			case len(args) == 1 && args[0] == "":
				return usagef("a backup's id or name is empty")
			case o.stuckAfter < 0:
				return usagef("--stuck-after must not be negative")
			case o.questions < 0:
				return usagef("--chain-questions must not be negative")
			}
			if err := first(o.out.check(columns), o.parallel.check(&f.g, doctorCalls)); err != nil {
				return err
			}
			o.stores, o.standalone, o.target = f.g.stores, f.g.standalone, f.g.targetFlags(cmd.Flags())
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	fs.DurationVar(&o.stuckAfter, "stuck-after", 15*time.Minute, "call work stuck when nothing was written for this long and its host is up")
	fs.IntVar(&o.questions, "chain-questions", 500, "ask about what stands on at most `N` backups")
	return cmd
}

func runDoctor(ctx context.Context, o *doctorOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	s := &sight{now: o.now(), stuckAfter: o.stuckAfter, parallel: o.parallel.n, questions: o.questions}
	if o.ref != "" {
		return o.explain(ctx, c, s)
	}
	if err := s.look(ctx, c); err != nil {
		return err
	}
	list := s.findings()
	stored, err := o.compare(ctx, c, s)
	if err != nil {
		return err
	}
	list = o.aim(rank(append(list, stored...)))
	if err := o.show(list, s.now); err != nil {
		return err
	}
	return o.verdict(list, s)
}

// findings is everything that rows tell.
func (s *sight) findings() []finding {
	var out []finding
	for _, some := range [][]finding{s.serviceFindings(), s.clusterFindings(), s.backupFindings(), s.chainFindings(), s.volumeFindings()} {
		out = append(out, some...)
	}
	return out
}

// show writes the page for people, or the rows for programs.
func (o *doctorOptions) show(list []finding, now time.Time) error {
	if o.out.format != output.Table || len(o.out.columns) > 0 {
		return o.print(findingsView(list, now))
	}
	width := 0
	if o.con.io.OutTTY {
		width = o.con.io.OutWidth()
	}
	return writePage(o.con.io.Out, width, list, now)
}

// verdict tells what could not be looked at and sums up. It is nil only when
// nothing is wrong and all was seen.
func (o *doctorOptions) verdict(list []finding, s *sight) error {
	var blind error
	slices.SortFunc(s.gaps, func(a, b gap) int { return cmp.Compare(a.what, b.what) })
	for _, g := range s.gaps {
		if errors.Is(g.err, driverstate.ErrNotSupported) {
			o.con.note("doctor: could not look at %s: the target has none (%s)", g.what, g.err)
			continue
		}
		o.con.warn("", "could not look at %s: %s", g.what, g.err)
		// No answer tells more than no permission: it may pass.
		if blind == nil || errors.Is(g.err, driverstate.ErrUnavailable) {
			blind = g.err
		}
	}
	counts := map[severity]int{}
	for _, f := range list {
		counts[f.severity]++
	}
	o.con.note("doctor: %d found (%d critical, %d high, %d medium, %d low) in %s and %s",
		len(list), counts[critical], counts[high], counts[medium], counts[low], plural(len(s.backups), "backup"), plural(len(s.services), "service"))
	switch {
	case len(list) > 0:
		return &bulkError{errs: []error{errFound}}
	case blind != nil:
		return &bulkError{errs: []error{blind}}
	}
	return nil
}

// errFound ends a look that found something: exit 1.
var errFound = errors.New("something is wrong, see the list")
