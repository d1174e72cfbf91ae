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
	hashes *Hashes // nil when the list is absent or cannot be used
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
	warnings []string
}

func (p *plan) tip() *layer { return p.layers[len(p.layers)-1] }

// load reads the documents of a chain and plans its restore.
func (d *Driver) load(ctx context.Context, c driverstate.Chain) (*plan, error) {
	if len(c) == 0 || len(c) > driverstate.MaxChain {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("a chain of %d backups", len(c)))
	}
	p := &plan{}
	for i, b := range c {
		l, err := d.loadLayer(ctx, b, p)
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
	p.make()
	return p, nil
}

func (d *Driver) loadLayer(ctx context.Context, b *driverstate.Backup, p *plan) (*layer, error) {
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
	l.hashes, err = d.loadHashes(ctx, b.Container, b.ServiceMetadata)
	switch {
	case err == nil:
	case isAbsent(err), errors.Is(err, driverstate.ErrCorrupt):
		l.hashes = nil
		p.warnings = append(p.warnings, fmt.Sprintf("backup %s has no usable hash list: %v", b.ID, err))
	default:
		return nil, fmt.Errorf("object %s: %w", hashesName(b.ServiceMetadata), storeError(err))
	}
	return l, nil
}

func documentFault(b *driverstate.Backup, name string, err error) error {
	problem := driverstate.Problem{BackupID: b.ID, Object: name}
	switch {
	case isAbsent(err):
		problem.Reason = "missing"
	case errors.Is(err, driverstate.ErrCorrupt):
		problem.Reason = err.Error()
	default:
		return fmt.Errorf("object %s: %w", name, storeError(err))
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
	if h := p.tip().hashes; h != nil && h.BlockSize <= window && aligned(u.segments, h.BlockSize, p.length) {
		return proof{h}
	}
	h, e := u.layer.hashes, u.extent
	if h == nil || h.BlockSize > window || e.Offset%h.BlockSize != 0 {
		return proof{}
	}
	end := e.Offset + e.Length
	last := int64(h.Blocks()) * h.BlockSize
	if end > last || (end%h.BlockSize != 0 && end <= last-h.BlockSize) {
		return proof{}
	}
	return proof{h}
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
