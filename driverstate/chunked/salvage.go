package chunked

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
)

// loadRemains is load of a chain of which documents may be missing or damaged.
// A layer without a document is as one that wrote nothing: what lies below it
// may have been written over, and is proven by the tip's hash list alone.
func (d *Driver) loadRemains(ctx context.Context, c driverstate.Chain) (*plan, error) {
	return settled(func() (*plan, error) { return d.planRemains(ctx, c) })
}

func (d *Driver) planRemains(ctx context.Context, c driverstate.Chain) (*plan, error) {
	if len(c) == 0 || len(c) > driverstate.MaxChain {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("a chain of %d backups", len(c)))
	}
	p := &plan{}
	doubted := 0     // layers before this one may have been written over unseen
	endless := false // no layer is known to reach the end of the volume: that of the full backup does
	for i, b := range c {
		l, err := d.loadLink(ctx, c, i)
		var fault *damage
		switch {
		case errors.As(err, &fault):
			l = &layer{backup: b, meta: &Metadata{BackupID: b.ID}}
			doubted, endless = i, endless || i == 0
			p.warnings = append(p.warnings, fmt.Sprintf("backup %s: %v: what it wrote is looked for in other backups", b.ID, fault))
		case err != nil:
			return nil, err
		case i > 0 && l.meta.ParentID != c[i-1].ID, i == 0 && l.meta.ParentID != "":
			doubted, endless = i, endless || i == 0
			p.warnings = append(p.warnings, fmt.Sprintf("backup %s names %q as its parent", b.ID, l.meta.ParentID))
		}
		p.layers = append(p.layers, l)
	}
	if err := d.loadProof(ctx, p.tip(), p); err != nil {
		return nil, err
	}
	p.make()
	if endless && p.tip().hashes == nil && p.tip().backup.Size > 0 && p.tip().backup.Size <= maxGiB {
		p.stretch(p.tip().backup.Size << 30)
	}
	if err := d.proveRemains(ctx, p, doubted); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// stretch makes the image longer.
func (p *plan) stretch(length int64) {
	if length > p.length {
		p.gaps = append(p.gaps, segment{p.length, length})
		p.length = length
	}
}

// proveRemains looks for the proofs that the tip's list does not give. Units of
// layers before doubted that have no other are taken out.
func (d *Driver) proveRemains(ctx context.Context, p *plan, doubted int) error {
	doubtful := map[*layer]bool{}
	for _, l := range p.layers[:doubted] {
		doubtful[l] = true
	}
	units := p.units[:0]
	for _, u := range p.units {
		if u.proof.hashes == nil || u.proof.hashes != p.tip().hashes {
			if doubtful[u.layer] {
				p.gaps = append(p.gaps, u.segments...)
				continue
			}
			if !u.layer.listed {
				if err := d.loadProof(ctx, u.layer, p); err != nil {
					return err
				}
			}
			u.proof = p.prove(u)
		}
		units = append(units, u)
	}
	p.units = units
	p.gaps = merged(p.gaps)
	return nil
}

// merged is s in order, with what touches or overlaps joined.
func merged(s []segment) []segment {
	slices.SortFunc(s, func(a, b segment) int { return cmp.Compare(a.off, b.off) })
	out := s[:0]
	for _, next := range s {
		if last := len(out) - 1; last >= 0 && next.off <= out[last].end {
			out[last].end = max(out[last].end, next.end)
		} else {
			out = append(out, next)
		}
	}
	return out
}

// minus is what of the merged segments a is in none of the merged segments b.
func minus(a, b []segment) (left []segment) {
	next := 0
	for _, s := range a {
		for next < len(b) && b[next].end <= s.off {
			next++
		}
		for i := next; s.off < s.end; i++ {
			if i == len(b) || b[i].off >= s.end {
				left = append(left, s)
				break
			}
			if b[i].off > s.off {
				left = append(left, segment{s.off, b[i].off})
			}
			s.off = b[i].end
		}
	}
	return left
}

func total(s []segment) (n int64) {
	for _, one := range s {
		n += one.end - one.off
	}
	return n
}

// salvage is a restore that goes on after damage.
type salvage struct {
	*run
	whole *plan     // of the image
	holes []segment // merged; what is not proven so far
	full  int64     // bytes that other objects gave than those that were to
}

