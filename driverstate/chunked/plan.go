package chunked

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/cinder-go/cinder-go/driverstate"
)

// layer is one backup of a chain with its documents.
type layer struct {
	backup *driverstate.Backup
	meta   *Metadata
	hashes *Hashes // nil when the list is absent, cannot be used, or was not wanted
	listed bool    // it was looked for
}

// segment is a range of the volume whose last writer is an object.
type segment struct{ off, end int64 }

// unit is an object that owns surviving bytes.
type unit struct {
	layer    *layer
	extent   *Extent
	segments []segment // ascending, not touching what other units own
	proof    proof
}

func (u *unit) id() objectID { return objectID{u.layer.backup.ID, u.extent.Name} }

// proof is how the bytes of a unit are proven.
type proof struct {
	hashes *Hashes // blocks of the volume; nil for md5 of the whole object
}

// plan says, for every byte of the image, which object of the chain wrote it
// last. Objects of which nothing survives are not in it.
type plan struct {
	layers   []*layer // full first
	length   int64
	units    []*unit // ascending by first segment
	gaps     []segment
	part     *segment // of the image, that is wanted; nil for all
	warnings []string
}

func (p *plan) tip() *layer { return p.layers[len(p.layers)-1] }

// load reads the documents of a chain and plans its restore.
func (d *Driver) load(ctx context.Context, c driverstate.Chain) (*plan, error) {
	return settled(func() (*plan, error) { return d.loadPlan(ctx, c) })
}

// settled is a plan; a doubtful one is of documents that were read alike twice:
// what one bad read of a document leaves is proven by nothing else.
func settled(load func() (*plan, error)) (*plan, error) {
	p, err := load()
	for range 2 {
		if err != nil || !p.doubtful() {
			break
		}
		before := p
		before.close()
		if p, err = load(); err == nil && p.sameObjects(before) {
			break
		}
	}
	if err == nil {
		p.warnOfEdges()
	}
	return p, err
}

func (p *plan) sameObjects(q *plan) bool {
	return slices.EqualFunc(p.layers, q.layers, func(a, b *layer) bool { return slices.Equal(a.meta.Extents, b.meta.Extents) })
}

// doubtful reports whether no hash list proves where objects belong, part of the
// image is in no object, or an object or the image ends within a block of the
// list, as that of no volume of whole GiB does.
func (p *plan) doubtful() bool {
	h := p.blockwise()
	return h == nil || len(p.gaps) > 0 || p.length%h.BlockSize != 0 || p.unaligned(h) != nil
}

// blockwise is the hash list of the tip if it proves single blocks, else nil.
func (p *plan) blockwise() *Hashes {
	if h := p.tip().hashes; h != nil && h.BlockSize <= window {
		return h
	}
	return nil
}

// unaligned is the first unit whose object is not made of whole blocks of h; nil
// if all are.
func (p *plan) unaligned(h *Hashes) *unit {
	for _, u := range p.units {
		e := u.extent
		if !aligned([]segment{{e.Offset, min(e.Offset+e.Length, p.length)}}, h.BlockSize, p.length) {
			return u
		}
	}
	return nil
}

// warnOfEdges warns of objects that are proven, but not to belong where their
// document has them.
func (p *plan) warnOfEdges() {
	h := p.blockwise()
	if h == nil {
		return
	}
	if u := p.unaligned(h); u != nil {
		p.warnings = append(p.warnings, fmt.Sprintf(
			"backup %s: object %s does not begin and end with blocks of the hash list, which proves nothing of where it belongs", u.layer.backup.ID, u.extent.Name))
	}
}

func (d *Driver) loadPlan(ctx context.Context, c driverstate.Chain) (*plan, error) {
	if len(c) == 0 || len(c) > driverstate.MaxChain {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("a chain of %d backups", len(c)))
	}
	p := &plan{}
	for i, b := range c {
		l, err := d.loadLink(ctx, c, i)
		if err != nil {
			return nil, err
		}
		if i == 0 && l.meta.ParentID != "" {
			return nil, &damage{Problem: driverstate.Problem{BackupID: b.ID, Reason: "it stands on " + l.meta.ParentID + ", which was not given"}}
		} else if i > 0 && l.meta.ParentID != c[i-1].ID {
			return nil, &damage{Problem: driverstate.Problem{BackupID: b.ID, Object: metadataName(b.ServiceMetadata),
				Reason: fmt.Sprintf("it names %q as its parent, not %s", l.meta.ParentID, c[i-1].ID)}}
		}
		p.layers = append(p.layers, l)
	}
	if err := d.loadProof(ctx, p.tip(), p); err != nil {
		return nil, err
	}
	p.make()
	// The lists of other layers are wanted only for what the tip's cannot
	// prove: chains are long.
	for _, u := range p.units {
		if u.proof.hashes != nil {
			continue
		}
		if !u.layer.listed {
			if err := d.loadProof(ctx, u.layer, p); err != nil {
				p.close()
				return nil, err
			}
		}
		u.proof = p.prove(u)
	}
	return p, nil
}

