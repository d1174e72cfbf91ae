package chunked

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
)

// window is how many plain bytes are in hand at a time: small enough to stay
// in a core's cache between decoding, hashing and writing. It bounds the
// memory of a worker whatever the size of an object is. A hash block longer
// than it (Cinder's is 32 KiB) is not used as a proof.
const window = 512 << 10

// zeroPage compares as zeros and hashes as a block of zeros.
var zeroPage [window]byte

// run carries out one plan: into a target, or, when verifying, into none.
type run struct {
	d      *Driver
	p      *plan
	target driverstate.Target // nil to verify only
	report func(*damage)      // nil to stop at the first damage
	watch  *progress

	written atomic.Int64
	proven  atomic.Int64
	read    atomic.Int32 // objects

	mu     sync.Mutex
	method string
}

// execute processes every unit of the plan.
func (r *run) execute(ctx context.Context) error {
	if r.target != nil && r.target.Sequential() {
		return r.inOrder(ctx)
	}
	workers := min(r.d.cfg.Workers, max(1, len(r.p.units)))
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range workers {
		group.Go(func() error {
			w := newWorker(r)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(r.p.units) {
					return nil
				}
				if err := w.whole(ctx, r.p.units[i]); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// inOrder walks the image from its beginning. An object whose segments others
// interrupt stays open; of each layer at most one is.
func (r *run) inOrder(ctx context.Context) error {
	type piece struct {
		segment
		unit *unit
		last bool
	}
	var pieces []piece
	for _, u := range r.p.units {
		for i, s := range u.segments {
			pieces = append(pieces, piece{s, u, i == len(u.segments)-1})
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
	w := newWorker(r)
	open := map[*unit]*cursor{}
	defer func() {
		for _, c := range open {
			c.close()
		}
	}()
	for _, p := range pieces {
		c := open[p.unit]
		if c == nil {
			c = newCursor(w, p.unit)
			open[p.unit] = c
			if err := c.begin(ctx); err != nil {
				return err
			}
		}
		if err := c.segment(ctx, p.segment); err != nil {
			return err
		}
		if p.last {
			err := c.finish()
			c.close()
			delete(open, p.unit)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// worker owns the buffer through which one goroutine passes its bytes.
type worker struct {
	*run
	buffer   []byte
	sha      hash.Hash
	zeroSums map[int64][sha256.Size]byte // by length of the block
}

func newWorker(r *run) *worker {
	return &worker{run: r, buffer: make([]byte, window), sha: sha256.New(), zeroSums: map[int64][sha256.Size]byte{}}
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

func (w *worker) matches(block, sum []byte) bool {
	if isZero(block) {
		zero := w.zeroSum(int64(len(block)))
		return bytes.Equal(zero[:], sum)
	}
	w.sha.Reset()
	w.sha.Write(block)
	var have [sha256.Size]byte
	return bytes.Equal(w.sha.Sum(have[:0]), sum)
}

// zeroSum is the digest of n zeros, computed once for each n.
func (w *worker) zeroSum(n int64) [sha256.Size]byte {
	sum, ok := w.zeroSums[n]
	if !ok {
		sum = sha256.Sum256(zeroPage[:n])
		w.zeroSums[n] = sum
	}
	return sum
}

func isZero(b []byte) bool { return bytes.Equal(b, zeroPage[:len(b)]) }

// zeroGrain is the piece in which zeros are told from data.
const zeroGrain = 32 << 10

// emit writes proven bytes: runs of zeros as such, runs of data in one piece.
func (w *worker) emit(b []byte, off int64) error {
	w.proven.Add(int64(len(b)))
	if w.target == nil {
		return nil
	}
	for len(b) > 0 {
		n := min(zeroGrain, len(b))
		zero := isZero(b[:n])
		for n < len(b) {
			m := min(zeroGrain, len(b)-n)
			if isZero(b[n:n+m]) != zero {
				break
			}
			n += m
		}
		if err := w.put(b[:n], off, zero); err != nil {
			return fmt.Errorf("writing the target at byte %d: %w", off, err)
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

func (w *worker) put(b []byte, off int64, zero bool) error {
	if zero {
		// Every byte of the image is written once, by its last writer, so on
		// a blank target no older data can show through.
		if w.target.Blank() {
			return nil
		}
		return w.target.ZeroRange(off, int64(len(b)))
	}
	w.written.Add(int64(len(b)))
	_, err := w.target.WriteAt(b, off)
	return err
}

// md5 proves a whole object by its md5, which until Kilo was that of the
// stored bytes.
func (w *worker) md5(ctx context.Context, u *unit) (method string, err error) {
	x, err := w.d.open(ctx, u.layer, u.extent)
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