// carry carries out p, and returns what of it could not be proven. That is read
// twice, as ever.
func (s *salvage) carry(ctx context.Context, p *plan) ([]segment, error) {
	owners := make(map[objectID]*unit, len(p.units))
	for _, u := range p.units {
		owners[u.id()] = u
	}
	var (
		mu  sync.Mutex
		bad []segment
	)
	s.run.p = p
	s.report = func(fault *damage) {
		mu.Lock()
		defer mu.Unlock()
		if u := owners[objectOf(&fault.Problem)]; u != nil {
			bad = append(bad, within(u.segments, fault.Offset, fault.Offset+fault.Length)...)
		}
	}
	before := s.proven.Load()
	if err := s.execute(ctx); err != nil {
		return nil, err
	}
	bad = merged(bad)
	var all int64
	for _, u := range p.units {
		all += u.surviving()
	}
	if done := s.proven.Load() - before; done+total(bad) != all {
		return nil, fmt.Errorf("of %d bytes %d were proven and %d not: the target is not to be trusted", all, done, total(bad))
	}
	return bad, nil
}

// restore writes all that can be proven, from wherever on the store it can be
// had, and zeros in the place of the rest if the target would show anything
// else.
func (s *salvage) restore(ctx context.Context) error {
	s.whole = s.run.p
	bad, err := s.carry(ctx, s.whole)
	if err != nil {
		return err
	}
	s.holes = merged(append(bad, s.whole.gaps...))
	if err := s.zeros(ctx); err != nil {
		return err
	}
	if err := s.fill(ctx); err != nil {
		return err
	}
	s.run.p = s.whole
	return s.blank(s.holes)
}

// blank makes segments read as zeros.
func (s *salvage) blank(segments []segment) error {
	if s.target.Blank() {
		return nil
	}
	for _, z := range segments {
		if err := s.target.ZeroRange(z.off, z.end-z.off); err != nil {
			return fmt.Errorf("writing the target at byte %d: %w", z.off, err)
		}
	}
	return nil
}

// zeros makes zeros of the missing blocks that the tip's hash list proves to be
// that: no object is wanted for them.
func (s *salvage) zeros(ctx context.Context) error {
	h := s.whole.blockwise()
	if h == nil {
		return nil
	}
	var (
		list  digests
		found []segment
	)
	own := newDigester()
	for _, hole := range s.holes {
		for at := hole.off; at < hole.end; {
			if err := ctx.Err(); err != nil {
				return err
			}
			i := at / h.BlockSize
			if i >= int64(h.Blocks()) {
				break
			}
			want, err := list.digest(ctx, h, i)
			if err != nil {
				return err
			}
			end := min((i+1)*h.BlockSize, s.whole.length)
			if own.sum(zeroPage[:end-i*h.BlockSize]) == [sha256.Size]byte(want) {
				found = append(found, segment{at, min(end, hole.end)})
			}
			at = end
		}
	}
	if len(found) == 0 {
		return nil
	}
	found = merged(found)
	s.holes = minus(s.holes, found)
	s.note("sha256")
	s.whole.warnings = append(s.whole.warnings, fmt.Sprintf("%d bytes of what is missing or damaged are zeros by the hash list", total(found)))
	return s.blank(found)
}

// fill looks in the other backups of the volume for blocks that the tip's hash
// list proves to be those that are missing.
func (s *salvage) fill(ctx context.Context) error {
	if len(s.holes) == 0 || s.whole.blockwise() == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, l := range slices.Backward(s.whole.layers) {
		seen[l.backup.ID] = true
		if err := s.fillFrom(ctx, l.backup); err != nil {
			return err
		}
	}
	volume := s.whole.tip().backup.VolumeID
	for f, err := range s.d.Scan(ctx, "") {
		if err != nil && ctx.Err() == nil {
			s.warn("the store could not be looked through for other backups of the volume: %v", err)
			return nil
		}
		if err != nil {
			return err
		}
		if len(s.holes) == 0 {
			return nil
		}
		if f.Backup.VolumeID != volume || seen[f.Backup.ID] {
			continue
		}
		seen[f.Backup.ID] = true
		if err := s.fillFrom(ctx, &f.Backup); err != nil {
			return err
		}
	}
	return nil
}

