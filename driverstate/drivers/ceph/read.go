package ceph

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cinder-go/cinder-go/driverstate"
)

// opened is a backup that can be read.
type opened struct {
	sighting
	length int64 // of the volume, bytes; at most the size of the image
	warns  []string
}

// open finds the backup and what is needed to read it. What is not whole is
// driverstate.ErrCorrupt.
func (d *Driver) open(ctx context.Context, b *driverstate.Backup) (opened, error) {
	f, s, err := d.sight(ctx, b)
	switch {
	case absent(err) || errors.Is(err, errNothing):
		return opened{}, &asKind{err, driverstate.ErrCorrupt}
	case err != nil:
		return opened{}, err
	case f.Condition != driverstate.ConditionWhole:
		return opened{}, driverstate.Fail(driverstate.ErrCorrupt, f.Reason)
	}
	return d.openSeen(ctx, f, s)
}

// openSeen is open for a backup that was found whole.
func (d *Driver) openSeen(ctx context.Context, f driverstate.Found, s sighting) (opened, error) {
	o := opened{sighting: s, warns: f.Warnings}
	if o.place.snap == nil {
		// A snapshot cannot move; an image can.
		if err := d.requireIdle(ctx, o.pool, o.place.image.name); err != nil {
			return o, err
		}
	}
	var err error
	o.length, err = d.length(ctx, o.pool, o.place.image.name, f.Backup.ID, o.place.size())
	return o, err
}

// sink takes an image from its beginning to its end. Exactly the bytes of the
// volume come, each once.
type sink interface {
	begin() error
	data(off int64, p []byte) error // p is the reader's again afterwards
	zeros(off, n int64) error
}

// copyTo reads a backup into s. Only extents that exist are read.
func (d *Driver) copyTo(ctx context.Context, o opened, s sink, reached func(int64)) error {
	c := call{program: "rbd", verb: "export-diff", pool: o.pool, image: o.place.image.name, args: []string{"--no-progress", "--path", "-"}}
	if o.place.snap != nil {
		c.snap = o.place.snap.name
	}
	return d.cluster.read(ctx, c, func(r io.Reader) error {
		diff, err := newDiffReader(r)
		if err != nil {
			return err
		}
		if err := checkDiff(diff, c.snap, o.place.size()); err != nil {
			return err
		}
		if err := s.begin(); err != nil {
			return err
		}
		return copyDiff(ctx, diff, o.length, make([]byte, d.cfg.pieceSize()), s, reached)
	})
}

// checkDiff refuses a diff that is not the one that was asked for.
func checkDiff(diff *diffReader, snap string, size int64) error {
	switch {
	case diff.from != "":
		return badDiff("it begins at snapshot %.300q and not at nothing", diff.from)
	case diff.to != snap:
		return badDiff("it ends at snapshot %.300q and not at %q", diff.to, snap)
	case diff.size != size:
		return badDiff("it is of an image of %d bytes and not of %d", diff.size, size)
	}
	return nil
}

// copyDiff gives the first length bytes of the image to s, through buf. What comes after
// them must be zeros: the image is a whole number of GiB, the volume need not.
func copyDiff(ctx context.Context, diff *diffReader, length int64, buf []byte, s sink, reached func(int64)) error {
	at := int64(0)
	hole := func(to int64) error {
		to = min(to, length)
		if to <= at {
			return nil
		}
		off := at
		at = to
		return s.zeros(off, to-off)
	}
	for {
		e, err := diff.extent()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if e.zero {
			continue // as what is before the next extent
		}
		if err := hole(e.off); err != nil {
			return err
		}
		for off := e.off; off < e.end(); {
			if err := ctx.Err(); err != nil {
				return err
			}
			piece := buf[:min(e.end()-off, int64(len(buf))-off%int64(len(buf)))]
			if _, err := io.ReadFull(diff, piece); err != nil {
				return cut(eof(err))
			}
			n := min(int64(len(piece)), max(0, length-off))
			if !isZero(piece[n:]) {
				return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf(
					"the image has data beyond byte %d, the length of the volume", length))
			}
			if n > 0 {
				if err := copyPiece(s, off, piece[:n]); err != nil {
					return err
				}
				at = off + n
			}
			off += int64(len(piece))
			reached(at)
		}
	}
	if err := hole(length); err != nil {
		return err
	}
	reached(length)
	return nil
}

// copyPiece gives the zeros in p as zeros.
func copyPiece(s sink, off int64, p []byte) error {
	return eachRun(p, func(from, to int, zero bool) error {
		if zero {
			return s.zeros(off+int64(from), int64(to-from))
		}
		return s.data(off+int64(from), p[from:to])
	})
}

// eachRun calls f for each run of blocks of p that are zero, or are not.
func eachRun(p []byte, f func(from, to int, zero bool) error) error {
	for from := 0; from < len(p); {
		to := min(from+blockSize, len(p))
		zero := isZero(p[from:to])
		for to < len(p) {
			end := min(to+blockSize, len(p))
			if isZero(p[to:end]) != zero {
				break
			}
			to = end
		}
		if err := f(from, to, zero); err != nil {
			return err
		}
		from = to
	}
	return nil
}
