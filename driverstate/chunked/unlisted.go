package chunked

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Sizes of objects of which a listing does not tell the size.
const (
	unlistedSize = -1 // which the listing lacks, and which are there
	// segmentsSize is of those that the listing calls empty, and that are not: a
	// large object of Swift's is so listed (DLO).
	segmentsSize = -2
)

// unlisted looks by its name for a document that the listing lacks; nil if it is
// not there. A listing is no proof: Swift's follows what is stored later, and
// after the loss of a disk never, and that of a directory may miss what a live
// Cinder writes meanwhile.
func (d *Driver) unlisted(ctx context.Context, container, name string) (*objectstore.Info, error) {
	there, err := d.isThere(ctx, container, name, 0)
	if !there || err != nil {
		return nil, err
	}
	return &objectstore.Info{Name: name, Size: unlistedSize}, nil
}

// askForChunks does the same for the chunks of m, and for those that are listed
// as empty and must not be. It ends at the first that is not there: a backup that
// is half deleted misses thousands.
func (d *Driver) askForChunks(ctx context.Context, m *Metadata, gr *group) error {
	slices.SortFunc(gr.chunks, byNumber)
	listed := gr.chunks
	for i := range m.Extents {
		x := &m.Extents[i]
		_, _, n, _ := splitName(x.Name)
		at, found := slices.BinarySearchFunc(listed, chunkInfo{n: n}, byNumber)
		if found && (listed[at].size != 0 || x.Length == 0) {
			continue
		}
		var least int64
		if found {
			least = 1
		}
		there, err := d.isThere(ctx, gr.container, x.Name, least)
		if !there || err != nil {
			return err
		}
		if found {
			gr.chunks[at].size = segmentsSize
		} else {
			gr.chunks = append(gr.chunks, chunkInfo{n, unlistedSize})
		}
	}
	return nil
}

func byNumber(a, b chunkInfo) int { return cmp.Compare(a.n, b.n) }

// isThere asks for an object by its name, of so many bytes at least. An error is
// one of the store or of ctx: what may not be read is not there.
func (d *Driver) isThere(ctx context.Context, container, name string, least int64) (bool, error) {
	r, err := d.store.Get(ctx, container, name, 0, least)
	if err == nil {
		_, err = io.CopyN(io.Discard, r, least)
		r.Close()
	}
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, driverstate.ErrUnavailable):
		return false, err
	}
	return false, nil
}

// warnUnlisted tells of objects that the listing lacks: Cinder compares it with
// the document (chunkeddriver.py restore), and deletes what it names.
func (f *copyFound) warnUnlisted(gr *group) {
	if gr.metadata != nil && gr.metadata.Size == unlistedSize {
		f.warn("its metadata document is there, and the listing of its container lacks it")
	}
	n := 0
	for _, c := range gr.chunks {
		if c.size == unlistedSize {
			n++
		}
	}
	if n > 0 {
		f.warn("%d of its objects are there, and the listing of its container lacks them: Cinder cannot restore it until they are listed", n)
	}
}
