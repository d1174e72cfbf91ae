package chunked

import (
	"fmt"
	"math"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Tuning is how much of the machine an operation takes, and how hard it packs.
type Tuning struct {
	// Memory bounds the buffers of one backup, restore, verification or copy,
	// in bytes: fewer objects are worked on at once, and less waits to be
	// written, where it would be more. 0 for no bound. Lists of hashes, and
	// what the store's protocol takes, are not counted.
	Memory int64
	Level  Level // of new backups
}

// What the parts of an operation take at most, in bytes.
const (
	packerCost = 2 << 20         // tables of DEFLATE, a block of output
	spoolCost  = 2 * spoolMemory // as it grows
	smallCost  = 2 * smallObject // as it is packed
)

// smallObjects wait for the store at once: a file system puts as many on the
// disk with one flush of it, a store behind a network answers them together.
const smallObjects = 16

// decoderCost is what a decoder or an encoder takes.
var decoderCost = map[Compression]int64{
	CompressionNone: 0, CompressionZlib: 256 << 10, CompressionBz2: 10 << 20, CompressionZstd: 12 << 20,
}

// decodedAtOnce is how many blocks of one object may be decoded at once, as
// newDecoder has it: with a bound as many as decoderCost counts.
func (t Tuning) decodedAtOnce() int {
	if t.Memory == 0 {
		return 0
	}
	return 1
}

// budget is how much of everything an operation may have at once.
type budget struct {
	workers int
	objects int // that a backup stores at once
	small   int // small objects of a backup that wait for the store besides
	blocks  int // grains of a backup; blocks of a restore, if it wants so many
}

// backup is the budget of a backup by up to n workers. Of what it is short of it
// gives up objects first, then grains, then workers.
func (t Tuning) backup(c Compression, n int) (budget, error) {
	want := budget{workers: n, objects: 2 * n, small: smallObjects, blocks: 3*n + 4}
	if c == CompressionZstd || c == CompressionBz2 {
		want.objects = n + 1 // each keeps a processor busy by itself, and has an encoder
	}
	if t.Memory == 0 {
		return want, nil
	}
	object, grain := spoolCost+decoderCost[c], int64(grainBytes)
	switch c {
	case CompressionNone:
		object = 0 // it is stored as it is read
	case CompressionZlib:
		object, grain = spoolCost, 2*grainBytes // plain and packed, by the workers
	}
	for ; n > 0; n-- {
		least := budget{workers: n, objects: 1, blocks: n + 2}
		left := t.Memory - int64(n)*packerCost - object - int64(least.blocks)*grain
		if left < 0 {
			continue
		}
		for least.objects < want.objects*n/want.workers && left >= object {
			least.objects++
			left -= object
		}
		more := min(int64(3*n+4-least.blocks), left/grain)
		least.blocks += int(more)
		least.small = int(min(smallObjects, (left-more*grain)/smallCost))
		return least, nil
	}
	return want, t.tooSmall(packerCost + object + 3*grain)
}

// restore is the budget of a restore or a verification of p by up to n workers:
// each has up to one object of every layer open.
func (t Tuning) restore(p *plan, n int) (budget, error) {
	if t.Memory == 0 {
		return budget{workers: n, blocks: math.MaxInt}, nil
	}
	var decoder int64
	for _, u := range p.units {
		decoder = max(decoder, decoderCost[u.extent.Compression])
	}
	worker := window + int64(len(p.layers))*(readAhead+decoder)
	for ; n > 0; n-- {
		left := t.Memory - int64(n)*worker
		if blocks := left / blockBytes; blocks >= int64(n)+1 {
			return budget{workers: n, blocks: int(blocks)}, nil
		}
	}
	return budget{}, t.tooSmall(worker + 2*blockBytes)
}

// copy is how many of up to n workers a copy may have, each with an object in
// its spool.
func (t Tuning) copy(m *Metadata, to Compression, n int) (int, error) {
	if t.Memory == 0 {
		return n, nil
	}
	worker := window + readAhead + spoolCost + decoderCost[to]
	for _, e := range m.Extents {
		worker = max(worker, window+readAhead+spoolCost+decoderCost[to]+decoderCost[e.Compression])
	}
	if n = int(min(int64(n), t.Memory/worker)); n == 0 {
		return 0, t.tooSmall(worker)
	}
	return n, nil
}

func (t Tuning) tooSmall(least int64) error {
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
		"memory of %d bytes is too little for this: it takes %d MiB at least", t.Memory, (least+1<<20-1)>>20))
}

// validate refuses what nothing could be done with. What each operation takes it
// finds out by itself: to read takes less than to pack.
func (t Tuning) validate() error {
	if t.Memory < 0 {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("memory %d is negative", t.Memory))
	}
	_, err := ParseLevel(string(t.Level))
	return err
}
