package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

// hashListRows read and write the hash list of a volume of 1 GiB, 2.4 MB: ours
// as benchmarks of the package that does it, the peer as Python's json, with
// which Cinder does it.
func hashListRows(l *lab) error {
	for _, c := range []struct {
		name, benchmark, python string
		goal                    float64
	}{
		{"sha256file, read", "BenchmarkParseHashes", "json.loads(text)", 2.5},
		{"sha256file, write", "BenchmarkWriteHashes", "json.dumps(doc, sort_keys=True, indent=2)", 4},
	} {
		row := spec{name: c.name, unit: table.MBps, ours: "ours", peer: "python", peerName: "Python's json", goal: table.Goal{Ratio: c.goal}}
		if !l.wants(row.name) {
			continue
		}
		tests, err := l.cached("chunked.test", func(path string) error {
			_, err := l.start(nil, "go", "test", "-c", "-o", path, "./driverstate/chunked")
			return err
		})
		if err != nil {
			return err
		}
		if err := l.contest([]entrant{l.benchmark(tests, c.benchmark), l.pythonRate(c.python)}, row); err != nil {
			return err
		}
	}
	return l.drop("chunked.test")
}

var rateOf = regexp.MustCompile(`([0-9.]+) MB/s`)

// benchmark runs one benchmark of a test program.
func (l *lab) benchmark(tests, name string) entrant {
	return entrant{name: "ours", run: func(int) (sample, error) {
		u, err := l.start(nil, tests, "-test.run", "^$", "-test.bench", "^"+name+"$", "-test.benchtime", "200x")
		if err != nil {
			return sample{}, err
		}
		m := rateOf.FindSubmatch(u.Stdout)
		if m == nil {
			return sample{}, missing("driverstate/chunked has no " + name)
		}
		return rateSample(string(m[1]), u.Peak)
	}}
}

func (l *lab) pythonRate(expression string) entrant {
	script := `import json, time
doc = {"backup_id": "x", "chunk_size": 32768, "sha256s": ["%064x" % (i * 2654435761) for i in range(32768)], "version": "1.0.0"}
text = json.dumps(doc, sort_keys=True, indent=2)
took = []
for _ in range(10):
    began = time.perf_counter()
    ` + expression + `
    took.append(time.perf_counter() - began)
print(len(text) / 1e6 / sorted(took)[5])`
	return entrant{name: "python", missing: notInstalled("python3"), run: func(int) (sample, error) {
		u, err := l.start(nil, "python3", "-c", script)
		if err != nil {
			return sample{}, err
		}
		return rateSample(string(u.Stdout[:len(u.Stdout)-1]), u.Peak)
	}}
}

// rateSample is a turn that was told as MB/s.
func rateSample(text string, peak int64) (sample, error) {
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return sample{}, fmt.Errorf("rate: %w", err)
	}
	return sample{took: time.Second, bytes: int64(rate * 1e6), peak: peak}, nil
}
