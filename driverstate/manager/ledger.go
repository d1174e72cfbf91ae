package manager

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// proofPortion is how many volume bytes are proven before what was proven is
// written: what a kill can lose.
const proofPortion = 4 << 30

// proofInterval is after what time that is written at the latest, when
// something was proven.
const proofInterval = 15 * time.Second

// verifyRun is what a verification knows of the objects of its backups, and
// which of them it is to read.
type verifyRun struct {
	m       *Manager
	request driverstate.VerifyRequest
	subset  driverstate.Subset
	begun   int64 // when, in seconds: what is proven by this run is so since then
	since   int64 // objects that were proven then or later are not read; 0 for none

	mu      sync.Mutex
	layers  map[string]*provenLayer // of one volume, by backup
	agreed  map[string]bool         // backups of it whose hash lists agree with what they stand on
	pending int64                   // bytes proven that are not written
	written time.Time

	// Of a sample:
	counted map[string]bool // backups whose objects were there when it was aimed; nil before
	budget  int64           // bytes to read
	spent   int64
	cut     int64 // what was proven before is read; at that time, as much as atCut
	atCut   int64
}

// provenLayer are the objects that a backup has by itself.
type provenLayer struct {
	layout driverstate.Layout
	times  []int64 // in seconds; 0 for never
	faults map[int]driverstate.ObjectFault
	done   []bool // proven by this run
	dirty  bool
}

func (m *Manager) newVerifyRun(r driverstate.VerifyRequest) (*verifyRun, error) {
	subset, err := driverstate.ParseSubset(r.Subset)
	if err != nil {
		return nil, err
	}
	run := &verifyRun{m: m, request: r, subset: subset, begun: m.cfg.Now().Unix(), written: m.cfg.Now(), layers: map[string]*provenLayer{}, agreed: map[string]bool{}}
	if !r.NotSince.IsZero() {
		run.since = r.NotSince.Unix()
	}
	return run, nil
}

func newProvenLayer(l driverstate.Layout, p *driverstate.Proof) *provenLayer {
	n := len(l.Lengths)
	out := &provenLayer{layout: l, times: make([]int64, n), faults: map[int]driverstate.ObjectFault{}, done: make([]bool, n)}
	if p == nil || p.Identity != l.Identity || p.Objects != n {
		return out
	}
	out.times = p.Times()
	for _, f := range p.Faults {
		out.faults[f.Object] = f
	}
	return out
}

// rank is when an object was proven; one that was found damaged comes before
// all others.
func (l *provenLayer) rank(i int) int64 {
	if _, bad := l.faults[i]; bad {
		return -1
	}
	return l.times[i]
}

func (l *provenLayer) proof() *driverstate.Proof {
	times := slices.Clone(l.times)
	var faults []driverstate.ObjectFault
	for _, i := range slices.Sorted(maps.Keys(l.faults)) {
		if len(faults) < driverstate.MaxObjectFaults {
			faults = append(faults, l.faults[i])
		} else {
			times[i] = 0 // or it would count as proven when it was before
		}
	}
	p := driverstate.NewProof(l.layout, times)
	p.Faults = faults
	return p
}

// merge adds what others have written of the objects meanwhile, since this run
// began. Of what both have read, it is this run's word that counts.
func (l *provenLayer) merge(written *provenLayer, begun int64) {
	for i, at := range written.times {
		l.times[i] = max(l.times[i], at)
	}
	for i, f := range l.faults {
		if _, yet := written.faults[i]; !yet && f.At.Unix() < begun {
			delete(l.faults, i) // another run has proven it
		}
	}
	for i, f := range written.faults {
		if _, known := l.faults[i]; !known && !l.done[i] {
			l.faults[i] = f
		}
	}
}

// layer is what is known of the objects of a backup. r.mu is held.
func (r *verifyRun) layer(ctx context.Context, l driverstate.Layout) (*provenLayer, error) {
	if known := r.layers[l.BackupID]; known != nil && known.layout.Identity == l.Identity {
		return known, nil
	}
	p, err := r.m.db.ProofGet(ctx, l.BackupID)
	if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
		return nil, err
	}
	r.layers[l.BackupID] = newProvenLayer(l, p)
	return r.layers[l.BackupID], nil
}

// flush writes what was proven since the last time, beside what others have
// proven meanwhile. r.mu is held.
func (r *verifyRun) flush(ctx context.Context) error {
	r.pending, r.written = 0, r.m.cfg.Now()
	for _, l := range r.layers {
		if !l.dirty {
			continue
		}
		err := r.m.db.Update(ctx, func(tx db.Tx) error {
			there, err := tx.ProofGet(ctx, l.layout.BackupID)
			if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
				return err
			}
			l.merge(newProvenLayer(l.layout, there), r.begun)
			return tx.ProofPut(ctx, l.proof())
		})
		if err != nil {
			return err
		}
		l.dirty = false
	}
	return nil
}

// close writes what was proven and forgets the layers: those of another volume
// follow.
func (r *verifyRun) close(ctx context.Context) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.flush(ctx)
	clear(r.layers)
	clear(r.agreed)
	return err
}

