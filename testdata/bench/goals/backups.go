package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cinder-go/cinder-go/testdata/bench/blocks"
	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

// backupCase is one way to make a full backup.
type backupCase struct {
	codec string
	flag  string // of backup-create, "" for none
	gibs  float64
	pack  blocks.Step // what compresses in the limit
	goal  table.Goal
	size  table.Goal // of the stored bytes against the peer's
}

var backupCases = []backupCase{
	{codec: "zlib", gibs: 0.5, pack: blocks.Deflate5, goal: table.Goal{Ratio: 8, Share: 0.83}, size: table.Goal{Ratio: 0.985}},
	{codec: "zlib", flag: "--fast", gibs: 0.5, pack: blocks.Deflate5},
	{codec: "zlib", flag: "--fastest", gibs: 0.5, pack: blocks.Deflate3, goal: table.Goal{Ratio: 13}, size: table.Goal{Ratio: 0.917}},
	{codec: "zstd", gibs: 1, pack: blocks.Zstd, goal: table.Goal{Ratio: 2.5, Share: 0.80}, size: table.Goal{Ratio: 0.909}},
	{codec: "none", gibs: 1, goal: table.Goal{Ratio: 4, Share: 0.85}},
}

func (c backupCase) name() string {
	name := "backup " + c.codec
	if c.flag != "" {
		name += " " + c.flag
	}
	return name + ", 50 MiB"
}

// backupRows make full and incremental backups.
func backupRows(l *lab) error {
	for _, codec := range []string{"zlib", "zstd", "none"} {
		if err := l.fullRows(codec); err != nil {
			return err
		}
	}
	if err := l.incrementalRow("backup incremental 5 %, 50 MiB", objectBytes, table.Goal{Ratio: 8, Share: 0.90}); err != nil {
		return err
	}
	if l.quick {
		return nil
	}
	if err := l.incrementalRow("backup incremental 5 %, 2 GB", l.largeObject(), table.Goal{Ratio: 11}); err != nil {
		return err
	}
	return l.backupMemory()
}

// fullRows are the backupCases of one codec, in one contest.
func (l *lab) fullRows(codec string) error {
	var specs []spec
	var entrants []entrant
	var gibs float64
	var missingFlags []table.Row
	for _, c := range backupCases {
		if c.codec != codec {
			continue
		}
		gibs = c.gibs
		if c.flag != "" && !l.takes("backup-create", c.flag) {
			missingFlags = append(missingFlags, table.Row{Name: c.name(), Unit: table.MBps, Goal: c.goal, Skip: "this program has no backup-create " + c.flag})
			continue
		}
		ours := "ours" + c.flag
		specs = append(specs, spec{name: c.name(), unit: table.MBps, ours: ours, peer: "peer", peerName: peerName, limit: fullLimit(c.pack), needs: []string{"limit"}, goal: c.goal})
		if (c.size != table.Goal{}) {
			specs = append(specs, spec{name: c.name() + ": stored size", unit: table.MB, ours: ours, peer: "peer", peerName: peerName, goal: c.size})
		}
	}
	if l.wantsSpecs(specs) {
		if l.python == "" {
			l.skip(specs)
			return nil
		}
		image, err := l.image(gibs)
		if err != nil {
			return err
		}
		steps := []blocks.Step{blocks.Read, blocks.Zero, blocks.SHA256, blocks.MD5}
		for _, c := range backupCases {
			if c.codec != codec {
				continue
			}
			if c.pack != "" {
				steps = append(steps, c.pack)
			}
			var flags []string
			if c.flag != "" {
				flags = append(flags, c.flag)
			}
			entrants = append(entrants, l.fullBackup("ours"+c.flag, image, codec, objectBytes, flags...))
		}
		entrants = append(entrants, l.peerBackup(image, codec, objectBytes), l.limit(blocks.Spec{Image: image, Steps: steps, Sample: gib / 4}))
		if err := l.contest(entrants, specs...); err != nil {
			return err
		}
	}
	for _, row := range missingFlags {
		if l.wants(row.Name) {
			l.add(row)
		}
	}
	return nil
}

// fullLimit reads, finds zeros, hashes twice and compresses.
func fullLimit(pack blocks.Step) func(*results) float64 {
	return func(r *results) float64 {
		return table.InTurn(r.rate(blocks.Read), r.rate(blocks.Zero), r.rate(blocks.SHA256), r.rate(blocks.MD5), r.rate(pack))
	}
}

// fullBackup makes a backup into an empty store. The first one is restored by
// the peer, which proves that Cinder can read it.
func (l *lab) fullBackup(name, image, codec string, object int64, flags ...string) entrant {
	return entrant{name: name, reads: []string{image}, run: func(round int) (s sample, err error) {
		dir := l.work("store-ours")
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		if err := os.Mkdir(dir, 0o700); err != nil {
			return s, err
		}
		e, err := l.openEngine("backup", storeURL(dir, codec, object))
		if err != nil {
			return s, err
		}
		volume, err := e.volume(image)
		if err != nil {
			return s, err
		}
		s, id, err := e.call(append([]string{"backup-create", volume, "-f", "value", "-c", "id"}, flags...)...)
		if err != nil {
			return s, err
		}
		return l.backedUp(s, dir, id, image, round)
	}}
}

func storeURL(dir, codec string, object int64) string {
	return fmt.Sprintf("posix://%s?compression=%s&object_size=%d", dir, codec, object)
}

