package chunked

import (
	"cmp"
	"context"
	"slices"
)

// piece is a segment with the unit that owns it.
type piece struct {
	segment
	unit *unit
	last bool // the unit has no other after it
}

// region is a stretch of the image, in pieces ascending by offset, whose units
// own nothing outside it. Of a chain whose layers have objects of one size it
// is what one object of the full backup covers.
type region []piece

// regions are those of the whole plan, ascending. They depend on no other, and
// so can be processed side by side.
func (p *plan) regions() []region {
	var (
		regions []region
		end     int64
	)
	for _, u := range p.units {
		if len(regions) == 0 || u.segments[0].off >= end {
			regions = append(regions, nil)
		}
		r := &regions[len(regions)-1]
		for i, s := range u.segments {
			*r = append(*r, piece{s, u, i == len(u.segments)-1})
		}
		end = max(end, u.segments[len(u.segments)-1].end)
	}
	for _, r := range regions {
		slices.SortFunc(r, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
	}
	return regions
}

// region processes a region from its beginning. An object whose segments
// others interrupt stays open; of each layer at most one is.
func (w *worker) region(ctx context.Context, r region) error {
	open := map[*unit]*cursor{}
	defer func() {
		for _, c := range open {
			c.close()
		}
	}()
	w.ahead = 0
	clear(w.asked)
	for i, p := range r {
		w.lookAhead(r, i)
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
			err := c.finish(ctx)
			c.close()
			delete(open, p.unit)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
