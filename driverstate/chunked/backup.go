package chunked

import (
	"bytes"
	"context"
	"crypto/md5" // the format's
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Backup implements driverstate.Driver. Extents are cut as Cinder cuts them
// (chunkeddriver.py backup): pieces of the object size, and within a piece of
// an incremental the runs of blocks whose hash differs from the parent's.
func (d *Driver) Backup(ctx context.Context, b, parent *driverstate.Backup, src driverstate.Source, obs driverstate.Observer) (driverstate.Stored, error) {
	if obs == nil {
		obs = driverstate.Discard
	}
	w := &writer{d: d, b: b, src: src, size: src.Size(), buffer: make([]byte, window)}
	w.watch = &progress{obs: obs, told: time.Now(), event: driverstate.Event{
		Op: "backup", BackupID: b.ID, VolumeID: b.VolumeID, BytesTotal: w.size,
		ObjectsTotal: int((w.size + d.cfg.ObjectSize - 1) / d.cfg.ObjectSize),
	}}
	w.watch.tell(driverstate.EventStart, "")
	err := w.backup(ctx, parent)
	w.watch.end(err)
	if err != nil {
		return driverstate.Stored{}, &driverstate.Error{Op: "create", Resource: "backup", ID: b.ID, Err: err}
	}
	return driverstate.Stored{ObjectCount: len(w.meta.Extents), Bytes: w.stored}, nil
}

// writer makes one backup.
type writer struct {
	d      *Driver
	b      *driverstate.Backup
	src    driverstate.Source
	size   int64
	meta   Metadata
	hashes Hashes
	base   *Hashes // the parent's; nil for a full backup
	watch  *progress
	stored int64
	buffer []byte
}

func (w *writer) backup(ctx context.Context, parent *driverstate.Backup) error {
	block := w.d.cfg.BlockSize
	if err := w.d.layout.CheckContainer(w.b.Container); err != nil {
		return err
	}
	if _, err := ownPrefix(w.b, w.b.ServiceMetadata); err != nil {
		return err
	}
	if parent != nil {
		if err := w.compareWith(ctx, parent); err != nil {
			return err
		}
	}
	volumeMeta, err := w.src.Metadata()
	if err != nil {
		return err
	}
	w.meta = Metadata{
		BackupID: w.b.ID, VolumeID: w.b.VolumeID, Name: w.b.Name, Description: w.b.Description,
		CreatedAt: w.b.CreatedAt, ParentID: w.b.ParentID, VolumeMeta: volumeMeta,
	}
	w.hashes = Hashes{
		BackupID: w.b.ID, VolumeID: w.b.VolumeID, BlockSize: block,
		Sums: make([]byte, 0, (w.size+block-1)/block*sha256.Size),
	}
	if err := w.d.store.PutContainer(ctx, w.b.Container); err != nil {
		return storeError(err)
	}
	for off := int64(0); off < w.size; off += w.d.cfg.ObjectSize {
		if err := w.piece(ctx, off, min(w.d.cfg.ObjectSize, w.size-off)); err != nil {
			return err
		}
		w.watch.object()
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

// piece backs up one piece of the volume: all of it, or the runs of blocks that
// changed. A run that is open at the end of the piece goes to its end.
func (w *writer) piece(ctx context.Context, off, n int64) error {
	first := len(w.hashes.Sums)
	keep := func(sum []byte) error {
		w.hashes.Sums = append(w.hashes.Sums, sum...)
		return nil
	}
	if w.base == nil {
		return w.extent(ctx, off, n, keep, w.watch.bytes)
	}
	if err := w.pass(ctx, off, n, nil, keep, w.watch.bytes); err != nil {
		return err
	}
	block := w.hashes.BlockSize
	sums, old := w.hashes.Sums[first:], w.base.Sums[first:]
	blocks := int64(len(sums) / sha256.Size)
	changed := func(i int64) bool {
		at := i * sha256.Size
		return !bytes.Equal(sums[at:at+sha256.Size], old[at:at+sha256.Size])
	}
	for i := int64(0); i < blocks; i++ {
		if !changed(i) {
			continue
		}
		start := i
		for i < blocks && changed(i) {
			i++
		}
		at := start * sha256.Size
		expect := func(sum []byte) error {
			if !bytes.Equal(sum, sums[at:at+sha256.Size]) {
				return driverstate.Fail(driverstate.ErrConflict, "the volume changed while it was being backed up")
			}
			at += sha256.Size
			return nil
		}
		if err := w.extent(ctx, off+start*block, min(i*block, n)-start*block, expect, func(int64) {}); err != nil {
			return err
		}
	}
	return nil
}

// pass reads a range of the volume once, calling each with the digest of every
// block and step with how far it got on, and writes it to all of to.
func (w *writer) pass(ctx context.Context, off, n int64, to []io.Writer, each func(sum []byte) error, step func(int64)) error {
	block := w.hashes.BlockSize
	sha := sha256.New()
	inBlock := int64(0)
	var sum [sha256.Size]byte
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := w.buffer[:min(int64(len(w.buffer)), n-done)]
		if _, err := w.src.ReadAt(b, off+done); err != nil && !(errors.Is(err, io.EOF) && done+int64(len(b)) == n) {
			return fmt.Errorf("reading the volume at byte %d: %w", off+done, err)
		}
		for _, out := range to {
			if _, err := out.Write(b); err != nil {
				return err
			}
		}
		done += int64(len(b))
		step(int64(len(b)))
		for len(b) > 0 {
			m := min(block-inBlock, int64(len(b)))
			sha.Write(b[:m])
			b, inBlock = b[m:], inBlock+m
			if inBlock == block || (len(b) == 0 && done == n) {
				if err := each(sha.Sum(sum[:0])); err != nil {
					return err
				}
				sha.Reset()
				inBlock = 0
			}
		}
	}
	return nil
}

// extent stores one range of the volume as an object: compressed where that
// makes it smaller, else raw.
func (w *writer) extent(ctx context.Context, off, n int64, each func(sum []byte) error, step func(int64)) error {
	e := Extent{Name: chunkName(w.b.ServiceMetadata, len(w.meta.Extents)+1), Offset: off, Length: n, Compression: w.d.cfg.Compression}
	plain := md5.New() // the format's
	raw := io.NewSectionReader(w.src, off, n)
	var body io.ReadSeeker = raw
	size := n
	if e.Compression == CompressionNone {
		if err := w.pass(ctx, off, n, []io.Writer{plain}, each, step); err != nil {
			return err
		}
	} else {
		packed := &spool{}
		defer packed.close()
		if err := w.pack(ctx, e, packed, plain, each, step); err != nil {
			return err
		}
		if packed.size < n {
			body, size = packed.reader(), packed.size
		} else {
			e.Compression = CompressionNone
		}
	}
	plain.Sum(e.MD5[:0])
	checked := &checkedReader{ReadSeeker: body, want: e.MD5, check: body == io.ReadSeeker(raw)}
	if err := w.d.store.Put(ctx, w.b.Container, e.Name, checked, size); err != nil {
		return fmt.Errorf("object %s: %w", e.Name, storeError(err))
	}
	if err := checked.verdict(); err != nil {
		return err
	}
	w.stored += size
	w.meta.Extents = append(w.meta.Extents, e)
	return nil
}

func (w *writer) pack(ctx context.Context, e Extent, to io.Writer, plain io.Writer, each func(sum []byte) error, step func(int64)) error {
	out, err := encoder(e.Compression, to, e.Length)
	if err != nil {
		return err
	}
	if err := w.pass(ctx, e.Offset, e.Length, []io.Writer{out, plain}, each, step); err != nil {
		return errors.Join(err, out.Close())
	}
	return out.Close()
}

// put stores a document.
func (w *writer) put(ctx context.Context, name string, write func(io.Writer) error) error {
	document := &spool{}
	defer document.close()
	if err := write(document); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.d.store.Put(ctx, w.b.Container, name, document.reader(), document.size); err != nil {
		return fmt.Errorf("object %s: %w", name, storeError(err))
	}
	w.stored += document.size
	return nil
}

// checkedReader proves that what is read a second time, to be stored raw, is
// what was hashed the first time.
type checkedReader struct {
	io.ReadSeeker
	want  [md5.Size]byte
	check bool
	hash  hash.Hash // of everything read since the last seek
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	if c.check {
		if c.hash == nil {
			c.hash = md5.New() // the format's
		}
		c.hash.Write(p[:n])
	}
	return n, err
}

// Seek implements io.Seeker.
func (c *checkedReader) Seek(off int64, whence int) (int64, error) {
	c.hash = nil
	return c.ReadSeeker.Seek(off, whence)
}

func (c *checkedReader) verdict() error {
	if !c.check || c.hash == nil || bytes.Equal(c.hash.Sum(nil), c.want[:]) {
		return nil
	}
	return driverstate.Fail(driverstate.ErrConflict, "the volume changed while it was being backed up")
}