// wants reports whether an object of l is to be read, and counts it. r.mu is
// held.
func (r *verifyRun) wants(l *provenLayer, i int) bool {
	rank, n := l.rank(i), l.layout.Lengths[i]
	switch {
	case l.done[i], r.since > 0 && rank >= r.since:
		return false
	case rank < 0: // else the verdict would be on what is known to be bad
	case r.subset.Groups > 0:
		return group(l.layout.BackupID, i, r.subset.Groups) == r.subset.Group-1
	case !r.subset.Sample():
		return true
	case rank < r.cut && r.counted[l.layout.BackupID]: // there is room for all of them
	case r.spent >= r.budget, rank > r.cut, rank == r.cut && r.atCut <= 0:
		return false
	}
	if rank == r.cut {
		r.atCut -= n
	}
	r.spent += n
	return true
}

// group is which of n groups an object is in: those of one backup take turns,
// and each backup begins with another.
func group(backupID string, object, n int) int {
	h := fnv.New64a()
	h.Write([]byte(backupID))
	return int((h.Sum64()%uint64(n) + uint64(object)) % uint64(n))
}

// backupLedger is the ledger of a look at one backup.
type backupLedger struct {
	run    *verifyRun
	choose func(l driverstate.Layout) (*provenLayer, error)
	flush  func() error
	needed []neededObjects
	reads  int
	failed error
}

type neededObjects struct {
	layer   *provenLayer
	objects []int
}

func (r *verifyRun) ledger(ctx context.Context, one looked) *backupLedger {
	return &backupLedger{run: r,
		choose: func(l driverstate.Layout) (*provenLayer, error) { return r.layer(ctx, l) },
		flush:  func() error { return r.flush(ctx) },
	}
}

// Choose implements driverstate.Ledger.
func (b *backupLedger) Choose(l driverstate.Layout, needed []int) (read []int) {
	r := b.run
	r.mu.Lock()
	defer r.mu.Unlock()
	layer, err := b.choose(l)
	if err != nil {
		b.failed = err
		return nil
	}
	b.needed = append(b.needed, neededObjects{layer, needed})
	for _, i := range needed {
		if r.wants(layer, i) {
			read = append(read, i)
		}
	}
	b.reads += len(read)
	return read
}

// Agreed implements driverstate.Ledger. Of a subset, a backup of which nothing
// is read is what it was found to be before.
func (b *backupLedger) Agreed(id string) bool {
	b.run.mu.Lock()
	defer b.run.mu.Unlock()
	return b.run.agreed[id] || b.reads == 0 && !b.run.subset.All()
}

// Agree implements driverstate.Ledger.
func (b *backupLedger) Agree(id string) {
	b.run.mu.Lock()
	defer b.run.mu.Unlock()
	if b.reads > 0 || b.run.subset.All() {
		b.run.agreed[id] = true
	}
}

// Proven implements driverstate.Ledger.
func (b *backupLedger) Proven(l driverstate.Layout, object int) {
	r := b.run
	r.mu.Lock()
	defer r.mu.Unlock()
	layer := r.layers[l.BackupID]
	layer.times[object], layer.done[object], layer.dirty = max(r.begun, layer.times[object]), true, true
	delete(layer.faults, object)
	r.pending += l.Lengths[object]
	if r.pending < r.m.portion && r.m.cfg.Now().Sub(r.written) < proofInterval {
		return
	}
	if err := b.flush(); err != nil && b.failed == nil {
		b.failed = err
	}
}

// Faulty implements driverstate.Ledger.
func (b *backupLedger) Faulty(l driverstate.Layout, object int, reason string) {
	r := b.run
	r.mu.Lock()
	defer r.mu.Unlock()
	layer := r.layers[l.BackupID]
	layer.faults[object] = driverstate.ObjectFault{Object: object, Reason: clip(reason), At: r.m.cfg.Now().UTC().Truncate(time.Second)}
	layer.dirty = true
}

// image is how all of a backup whose driver knows no objects is remembered.
const image = "image"

// conclude says how much of what the backup needs is proven, and since when.
func (r *verifyRun) conclude(ctx context.Context, one looked, b *backupLedger, out *driverstate.VerifyResult, report *driverstate.Report) error {
	if r.request.Depth != driverstate.DepthData {
		if one.row == nil {
			return nil
		}
		known, err := r.remembered(ctx, one.row)
		if known != nil {
			*out = *known
		}
		return err
	}
	if _, ok := one.on.cfg.Driver.(driverstate.Sampler); !ok && report.Condition == driverstate.ConditionWhole {
		l := driverstate.Layout{BackupID: one.id, Identity: image, Lengths: []int64{report.BytesRead}}
		b.Choose(l, []int{0})
		b.Proven(l, 0)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest, proven := int64(math.MaxInt64), int64(0)
	for _, n := range b.needed {
		for _, i := range n.objects {
			rank, length := max(0, n.layer.rank(i)), n.layer.layout.Lengths[i]
			oldest, out.Bytes = min(oldest, rank), out.Bytes+length
			if rank > 0 && rank >= r.since {
				proven += length
			}
		}
	}
	if out.Bytes > 0 {
		out.Share = float64(proven) / float64(out.Bytes)
	}
	if oldest > 0 && oldest < math.MaxInt64 {
		out.VerifiedAt = time.Unix(oldest, 0).UTC()
	}
	return b.failed
}
