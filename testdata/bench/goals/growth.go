package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

// The measurements of how a cost grows. They are chosen like rows.
const (
	byDepth  = "growth: restore, by depth of the chain"
	bySize   = "growth: memory of a restore, by size of a sparse volume"
	byObject = "growth: memory, by size of the objects"
	byCount  = "growth: scan, by number of backups"
)

// growth are points, not rows: they have no peer. One that fails fails a row.
func growth(l *lab) error {
	for _, g := range []struct {
		name    string
		measure func(*lab) error
	}{{byDepth, depthGrowth}, {bySize, sizeGrowth}, {byObject, objectGrowth}, {byCount, countGrowth}} {
		if l.quick || !l.wants(g.name) {
			continue
		}
		l.say("measuring %s", g.name)
		err := g.measure(l)
		if l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		if err != nil {
			l.add(table.Row{Name: g.name, Unit: table.Seconds, Failure: err.Error()})
		}
	}
	return nil
}

func (l *lab) point(what, at string, value float64, unit table.Unit, note string) {
	l.report.Growth = append(l.report.Growth, table.Point{What: strings.TrimPrefix(what, "growth: "), At: at, Value: value, Unit: unit, Note: note})
	l.say("  %s: %.3f %s", at, value, unit)
}

// repeat takes an entrant's turns, and returns the median of its seconds and its
// largest memory in MiB.
func (l *lab) repeat(turn func() (sample, error)) (seconds, mib float64, err error) {
	r := &results{samples: map[string][]sample{}}
	for range l.turns {
		s, err := turn()
		if err != nil {
			return 0, 0, err
		}
		r.samples["one"] = append(r.samples["one"], s)
	}
	return r.value("one", table.Seconds), r.value("one", table.MiB), nil
}

// depthGrowth restores the tips of one chain, which our own backups made.
func depthGrowth(l *lab) error {
	base, err := l.image(0.5)
	if err != nil {
		return err
	}
	dir, image := l.work("store-depth"), l.work("image-depth")
	defer func() { os.RemoveAll(dir); os.Remove(image) }()
	if err := errors.Join(os.Mkdir(dir, 0o700), copyFile(image, base)); err != nil {
		return err
	}
	e, err := l.openEngine("depth", storeURL(dir, "zlib", objectBytes))
	if err != nil {
		return err
	}
	volume, err := e.volume(image)
	if err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{7})
	for depth := 0; depth <= 60; depth++ {
		args := []string{"backup-create", volume, "-f", "value", "-c", "id"}
		if depth > 0 {
			if err := scatter(image, random, changed); err != nil {
				return err
			}
			args = append(args, "--incremental")
		}
		_, id, err := e.call(args...)
		if err != nil {
			return err
		}
		if depth != 1 && depth != 5 && depth != 20 && depth != 60 {
			continue
		}
		seconds, mib, err := l.repeat(func() (sample, error) { return e.restore(id, image) })
		if err != nil {
			return err
		}
		l.point(byDepth, strconv.Itoa(depth)+" increments of 5 %", seconds, table.Seconds, fmt.Sprintf("%.0f MiB at most", mib))
	}
	return nil
}

// scatter writes a part of the blocks anew.
func scatter(path string, random *rand.ChaCha8, part float64) error {
	const block = 32 << 10
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := fileSize(path)
	if err != nil {
		return err
	}
	bytes := make([]byte, block)
	order := rand.New(random)
	for range int(float64(size/block) * part) {
		if _, err := random.Read(bytes); err != nil {
			return err
		}
		if _, err := f.WriteAt(bytes, order.Int64N(size/block)*block); err != nil {
			return err
		}
	}
	return f.Sync()
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// most is how many GiB of a volume sizeGrowth restores. The objects and the hash
// list of a larger volume are there all the same.
const most = 16

// sizeGrowth restores volumes that hold nothing, of the largest the end.
func sizeGrowth(l *lab) error {
	for _, gibs := range []int64{1, most, 1024} {
		dir := l.work("store-sparse")
		s, err := sparseStore(dir, gibs<<30)
		if err == nil {
			err = l.sparseRestore(s, gibs)
		}
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) sparseRestore(s *store, gibs int64) error {
	e, err := l.openEngine("sparse", "posix://"+s.dir)
	if err == nil {
		err = e.manage(s.tip())
	}
	if err != nil {
		return err
	}
	to := l.work("restored")
	defer os.Remove(to)
	args := []string{"backup-restore", s.tip(), "--to", to}
	part := min(gibs, most)
	at := fmt.Sprintf("%d GiB", gibs)
	if part < gibs {
		args = append(args, "--offset", strconv.FormatInt((gibs-part)<<30, 10), "--length", strconv.FormatInt(part<<30, 10))
		at += fmt.Sprintf(", of which the last %d", part)
	}
	taken, _, err := e.call(args...)
	if err != nil {
		return err
	}
	if size, err := fileSize(to); err != nil || size != part<<30 {
		return fmt.Errorf("%w: %d bytes", errors.Join(errWrong, err), size)
	}
	if data, err := holdsData(to); err != nil || data {
		return errors.Join(errWrong, err)
	}
	l.point(bySize, at, float64(taken.peak)/(1<<20), table.MiB, fmt.Sprintf("in %.1f s", taken.took.Seconds()))
	return nil
}

// objectGrowth backs up and restores one volume in objects of several sizes.
func objectGrowth(l *lab) error {
	image, err := l.image(1)
	if err != nil {
		return err
	}
	for _, object := range []int64{objectBytes, 10 * objectBytes, posixBytes} {
		if err := l.objectPoints(image, object); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) objectPoints(image string, object int64) error {
	dir := l.work("store-objects")
	defer os.RemoveAll(dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	e, err := l.openEngine("objects", storeURL(dir, "zlib", object))
	if err != nil {
		return err
	}
	volume, err := e.volume(image)
	if err != nil {
		return err
	}
	made, id, err := e.call("backup-create", volume, "-f", "value", "-c", "id")
	if err != nil {
		return err
	}
	_, mib, err := l.repeat(func() (sample, error) { return e.restore(id, image) })
	if err != nil {
		return err
	}
	at := fmt.Sprintf("%d MB", object/1e6)
	l.point(byObject, "backup zlib, "+at, float64(made.peak)/(1<<20), table.MiB, "")
	l.point(byObject, "restore zlib, "+at, mib, table.MiB, "")
	return nil
}

// countGrowth finds more and more backups.
func countGrowth(l *lab) error {
	counts := slices.Compact([]int{min(1000, scanCount(l)), min(10_000, scanCount(l)), scanCount(l)})
	for _, count := range counts {
		dir, err := l.manyStore(count)
		if err != nil {
			return err
		}
		scan := l.scan(dir, count)
		// The first look at a new store finds its directories cold.
		if _, err := scan.run(0); err != nil {
			return err
		}
		seconds, mib, err := l.repeat(func() (sample, error) { return scan.run(0) })
		if err != nil {
			return err
		}
		l.point(byCount, strconv.Itoa(count), seconds, table.Seconds, fmt.Sprintf("%.0f MiB at most", mib))
	}
	for _, count := range counts {
		if err := l.drop("many-" + strconv.Itoa(count)); err != nil {
			return err
		}
	}
	return nil
}
