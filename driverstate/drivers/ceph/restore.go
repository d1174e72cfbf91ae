package ceph

import (
	"bytes"
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Restore implements driverstate.Driver. The last backup of the chain is read
// alone: the image at its snapshot is the volume as it was.
func (d *Driver) Restore(ctx context.Context, c driverstate.Chain, dst driverstate.Target, o driverstate.RestoreOptions, obs driverstate.Observer) (driverstate.Restored, error) {
	b, err := checkChain(c)
	if err != nil {
		return driverstate.Restored{}, err
	}
	if !o.Plain() {
		return driverstate.Restored{}, named("restore", b, driverstate.Fail(driverstate.ErrNotSupported,
			"a backup in Ceph has no digests: it can be restored as a whole only"))
	}
	done, err := d.restore(ctx, b, dst, obs)
	return done, named("restore", b, err)
}

func (d *Driver) restore(ctx context.Context, b *driverstate.Backup, dst driverstate.Target, obs driverstate.Observer) (done driverstate.Restored, err error) {
	o, err := d.open(ctx, b)
	if err != nil {
		return done, err
	}
	watch := d.watch("restore", b, o.length, obs)
	defer func() { watch.end(err) }()
	t := &toTarget{dst: dst, length: o.length}
	if err = d.copyTo(ctx, o, t, watch.reached); err != nil {
		return done, err
	}
	if err = dst.Sync(); err != nil {
		return done, err
	}
	done = driverstate.Restored{Length: o.length, BytesWritten: t.written, Method: methodRead, Warnings: o.warns}
	if o.meta != nil {
		done.VolumeMeta = o.meta.raw
	}
	return done, nil
}

// toTarget writes an image to a restore target.
type toTarget struct {
	dst     driverstate.Target
	length  int64
	written int64
}

func (t *toTarget) begin() error { return t.dst.Begin(t.length) }

func (t *toTarget) data(off int64, p []byte) error {
	n, err := t.dst.WriteAt(p, off)
	t.written += int64(n)
	return err
}

func (t *toTarget) zeros(off, n int64) error {
	if t.dst.Blank() && !t.dst.Sequential() {
		return nil
	}
	t.written += n
	return t.dst.ZeroRange(off, n)
}

var zeroBlock [blockSize]byte

func isZero(p []byte) bool {
	for len(p) > blockSize {
		if !bytes.Equal(p[:blockSize], zeroBlock[:]) {
			return false
		}
		p = p[blockSize:]
	}
	return bytes.Equal(p, zeroBlock[:len(p)])
}
