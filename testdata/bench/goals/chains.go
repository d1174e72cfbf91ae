package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

// chainCase is a full backup with increments on it.
type chainCase struct {
	name     string
	gibs     float64
	large    bool // in objects of 2 GB
	depth    int
	fraction float64 // of the blocks that each increment writes anew
	where    int     // always the same ones, chosen by this seed; 0 for others each time
	goal     table.Goal
}

// chainCases are in the order of their rows. The goal of a chain in objects of
// 2 GB is one of the peer alone.
var chainCases = []chainCase{
	{name: "chain full+5, zlib, 50 MiB", gibs: 1, depth: 5, fraction: 0.05, goal: table.Goal{Ratio: 11, Share: 0.80}},
	{name: "chain full+5, zlib, 2 GB", gibs: 1, large: true, depth: 5, fraction: 0.05, goal: table.Goal{Ratio: 14}},
	{name: "chain full+5 of the same 30 %, zlib, 50 MiB", gibs: 0.5, depth: 5, fraction: 0.30, where: 30, goal: table.Goal{Ratio: 15, Share: 0.80}},
}

// oneChunk is a volume that is one object: it is restored from the begin of the
// second of the chainCases.
const oneChunk = "restore zlib, one 2 GB chunk"

// prepare makes what takes the peer longest, on two processors at once. Nothing
// is measured meanwhile.
func prepare(l *lab) error {
	if l.python == "" {
		return nil
	}
	return l.sideBySide(func() error {
		if !l.wants("restore zlib, 2 GB") || l.quick {
			return nil
		}
		image, err := l.image(4)
		if err == nil {
			_, err = l.peerStore("large-zlib", image, "zlib", l.largeObject())
		}
		return err
	}, func() error {
		for _, c := range chainCases {
			if l.wantsChain(c) {
				if _, err := l.chain(c); err != nil {
					return err
				}
			}
		}
		if !l.wants("restore zlib, 50 MiB") {
			return nil
		}
		image, err := l.image(1)
		if err == nil {
			_, err = l.peerStore("store-zlib", image, "zlib", objectBytes)
		}
		return err
	})
}

func (l *lab) sideBySide(jobs ...func() error) error {
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, job := range jobs {
		wg.Go(func() { errs[i] = job() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (l *lab) wantsChain(c chainCase) bool {
	return l.wants(c.name) && (!l.quick || c.where == 0 && !c.large) || c.large && l.wants(oneChunk) && !l.quick
}

// chain is a store with the backups of a chainCase, by the peer.
func (l *lab) chain(c chainCase) (*store, error) {
	object := int64(objectBytes)
	if c.large {
		object = posixBytes
	}
	base, err := l.image(c.gibs)
	if err != nil {
		return nil, err
	}
	dir, err := l.cached(c.dir(), func(path string) error {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		image := base
		for n := 1; ; n++ {
			args := []string{"backup", "--image", image, "--store", filepath.Join(path, "store"), "--compression", "zlib",
				"--chunk-size", strconv.FormatInt(object, 10), "--id", id(n)}
			if n > 1 {
				args = append(args, "--parent", id(n-1))
			}
			if _, err := l.peer(args...); err != nil {
				return err
			}
			if n > c.depth {
				return os.Rename(image, filepath.Join(path, "image"))
			}
			next := filepath.Join(path, "image-"+strconv.Itoa(n))
			if err := l.mutate(next, image, 100+n, c.fraction, c.where); err != nil {
				return err
			}
			if image != base {
				if err := os.Remove(image); err != nil {
					return err
				}
			}
			image = next
		}
	})
	s := &store{dir: filepath.Join(dir, "store"), image: filepath.Join(dir, "image")}
	for n := range c.depth + 1 {
		s.backups = append(s.backups, id(n+1))
	}
	return s, err
}

func (c chainCase) dir() string {
	return "chain-" + strconv.Itoa(int(c.fraction*100)) + "-" + strconv.FormatBool(c.large)
}

// chainRows restore the tips of chains, and the volume that is one object.
func chainRows(l *lab) error {
	for _, c := range chainCases {
		if !l.wantsChain(c) {
			continue
		}
		if l.python == "" {
			l.add(table.Row{Name: c.name, Unit: table.MBps, Goal: c.goal, Skip: l.noPeer()})
			continue
		}
		s, err := l.chain(c)
		if err != nil {
			return err
		}
		if c.large {
			if err := l.oneChunkRow(s, c); err != nil {
				return err
			}
		}
		if err := l.chainRow(s, c); err != nil {
			return err
		}
		if err := l.drop(c.dir()); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) chainRow(s *store, c chainCase) error {
	_, decoded, err := plan(s.dir, s.backups...)
	if err != nil {
		return err
	}
	size, err := fileSize(s.image)
	if err != nil {
		return err
	}
	entrants, err := l.restorers(s, 0)
	if err != nil {
		return err
	}
	row := spec{name: c.name, unit: table.MBps, ours: "restore", peer: "peer", peerName: peerName, goal: c.goal}
	if c.goal.Share > 0 {
		row.limit, row.needs = restoreLimit(float64(decoded)/float64(size)), []string{"limit"}
	}
	return l.contest(entrants, row)
}

// oneChunkRow restores the full backup of a chain, whose one object only one
// processor can decode.
func (l *lab) oneChunkRow(s *store, c chainCase) error {
	base, err := l.image(c.gibs)
	if err != nil {
		return err
	}
	full := &store{dir: s.dir, image: base, backups: s.backups[:1]}
	entrants, err := l.restorers(full, 1)
	if err != nil {
		return err
	}
	return l.contest(entrants, spec{name: oneChunk, unit: table.MBps, ours: "restore", peer: "peer", peerName: peerName,
		limit: decodeLimit, needs: []string{"limit"}, goal: table.Goal{Ratio: 7, Share: 0.85}})
}
