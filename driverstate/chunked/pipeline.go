package chunked

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
)

// window is how many plain bytes are in hand at a time: small enough to stay
// in a core's cache between decoding, hashing and writing. It bounds the
// memory of a worker whatever the size of an object is. A hash block longer
// than it (Cinder's is 32 KiB) is not used as a proof.
const window = 512 << 10

// zeroPage compares as zeros and hashes as a block of zeros.
var zeroPage [max(window, blockBytes, grainBytes)]byte

// run carries out one plan: into a target, or, when verifying, into none.
type run struct {
	d      *Driver
	p      *plan
	target driverstate.Target // nil to verify only
	report func(*damage)      // nil to stop at the first damage
	ended  func(*unit)        // is told of each that was read to its end; may be nil
	watch  *progress
	meter  *meter
	can    budget

	help chan *block  // from a worker that decodes to one that has nothing to do
	soon chan *early  // the same
	idle atomic.Int32 // workers that have nothing to do but help

	written atomic.Int64
	proven  atomic.Int64
	read    atomic.Int32 // objects

	mu     sync.Mutex
	method string
}

// execute processes every unit of the plan: regions side by side, each from
// its beginning to its end, so that the target is written in long stretches.
// What is proven is written behind the workers' backs, so that no decoder waits
// for the disk.
func (r *run) execute(ctx context.Context) (err error) {
	if r.can, err = r.d.cfg.restore(r.p, r.d.cfg.Workers); err != nil {
		return err
	}
	regions := r.p.regions()
	if r.target == nil {
		return r.work(ctx, regions, newOutput(nil, r.workers(regions), r.can.blocks))
	}
	if r.target.Sequential() {
		regions = []region{slices.Concat(regions...)}
	}
	group, ctx := errgroup.WithContext(ctx)
	out := newOutput(r.target, r.workers(regions), r.can.blocks)
	for range out.writers {
		group.Go(func() error { return r.write(ctx, out) })
	}
	var worked time.Time
	group.Go(func() error {
		defer close(out.queue)
		defer func() { worked = time.Now() }()
		return r.work(ctx, regions, out)
	})
	err = group.Wait()
	since(&r.meter.after, worked) // what the queue still held
	return err
}

func (r *run) workers(regions []region) int {
	return max(1, min(r.can.workers, helpers*len(regions)))
}

func (r *run) work(ctx context.Context, regions []region, out *output) error {
	group, ctx := errgroup.WithContext(ctx)
	r.meter.workers = r.workers(regions)
	r.help, r.soon = make(chan *block, maxPending), make(chan *early, earlyMost)
	var next, decoding atomic.Int64
	decoding.Store(int64(r.meter.workers))
	for range r.meter.workers {
		group.Go(func() error {
			w := newWorker(r, out)
			err := w.decode(ctx, regions, &next)
			if decoding.Add(-1) == 0 {
				close(r.help)
			}
			if err != nil {
				return err
			}
			return w.assist(ctx)
		})
	}
	return group.Wait()
}

// decode processes regions until there are no more.
func (w *worker) decode(ctx context.Context, regions []region, next *atomic.Int64) error {
	for {
		i := int(next.Add(1)) - 1
		if i >= len(regions) {
			if err := w.settle(ctx); err != nil {
				return err
			}
			return w.flush(ctx)
		}
		if err := w.region(ctx, regions[i]); err != nil {
			return err
		}
	}
}

// worker owns the buffers through which one goroutine passes its bytes.
type worker struct {
	*run
	out     *output  // nil for one that only proves
	block   *block   // being filled; nil for none
	pending []*block // that others prove, or that come after those, in order
	again   bool     // what was not proven is being read again
	failed  error    // of an earlier block, which ends the run
	ahead   int      // the next piece of the region that may be asked for
	asked   map[*unit]*early
	buffer  []byte // for bytes that are not written, or not as they are read
	*digester
	digests
}

func newWorker(r *run, out *output) *worker {
	return &worker{run: r, out: out, buffer: make([]byte, window), digester: newDigester(), asked: map[*unit]*early{}}
}

// weakness orders the proofs.
var weakness = map[string]int{"": 0, "sha256": 1, "md5": 2, "md5-stored": 3}

// note records the weakest proof that was used.
func (r *run) note(method string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if weakness[method] > weakness[r.method] {
		r.method = method
	}
}

// md5 proves a whole object by its md5, which until Kilo was that of the
// stored bytes.
func (w *worker) md5(ctx context.Context, u *unit) (method string, err error) {
	x, err := w.open(ctx, u.layer, u.extent)
	if err != nil {
		return "", err
	}
	defer x.close()
	sum := md5.New()
	for x.pos < u.extent.Length {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		b := w.buffer[:min(window, u.extent.Length-x.pos)]
		if err := x.read(b); err != nil {
			return "", err
		}
		sum.Write(b)
	}
	if err := x.finish(); err != nil {
		return "", err
	}
	if bytes.Equal(sum.Sum(nil), u.extent.MD5[:]) {
		return "md5", nil
	}
	stored, err := w.d.store.Get(ctx, u.layer.backup.Container, u.extent.Name, 0, -1)
	if err != nil {
		return "", fmt.Errorf("object %s: %w", u.extent.Name, storeError(err))
	}
	defer stored.Close()
	sum.Reset()
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{stored}, w.buffer); err != nil {
		return "", fmt.Errorf("object %s: %w", u.extent.Name, storeError(err))
	}
	if bytes.Equal(sum.Sum(nil), u.extent.MD5[:]) {
		return "md5-stored", nil
	}
	return "", u.layer.damaged(u.extent, "the md5 of its data differs", u.extent.Offset, u.extent.Length)
}
