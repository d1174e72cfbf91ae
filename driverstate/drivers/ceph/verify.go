package ceph

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cinder-go/cinder-go/driverstate"
)

// methodRead is the Method of a proof by reading: Ceph keeps no hashes of
// backups. Its BlueStore holds every byte that it reads against a checksum of
// the disk's, and a byte that differs cannot be read.
const methodRead = "read"

// Verify implements driverstate.Verifier. By structure, the image, the
// snapshot and the metadata object are there and the extents are known; with
// the data, every extent is read.
func (d *Driver) Verify(ctx context.Context, c driverstate.Chain, depth driverstate.Depth, obs driverstate.Observer) (driverstate.Report, error) {
	b, err := checkChain(c)
	if err != nil {
		return driverstate.Report{}, err
	}
	report, err := d.verify(ctx, b, depth, obs)
	return report, named("verify", b, err)
}

func (d *Driver) verify(ctx context.Context, b *driverstate.Backup, depth driverstate.Depth, obs driverstate.Observer) (driverstate.Report, error) {
	f, s, err := d.sight(ctx, b)
	if errors.Is(err, driverstate.ErrNotFound) {
		return driverstate.Report{Condition: driverstate.ConditionPartial, Reason: fmt.Sprintf("backup %s is not in the store", b.ID)}, nil
	}
	if err != nil {
		return driverstate.Report{}, err
	}
	report := driverstate.Report{Condition: f.Condition, Reason: f.Reason, Problems: f.Problems, Warnings: f.Warnings}
	if f.Condition != driverstate.ConditionWhole {
		return report, nil
	}
	o, err := d.openSeen(ctx, f, s)
	if err == nil && depth == driverstate.DepthStructure {
		err = d.checkExtents(ctx, o)
	}
	if err == nil && depth == driverstate.DepthData {
		err = d.readAll(ctx, o, b, obs)
		if err == nil {
			report.BytesRead, report.Method = o.length, methodRead
		}
	}
	if errors.Is(err, driverstate.ErrCorrupt) {
		report.Condition, report.Reason = driverstate.ConditionDamaged, err.Error()
		report.Problems = []driverstate.Problem{{BackupID: b.ID, Object: o.place.at(o.pool), Reason: err.Error()}}
		err = nil
	}
	return report, err
}

func (d *Driver) readAll(ctx context.Context, o opened, b *driverstate.Backup, obs driverstate.Observer) (err error) {
	watch := d.watch("verify", b, o.length, obs)
	defer func() { watch.end(err) }()
	return d.copyTo(ctx, o, nowhere{}, watch.reached)
}

// nowhere is the sink of a verification.
type nowhere struct{}

func (nowhere) begin() error             { return nil }
func (nowhere) data(int64, []byte) error { return nil }
func (nowhere) zeros(int64, int64) error { return nil }

// checkExtents asks which objects of the image hold data, and reads none.
func (d *Driver) checkExtents(ctx context.Context, o opened) error {
	c := call{program: "rbd", verb: "diff", pool: o.pool, image: o.place.image.name, args: []string{"--whole-object", "--format", "json"}}
	if o.place.snap != nil {
		c.snap = o.place.snap.name
	}
	return d.cluster.read(ctx, c, func(r io.Reader) error { return checkExtentList(r, o.place.size()) })
}

func checkExtentList(r io.Reader, size int64) error {
	dec := json.NewDecoder(bufio.NewReader(r))
	next := int64(0)
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return badListing(err)
	}
	for dec.More() {
		var e struct {
			Offset int64 `json:"offset"`
			Length int64 `json:"length"`
		}
		if err := dec.Decode(&e); err != nil {
			return badListing(err)
		}
		if e.Offset < next || e.Length <= 0 || e.Offset > size || e.Length > size-e.Offset {
			return badDiff("extent of %d bytes at byte %d of an image of %d", e.Length, e.Offset, size)
		}
		next = e.Offset + e.Length
	}
	if _, err := dec.Token(); err != nil {
		return badListing(err)
	}
	_, err := io.Copy(io.Discard, r)
	return err
}
