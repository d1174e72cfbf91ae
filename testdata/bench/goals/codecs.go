package main

import (
	"fmt"
	"strconv"

	"github.com/cinder-go/cinder-go/testdata/bench/blocks"
	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

const peerName = "Cinder"

// store is a store that the peer wrote, and what of it is restored.
type store struct {
	dir     string
	image   string // of the tip
	backups []string
}

func (s *store) tip() string { return s.backups[len(s.backups)-1] }

// peerStore is a store with one backup of an image, by the peer.
func (l *lab) peerStore(name, image, codec string, object int64) (*store, error) {
	dir, err := l.cached(name, func(path string) error {
		_, err := l.peer("backup", "--image", image, "--store", path, "--compression", codec, "--chunk-size", strconv.FormatInt(object, 10), "--id", id(1))
		return err
	})
	return &store{dir: dir, image: image, backups: []string{id(1)}}, err
}

// codecCase is a codec with the goals of its rows.
type codecCase struct {
	codec   string
	gibs    float64
	restore table.Goal
	verify  table.Goal
}

var codecCases = []codecCase{
	{codec: "zlib", gibs: 1, restore: table.Goal{Ratio: 8, Share: 0.85}, verify: table.Goal{Ratio: 8.5, Share: 0.90}},
	{codec: "zstd", gibs: 1, restore: table.Goal{Ratio: 5.5, Share: 0.83}, verify: table.Goal{Ratio: 6.5, Share: 0.92}},
	{codec: "none", gibs: 1, restore: table.Goal{Ratio: 6, Share: 0.62}, verify: table.Goal{Ratio: 9, Share: 0.65}},
	{codec: "bz2", gibs: 0.25, restore: table.Goal{Ratio: 2.2, Share: 0.95}},
}

// codecRows restore and verify one backup in objects of 50 MiB.
func codecRows(l *lab) error {
	for _, c := range codecCases {
		if err := l.codecRows(c); err != nil {
			return err
		}
	}
	return l.drop("image-" + strconv.FormatInt(l.bytes(0.25)>>20, 10))
}

func (l *lab) codecRows(c codecCase) error {
	restore, verify := fmt.Sprintf("restore %s, 50 MiB", c.codec), fmt.Sprintf("verify %s, 50 MiB", c.codec)
	specs := []spec{{name: restore, unit: table.MBps, ours: "restore", peer: "peer", peerName: peerName, limit: restoreLimit(1), needs: []string{"limit"}, goal: c.restore}}
	if (c.verify != table.Goal{}) {
		specs = append(specs,
			spec{name: verify, unit: table.MBps, ours: "verify", peer: "peer", peerName: peerName + "'s restore", limit: verifyLimit, needs: []string{"limit"}, goal: c.verify},
			spec{name: verify + ", against our restore", unit: table.MBps, ours: "verify", peer: "restore", peerName: "our restore", goal: table.Goal{Ratio: 1.1}})
	}
	switch c.codec {
	case "zstd":
		specs = append(specs, spec{name: restore + ", against zstd -d", unit: table.MBps, ours: "restore", peer: "zstd", peerName: "zstd -d, sync", goal: table.Goal{Ratio: 1}})
	case "none":
		specs = append(specs, spec{name: restore + ", against cp --sparse=always", unit: table.MBps, ours: "restore", peer: "cp", peerName: "cp, sync", goal: table.Goal{Ratio: 0.8}})
	}
	if l.quick && c.codec == "bz2" || !l.wantsSpecs(specs) {
		return nil
	}
	if l.python == "" {
		l.skip(specs)
		return nil
	}
	image, err := l.image(c.gibs)
	if err != nil {
		return err
	}
	s, err := l.peerStore("store-"+c.codec, image, c.codec, objectBytes)
	if err != nil {
		return err
	}
	entrants, err := l.restorers(s, 0)
	if err != nil {
		return err
	}
	tool, err := l.copier(c.codec, image)
	if err != nil {
		return err
	}
	if err := l.contest(append(entrants, tool), specs...); err != nil {
		return err
	}
	return l.drop("store-"+c.codec, "image.zst")
}

// copier is the program that does nearly the same to a file as a restore.
func (l *lab) copier(codec, image string) (entrant, error) {
	if codec != "zstd" {
		return l.tool("cp", image, func(to string) []string { return []string{"cp", "--sparse=always", image, to} }), nil
	}
	if why := notInstalled("zstd"); why != "" {
		return entrant{name: "zstd", missing: why}, nil
	}
	packed, err := l.cached("image.zst", func(path string) error {
		_, err := l.start(nil, "zstd", "-q", "-3", image, "-o", path)
		return err
	})
	return l.tool("zstd", image, func(to string) []string { return []string{"zstd", "-q", "-d", packed, "-o", to} }), err
}

// restorers are the entrants of a contest over one store: the building blocks,
// on so many threads, ours, the peer, and our verify.
func (l *lab) restorers(s *store, threads int) ([]entrant, error) {
	e, err := l.openEngine("restore", "posix://"+s.dir)
	if err != nil {
		return nil, err
	}
	if err := e.manage(s.backups...); err != nil {
		return nil, err
	}
	objects, _, err := plan(s.dir, s.backups...)
	if err != nil {
		return nil, err
	}
	steps := []blocks.Step{blocks.Decode, blocks.Zero, blocks.SHA256, blocks.Write}
	return []entrant{
		l.limit(blocks.Spec{Image: s.image, Objects: objects, Steps: steps, Sample: gib, Threads: threads}),
		{name: "restore", reads: []string{s.dir, s.image}, run: func(int) (sample, error) { return e.restore(s.tip(), s.image) }},
		{name: "peer", missing: l.noPeer(), run: func(int) (sample, error) { return l.peerRestore(s.dir, s.tip(), s.image) }},
		{name: "verify", run: func(int) (sample, error) { return e.verify(s.tip(), s.image) }},
	}, nil
}

// verify proves a backup. A backup that is not whole ends with exit 9.
func (e *engine) verify(backup, image string) (sample, error) {
	s, _, err := e.call("backup-verify", backup)
	if err != nil {
		return s, err
	}
	s.bytes, err = fileSize(image)
	return s, err
}
