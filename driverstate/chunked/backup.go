package chunked

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Backup implements driverstate.Driver. Extents are cut as Cinder cuts them
// (chunkeddriver.py backup): pieces of the object size, and within a piece of
// an incremental the runs of blocks whose hash differs from the parent's.
func (d *Driver) Backup(ctx context.Context, b, parent *driverstate.Backup, src driverstate.Source, obs driverstate.Observer) (driverstate.Stored, error) {
	if obs == nil {
		obs = driverstate.Discard
	}
	w, err := newWriter(d, b, src)
	if err != nil {
		return driverstate.Stored{}, &driverstate.Error{Op: "create", Resource: "backup", ID: b.ID, Err: err}
	}
	w.watch = &progress{obs: obs, told: time.Now(), load: w.meter.backup, event: driverstate.Event{
		Op: "backup", BackupID: b.ID, VolumeID: b.VolumeID, BytesTotal: w.size,
		ObjectsTotal: int((w.size + d.cfg.ObjectSize - 1) / d.cfg.ObjectSize),
	}}
	w.watch.tell(driverstate.EventStart, "")
	err = w.backup(ctx, parent)
	w.watch.end(err)
	if err != nil {
		return driverstate.Stored{}, &driverstate.Error{Op: "create", Resource: "backup", ID: b.ID, Err: err}
	}
	return driverstate.Stored{ObjectCount: len(w.meta.Extents), Bytes: w.stored.Load()}, nil
}

// writer makes one backup.
type writer struct {
	d       *Driver
	b       *driverstate.Backup
	src     driverstate.Source
	size    int64
	meta    Metadata
	hashes  Hashes
	base    *Hashes   // the parent's; nil for a full backup
	extents []*Extent // in the order of the volume, each filled in by who stores it
	watch   *progress
	meter   *meter
	stored  atomic.Int64

	workers int
	grain   int64       // bytes of a grain, a multiple of the block size if that is smaller
	free    chan *grain // the memory that a backup takes
	tasks   chan *grain
	objects chan struct{}   // one for each object that may be under way
	small   chan struct{}   // one for each small object that may wait for the store besides
	zeros   func() deflated // of a whole grain of zeros
}

func newWriter(d *Driver, b *driverstate.Backup, src driverstate.Source) (*writer, error) {
	w := &writer{d: d, b: b, src: src, size: src.Size(), workers: d.cfg.Workers, grain: grainBytes}
	if block := d.cfg.BlockSize; block <= grainBytes {
		w.grain = grainBytes / block * block
	} else {
		w.workers = 1 // which has the digest of the block in hand from grain to grain
	}
	can, err := d.cfg.backup(d.cfg.Compression, w.workers)
	if err != nil {
		return nil, err
	}
	w.workers = can.workers
	w.meter = newMeter(w.workers)
	w.free, w.tasks = make(chan *grain, can.blocks), make(chan *grain)
	for range can.blocks {
		w.free <- nil // made when it is wanted
	}
	w.objects, w.small = make(chan struct{}, can.objects), make(chan struct{}, can.small)
	w.zeros = sync.OnceValue(func() deflated { return newPacker(w, d.cfg.Level).deflate(zeroPage[:w.grain], nil) })
	return w, nil
}

func (w *writer) backup(ctx context.Context, parent *driverstate.Backup) error {
	block := w.d.cfg.BlockSize
	if err := w.d.layout.CheckContainer(w.b.Container); err != nil {
		return err
	}
	if _, err := ownPrefix(w.b, w.b.ServiceMetadata); err != nil {
		return err
	}
	var err error
	if parent != nil {
		if err = w.compareWith(ctx, parent); err != nil {
			return err
		}
	}
	w.meta = Metadata{
		BackupID: w.b.ID, VolumeID: w.b.VolumeID, Name: w.b.Name, Description: w.b.Description,
		CreatedAt: w.b.CreatedAt, ParentID: w.b.ParentID,
	}
	w.hashes = Hashes{
		BackupID: w.b.ID, VolumeID: w.b.VolumeID, BlockSize: block,
		Sums: make([]byte, (w.size+block-1)/block*sha256.Size),
	}
	if err := w.d.store.PutContainer(ctx, w.b.Container); err != nil {
		return storeError(err)
	}
	if err := w.copy(ctx); err != nil {
		return err
	}
	for _, e := range w.extents {
		w.meta.Extents = append(w.meta.Extents, *e)
	}
	// A source that is read once may know of it only at its end.
	if w.meta.VolumeMeta, err = w.src.Metadata(); err != nil {
		return err
	}
	// The metadata document is the commit mark: it comes last.
	if err := w.put(ctx, hashesName(w.b.ServiceMetadata), func(to io.Writer) error {
		return writeHashes(to, &w.hashes, w.b.Name, w.b.Description, w.b.CreatedAt)
	}); err != nil {
		return err
	}
	return w.put(ctx, metadataName(w.b.ServiceMetadata), func(to io.Writer) error { return writeMetadata(to, &w.meta) })
}

