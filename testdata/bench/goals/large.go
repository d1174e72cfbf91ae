package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cinder-go/cinder-go/testdata/bench/measure"
	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

// largeCases are volumes of 4 GiB in objects of 2 GB.
var largeCases = []codecCase{
	{codec: "zlib", restore: table.Goal{Ratio: 10, Share: 0.80}},
	{codec: "zstd", restore: table.Goal{Ratio: 7, Share: 0.75}},
	{codec: "none", restore: table.Goal{Ratio: 6, Share: 0.62}},
}

// engineRow compares the program with the driver that it calls.
const engineRow = "restore 4 GiB zlib: the program, against its driver alone"

func largeMemory(codec string) string  { return "peak memory, restore " + codec + ", 2 GB" }
func largeRestore(codec string) string { return "restore " + codec + ", 2 GB" }

// largeRows restore volumes of 4 GiB: against the peer, and against programs for
// other kinds of backups.
func largeRows(l *lab) error {
	if l.quick {
		return nil
	}
	for _, c := range largeCases {
		if err := l.largeRow(c); err != nil {
			return err
		}
		if c.codec == "zstd" {
			if err := l.otherPrograms(); err != nil {
				return err
			}
		}
	}
	return l.drop("image-" + strconv.FormatInt(l.bytes(4)>>20, 10))
}

func (l *lab) largeRow(c codecCase) error {
	specs := []spec{
		{name: largeRestore(c.codec), unit: table.MBps, ours: "restore", peer: "peer", peerName: peerName, limit: restoreLimit(1), needs: []string{"limit"}, goal: c.restore},
		{name: largeMemory(c.codec), unit: table.MiB, ours: "restore", peer: "peer", peerName: peerName},
	}
	if c.codec == "zlib" {
		specs[1].goal = table.Goal{Ratio: 90, AtMost: 48}
		specs = append(specs, spec{name: engineRow, unit: table.Seconds, ours: "restore", peer: "driver", peerName: "driver alone", goal: table.Goal{Ratio: 0.95}})
	}
	if !l.wantsSpecs(specs) {
		return nil
	}
	if l.python == "" {
		l.skip(specs)
		return nil
	}
	image, err := l.image(4)
	if err != nil {
		return err
	}
	s, err := l.peerStore("large-"+c.codec, image, c.codec, l.largeObject())
	if err != nil {
		return err
	}
	entrants, err := l.restorers(s, 0)
	if err != nil {
		return err
	}
	entrants = append(entrants, entrant{name: "driver", run: func(int) (sample, error) { return l.driverRestore(s) }})
	if err := l.contest(entrants, specs...); err != nil {
		return err
	}
	if c.codec == "none" {
		return l.drop("large-none")
	}
	return nil
}

// otherPrograms restore the same image out of what they keep it in.
func (l *lab) otherPrograms() error {
	var specs []spec
	for _, ours := range []struct {
		codec string
		goal  float64
	}{{"zlib", 2.8}, {"zstd", 3.5}} {
		for _, program := range []string{"restic", "rclone"} {
			specs = append(specs, spec{name: "restore 4 GiB " + ours.codec + ", against " + program, unit: table.MBps,
				ours: ours.codec, peer: program, peerName: program, goal: table.Goal{Ratio: ours.goal}})
		}
	}
	if !l.wantsSpecs(specs) || l.python == "" {
		return nil
	}
	image, err := l.image(4)
	if err != nil {
		return err
	}
	var entrants []entrant
	for _, codec := range []string{"zlib", "zstd"} {
		s, err := l.peerStore("large-"+codec, image, codec, l.largeObject())
		if err != nil {
			return err
		}
		e, err := l.openEngine(codec, "posix://"+s.dir)
		if err == nil {
			err = e.manage(s.backups...)
		}
		if err != nil {
			return err
		}
		entrants = append(entrants, entrant{name: codec, run: func(int) (sample, error) { return e.restore(s.tip(), image) }})
	}
	restic, err := l.restic(image)
	if err != nil {
		return err
	}
	entrants = append(entrants, restic, l.tool("rclone", image, func(to string) []string { return []string{"rclone", "copyto", image, to} }))
	if err := l.contest(entrants, specs...); err != nil {
		return err
	}
	return l.drop("large-zlib", "large-zstd", "restic")
}

// restic restores the image out of a repository of its own.
func (l *lab) restic(image string) (entrant, error) {
	e := entrant{name: "restic", missing: notInstalled("restic")}
	if e.missing != "" {
		return e, nil
	}
	restic := func(repository string, args ...string) (measure.Usage, error) {
		env := append(os.Environ(), "RESTIC_PASSWORD=bench", "RESTIC_REPOSITORY="+repository)
		return l.start(env, append([]string{"restic", "--quiet", "--no-cache"}, args...)...)
	}
	repository, err := l.cached("restic", func(path string) error {
		_, err := restic(path, "init")
		if err == nil {
			_, err = restic(path, "backup", image)
		}
		return err
	})
	e.run = func(int) (sample, error) {
		to := l.work("restic-restored")
		defer os.RemoveAll(to)
		u, err := restic(repository, "restore", "latest", "--target", to)
		return l.finishTool(u, err, filepath.Join(to, image), image)
	}
	return e, err
}

// tool is an entrant that makes a copy of the image with a program. What it
// leaves to be written is waited for, as ours and the peer wait.
func (l *lab) tool(program, image string, argv func(to string) []string) entrant {
	return entrant{name: program, missing: notInstalled(program), run: func(int) (sample, error) {
		to := l.work("copied")
		defer os.Remove(to)
		u, err := l.start(nil, argv(to)...)
		return l.finishTool(u, err, to, image)
	}}
}

func (l *lab) finishTool(u measure.Usage, err error, path, image string) (sample, error) {
	began := time.Now()
	if err == nil {
		err = syncFile(path)
	}
	return l.restored(sample{took: u.Wall + time.Since(began), peak: u.Peak}, err, path, image)
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func notInstalled(program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return program + " is not installed"
	}
	return ""
}
