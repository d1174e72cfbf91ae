package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/testdata/bench/blocks"
	"github.com/cinder-go/cinder-go/testdata/bench/measure"
	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

// sample is one turn of one contestant.
type sample struct {
	took   time.Duration
	peak   int64 // bytes
	bytes  int64 // of the volume
	stored int64 // bytes, of a backup
	rates  blocks.Rates
}

// entrant is a contestant: what it is called, and one turn of it. A turn
// prepares what it needs and removes what it made; only a part of it is timed.
type entrant struct {
	name    string
	missing string // why it cannot take part
	run     func(round int) (sample, error)
	reads   []string // files and directories that are in memory when it begins
}

// spec is a row to be filled from a contest.
type spec struct {
	name     string
	unit     table.Unit
	ours     string // the entrants
	peer     string
	peerName string // what the table calls the peer
	limit    func(*results) float64
	needs    []string // entrants that limit asks for
	goal     table.Goal
}

// results are the samples of a contest by entrant.
type results struct {
	samples map[string][]sample
	lost    map[string]error // those that dropped out
}

// errWrong is a restored volume that is not what was backed up.
var errWrong = errors.New("THE RESTORED BYTES DIFFER FROM THE IMAGE")

// contest lets those entrants that wanted rows need run in turns, and adds the
// rows. An entrant that fails fails its rows; the others go on.
func (l *lab) contest(entrants []entrant, specs ...spec) error {
	var wanted []spec
	used := map[string]bool{}
	for _, s := range specs {
		if !l.wants(s.name) {
			continue
		}
		wanted = append(wanted, s)
		used[s.ours], used[s.peer] = true, true
		for _, name := range s.needs {
			used[name] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	l.say("measuring %s", names(wanted))
	r := &results{samples: map[string][]sample{}, lost: map[string]error{}}
	if err := warm(entrants); err != nil {
		return err
	}
	var playing []string
	var turns []func(int) (sample, error)
	for _, e := range entrants {
		switch {
		case !used[e.name]:
		case e.missing != "":
			r.lost[e.name] = missing(e.missing)
		default:
			playing = append(playing, e.name)
			turns = append(turns, l.turn(e, r))
		}
	}
	all, err := measure.InTurns(0, l.turns, turns)
	for i, name := range playing {
		if len(all[i]) > 0 {
			r.samples[name] = all[i]
		}
	}
	for _, s := range wanted {
		l.add(r.row(s, l.turns))
	}
	return err
}

// warm reads what entrants read, so that the first does not do it for the others.
func warm(entrants []entrant) error {
	done := map[string]bool{}
	for _, e := range entrants {
		for _, root := range e.reads {
			if done[root] {
				continue
			}
			done[root] = true
			if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				f, err := os.Open(path)
				if err != nil {
					return err
				}
				defer f.Close()
				_, err = io.Copy(io.Discard, f)
				return err
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func names(specs []spec) string {
	out := specs[0].name
	if n := len(specs) - 1; n > 0 {
		out += fmt.Sprintf(" and %d more", n)
	}
	return out
}

// missing is what is not installed.
type missing string

func (m missing) Error() string { return string(m) }

// turn begins with a sync, so that no entrant pays for what another wrote.
func (l *lab) turn(e entrant, r *results) func(int) (sample, error) {
	return func(round int) (sample, error) {
		unix.Sync()
		s, err := e.run(round)
		if l.ctx.Err() != nil {
			return s, l.ctx.Err()
		}
		if err != nil {
			if errors.Is(err, errWrong) {
				l.say("%s: %v", e.name, err)
			}
			r.lost[e.name] = err
			return s, fmt.Errorf("%w: %w", measure.ErrDropOut, err)
		}
		l.say("  %-10s %.2f s", e.name, s.took.Seconds())
		return s, nil
	}
}

func (r *results) row(s spec, turns int) table.Row {
	row := table.Row{Name: s.name, Unit: s.unit, PeerName: s.peerName, Goal: s.goal, Turns: turns}
	for _, name := range append([]string{s.ours, s.peer}, s.needs...) {
		err, lost := r.lost[name]
		var m missing
		switch {
		case !lost:
		case errors.As(err, &m):
			row.Skip = string(m)
		default:
			row.Failure = fmt.Sprintf("%s: %v", name, err)
		}
	}
	row.Ours, row.Peer = r.value(s.ours, s.unit), r.value(s.peer, s.unit)
	row.OursMiB, row.PeerMiB = r.value(s.ours, table.MiB), r.value(s.peer, table.MiB)
	if s.limit != nil && row.Skip == "" && row.Failure == "" {
		row.Limit = s.limit(r)
	}
	if row.Ours == 0 && row.Skip == "" && row.Failure == "" {
		row.Skip = "interrupted"
	}
	return row
}

// value is the median of an entrant's samples in a unit; of memory the largest.
func (r *results) value(name string, unit table.Unit) float64 {
	var list []float64
	peak := 0.0
	for _, s := range r.samples[name] {
		switch unit {
		case table.MBps:
			list = append(list, float64(s.bytes)/1e6/s.took.Seconds())
		case table.Seconds:
			list = append(list, s.took.Seconds())
		case table.MB:
			list = append(list, float64(s.stored)/1e6)
		case table.MiB:
			peak = max(peak, float64(s.peak)/(1<<20))
		}
	}
	if unit == table.MiB {
		return peak
	}
	return measure.Median(list)
}

// rate is the median of one building block.
func (r *results) rate(step blocks.Step) float64 {
	var list []float64
	for _, s := range r.samples["limit"] {
		list = append(list, s.rates[step])
	}
	return measure.Median(list)
}

// add puts a row on the report and tells it.
func (l *lab) add(row table.Row) {
	l.report.Rows = append(l.report.Rows, row)
	l.say("%s: %s", row.Name, row.Summary())
}
