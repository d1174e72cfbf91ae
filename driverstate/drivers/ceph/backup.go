package ceph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Backup implements driverstate.Driver. The bytes go to rbd import-diff, which
// makes the snapshot when it has all of them: until then there is no backup.
// The metadata object comes last, as in Cinder.
func (d *Driver) Backup(ctx context.Context, b, parent *driverstate.Backup, src driverstate.Source, obs driverstate.Observer) (driverstate.Stored, error) {
	stored, err := d.backup(ctx, b, parent, src, obs)
	return stored, named("backup", b, err)
}

// copying is a backup being written.
type copying struct {
	b      *driverstate.Backup
	pool   string
	image  string
	snap   string // that will be made
	parent string // snapshot that the parent is; empty for a full backup
	length int64
	size   int64 // of the image
	src    driverstate.Source
	watch  *progress
	sent   int64
}

func (d *Driver) backup(ctx context.Context, b, parent *driverstate.Backup, src driverstate.Source, obs driverstate.Observer) (stored driverstate.Stored, err error) {
	pool, place, err := d.Place(b, parent, d.now())
	if err != nil {
		return stored, err
	}
	if pool != b.Container || place != b.ServiceMetadata {
		return stored, invalid("its place is %s %.300s, not %s %s", b.Container, b.ServiceMetadata, pool, place)
	}
	image, err := parseBase(place, b.VolumeID)
	if err != nil {
		return stored, err
	}
	c := &copying{b: b, pool: pool, image: image, src: src, length: src.Size(), snap: snapName(b.ID, d.now())}
	// A whole number of GiB, as Cinder's: it can restore no other.
	c.size = max(b.Size, (c.length+gib-1)/gib, 1) * gib
	c.watch = d.watch("backup", b, c.length, obs)
	defer func() { c.watch.end(err) }()
	if parent == nil {
		err = d.makeImage(ctx, c)
	} else {
		err = d.standOn(ctx, c, parent)
	}
	if err != nil {
		return stored, err
	}
	if err = d.keepLength(ctx, c); err != nil {
		return stored, err
	}
	if err = d.transfer(ctx, c); err != nil {
		return stored, err
	}
	if err = d.putMeta(ctx, c); err != nil {
		return stored, err
	}
	return driverstate.Stored{Bytes: c.sent}, nil
}

// makeImage makes the image of a full backup, with the features that Cinder
// asks for (_get_rbd_support).
func (d *Driver) makeImage(ctx context.Context, c *copying) error {
	features := "layering,exclusive-lock,object-map,fast-diff"
	if d.cfg.ImageJournals {
		features += ",journaling"
	}
	args := []string{"--size", strconv.FormatInt(c.size, 10) + "B", "--image-feature", features, "--no-progress"}
	if d.cfg.StripeCount > 0 {
		args = append(args, "--stripe-unit", strconv.FormatInt(d.cfg.StripeUnit, 10), "--stripe-count", strconv.FormatInt(d.cfg.StripeCount, 10))
	}
	return d.cluster.run(ctx, call{program: "rbd", verb: "create", pool: c.pool, image: c.image, args: args})
}

// standOn finds the snapshot of the parent and brings the image back to it: a
// write that was cut short leaves bytes in the image that no snapshot has, and
// they would get into the next one.
func (d *Driver) standOn(ctx context.Context, c *copying, parent *driverstate.Backup) error {
	i := &image{name: c.image}
	info, err := d.info(ctx, c.pool, c.image)
	if err == nil {
		err = d.describe(ctx, c.pool, i)
	}
	if err != nil {
		return fmt.Errorf("the image of its parent %s cannot be opened: %w", parent.ID, err)
	}
	own := i.of(parent.ID)
	if len(own) != 1 {
		return invalid("image %s/%s has %d snapshots of its parent %s, on which a difference can be based: do a full backup",
			c.pool, c.image, len(own), parent.ID)
	}
	if len(i.of(c.b.ID)) > 0 {
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("image %s/%s has a snapshot of it already", c.pool, c.image))
	}
	c.parent = own[0].name
	if err := d.requireIdle(ctx, c.pool, c.image); err != nil {
		return err
	}
	changed, err := d.cluster.text(ctx, call{program: "rbd", verb: "diff", pool: c.pool, image: c.image,
		args: []string{"--from-snap", c.parent, "--whole-object", "--format", "json"}}, maxNames)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(changed)) == "[]" && info.Size == own[0].size {
		return nil
	}
	d.log.WarnContext(ctx, "image rolled back to the parent of a new increment: it holds an unfinished or a later one",
		"image", c.pool+"/"+c.image, "snapshot", c.parent)
	return d.cluster.run(ctx, call{program: "rbd", verb: "snap rollback", pool: c.pool, image: c.image, snap: c.parent, args: []string{"--no-progress"}})
}