// compareWith reads the parent's hash list. The refusals are Cinder's words.
func (w *writer) compareWith(ctx context.Context, parent *driverstate.Backup) error {
	const larger = "Volume size increased since the last backup. Do a full backup."
	if w.b.Size > parent.Size {
		return invalidBackup(larger)
	}
	base, err := w.d.loadHashes(ctx, parent.Container, parent.ServiceMetadata)
	if isAbsent(err) || errors.Is(err, driverstate.ErrCorrupt) {
		return invalidBackup(fmt.Sprintf("The parent %s has no usable hash list. Do a full backup.", parent.ID))
	}
	if err != nil {
		return storeError(err)
	}
	block := w.d.cfg.BlockSize
	if base.BlockSize != block {
		return invalidBackup(fmt.Sprintf("Hash block size has changed since the last backup. "+
			"New hash block size: %d. Old hash block size: %d. Do a full backup.", block, base.BlockSize))
	}
	if (w.size+block-1)/block > int64(base.Blocks()) {
		return invalidBackup(larger)
	}
	w.base = base
	return nil
}

// invalidBackup is Cinder's exception InvalidBackup.
func invalidBackup(reason string) error {
	return driverstate.Fail(driverstate.ErrInvalidInput, "Invalid backup: "+reason)
}

// copy stores the volume's objects.
func (w *writer) copy(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range w.workers {
		group.Go(func() error { return newPacker(w, w.d.cfg.Level).work(ctx) })
	}
	group.Go(func() error {
		defer close(w.tasks)
		stores, ctx := errgroup.WithContext(ctx)
		err := w.dispatch(ctx, stores)
		return cmp.Or(stores.Wait(), err)
	})
	return group.Wait()
}

// dispatch cuts the volume in pieces of the object size: all of each, or the
// runs of blocks that changed. While the changes of one piece are stored the
// next one is hashed already, unless the volume can be read only once: then a
// piece lies in a spool until it is stored.
func (w *writer) dispatch(ctx context.Context, stores *errgroup.Group) error {
	var once *pieces
	if s, ok := w.src.(onceSource); ok && s.Sequential() {
		once = &pieces{Source: w.src}
		defer once.close()
		w.src = once
	}
	var last *hashing
	for off := int64(0); off < w.size; off += w.d.cfg.ObjectSize {
		n := min(w.d.cfg.ObjectSize, w.size-off)
		if once != nil {
			if err := w.next(ctx, stores, once, last, segment{off, off + n}); err != nil {
				return err
			}
			last = nil
		}
		if w.base == nil {
			if err := w.object(ctx, stores, off, n, w.watch.object); err != nil {
				return err
			}
			continue
		}
		h, err := w.hash(ctx, off, n)
		if err != nil {
			return err
		}
		if last != nil {
			if err := w.changes(ctx, stores, last); err != nil {
				return err
			}
		}
		last = h
	}
	if last != nil {
		if err := w.changes(ctx, stores, last); err != nil {
			return err
		}
	}
	return w.idle(ctx)
}

// next loads the next piece of a source that is read once, when the one before
// it is stored.
func (w *writer) next(ctx context.Context, stores *errgroup.Group, once *pieces, last *hashing, s segment) error {
	if last != nil {
		if err := w.changes(ctx, stores, last); err != nil {
			return err
		}
	}
	if err := w.idle(ctx); err != nil {
		return err
	}
	return once.load(ctx, s.off, s.end-s.off)
}

// idle returns when no object is under way that reads the volume.
func (w *writer) idle(ctx context.Context) error {
	for range cap(w.objects) {
		select {
		case w.objects <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range cap(w.objects) {
		<-w.objects
	}
	return nil
}

// hashing is a piece whose blocks are being hashed.
type hashing struct {
	off, n int64
	left   atomic.Int64 // grains, and one until all are on their way
	done   chan struct{}
}

// hash has the blocks of a piece hashed.
func (w *writer) hash(ctx context.Context, off, n int64) (*hashing, error) {
	h := &hashing{off: off, n: n, done: make(chan struct{})}
	h.left.Store(1)
	err := w.feed(ctx, off, n, func(g *grain) {
		g.hashing = h
		h.left.Add(1)
	})
	h.finish()
	return h, err
}

func (h *hashing) finish() {
	if h.left.Add(-1) == 0 {
		close(h.done)
	}
}

// changes stores the runs of blocks of a hashed piece that differ from the
// parent's. A run that is open at the end of the piece goes to its end.
func (w *writer) changes(ctx context.Context, stores *errgroup.Group, h *hashing) error {
	select {
	case <-h.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	block := w.hashes.BlockSize
	first := h.off / block
	blocks := (h.n + block - 1) / block
	changed := func(i int64) bool {
		return !bytes.Equal(w.hashes.Sum(int(first+i)), w.base.Sum(int(first+i)))
	}
	for i := int64(0); i < blocks; i++ {
		if !changed(i) {
			continue
		}
		start := i
		for i < blocks && changed(i) {
			i++
		}
		if err := w.object(ctx, stores, h.off+start*block, min(i*block, h.n)-start*block, nil); err != nil {
			return err
		}
	}
	w.watch.object()
	return nil
}

// put stores a document.
func (w *writer) put(ctx context.Context, name string, write func(io.Writer) error) error {
	n, err := w.d.putDocument(ctx, w.b.Container, name, write)
	w.stored.Add(n)
	return err
}

// putDocument stores a document, and returns how long it is.
func (d *Driver) putDocument(ctx context.Context, container, name string, write func(io.Writer) error) (int64, error) {
	document := &spool{}
	defer document.close()
	if err := write(document); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := d.store.Put(ctx, container, name, document.reader(), document.size); err != nil {
		return 0, fmt.Errorf("object %s: %w", name, storeError(err))
	}
	return document.size, nil
}
