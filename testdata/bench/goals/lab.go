package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/testdata/bench/measure"
	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

const (
	gib = 1 << 30
	// objectBytes is what the drivers of swift and s3 put into an object, and
	// posixBytes that of posix.
	objectBytes = 52428800
	posixBytes  = 61035 * 32768
)

// lab is where a run takes place.
type lab struct {
	options
	ctx    context.Context
	began  time.Time
	self   string // this program
	python string // that has Cinder; empty when there is none
	report table.Report
	lock   *os.File
	runner measure.Runner
}

// start runs a program to its end, as measure.Run does.
func (l *lab) start(env []string, argv ...string) (measure.Usage, error) {
	return l.runner.Run(l.ctx, env, argv...)
}

func openLab(ctx context.Context, o options) (*lab, error) {
	l := &lab{options: o, ctx: ctx, began: time.Now(), python: cinderPython(ctx)}
	var err error
	if l.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, err
	}
	// Two runs at once would measure each other.
	if l.lock, err = os.OpenFile(filepath.Join(l.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(l.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("%s is in use by another run", l.dir)
	}
	if err := l.clearWork(); err != nil {
		return nil, err
	}
	if err := l.checkSpace(); err != nil {
		return nil, err
	}
	small := filepath.Join(l.dir, "small")
	if _, err := l.start(nil, "go", "build", "-ldflags", "-s -w", "-o", small, "./"+scripts+"/measure/small"); err != nil {
		return nil, err
	}
	l.runner.Small = small
	l.report.Machine, err = l.machine()
	return l, err
}

// checkSpace refuses to begin what would fill the disk.
func (l *lab) checkSpace() error {
	var s unix.Statfs_t
	if err := unix.Statfs(l.dir, &s); err != nil {
		return err
	}
	need := int64(12e9 * min(1, max(l.scale, 0.02)))
	if free := int64(s.Bavail) * s.Bsize; free < need && l.only.String() == "" {
		return fmt.Errorf("%s has %.1f GB left; this run takes up to %.1f GB (BENCH_DIR=DIR puts it elsewhere)", l.dir, float64(free)/1e9, float64(need)/1e9)
	}
	return nil
}

// close removes what the run has made, unless it is to be kept. What an
// interrupted run had in its cache stays.
func (l *lab) close() error {
	err := os.RemoveAll(l.work())
	if !l.keep && l.ctx.Err() == nil {
		err = errors.Join(err, os.RemoveAll(l.cache()), os.Remove(l.runner.Small), os.Remove(l.lock.Name()))
		// Only if nothing else is in it.
		_ = os.Remove(l.dir)
	}
	return errors.Join(err, l.lock.Close())
}

// cache is what is made once, apart for each scale.
func (l *lab) cache(names ...string) string {
	dir := "cache"
	if l.scale != 1 {
		dir = fmt.Sprintf("cache-%g", l.scale)
	}
	return filepath.Join(append([]string{l.dir, dir}, names...)...)
}

func (l *lab) work(names ...string) string {
	return filepath.Join(append([]string{l.dir, "work"}, names...)...)
}

// clearWork empties the directory of what is not kept.
func (l *lab) clearWork() error {
	if err := os.RemoveAll(l.work()); err != nil {
		return err
	}
	if err := os.MkdirAll(l.cache(), 0o700); err != nil {
		return err
	}
	return os.Mkdir(l.work(), 0o700)
}

// drop removes things of the cache that no later group needs.
func (l *lab) drop(names ...string) error {
	if l.keep || l.ctx.Err() != nil {
		return nil
	}
	for _, name := range names {
		if err := os.RemoveAll(l.cache(name)); err != nil {
			return err
		}
	}
	return nil
}

// say tells on standard error what goes on.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(l.began).Seconds(), fmt.Sprintf(format, args...))
}

// wants reports whether one of these rows is asked for.
func (l *lab) wants(names ...string) bool {
	for _, name := range names {
		if l.only.MatchString(name) {
			return true
		}
	}
	return false
}

func (l *lab) wantsSpecs(specs []spec) bool {
	return slices.ContainsFunc(specs, func(s spec) bool { return l.wants(s.name) })
}

// skip says of wanted rows that the peer is not there.
func (l *lab) skip(specs []spec) {
	for _, s := range specs {
		if l.wants(s.name) {
			l.add(table.Row{Name: s.name, Unit: s.unit, Goal: s.goal, Skip: l.noPeer()})
		}
	}
}

// cached makes a thing of the cache, unless it is there. It gets its name when
// it is whole.
func (l *lab) cached(name string, make func(path string) error) (string, error) {
	path := l.cache(name)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	l.say("making %s", name)
	part := l.work(name)
	if err := errors.Join(os.RemoveAll(part), make(part)); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return path, os.Rename(part, path)
}

// bytes is so many GiB at this run's scale, in whole blocks.
func (l *lab) bytes(gibs float64) int64 { return int64(gibs*gib*l.scale) / (1 << 20) * (1 << 20) }

// largeObject is the size of posix's objects at this run's scale: as many of
// them make a volume as without it.
func (l *lab) largeObject() int64 { return max(32768, int64(posixBytes*l.scale)/32768*32768) }

// image is a disk of so many GiB.
func (l *lab) image(gibs float64) (string, error) {
	size := l.bytes(gibs)
	return l.cached(fmt.Sprintf("image-%d", size>>20), func(path string) error {
		return l.python3("make_image.py", path, "--size", strconv.FormatInt(size, 10))
	})
}

// mutate writes a copy of an image with a part of its blocks written anew: other
// blocks for each seed, or always the same when where is not 0.
func (l *lab) mutate(path, base string, seed int, fraction float64, where int) error {
	args := []string{path, "--mutate", base, "--seed", strconv.Itoa(seed), "--fraction", fmt.Sprint(fraction)}
	if where != 0 {
		args = append(args, "--where-seed", strconv.Itoa(where))
	}
	return l.python3("make_image.py", args...)
}

// python3 runs one of the scripts beside this program.
func (l *lab) python3(script string, args ...string) error {
	python := l.python
	if python == "" {
		python = "python3"
	}
	_, err := l.start(nil, append([]string{python, filepath.Join(scripts, script)}, args...)...)
	return err
}

// scripts is where they lie, from the root of the tree.
const scripts = "testdata/bench"

// cinderPython is the Python that can import Cinder; "" for none.
func cinderPython(ctx context.Context) string {
	for _, python := range []string{os.Getenv("CINDER_PYTHON"), "/usr/bin/python3", "python3"} {
		if python == "" {
			continue
		}
		if _, err := measure.Run(ctx, nil, python, "-c", "import cinder.backup.chunkeddriver"); err == nil {
			return python
		}
	}
	return ""
}

// id is the id of backup n of a store that this program fills.
func id(n int) string { return fmt.Sprintf("%08d-bbbb-4bbb-8bbb-bbbbbbbbbbbb", n) }