// keepLength notes the length of a volume that does not fill its image.
func (d *Driver) keepLength(ctx context.Context, c *copying) error {
	if c.length == c.size {
		return nil
	}
	return d.cluster.run(ctx, call{program: "rbd", verb: "image-meta set", pool: c.pool, image: c.image,
		args: []string{lengthKey(c.b.ID), strconv.FormatInt(c.length, 10)}})
}

// transfer writes the difference to the parent, or all of the volume that is
// not zero.
func (d *Driver) transfer(ctx context.Context, c *copying) error {
	write := func(ctx context.Context, base *imageReader) error {
		to := call{program: "rbd", verb: "import-diff", pool: c.pool, image: c.image, args: []string{"--no-progress", "--path", "-"}}
		return d.cluster.write(ctx, to, func(ctx context.Context, w io.Writer) error { return d.feed(ctx, c, base, w) })
	}
	if c.parent == "" {
		return write(ctx, nil)
	}
	from := call{program: "rbd", verb: "export-diff", pool: c.pool, image: c.image, snap: c.parent, args: []string{"--no-progress", "--path", "-"}}
	return d.cluster.read(ctx, from, func(r io.Reader) error {
		diff, err := newDiffReader(r)
		if err != nil {
			return err
		}
		if diff.from != "" || diff.to != c.parent {
			return badDiff("it leads from %.300q to %.300q, not to %q", diff.from, diff.to, c.parent)
		}
		return write(ctx, &imageReader{d: diff})
	})
}

// feed writes the diff. The end record, without which nothing becomes a
// backup, follows only when the parent was read to its end too.
func (d *Driver) feed(ctx context.Context, c *copying, base *imageReader, w io.Writer) error {
	out, err := newDiffWriter(w, c.parent, c.snap, c.size)
	if err != nil {
		return err
	}
	piece := d.cfg.pieceSize()
	now, before := make([]byte, piece), []byte(nil)
	if base != nil {
		before = make([]byte, piece)
	}
	for off := int64(0); off < c.length; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(piece, c.length-off)
		if err := readAt(c.src, now[:n], off); err != nil {
			return err
		}
		if base == nil {
			err = writeNew(out, off, now[:n])
		} else if _, err = base.next(before[:n]); err == nil {
			err = writeChanged(out, off, now[:n], before[:n])
		}
		if err != nil {
			return err
		}
		off += n
		c.sent = out.sent
		c.watch.reached(off)
	}
	if base != nil {
		// What the parent has beyond is not of this volume any more.
		err := base.rest(func(off, n int64) error {
			if n = min(n, c.size-off); n <= 0 {
				return nil
			}
			return out.zero(off, n)
		})
		if err != nil {
			return err
		}
	}
	return out.close()
}

// readAt fills p from the volume.
func readAt(src driverstate.Source, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("the volume ends at byte %d: it became shorter while it was read", off+int64(n))
	}
	return err
}

// writeNew writes what is not zero to an image that is new.
func writeNew(out *diffWriter, off int64, p []byte) error {
	return eachRun(p, func(from, to int, zero bool) error {
		if zero {
			return nil
		}
		return out.data(off+int64(from), p[from:to])
	})
}

// writeChanged writes the blocks that differ from what was there before.
func writeChanged(out *diffWriter, off int64, now, before []byte) error {
	for from := 0; from < len(now); {
		to := min(from+blockSize, len(now))
		if bytes.Equal(now[from:to], before[from:to]) {
			from = to
			continue
		}
		for to < len(now) {
			end := min(to+blockSize, len(now))
			if bytes.Equal(now[to:end], before[to:end]) {
				break
			}
			to = end
		}
		err := eachRun(now[from:to], func(a, b int, zero bool) error {
			if zero {
				return out.zero(off+int64(from+a), int64(b-a))
			}
			return out.data(off+int64(from+a), now[from+a:from+b])
		})
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}

// putMeta writes the metadata object, which must not be there.
func (d *Driver) putMeta(ctx context.Context, c *copying) error {
	text, err := c.src.Metadata()
	if err != nil || len(text) == 0 {
		return err
	}
	there, err := d.meta(ctx, c.pool, c.b.ID)
	if err != nil {
		return err
	}
	if there != nil {
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("metadata object %s/%s is there already", c.pool, metaName(c.b.ID)))
	}
	to := call{program: "rados", verb: "put", pool: c.pool, args: []string{metaName(c.b.ID), "-"}}
	return d.cluster.write(ctx, to, func(_ context.Context, w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
