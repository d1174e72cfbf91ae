package chunked

import "github.com/cinder-go/cinder-go/driverstate"

// clip leaves of the plan what lies within r. Objects that own nothing there
// are not read. What is left of an object is proven as it was in the whole
// plan: at an edge all of the block is read, of which only a part is wanted.
func (p *plan) clip(r driverstate.Range) {
	end := r.Offset + r.Length
	units := p.units[:0]
	for _, u := range p.units {
		if u.segments = within(u.segments, r.Offset, end); len(u.segments) > 0 {
			units = append(units, u)
		}
	}
	p.units = units
	p.gaps = within(p.gaps, r.Offset, end)
	p.part = &segment{r.Offset, end}
}

// within is what of the segments lies between off and end.
func within(segments []segment, off, end int64) []segment {
	var left []segment
	for _, s := range segments {
		if s.off, s.end = max(s.off, off), min(s.end, end); s.off < s.end {
			left = append(left, s)
		}
	}
	return left
}

// wanted is how many bytes of the image are.
func (p *plan) wanted() int64 {
	if p.part != nil {
		return p.part.end - p.part.off
	}
	return p.length
}

// part is a target that holds the image from off on.
type part struct {
	driverstate.Target
	off int64
}

func (t *part) WriteAt(b []byte, off int64) (int, error) { return t.Target.WriteAt(b, off-t.off) }

func (t *part) ZeroRange(off, n int64) error { return t.Target.ZeroRange(off-t.off, n) }
