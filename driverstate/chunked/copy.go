package chunked

import (
	"bytes"
	"context"
	"crypto/md5" // the format's
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// ChunkedOf returns d, which is the driver of every backup: one that embeds a
// Driver and has several stores says in which a backup is.
func (d *Driver) ChunkedOf(*driverstate.Backup) (*Driver, error) { return d, nil }

// Started is when the copy of a backup began whose objects are named for
// prefix: what Place needs to give the same name again. Zero for the prefix of
// Ocata and older, and for one that is no chunked driver's.
func Started(prefix string) time.Time {
	id, ok := parsePrefix(prefix)
	if !ok || id.old {
		return time.Time{}
	}
	return id.start
}

// CopyOptions say how CopyFrom copies.
type CopyOptions struct {
	// Compression is that of the copies; empty leaves the stored bytes as they
	// are.
	Compression Compression
}

// CopyFrom copies the backup b of the store of from to the store of d, where it
// is named as to says: to.Container and to.ServiceMetadata are from d.Place.
// Each object is read, inflated and proven by its md5 and, where the hash list
// reaches, by its SHA-256 before anything of it is written. Warnings tell of a
// list that is absent or cannot be used: the copy has none. Offsets, lengths and
// md5s stay as they are; object names, and with o.Compression the words of
// compression, are new. Chunks come first, the metadata document last.
//
// What is wrong with b answers to ErrCorrupt. What was copied so far stays: a
// second call writes it again.
func (d *Driver) CopyFrom(ctx context.Context, from *Driver, b, to *driverstate.Backup, o CopyOptions, obs driverstate.Observer) (Copied, error) {
	c := &copier{d: d, from: from, to: to, o: o}
	copied, err := c.copy(ctx, b, obs)
	if err != nil {
		err = &driverstate.Error{Op: "ship", Resource: "backup", ID: b.ID, Err: err}
	}
	return copied, err
}

// Copied is what CopyFrom left.
type Copied struct {
	driverstate.Stored
	Warnings []string // each names its backup
}

// copier makes one copy.
type copier struct {
	d, from *Driver
	to      *driverstate.Backup
	o       CopyOptions
	layer   *layer
	meta    Metadata // of the copy
	watch   *progress
	meter   *meter
	stored  atomic.Int64
}

func (c *copier) copy(ctx context.Context, b *driverstate.Backup, obs driverstate.Observer) (out Copied, err error) {
	if obs == nil {
		obs = driverstate.Discard
	}
	if err := c.d.layout.CheckContainer(c.to.Container); err != nil {
		return out, err
	}
	if _, err := ownPrefix(c.to, c.to.ServiceMetadata); err != nil {
		return out, err
	}
	if c.layer, err = c.from.loadLayer(ctx, b); err != nil {
		return out, err
	}
	var lists plan
	if err := c.from.loadProof(ctx, c.layer, &lists); err != nil {
		return out, err
	}
	for _, w := range lists.warnings {
		out.Warnings = append(out.Warnings, w+": it is proven by md5 alone")
	}
	defer c.layer.hashes.close()
	c.rename()
	var total int64
	for i := range c.meta.Extents {
		total += c.meta.Extents[i].Length
	}
	workers, err := c.d.cfg.copy(c.layer.meta, c.o.Compression, min(c.d.cfg.Workers, max(1, len(c.meta.Extents))))
	if err != nil {
		return out, err
	}
	c.meter = newMeter(workers)
	c.watch = &progress{obs: obs, told: time.Now(), load: c.meter.load, event: driverstate.Event{
		Op: "ship", BackupID: b.ID, VolumeID: b.VolumeID, BytesTotal: total, ObjectsTotal: len(c.meta.Extents),
	}}
	c.watch.tell(driverstate.EventStart, "")
	defer func() { c.watch.end(err) }()
	start := time.Now()
	err = c.d.store.PutContainer(ctx, c.to.Container)
	since(&c.meter.after, start)
	if err != nil {
		return out, storeError(err)
	}
	if err := c.chunks(ctx); err != nil {
		return out, err
	}
	if err := c.hashes(ctx); err != nil {
		return out, err
	}
	err = c.document(ctx, metadataName(c.to.ServiceMetadata), func(w io.Writer) error { return writeMetadata(w, &c.meta) })
	out.Stored = driverstate.Stored{ObjectCount: len(c.meta.Extents), Bytes: c.stored.Load()}
	return out, err
}

// rename makes the document of the copy: that of the original with the object
// names of the target. Numbers stay.
func (c *copier) rename() {
	c.meta = *c.layer.meta
	c.meta.Extents = slices.Clone(c.layer.meta.Extents)
	for i := range c.meta.Extents {
		e := &c.meta.Extents[i]
		_, _, n, _ := splitName(e.Name) // the parser has accepted it
		e.Name = chunkName(c.to.ServiceMetadata, n)
	}
}

// chunks copies every object, in their order when there is one worker.
func (c *copier) chunks(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	var next, busy atomic.Int64
	begun := time.Now()
	for range c.meter.workers {
		group.Go(func() error {
			defer since(&busy, time.Now())
			w := newWorker(&run{d: c.from, meter: c.meter}, nil)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(c.meta.Extents) {
					return nil
				}
				if err := c.chunk(ctx, w, i); err != nil {
					return err
				}
				c.watch.object()
			}
		})
	}
	err := group.Wait()
	// Who found nothing left waited for those that had the last objects.
	c.meter.idle.Add(int64(c.meter.workers)*int64(time.Since(begun)) - busy.Load())
	return err
}