// backedUp looks at a backup of ours that was just made.
func (l *lab) backedUp(s sample, dir, id, image string, round int) (sample, error) {
	var err error
	if s.bytes, err = fileSize(image); err != nil {
		return s, err
	}
	if s.stored, err = storedBytes(filepath.Join(dir, place(id))); err != nil || round > 0 {
		return s, err
	}
	if _, err := l.peerRestore(dir, id, image); err != nil {
		return s, fmt.Errorf("restored by the peer: %w", err)
	}
	return s, nil
}

// place is where a posix store keeps a backup.
func place(id string) string { return filepath.Join(id[:2], id[2:4], id) }

func storedBytes(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return 0, err
		}
		sum += info.Size()
	}
	return sum, nil
}

// peerBackup makes a full backup with Cinder's driver.
func (l *lab) peerBackup(image, codec string, object int64) entrant {
	return entrant{name: "peer", missing: l.noPeer(), run: func(int) (sample, error) {
		dir := l.work("store-peer")
		defer os.RemoveAll(dir)
		return l.peer("backup", "--image", image, "--store", dir, "--compression", codec, "--chunk-size", strconv.FormatInt(object, 10))
	}}
}

// incrementalRow makes increments on one full backup that the peer made: ours
// and the peer's in turns, each taken out of the store again.
func (l *lab) incrementalRow(name string, object int64, goal table.Goal) error {
	row := spec{name: name, unit: table.MBps, ours: "ours", peer: "peer", peerName: peerName, goal: goal}
	if !l.wants(name) {
		return nil
	}
	if l.python == "" {
		l.skip([]spec{row})
		return nil
	}
	base, err := l.image(1)
	if err != nil {
		return err
	}
	image, err := l.cached("image-changed", func(path string) error { return l.mutate(path, base, 101, changed, 0) })
	if err != nil {
		return err
	}
	dir, aside := l.work("store-increments"), l.work("aside")
	defer os.RemoveAll(dir)
	defer os.RemoveAll(aside)
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Mkdir(aside, 0o700)); err != nil {
		return err
	}
	e, err := l.openEngine("backup", storeURL(dir, "zlib", object))
	if err != nil {
		return err
	}
	volume, err := e.volume(base)
	if err != nil {
		return err
	}
	chunk := strconv.FormatInt(object, 10)
	l.say("making a full backup for %s", name)
	if _, err := l.peer("backup", "--image", base, "--store", dir, "--compression", "zlib", "--chunk-size", chunk, "--id", id(1), "--volume-id", volume); err != nil {
		return err
	}
	if err := errors.Join(e.manage(id(1)), e.fill(volume, image)); err != nil {
		return err
	}
	if goal.Share > 0 {
		row.limit, row.needs = incrementalLimit, []string{"limit"}
	}
	steps := []blocks.Step{blocks.Read, blocks.Zero, blocks.SHA256, blocks.MD5, blocks.Deflate5}
	return l.contest([]entrant{
		{name: "ours", reads: []string{image, dir}, run: func(round int) (sample, error) { return e.increment(volume, dir, image, aside, round) }},
		{name: "peer", run: func(round int) (sample, error) {
			s, err := l.peer("backup", "--image", image, "--store", dir, "--compression", "zlib", "--chunk-size", chunk, "--id", id(2), "--parent", id(1))
			return s, errors.Join(err, setAside(dir, id(2), aside, round))
		}},
		l.limit(blocks.Spec{Image: image, Steps: steps, Sample: gib / 4}),
	}, row)
}

// changed is the part of the volume that an increment has to find.
const changed = 0.05

// incrementalLimit reads and hashes everything, and stores what changed.
func incrementalLimit(r *results) float64 {
	return table.InTurn(r.rate(blocks.Read), r.rate(blocks.Zero), r.rate(blocks.SHA256),
		table.Part(r.rate(blocks.MD5), changed), table.Part(r.rate(blocks.Deflate5), changed))
}

// setAside takes a backup out of its store and leaves its files: for minutes
// ext4 looks twice at each inode that was freed before it takes it for a new
// file, which made an increment of thousands of files take twice as long in the
// second turn as in the first.
func setAside(dir, id, aside string, round int) error {
	return os.Rename(filepath.Join(dir, place(id)), filepath.Join(aside, fmt.Sprintf("%s-%d", id, round)))
}

func (e *engine) increment(volume, dir, image, aside string, round int) (sample, error) {
	s, id, err := e.call("backup-create", volume, "--incremental", "-f", "value", "-c", "id")
	if err == nil {
		s, err = e.backedUp(s, dir, id, image, round)
	}
	if id == "" {
		return s, err
	}
	if err == nil {
		err = setAside(dir, id, aside, round)
	}
	_, _, gone := e.call("--yes", "backup-delete", id)
	return s, errors.Join(err, gone)
}

// backupMemory is how much a backup into large objects takes at most.
func (l *lab) backupMemory() error {
	row := spec{name: "peak memory, backup none, 2 GB", unit: table.MiB, ours: "ours", peer: "peer", peerName: peerName, goal: table.Goal{Ratio: 40, AtMost: 96}}
	if !l.wants(row.name) || l.python == "" {
		return nil
	}
	image, err := l.image(4)
	if err != nil {
		return err
	}
	turns := l.turns
	defer func() { l.turns = turns }()
	l.turns = 1 // memory does not vary much, and this writes 8 GB
	return l.contest([]entrant{l.fullBackup("ours", image, "none", l.largeObject()), l.peerBackup(image, "none", l.largeObject())}, row)
}