// close lets go of what the plan keeps outside of memory.
func (p *plan) close() {
	for _, l := range p.layers {
		l.hashes.close()
	}
}

// loadLink is loadLayer of the i-th backup of a chain, whose document is read
// once more if it names another parent than the one before it, or is not as
// Cinder writes it.
func (d *Driver) loadLink(ctx context.Context, c driverstate.Chain, i int) (*layer, error) {
	var parent string
	if i > 0 {
		parent = c[i-1].ID
	}
	l, err := d.loadLayer(ctx, c[i])
	if err != nil {
		return nil, err
	}
	if l.meta.doubtful() || l.meta.ParentID != parent {
		return d.loadLayer(ctx, c[i])
	}
	return l, nil
}

// loadLayer reads the metadata document of b.
func (d *Driver) loadLayer(ctx context.Context, b *driverstate.Backup) (*layer, error) {
	l := &layer{backup: b}
	err := d.layout.CheckContainer(b.Container)
	if err == nil {
		_, err = ownPrefix(b, b.ServiceMetadata)
	}
	if err != nil {
		return nil, err
	}
	if l.meta, err = d.loadMetadata(ctx, b.Container, b.ServiceMetadata); err != nil {
		return nil, documentFault(b, metadataName(b.ServiceMetadata), err)
	}
	if l.meta.BackupID != b.ID {
		return nil, &damage{Problem: driverstate.Problem{BackupID: b.ID, Object: metadataName(b.ServiceMetadata),
			Reason: "it is the document of backup " + l.meta.BackupID}}
	}
	return l, nil
}

// loadProof reads the hash list of l. That there is none is a warning. One that
// ends before the objects of l do is not of the volume that they are of: by it the
// image would be cut short.
func (d *Driver) loadProof(ctx context.Context, l *layer, p *plan) (err error) {
	b := l.backup
	l.listed = true
	l.hashes, err = d.loadList(ctx, b.Container, b.ServiceMetadata, d.held)
	if n := len(l.meta.Extents); err == nil && n > 0 {
		last := &l.meta.Extents[n-1]
		if reach := int64(l.hashes.Blocks()) * l.hashes.BlockSize; last.Offset+last.Length > reach {
			l.hashes.close()
			err = refusal("it covers %d bytes, and object %s reaches beyond", reach, last.Name)
		}
	}
	err = storeError(err)
	switch {
	case err == nil:
	case isAbsent(err), errors.Is(err, driverstate.ErrCorrupt):
		l.hashes = nil
		if warning := fmt.Sprintf("backup %s has no usable hash list: %v", b.ID, err); !slices.Contains(p.warnings, warning) {
			p.warnings = append(p.warnings, warning)
		}
	default:
		return fmt.Errorf("object %s: %w", hashesName(b.ServiceMetadata), err)
	}
	return nil
}

func documentFault(b *driverstate.Backup, name string, err error) error {
	problem := driverstate.Problem{BackupID: b.ID, Object: name}
	err = storeError(err)
	switch {
	case isAbsent(err):
		problem.Reason = "missing"
	case errors.Is(err, driverstate.ErrCorrupt):
		problem.Reason = err.Error()
	default:
		return fmt.Errorf("object %s: %w", name, err)
	}
	return &damage{Problem: problem}
}