// document stores a document. A store that proves what it was given does so when
// it gets the last of them, and is waited for then.
func (c *copier) document(ctx context.Context, name string, write func(io.Writer) error) error {
	start := time.Now()
	_, err := c.d.putDocument(ctx, c.to.Container, name, func(w io.Writer) error {
		err := write(w)
		start = time.Now()
		return err
	})
	since(&c.meter.after, start)
	return err
}

// chunk copies one object: all of it is proven, in a spool, before any of it is
// written.
func (c *copier) chunk(ctx context.Context, w *worker, i int) error {
	e, to := &c.layer.meta.Extents[i], &c.meta.Extents[i]
	body := &spool{}
	defer func() { body.close() }()
	if c.o.Compression == "" {
		if _, err := c.prove(ctx, w, e, body, nil); err != nil {
			return err
		}
	} else {
		// It is compressed on the way; if that does not make it smaller it is
		// read once more, and stored raw.
		to.Compression = c.o.Compression
		plain, err := c.recode(ctx, w, e, to.Compression, body)
		if err == nil && to.Compression != CompressionNone && body.size >= e.Length {
			to.Compression = CompressionNone
			body.close()
			body = &spool{}
			plain, err = c.recode(ctx, w, e, to.Compression, body)
		}
		if err != nil {
			return err
		}
		to.MD5 = plain // until Kilo it was that of the stored bytes
	}
	start := time.Now()
	err := c.d.store.Put(ctx, c.to.Container, to.Name, body.reader(), body.size)
	since(&c.meter.target, start)
	if err != nil {
		return fmt.Errorf("object %s: %w", to.Name, storeError(err))
	}
	c.stored.Add(body.size)
	c.watch.bytes(e.Length)
	return nil
}

func (c *copier) recode(ctx context.Context, w *worker, e *Extent, word Compression, to io.Writer) (plain [md5.Size]byte, err error) {
	if word == CompressionNone {
		return c.prove(ctx, w, e, nil, to)
	}
	out, err := newCompressor(word, c.d.cfg.Level, to, e.Length)
	if err != nil {
		return plain, err
	}
	plain, err = c.prove(ctx, w, e, nil, out)
	return plain, errors.Join(err, out.Close())
}

// prove reads an object of the source to its end and proves it. Its stored
// bytes go to stored, its plain ones to plain, either of which may be nil.
func (c *copier) prove(ctx context.Context, w *worker, e *Extent, stored, plain io.Writer) (sum [md5.Size]byte, err error) {
	packed := md5.New() // the format's
	x, err := w.open(ctx, c.layer, e, packed, stored)
	if err != nil {
		return sum, err
	}
	defer x.close()
	h := c.layer.proof(e)
	step := int64(window)
	if h != nil {
		step = window / h.BlockSize * h.BlockSize
	}
	inflated := md5.New() // the format's
	for x.pos < e.Length {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		b := w.buffer[:min(step, e.Length-x.pos)]
		at := e.Offset + x.pos
		if err := x.read(b); err != nil {
			return sum, err
		}
		if _, err := w.blocks(ctx, c.layer, e, h, b, at); err != nil {
			return sum, err
		}
		inflated.Write(b)
		if plain != nil {
			if _, err := plain.Write(b); err != nil {
				return sum, err
			}
		}
	}
	if err := x.finish(); err != nil {
		return sum, err
	}
	inflated.Sum(sum[:0])
	if sum != e.MD5 && !bytes.Equal(packed.Sum(nil), e.MD5[:]) {
		return sum, c.layer.damaged(e, "the md5 of its data differs", e.Offset, e.Length)
	}
	return sum, nil
}

