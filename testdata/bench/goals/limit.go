package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/cinder-go/cinder-go/driverstate/cores"
	"github.com/cinder-go/cinder-go/testdata/bench/blocks"
	"github.com/cinder-go/cinder-go/testdata/bench/measure"
	"github.com/cinder-go/cinder-go/testdata/bench/table"
)

// children are the jobs that this program runs in a process of their own: what
// they hold in memory would count for every process that it starts later.
var children = map[string]func(ctx context.Context, spec []byte) (any, error){
	"blocks": func(ctx context.Context, text []byte) (any, error) {
		var s blocks.Spec
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, err
		}
		return blocks.Measure(ctx, s)
	},
	"driver": restoreAlone,
}

func child(name, path string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cores.LetWait() // as the program itself does
	var answer any
	text, err := os.ReadFile(path)
	if err == nil {
		answer, err = children[name](ctx, text)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

// again runs one of the children.
func (l *lab) again(name string, spec, answer any) (measure.Usage, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return measure.Usage{}, err
	}
	path := l.work(name + ".json") // for a command line it may be too long
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return measure.Usage{}, err
	}
	defer os.Remove(path)
	u, err := l.start(nil, l.self, name, path)
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal(u.Stdout, answer)
}

// limit is the entrant that measures building blocks.
func (l *lab) limit(s blocks.Spec) entrant {
	return entrant{name: "limit", run: func(int) (sample, error) {
		s := s
		s.WriteTo = l.work("written")
		defer os.Remove(s.WriteTo)
		var out sample
		u, err := l.again("blocks", s, &out.rates)
		out.took = u.Wall
		return out, err
	}}
}

// The limits, as sums of what every byte of the volume costs.

// restoreLimit decodes, finds zeros, hashes the rest and writes it, which a disk
// may hold up. Of a chain, decoded bytes are more than the volume has.
func restoreLimit(decoded float64) func(*results) float64 {
	return func(r *results) float64 {
		rate := table.InTurn(table.Part(r.rate(blocks.Decode), decoded), r.rate(blocks.Zero), r.rate(blocks.SHA256), r.rate(blocks.Write))
		return table.Capped(rate, r.rate(blocks.Disk))
	}
}

// decodeLimit has one processor decode, and the others do all else meanwhile.
func decodeLimit(r *results) float64 { return r.rate(blocks.Decode) }

// verifyLimit is the same without the writing.
func verifyLimit(r *results) float64 {
	return table.InTurn(r.rate(blocks.Decode), r.rate(blocks.Zero), r.rate(blocks.SHA256))
}

// metadata is what of a backup's metadata document matters here.
type metadata struct {
	Objects []map[string]struct {
		Offset      int64  `json:"offset"`
		Length      int64  `json:"length"`
		Compression string `json:"compression"`
	} `json:"objects"`
}

// plan are the objects that a restore of a chain has to read, and how many bytes
// they decode to: those that own a block that no later backup wrote again.
func plan(store string, ids ...string) (objects []blocks.Object, decoded int64, err error) {
	const block = 32 << 10
	type extent struct {
		blocks.Object
		offset int64
	}
	var extents []extent
	owners := map[int64]int{}
	for _, id := range ids {
		dir := filepath.Join(store, id[:2], id[2:4], id)
		documents, err := filepath.Glob(filepath.Join(dir, "*_metadata"))
		if err != nil || len(documents) != 1 {
			return nil, 0, errors.Join(fmt.Errorf("%s: %d metadata documents", dir, len(documents)), err)
		}
		text, err := os.ReadFile(documents[0])
		if err != nil {
			return nil, 0, err
		}
		var m metadata
		if err := json.Unmarshal(text, &m); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", documents[0], err)
		}
		for _, entry := range m.Objects {
			for name, o := range entry {
				for at := o.Offset; at < o.Offset+o.Length; at += block {
					owners[at/block] = len(extents)
				}
				extents = append(extents, extent{blocks.Object{Path: filepath.Join(dir, name), Compression: o.Compression, Length: o.Length}, o.Offset})
			}
		}
	}
	alive := make([]bool, len(extents))
	for _, owner := range owners {
		alive[owner] = true
	}
	for i, e := range extents {
		if alive[i] {
			objects = append(objects, e.Object)
			decoded += e.Length
		}
	}
	return objects, decoded, nil
}