// make finds the last writer of every byte, newest layer first.
func (p *plan) make() {
	type owned struct {
		segment
		unit *unit
	}
	var taken []owned // ascending, disjoint
	for i := len(p.layers) - 1; i >= 0; i-- {
		l := p.layers[i]
		merged := make([]owned, 0, len(taken)+len(l.meta.Extents))
		next := 0
		for j := range l.meta.Extents {
			e := &l.meta.Extents[j]
			u := &unit{layer: l, extent: e}
			off, end := e.Offset, e.Offset+e.Length
			for off < end {
				for next < len(taken) && taken[next].end <= off {
					merged, next = append(merged, taken[next]), next+1
				}
				if next == len(taken) || taken[next].off >= end {
					merged = append(merged, owned{segment{off, end}, u})
					break
				}
				if off < taken[next].off {
					merged = append(merged, owned{segment{off, taken[next].off}, u})
				}
				off = taken[next].end
			}
		}
		taken = append(merged, taken[next:]...)
	}
	var end int64
	if len(taken) > 0 {
		end = taken[len(taken)-1].end
	}
	p.measure(end)
	at := int64(0)
	for _, o := range taken {
		o.end = min(o.end, p.length)
		if o.off >= o.end {
			continue
		}
		if o.off > at {
			p.gaps = append(p.gaps, segment{at, o.off})
		}
		at = o.end
		if o.unit.segments == nil {
			p.units = append(p.units, o.unit)
		}
		o.unit.segments = append(o.unit.segments, o.segment)
	}
	if at < p.length {
		p.gaps = append(p.gaps, segment{at, p.length})
	}
	slices.SortStableFunc(p.units, func(a, b *unit) int { return cmp.Compare(a.segments[0].off, b.segments[0].off) })
	for _, u := range p.units {
		u.proof = p.prove(u)
	}
}

// measure sets the exact length of the image; end is that of the objects of all
// layers. The tip's hash list has one digest per block, so the length lies
// within its last block. The newest layer that wrote there wrote to the end of
// its volume, and no later one changed that end without writing there too
// (chunkeddriver.py backup: an extent that is open at the end of the volume
// ends with it). A volume that shrank has a shorter list than older layers
// reach.
func (p *plan) measure(end int64) {
	h := p.tip().hashes
	if h == nil {
		p.measureUnlisted(end)
		return
	}
	most := int64(h.Blocks()) * h.BlockSize
	for i := len(p.layers) - 1; i >= 0; i-- {
		if at := p.layers[i].endWithin(most-h.BlockSize, most); at > 0 {
			p.length = at
			return
		}
	}
	p.length = most // of which the end is in no object: a gap
}

// endWithin returns where the objects of l that begin before most end, at most
// there; 0 if that is not beyond least.
func (l *layer) endWithin(least, most int64) int64 {
	extents := l.meta.Extents
	n := sort.Search(len(extents), func(i int) bool { return extents[i].Offset >= most })
	if n == 0 {
		return 0
	}
	if end := min(extents[n-1].Offset+extents[n-1].Length, most); end > least {
		return end
	}
	return 0
}

// measureUnlisted takes the objects for the whole image. Only the size of the
// volume, in GiB, tells then that it shrank.
func (p *plan) measureUnlisted(end int64) {
	p.length = end
	if size := p.tip().backup.Size; size > 0 && size <= maxGiB {
		p.length = min(end, size<<30)
	}
	if len(p.layers) > 1 {
		p.warnings = append(p.warnings, "the length of the image is that of its objects, for want of a hash list")
	}
}

// prove chooses the strongest proof there is for the bytes of u: the tip's list
// proves the chain too, the owner's proves the object, md5 is the last resort.
func (p *plan) prove(u *unit) proof {
	if h := p.blockwise(); h != nil && aligned(u.segments, h.BlockSize, p.length) {
		return proof{h}
	}
	return proof{u.layer.proof(u.extent)}
}

// proof is the hash list of l if it proves all of e; nil if it does not.
func (l *layer) proof(e *Extent) *Hashes {
	h := l.hashes
	if h == nil || h.BlockSize > window || e.Offset%h.BlockSize != 0 {
		return nil
	}
	end := e.Offset + e.Length
	last := int64(h.Blocks()) * h.BlockSize
	if end > last || (end%h.BlockSize != 0 && end <= last-h.BlockSize) {
		return nil
	}
	return h
}

// aligned reports whether every segment is made of whole blocks; the last block
// of the image may be short.
func aligned(segments []segment, block, length int64) bool {
	for _, s := range segments {
		if s.off%block != 0 || (s.end%block != 0 && s.end != length) {
			return false
		}
	}
	return true
}
