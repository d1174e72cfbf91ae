package chunked

import (
	"bytes"
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// disagreement is where the hash list of a tip says otherwise than that of the
// backup that wrote last there.
type disagreement struct {
	spans []segment
	all   bool // it cannot be known: a list is missing, or has other blocks
}

// of reports whether it is in what survives of u. What the tip wrote itself, and
// what its list does not prove, depends on no other list.
func (a *disagreement) of(p *plan, u *unit) bool {
	if u.layer == p.tip() || u.proof.hashes == nil || u.proof.hashes != p.tip().hashes {
		return false
	}
	if a.all {
		return true
	}
	for _, s := range u.segments {
		for _, d := range a.spans {
			if d.off < s.end && s.off < d.end {
				return true
			}
		}
	}
	return false
}

// disagreement compares the list of each layer, from the tip down, with that of
// the one below it, outside of what the upper one wrote: where all are the same,
// the tip's is that of the writer. It ends at a layer that ledger knows to agree
// with all below it, so that a run over a chain compares each two lists once.
func (d *Driver) disagreement(ctx context.Context, p *plan, ledger driverstate.Ledger) (*disagreement, error) {
	a := &disagreement{}
	var upper digests
	i := len(p.layers) - 1
	for ; i > 0 && !ledger.Agreed(p.layers[i].backup.ID); i-- {
		high, low := p.layers[i], p.layers[i-1]
		if !low.listed {
			if err := d.loadProof(ctx, low, p); err != nil {
				return nil, err
			}
		}
		if high.hashes == nil || low.hashes == nil || high.hashes.BlockSize != low.hashes.BlockSize {
			a.all = true
			return a, nil
		}
		var lower digests
		if err := a.compare(ctx, high, low, &upper, &lower); err != nil {
			return nil, err
		}
		if i < len(p.layers)-1 {
			high.forget()
		}
		upper = lower
	}
	if len(a.spans) == 0 {
		for _, l := range p.layers[i:] {
			ledger.Agree(l.backup.ID)
		}
	}
	return a, nil
}

// forget lets go of the list of l, which can be read again.
func (l *layer) forget() {
	l.hashes.close()
	l.hashes, l.listed = nil, false
}

func (a *disagreement) compare(ctx context.Context, high, low *layer, upper, lower *digests) error {
	size := high.hashes.BlockSize
	blocks := int64(min(high.hashes.Blocks(), low.hashes.Blocks()))
	extents := high.meta.Extents
	for i := int64(0); i < blocks; i++ {
		for len(extents) > 0 && extents[0].Offset+extents[0].Length <= i*size {
			extents = extents[1:]
		}
		if len(extents) > 0 && extents[0].Offset < (i+1)*size {
			continue // it was written
		}
		if i%pageDigests == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		x, err := upper.digest(ctx, high.hashes, i)
		if err != nil {
			return err
		}
		y, err := lower.digest(ctx, low.hashes, i)
		if err != nil {
			return err
		}
		if bytes.Equal(x, y) {
			continue
		}
		if n := len(a.spans); n > 0 && a.spans[n-1].end == i*size {
			a.spans[n-1].end += size
		} else if n < maxProblems {
			a.spans = append(a.spans, segment{i * size, (i + 1) * size})
		} else {
			a.all = true
			return nil
		}
	}
	return nil
}