// fillFrom is fill from one backup. What cannot be read of it gives nothing.
func (s *salvage) fillFrom(ctx context.Context, b *driverstate.Backup) error {
	if len(s.holes) == 0 {
		return nil
	}
	whole, from := s.run.d, &spare{Store: s.run.d.store}
	d := *whole
	d.store, s.run.d = from, &d
	defer func() { s.run.d = whole }()
	p := &plan{layers: s.whole.layers, length: s.whole.length, part: s.whole.part}
	l, err := d.loadLayer(ctx, b)
	if err == nil {
		err = d.loadProof(ctx, l, &plan{})
	}
	if err == nil {
		defer l.hashes.close()
		p.units, err = s.candidates(ctx, l)
	}
	if err == nil {
		if _, small := d.cfg.restore(p, d.cfg.Workers); small != nil { // another codec may take more
			s.warn("backup %s could not be looked through for what is missing: %v", b.ID, small)
			return nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case from.first == nil && (errors.Is(err, driverstate.ErrCorrupt) || errors.Is(err, driverstate.ErrInvalidInput)):
		return nil
	case err != nil:
		s.warn("backup %s could not be looked through for what is missing: %v", b.ID, cmp.Or(from.first, err))
		return nil
	}
	if len(p.units) > 0 {
		err = s.take(ctx, p)
	}
	if err == nil && from.first != nil {
		s.warn("backup %s could be looked through in part for what is missing: %v", b.ID, from.first)
	}
	return err
}

// take has what can be proven of p written to where holes are.
func (s *salvage) take(ctx context.Context, p *plan) error {
	var tried []segment
	for _, u := range p.units {
		tried = append(tried, u.segments...)
	}
	bad, err := s.carry(ctx, p)
	if err != nil {
		return err
	}
	tried = merged(tried)
	s.full += total(tried) - total(bad)
	s.holes = merged(append(minus(s.holes, tried), bad...))
	return nil
}

func (s *salvage) warn(format string, args ...any) {
	s.whole.warnings = append(s.whole.warnings, fmt.Sprintf(format, args...))
}

// candidates are the objects of l that may have blocks that are missing: those
// whose digest in the list of l is the same, or unknown.
func (s *salvage) candidates(ctx context.Context, l *layer) (units []*unit, err error) {
	tip, pages, own := s.whole.tip().hashes, &digests{}, &digests{}
	block := tip.BlockSize
	comparable := l.hashes != nil && l.hashes.BlockSize == block
	for i := range l.meta.Extents {
		e := &l.meta.Extents[i]
		var wanted []segment
		for _, h := range within(s.holes, e.Offset, e.Offset+e.Length) {
			for at := h.off; at < h.end; {
				end := min((at/block+1)*block, h.end)
				same := at/block < int64(tip.Blocks())
				if same && comparable {
					if same, err = sameDigest(ctx, tip, l.hashes, pages, own, at/block); err != nil {
						return nil, err
					}
				}
				if same {
					wanted = append(wanted, segment{at, end})
				}
				at = end
			}
		}
		if len(wanted) > 0 {
			units = append(units, &unit{layer: l, extent: e, segments: merged(wanted), proof: proof{tip}})
		}
	}
	return units, nil
}

func sameDigest(ctx context.Context, a, b *Hashes, pagesA, pagesB *digests, i int64) (bool, error) {
	if i >= int64(b.Blocks()) {
		return false, nil
	}
	x, err := pagesA.digest(ctx, a, i)
	if err != nil {
		return false, err
	}
	y, err := pagesB.digest(ctx, b, i)
	return err == nil && [sha256.Size]byte(x) == [sha256.Size]byte(y), err
}

// lost are the holes, in bytes of the target.
func (s *salvage) lost() (out []driverstate.Range) {
	var first int64
	if s.whole.part != nil {
		first = s.whole.part.off
	}
	for _, h := range s.holes {
		out = append(out, driverstate.Range{Offset: h.off - first, Length: h.end - h.off})
	}
	return out
}

// tell reports damage. Salvaging, it is of all from off on: of a block that can
// be read in part nothing can be proven.
func (c *cursor) tell(fault *damage, off int64) {
	if c.w.target != nil && fault.Offset > off {
		all := *fault
		all.Offset, all.Length = off, fault.Offset+fault.Length-off
		fault = &all
	}
	c.w.report(fault)
}
