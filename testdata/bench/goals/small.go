package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

// process is an entrant that is a whole process and moves no volume.
func (l *lab) process(name string, env []string, argv ...string) entrant {
	return entrant{name: name, missing: notInstalled(argv[0]), run: func(int) (sample, error) {
		u, err := l.start(env, argv...)
		return sample{took: u.Wall, peak: u.Peak}, err
	}}
}

// manyTurns is for what takes milliseconds.
func (l *lab) manyTurns(contest func() error) error {
	turns := l.turns
	defer func() { l.turns = turns }()
	l.turns = 3*turns + 2
	if l.quick {
		l.turns = 3
	}
	return contest()
}

// startRows are the start of the program alone.
func startRows(l *lab) error {
	specs := []spec{
		{name: "start-up (--version), against cinder", unit: table.Seconds, ours: "ours", peer: "cinder", peerName: "cinder", goal: table.Goal{Ratio: 150}},
		{name: "start-up (--version), against hello world", unit: table.Seconds, ours: "ours", peer: "hello", peerName: "hello world in Go", goal: table.Goal{Ratio: 0.667}},
	}
	if !l.wantsSpecs(specs) {
		return nil
	}
	hello, err := l.hello()
	if err != nil {
		return err
	}
	return l.manyTurns(func() error {
		return l.contest([]entrant{l.process("ours", nil, l.program, "--version"), l.process("cinder", nil, "cinder", "--version"), l.process("hello", nil, hello)}, specs...)
	})
}

// hello is the least that a program in Go can be.
func (l *lab) hello() (string, error) {
	return l.cached("hello", func(path string) error {
		source := l.work("hello.go")
		defer os.Remove(source)
		if err := os.WriteFile(source, []byte("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello, world\") }\n"), 0o600); err != nil {
			return err
		}
		_, err := l.start(append(os.Environ(), "CGO_ENABLED=0"), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, source)
		return err
	})
}

const (
	deletes = 1000 // backups are deleted
	// looped of them are, where each takes a second.
	looped = 10
)

// apiRows compare clients of one API, which answers at once.
func apiRows(l *lab) error {
	list := []spec{
		{name: "list 50 backups, against cinder", unit: table.Seconds, ours: "ours", peer: "cinder", peerName: "cinder", goal: table.Goal{Ratio: 50}},
		{name: "list 50 backups, against openstack", unit: table.Seconds, ours: "ours", peer: "openstack", peerName: "openstack", goal: table.Goal{Ratio: 80}},
	}
	remove := []spec{
		{name: "1,000 deletes, against one cinder", unit: table.Seconds, ours: "ours", peer: "cinder", peerName: "cinder", goal: table.Goal{Ratio: 20}},
		{name: "1,000 deletes, against one cinder each", unit: table.Seconds, ours: "ours", peer: "loop", peerName: "a process each, from 10", goal: table.Goal{Ratio: 3000}},
	}
	if l.wantsSpecs(list) {
		if err := l.withStub(50, func(s *stub) error {
			return l.manyTurns(func() error {
				return l.contest([]entrant{
					l.process("ours", clientEnv(), l.program, "--os-endpoint", s.url+"/v3", "backup-list"),
					l.process("cinder", clientEnv(), append(cinderCommand(s), "backup-list")...),
					l.process("openstack", clientEnv(), "openstack", "--os-auth-type", "none", "--os-endpoint", s.url+"/v3/"+stubProject, "volume", "backup", "list"),
				}, list...)
			})
		}); err != nil {
			return err
		}
	}
	if !l.wantsSpecs(remove) {
		return nil
	}
	return l.withStub(deletes, func(s *stub) error {
		var ids []string
		for i := range deletes {
			ids = append(ids, id(i+1))
		}
		ours := []string{l.program, "--os-endpoint", s.url + "/v3", "--audit-log", "off", "--quiet", "--yes", "backup-force-delete"}
		cinder := append(cinderCommand(s), "backup-delete", "--force")
		return l.contest([]entrant{
			s.all(l.process("ours", clientEnv(), append(ours, ids...)...), deletes),
			s.all(l.process("cinder", clientEnv(), append(cinder, ids...)...), deletes),
			s.loop(l, cinder, ids[:looped]),
		}, remove...)
	})
}

