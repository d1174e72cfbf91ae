package chunked

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// unlistedSize is that of an object which a listing lacks and which is there.
const unlistedSize = -1

// askForDocument looks by its name for a metadata document that the listing
// lacks. A listing is no proof: Swift's follows what is stored later, and after
// the loss of a disk never, and that of a directory may miss what a live Cinder
// writes meanwhile.
func (d *Driver) askForDocument(ctx context.Context, gr *group) error {
	name := metadataName(gr.prefix)
	there, err := d.isThere(ctx, gr.container, name)
	if there {
		gr.metadata = &objectstore.Info{Name: name, Size: unlistedSize}
	}
	return err
}

// askForChunks does the same for the chunks of m. It ends at the first that is
// not there: a backup that is half deleted misses thousands.
func (d *Driver) askForChunks(ctx context.Context, m *Metadata, gr *group) error {
	slices.SortFunc(gr.chunks, byNumber)
	listed := gr.chunks
	for i := range m.Extents {
		_, _, n, _ := splitName(m.Extents[i].Name)
		if _, found := slices.BinarySearchFunc(listed, chunkInfo{n: n}, byNumber); found {
			continue
		}
		there, err := d.isThere(ctx, gr.container, m.Extents[i].Name)
		if !there || err != nil {
			return err
		}
		gr.chunks = append(gr.chunks, chunkInfo{n, unlistedSize})
	}
	return nil
}

func byNumber(a, b chunkInfo) int { return cmp.Compare(a.n, b.n) }

// isThere asks for an object by its name. An error is one of the store or of
// ctx: what may not be read is not there.
func (d *Driver) isThere(ctx context.Context, container, name string) (bool, error) {
	r, err := d.store.Get(ctx, container, name, 0, 0)
	switch {
	case err == nil:
		return true, r.Close()
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
