// Command goals measures every job of cinder-go against a goal: as a whole
// process, in turns with the peer, Cinder's own backup driver, and with the
// limit, which is what the parts of the job cost by themselves on this machine.
// It compares every restored volume with its image. docs/performance.md tells
// how to read what it prints.
//
//	go run ./testdata/bench/goals [-quick] [-run REGEXP] [-n TURNS] [-scale X] [-o FILE] [-keep] bin/cinder-go
//
// Images and stores lie in $BENCH_DIR, else in a directory of their own below
// the temporary one, and are removed at the end unless -keep is given. A full
// run takes 12 GB there; what a group of rows needs is made, measured and
// removed before the next. Interrupted, it prints what it has.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

func main() {
	if len(os.Args) == 3 && children[os.Args[1]] != nil {
		os.Exit(child(os.Args[1], os.Args[2]))
	}
	o, err := arguments()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, o)
	stop()
	os.Exit(code)
}

// options are the command line.
type options struct {
	program string
	dir     string
	only    *regexp.Regexp
	turns   int
	scale   float64
	quick   bool
	keep    bool
	outputs outputs
}

type outputs []string

func (o *outputs) String() string     { return strings.Join(*o, " ") }
func (o *outputs) Set(v string) error { *o = append(*o, v); return nil }

func arguments() (options, error) {
	o := options{dir: os.Getenv("BENCH_DIR")}
	if o.dir == "" {
		o.dir = filepath.Join(os.TempDir(), "cinder-go-bench")
	}
	only := flag.String("run", "", "only rows whose name matches this `REGEXP`")
	flag.IntVar(&o.turns, "n", 0, "`TURNS` of which medians are taken (default 3, with -quick 1)")
	flag.Float64Var(&o.scale, "scale", 0, "size of the images, 1 is 1 and 4 GiB (default 1, with -quick 0.125)")
	flag.BoolVar(&o.quick, "quick", false, "small images and only the rows that need no long preparation")
	flag.BoolVar(&o.keep, "keep", false, "leave images and stores for the next run (takes more space)")
	flag.Var(&o.outputs, "o", "also write to this `FILE`: .json as such, others as Markdown; may be repeated")
	flag.Parse()
	if flag.NArg() != 1 {
		return o, errors.New("usage: goals [flags] CINDER-GO")
	}
	if o.turns == 0 {
		o.turns = 3
		if o.quick {
			o.turns = 1
		}
	}
	if o.scale == 0 {
		o.scale = 1
		if o.quick {
			o.scale = 0.125
		}
	}
	if o.turns < 1 || o.scale < 1.0/64 || o.scale > 64 {
		return o, errors.New("-n is at least 1, -scale from 1/64 to 64")
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	if o.program, err = filepath.Abs(flag.Arg(0)); err != nil {
		return o, err
	}
	if _, err := os.Stat(o.program); err != nil {
		return o, fmt.Errorf("%w: make build makes it", err)
	}
	o.dir, err = filepath.Abs(o.dir)
	return o, err
}

// groups are the rows, by what they need to be prepared. Each is skipped when no
// row of it is wanted.
var groups = []func(*lab) error{
	prepare,
	chainRows,
	codecRows,
	backupRows,
	largeRows,
	scanRows,
	hashListRows,
	startRows,
	apiRows,
	growth,
}

// order is that of the table, by how names begin. What is measured when depends
// on what has to be prepared.
var order = []string{"restore", "chain", "verify", "backup", "peak memory", "scan", "sha256file", "start-up", "list", "1,000"}

func sortRows(rows []table.Row) {
	rank := func(r table.Row) int {
		i := slices.IndexFunc(order, func(begin string) bool { return strings.HasPrefix(r.Name, begin) })
		if i < 0 {
			i = len(order)
		}
		return i
	}
	slices.SortStableFunc(rows, func(a, b table.Row) int { return rank(a) - rank(b) })
}

func run(ctx context.Context, o options) (code int) {
	l, err := openLab(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	for _, group := range groups {
		if err = group(l); err != nil {
			break
		}
	}
	if l.report.Failed() {
		code = 1
	}
	switch {
	case ctx.Err() != nil:
		l.say("interrupted: this is what there is")
		code = 130
	case err != nil:
		l.say("error: %v", err)
		code = 1
	}
	sortRows(l.report.Rows)
	fmt.Print(l.report.Text())
	for _, path := range o.outputs {
		if err := l.report.Save(path); err != nil {
			l.say("error: %v", err)
			code = max(code, 1)
		}
	}
	if err := l.close(); err != nil {
		l.say("error: %v", err)
		code = max(code, 1)
	}
	return code
}