func (l *lab) withStub(n int, use func(*stub) error) error {
	s, err := openStub(n)
	if err != nil {
		return err
	}
	return errors.Join(use(s), s.close())
}

// clientEnv is this environment without a cloud.
func clientEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "OS_") && !strings.HasPrefix(v, "CINDER") {
			env = append(env, v)
		}
	}
	return env
}

func cinderCommand(s *stub) []string {
	return []string{"cinder", "--os-auth-type", "noauth", "--os-endpoint", s.url + "/v3", "--os-user-id", "admin", "--os-project-id", stubProject}
}

// all makes sure that e deletes all n backups each time.
func (s *stub) all(e entrant, n int) entrant {
	run := e.run
	e.run = func(round int) (sample, error) {
		taken, err := run(round)
		if gone := s.restock(); err == nil && gone != n {
			err = fmt.Errorf("%d of %d backups were deleted", gone, n)
		}
		return taken, err
	}
	return e
}

// loop deletes some of the backups with a process for each, and takes that as
// many times as there are more. In a hurry it is fewer still.
func (s *stub) loop(l *lab, command, ids []string) entrant {
	if l.quick {
		ids = ids[:3]
	}
	e := entrant{name: "loop", missing: notInstalled(command[0]), run: func(int) (sum sample, err error) {
		for _, id := range ids {
			u, err := l.start(clientEnv(), append(command[:len(command):len(command)], id)...)
			if err != nil {
				return sum, err
			}
			sum.took += u.Wall * deletes / time.Duration(len(ids))
			sum.peak = max(sum.peak, u.Peak)
		}
		return sum, nil
	}}
	return s.all(e, len(ids))
}

// scanRows find all backups of a store without a database.
func scanRows(l *lab) error {
	count := scanCount(l)
	find := fmt.Sprintf("scan of %d backups, against find", count)
	python := fmt.Sprintf("scan of %d backups, against Python", count)
	specs := []spec{
		{name: find, unit: table.Seconds, ours: "ours", peer: "find", peerName: "find, names only", goal: table.Goal{Ratio: 2, PeakMiB: 64}},
		{name: python, unit: table.Seconds, ours: "ours", peer: "python", peerName: "os.walk, json.load", goal: table.Goal{Ratio: 3, PeakMiB: 64}},
	}
	if !l.wantsSpecs(specs) {
		return nil
	}
	dir, err := l.manyStore(count)
	if err != nil {
		return err
	}
	err = l.contest([]entrant{
		l.scan(dir, count),
		l.process("find", nil, "find", dir, "-type", "f"),
		l.process("python", nil, "python3", "-c", walkScript, dir),
	}, specs...)
	if l.wants(byCount) {
		return err // which needs the store, too
	}
	return errors.Join(err, l.drop(filepath.Base(dir)))
}

// walkScript reads every metadata document of a store.
const walkScript = `import json, os, sys
n = 0
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        if name.endswith("_metadata"):
            with open(os.path.join(folder, name)) as f:
                json.load(f)
            n += 1
print(n)`

func scanCount(l *lab) int { return max(1000, int(100_000*min(1, l.scale))) }

func (l *lab) manyStore(count int) (string, error) {
	return l.cached("many-"+strconv.Itoa(count), func(path string) error {
		_, err := l.start(nil, "go", "run", "./"+scripts+"/manystore", path, strconv.Itoa(count))
		return err
	})
}

// scan lists what a store holds, as an operator does after a database is lost.
func (l *lab) scan(dir string, count int) entrant {
	return entrant{name: "ours", run: func(int) (sample, error) {
		e, err := l.openEngine("scan", "posix://"+dir)
		if err != nil {
			return sample{}, err
		}
		s, out, err := e.call("backup-manageable-list", "-f", "value", "-c", "id")
		if err != nil {
			return s, err
		}
		if n := len(strings.Fields(out)); n != count {
			return s, fmt.Errorf("%d of %d backups were found", n, count)
		}
		return s, nil
	}}
}
