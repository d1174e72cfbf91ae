package chunked

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
)

const (
	// heldDigests is the longest hash list of which a restore holds all
	// digests: that of 4 GiB in blocks of 32 KiB, 4 MiB. Of a longer one, such
	// as the 2.4 GB of 1 TiB, it holds a page for each worker.
	heldDigests = 128 << 10
	// pageDigests is how many digests are read at once: those of 32 MiB.
	pageDigests = 1 << 10
)

// paged are the digests of a list that is too long to be held.
type paged struct {
	blocks int64
	// read returns the digests from the i-th on, as many as fit in sums.
	read func(ctx context.Context, i int64, sums []byte) error
	odd  *spool // what they are read from if their place in the list does not tell their number
}

func (h *Hashes) close() {
	if h == nil {
		return
	}
	for _, p := range []*paged{h.paged, h.second} {
		if p != nil && p.odd != nil {
			p.odd.close()
		}
	}
}

// loadList is loadHashes of a list of which no more than held digests are to be
// held: a longer one is paged. It reads the list through, so that one that must
// not be used is known before any of it is.
func (d *Driver) loadList(ctx context.Context, container, prefix string, held int) (h *Hashes, err error) {
	err = twice(ctx, func() error {
		h, err = d.readList(ctx, container, prefix, held)
		return err
	})
	return h, err
}

func (d *Driver) readList(ctx context.Context, container, prefix string, held int) (*Hashes, error) {
	var sums []byte
	h, shape, err := d.scanList(ctx, container, prefix, func(more []byte) error {
		if len(sums)+len(more) <= held*sha256.Size {
			sums = appendSums(sums, more)
		} else {
			sums, held = nil, 0 // it is longer
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	again := d.pageByStride(container, prefix, shape)
	if h.second = again; shape.odd {
		h.second = d.pageLater(container, prefix, shape)
	}
	switch {
	case sums != nil || shape.blocks == 0:
		h.Sums = sums
	case shape.odd:
		h.paged, err = d.pageOdd(ctx, container, prefix, shape)
	default:
		h.paged = again
	}
	return h, err
}

func (d *Driver) scanList(ctx context.Context, container, prefix string, keep func([]byte) error) (*Hashes, listShape, error) {
	r, err := d.store.Get(ctx, container, hashesName(prefix), 0, -1)
	if err != nil {
		return nil, listShape{}, fmt.Errorf("hash list: %w", err)
	}
	defer r.Close()
	h, shape, err := scanHashes(r, maxBlocks, keep)
	if err != nil {
		return nil, shape, err
	}
	if err := h.belongs(container, prefix); err != nil {
		return nil, shape, fmt.Errorf("hash list: %w", err)
	}
	return h, shape, nil
}

// pageByStride finds the i-th digest by arithmetic: Cinder gives each the same
// room.
func (d *Driver) pageByStride(container, prefix string, shape listShape) *paged {
	name := hashesName(prefix)
	return &paged{blocks: shape.blocks, read: func(ctx context.Context, i int64, sums []byte) error {
		n := int64(len(sums) / sha256.Size)
		text := make([]byte, (n-1)*digestStride+digestDigits+2)
		r, err := d.store.Get(ctx, container, name, shape.first+i*digestStride, int64(len(text)))
		if err != nil {
			return fmt.Errorf("object %s: %w", name, storeError(err))
		}
		defer r.Close()
		if _, err := io.ReadFull(r, text); err != nil {
			return fmt.Errorf("object %s: %w", name, storeError(err))
		}
		for ; len(sums) > 0; sums = sums[sha256.Size:] {
			if text[0] != '"' || text[digestDigits+1] != '"' || !unhex(sums[:sha256.Size], text[1:][:digestDigits]) {
				return fmt.Errorf("object %s: %w", name, refusal("changed while it was read"))
			}
			text = text[min(digestStride, len(text)):]
		}
		return nil
	}}
}

// pageOdd reads a list that another program wrote once more, into a spool.
func (d *Driver) pageOdd(ctx context.Context, container, prefix string, shape listShape) (*paged, error) {
	out := &spool{}
	_, _, err := d.scanList(ctx, container, prefix, func(sums []byte) error {
		_, err := out.Write(sums)
		return err
	})
	if err == nil && out.size != shape.blocks*sha256.Size {
		err = fmt.Errorf("object %s: %w", hashesName(prefix), refusal("changed while it was read"))
	}
	if err != nil {
		out.close()
		return nil, err
	}
	return &paged{blocks: shape.blocks, odd: out, read: func(_ context.Context, i int64, sums []byte) error {
		_, err := out.reader().(io.ReaderAt).ReadAt(sums, i*sha256.Size)
		return err
	}}, nil
}

// pageLater is pageOdd when it is first asked.
func (d *Driver) pageLater(container, prefix string, shape listShape) *paged {
	var mu sync.Mutex
	p := &paged{blocks: shape.blocks}
	p.read = func(ctx context.Context, i int64, sums []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if p.odd == nil {
			now, err := d.pageOdd(ctx, container, prefix, shape)
			if err != nil {
				return err
			}
			p.odd = now.odd
		}
		_, err := p.odd.reader().(io.ReaderAt).ReadAt(sums, i*sha256.Size)
		return err
	}
	return p
}

// digests gives the digests of lists to one goroutine, which wants those of
// neighbouring blocks after each other.
type digests struct {
	page, second digestPage
}

// digestPage is what was read of a list at once.
type digestPage struct {
	list  *Hashes // that of the page; nil for none
	first int64   // block of the page's first digest
	sums  []byte
}

// digest is that of block i of h.
func (p *digests) digest(ctx context.Context, h *Hashes, i int64) ([]byte, error) {
	if h.paged == nil {
		return h.Sum(int(i)), nil
	}
	return p.page.digest(ctx, h, h.paged, i)
}

// proves reports whether sum is the digest of block i of h. If it is not, the
// digest is read from the store again: one bad read of a list condemns no block.
func (p *digests) proves(ctx context.Context, h *Hashes, i int64, sum [sha256.Size]byte) (bool, error) {
	want, err := p.digest(ctx, h, i)
	if err != nil || sum == [sha256.Size]byte(want) {
		return err == nil, err
	}
	if h.second == nil {
		return false, nil
	}
	want, err = p.second.digest(ctx, h, h.second, i)
	switch err = storeError(err); {
	case err == nil:
		return sum == [sha256.Size]byte(want), nil
	case errors.Is(err, driverstate.ErrCorrupt), errors.Is(err, driverstate.ErrNotFound):
		return false, nil // the list as it was is all that there is
	}
	return false, err
}

func (p *digestPage) digest(ctx context.Context, h *Hashes, from *paged, i int64) ([]byte, error) {
	if at := i - p.first; p.list != h || at < 0 || at*sha256.Size >= int64(len(p.sums)) {
		first := i / pageDigests * pageDigests
		n := min(pageDigests, from.blocks-first)
		if p.sums == nil {
			p.sums = make([]byte, pageDigests*sha256.Size)
		}
		p.list, p.sums = nil, p.sums[:n*sha256.Size]
		if err := twice(ctx, func() error { return from.read(ctx, first, p.sums) }); err != nil {
			return nil, err
		}
		p.list, p.first = h, first
	}
	return p.sums[(i-p.first)*sha256.Size:][:sha256.Size], nil
}