// hashes copies the hash list as it is: it names no objects. One that is absent
// or cannot be used is left out, as a restore would.
func (c *copier) hashes(ctx context.Context) error {
	if c.layer.hashes == nil {
		return nil
	}
	b := c.layer.backup
	start := time.Now()
	list, err := c.from.store.Get(ctx, b.Container, hashesName(b.ServiceMetadata), 0, -1)
	since(&c.meter.before, start)
	if err != nil {
		return fmt.Errorf("object %s: %w", hashesName(b.ServiceMetadata), storeError(err))
	}
	defer list.Close()
	return c.document(ctx, hashesName(c.to.ServiceMetadata), func(w io.Writer) error {
		_, err := io.Copy(w, timedReader{list, &c.meter.before})
		return err
	})
}

// SameData compares what the documents of two backups, each in its own store,
// say of their data: the parent, and offset, length and md5 of every object.
// Names and compression do not count. The text says how they differ; empty if
// they do not. Only what is wrong with a store itself is an error.
func SameData(ctx context.Context, ad *Driver, a *driverstate.Backup, bd *Driver, b *driverstate.Backup) (string, error) {
	am, err := ad.loadMetadata(ctx, a.Container, a.ServiceMetadata)
	if err != nil {
		return "", documentFault(a, metadataName(a.ServiceMetadata), err)
	}
	bm, err := bd.loadMetadata(ctx, b.Container, b.ServiceMetadata)
	if err != nil {
		return "", documentFault(b, metadataName(b.ServiceMetadata), err)
	}
	switch {
	case am.BackupID != bm.BackupID:
		return "they are of two backups", nil
	case am.VolumeID != bm.VolumeID:
		return fmt.Sprintf("of volume %s, and of %s", am.VolumeID, bm.VolumeID), nil
	case am.ParentID != bm.ParentID:
		return fmt.Sprintf("parent %q, and %q", am.ParentID, bm.ParentID), nil
	case len(am.Extents) != len(bm.Extents):
		return fmt.Sprintf("%d objects, and %d", len(am.Extents), len(bm.Extents)), nil
	}
	for i := range am.Extents {
		x, y := &am.Extents[i], &bm.Extents[i]
		switch {
		case x.Offset != y.Offset || x.Length != y.Length:
			return fmt.Sprintf("object %d holds bytes %d to %d, and %d to %d", i+1, x.Offset, x.Offset+x.Length, y.Offset, y.Offset+y.Length), nil
		case x.MD5 != y.MD5 && x.Compression == y.Compression:
			return fmt.Sprintf("object %d has md5 %x, and %x", i+1, x.MD5, y.MD5), nil
		}
	}
	return "", nil
}

// SameImage reports whether two backups are of the same image by their hash
// lists; known is false when either has none, or their block sizes differ.
func SameImage(ctx context.Context, ad *Driver, a *driverstate.Backup, bd *Driver, b *driverstate.Backup) (same, known bool, err error) {
	ah, err := ad.loadHashes(ctx, a.Container, a.ServiceMetadata)
	if err == nil {
		var bh *Hashes
		if bh, err = bd.loadHashes(ctx, b.Container, b.ServiceMetadata); err == nil {
			known = ah.BlockSize == bh.BlockSize
			return known && bytes.Equal(ah.Sums, bh.Sums), known, nil
		}
	}
	if isAbsent(err) || errors.Is(err, driverstate.ErrCorrupt) || errors.Is(err, objectstore.ErrDamaged) {
		return false, false, nil
	}
	return false, false, storeError(err)
}

// HashBlock is the size of the hash blocks of new backups, in bytes. An
// incremental can only follow a backup of the same.
func (d *Driver) HashBlock() int64 { return d.cfg.BlockSize }
