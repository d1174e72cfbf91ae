package chunked

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Layout implements driverstate.Sampler.
func (d *Driver) Layout(ctx context.Context, b *driverstate.Backup) (driverstate.Layout, error) {
	if err := d.layout.CheckContainer(b.Container); err != nil {
		return driverstate.Layout{}, err
	}
	m, err := d.loadMetadata(ctx, b.Container, b.ServiceMetadata)
	if err != nil {
		return driverstate.Layout{}, storeError(err)
	}
	return layoutOf(m), nil
}

func layoutOf(m *Metadata) driverstate.Layout {
	l := driverstate.Layout{BackupID: m.BackupID, Lengths: make([]int64, len(m.Extents))}
	sum := sha256.New()
	var number [16]byte
	for i := range m.Extents {
		e := &m.Extents[i]
		l.Lengths[i] = e.Length
		binary.BigEndian.PutUint64(number[:8], uint64(e.Offset))
		binary.BigEndian.PutUint64(number[8:], uint64(e.Length))
		sum.Write(number[:])
		sum.Write(e.MD5[:])
		sum.Write([]byte(e.Name + "\x00"))
	}
	l.Identity = base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16])
	return l
}

// VerifyObjects implements driverstate.Sampler.
func (d *Driver) VerifyObjects(ctx context.Context, c driverstate.Chain, ledger driverstate.Ledger, obs driverstate.Observer) (driverstate.Report, error) {
	report, err := d.verify(ctx, c, driverstate.DepthData, ledger, obs)
	if err != nil && len(c) > 0 {
		err = &driverstate.Error{Op: "verify", Resource: "backup", ID: c.Tip().ID, Err: err}
	}
	return report, err
}

// sampled is a unit that is read for its own sake, not only for what the tip
// needs of it.
type sampled struct {
	*unit
	layout *driverstate.Layout
	object int
	need   []segment // what survives of it in the tip
	// whole: all of the object is proven when it is read, so that the ledger
	// may be told.
	whole bool

	mu    sync.Mutex
	fault string // the first
}

// sample is the part of a plan that a ledger chose.
type sample struct {
	ledger driverstate.Ledger
	byUnit map[*unit]*sampled
	byName map[objectID]*sampled
	seen   *findings

	mu       sync.Mutex
	warnings []string
}

// sample leaves in p the units that ledger chooses, to be read from their
// beginnings to their ends. What the tip's list says otherwise than that of the
// backup it belongs to is read whatever ledger chooses, and in the way of a
// restore: what was proven of it for others says nothing of this tip.
func (d *Driver) sample(ctx context.Context, p *plan, ledger driverstate.Ledger, seen *findings) (*sample, error) {
	s := &sample{ledger: ledger, byUnit: map[*unit]*sampled{}, byName: map[objectID]*sampled{}, seen: seen}
	of := map[*layer][]*sampled{}
	for _, u := range p.units {
		of[u.layer] = append(of[u.layer], &sampled{unit: u, object: u.index(), need: u.segments})
	}
	p.units = nil
	read := map[*layer][]int{}
	for _, l := range p.layers {
		slices.SortFunc(of[l], func(a, b *sampled) int { return a.object - b.object })
		layout := layoutOf(l.meta)
		needed := make([]int, len(of[l]))
		for i, x := range of[l] {
			x.layout, needed[i] = &layout, x.object
		}
		read[l] = ledger.Choose(layout, needed)
	}
	apart, err := d.disagreement(ctx, p, ledger)
	if err != nil {
		return nil, err
	}
	for _, l := range p.layers {
		for _, x := range of[l] {
			_, chosen := slices.BinarySearch(read[l], x.object)
			if x.whole = !apart.of(p, x.unit); x.whole && !chosen {
				continue
			}
			if err := d.widen(ctx, p, x); err != nil {
				return nil, err
			}
			s.byUnit[x.unit] = x
			s.byName[x.id()] = x
			p.units = append(p.units, x.unit)
		}
	}
	slices.SortStableFunc(p.units, func(a, b *unit) int { return cmp.Compare(a.segments[0].off, b.segments[0].off) })
	return s, nil
}

// widen has all of the object of a unit proven, by the list of its own backup,
// unless its md5 does or all of it survives.
func (d *Driver) widen(ctx context.Context, p *plan, x *sampled) error {
	all := segment{x.extent.Offset, x.extent.Offset + x.extent.Length}
	if !x.whole || x.proof.hashes == nil || len(x.segments) == 1 && x.segments[0] == all {
		return nil
	}
	if !x.layer.listed {
		if err := d.loadProof(ctx, x.layer, p); err != nil {
			return err
		}
	}
	own := x.layer.proof(x.extent)
	if own == nil {
		x.whole = false
		return nil
	}
	x.proof, x.segments = proof{own}, []segment{all}
	return nil
}

// index is the number of the unit's object in its backup.
func (u *unit) index() int {
	extents := u.layer.meta.Extents
	i := sort.Search(len(extents), func(i int) bool { return extents[i].Offset >= u.extent.Offset })
	for &extents[i] != u.extent { // an empty one may lie at the same offset
		i++
	}
	return i
}

// bytes is how much of the volume is to be read.
func (s *sample) bytes() (n int64) {
	for u := range s.byUnit {
		n += u.surviving()
	}
	return n
}

// report takes a fault of a unit. One in bytes that later backups wrote over
// does not harm the tip.
func (s *sample) report(fault *damage) {
	x := s.byName[objectOf(&fault.Problem)]
	if x == nil {
		s.seen.add(fault)
		return
	}
	x.mu.Lock()
	first := x.fault == ""
	if first {
		x.fault = fault.Reason
	}
	x.mu.Unlock()
	if x.needs(fault) {
		s.seen.add(fault)
	} else if first {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.warnings = append(s.warnings, fmt.Sprintf("%v; nothing is needed of what is lost", fault))
	}
}

// needs reports whether the tip needs bytes that a fault takes. A fault of no
// length is at the end of the object.
func (x *sampled) needs(fault *damage) bool {
	for _, s := range x.need {
		if s.off < fault.Offset+fault.Length && fault.Offset < s.end || fault.Length == 0 && fault.Offset == s.end {
			return true
		}
	}
	return false
}

// ended tells the ledger what became of a unit.
func (s *sample) ended(u *unit) {
	x := s.byUnit[u]
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !x.whole:
	case x.fault != "":
		s.ledger.Faulty(*x.layout, x.object, x.fault)
	default:
		s.ledger.Proven(*x.layout, x.object)
	}
}

// again reads a unit once more to its end, where a fault was: one bad read does
// not condemn.
func (c *cursor) again(ctx context.Context, fault error) error {
	var bad *damage
	if c.condemned || !errors.As(fault, &bad) {
		return fault
	}
	c.close()
	x, err := c.w.open(ctx, c.u.layer, c.u.extent)
	if err != nil {
		return err
	}
	c.x = x
	if err := x.skip(ctx, c.u.extent.Length, c.w.buffer); err != nil {
		return err
	}
	return x.finish()
}
