// Package wrap puts fault points around a database, a store and the targets of
// restores. An engine wears it only while fault points are armed.
package wrap

import (
	"context"
	"runtime"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/fault"
)

// DB puts points around every transaction of d, named after the function that
// runs it, and at both ends of every job.
func DB(d db.DB) db.DB { return database{d} }

// database overrides what writes by itself; reads pass.
type database struct{ db.DB }

// Update passes tx.begin before f, tx.commit after it, and tx.done when all of
// it is committed.
func (d database) Update(ctx context.Context, f func(db.Tx) error) error {
	who := caller()
	fault.Point(fault.TxBegin + who)
	err := d.DB.Update(ctx, func(tx db.Tx) error { return after(fault.TxCommit+who, f(tx)) })
	return after(fault.TxDone+who, err)
}

// Work passes a point at both ends of every job.
func (d database) Work(ctx context.Context, o db.WorkOptions, handle func(context.Context, db.Job) error) (db.Queue, error) {
	return d.DB.Work(ctx, o, func(ctx context.Context, j db.Job) error {
		fault.Point("job.begin")
		err := handle(ctx, j)
		fault.Point("job.end")
		return err
	})
}

// alone is a transaction of one statement: its begin and its commit are one.
func alone(write func() error) error {
	who := caller()
	return around(fault.TxBegin+who, fault.TxDone+who, write)
}

func (d database) BackupCreate(ctx context.Context, b *driverstate.Backup) error {
	return alone(func() error { return d.DB.BackupCreate(ctx, b) })
}

func (d database) BackupUpdate(ctx context.Context, b *driverstate.Backup, from ...driverstate.Status) error {
	return alone(func() error { return d.DB.BackupUpdate(ctx, b, from...) })
}

func (d database) BackupDestroy(ctx context.Context, id string) error {
	return alone(func() error { return d.DB.BackupDestroy(ctx, id) })
}

func (d database) VolumeCreate(ctx context.Context, v *driverstate.Volume) error {
	return alone(func() error { return d.DB.VolumeCreate(ctx, v) })
}

func (d database) VolumeUpdate(ctx context.Context, v *driverstate.Volume, from ...driverstate.VolumeStatus) error {
	return alone(func() error { return d.DB.VolumeUpdate(ctx, v, from...) })
}

func (d database) VolumeDestroy(ctx context.Context, id string) error {
	return alone(func() error { return d.DB.VolumeDestroy(ctx, id) })
}

func (d database) SnapshotCreate(ctx context.Context, s *driverstate.Snapshot) error {
	return alone(func() error { return d.DB.SnapshotCreate(ctx, s) })
}

func (d database) SnapshotUpdate(ctx context.Context, s *driverstate.Snapshot, from ...driverstate.SnapshotStatus) error {
	return alone(func() error { return d.DB.SnapshotUpdate(ctx, s, from...) })
}

func (d database) SnapshotDestroy(ctx context.Context, id string) error {
	return alone(func() error { return d.DB.SnapshotDestroy(ctx, id) })
}

func (d database) QuotaSet(ctx context.Context, projectID, resource string, limit int64) error {
	return alone(func() error { return d.DB.QuotaSet(ctx, projectID, resource, limit) })
}

func (d database) QuotaDestroy(ctx context.Context, projectID string) error {
	return alone(func() error { return d.DB.QuotaDestroy(ctx, projectID) })
}

func (d database) QuotaClassSet(ctx context.Context, class, resource string, limit int64) error {
	return alone(func() error { return d.DB.QuotaClassSet(ctx, class, resource, limit) })
}

func (d database) VolumeTypeCreate(ctx context.Context, t *driverstate.VolumeTypeRow) error {
	return alone(func() error { return d.DB.VolumeTypeCreate(ctx, t) })
}

func (d database) VolumeTypeUpdate(ctx context.Context, t *driverstate.VolumeTypeRow) error {
	return alone(func() error { return d.DB.VolumeTypeUpdate(ctx, t) })
}

func (d database) VolumeTypeDestroy(ctx context.Context, id string) error {
	return alone(func() error { return d.DB.VolumeTypeDestroy(ctx, id) })
}

func (d database) TransferCreate(ctx context.Context, t *driverstate.Transfer) error {
	return alone(func() error { return d.DB.TransferCreate(ctx, t) })
}

func (d database) TransferDestroy(ctx context.Context, id string) error {
	return alone(func() error { return d.DB.TransferDestroy(ctx, id) })
}

func (d database) TransfersOfVolumeDestroy(ctx context.Context, volumeID string) error {
	return alone(func() error { return d.DB.TransfersOfVolumeDestroy(ctx, volumeID) })
}

func (d database) ServiceUpsert(ctx context.Context, s *driverstate.Service) error {
	return alone(func() error { return d.DB.ServiceUpsert(ctx, s) })
}

func (d database) ServiceUpdate(ctx context.Context, s *driverstate.Service) error {
	return alone(func() error { return d.DB.ServiceUpdate(ctx, s) })
}

func (d database) ClusterEnsure(ctx context.Context, c *driverstate.Cluster) error {
	return alone(func() error { return d.DB.ClusterEnsure(ctx, c) })
}

func (d database) ClusterUpdate(ctx context.Context, c *driverstate.Cluster) error {
	return alone(func() error { return d.DB.ClusterUpdate(ctx, c) })
}

func (d database) MessageCreate(ctx context.Context, m *driverstate.Message) error {
	return alone(func() error { return d.DB.MessageCreate(ctx, m) })
}

func (d database) MessageDestroy(ctx context.Context, id string) error {
	return alone(func() error { return d.DB.MessageDestroy(ctx, id) })
}

func (d database) MessagesExpire(ctx context.Context, now time.Time) error {
	return alone(func() error { return d.DB.MessagesExpire(ctx, now) })
}

func (d database) WorkerCreate(ctx context.Context, w *driverstate.Worker) error {
	return alone(func() error { return d.DB.WorkerCreate(ctx, w) })
}

func (d database) WorkerClaimForCleanup(ctx context.Context, w *driverstate.Worker, serviceID int64) (claimed bool, err error) {
	err = alone(func() error {
		claimed, err = d.DB.WorkerClaimForCleanup(ctx, w, serviceID)
		return err
	})
	return claimed, err
}

func (d database) WorkerClaim(ctx context.Context, resourceType, resourceID string, serviceID int64) (w *driverstate.Worker, err error) {
	err = alone(func() error {
		w, err = d.DB.WorkerClaim(ctx, resourceType, resourceID, serviceID)
		return err
	})
	return w, err
}

func (d database) WorkerRelease(ctx context.Context, w *driverstate.Worker) error {
	return alone(func() error { return d.DB.WorkerRelease(ctx, w) })
}

func (d database) WorkerDestroy(ctx context.Context, resourceType, resourceID string) error {
	return alone(func() error { return d.DB.WorkerDestroy(ctx, resourceType, resourceID) })
}

func (d database) VerificationCreate(ctx context.Context, v *driverstate.Verification) error {
	return alone(func() error { return d.DB.VerificationCreate(ctx, v) })
}

func (d database) VerificationUpdate(ctx context.Context, v *driverstate.Verification) error {
	return alone(func() error { return d.DB.VerificationUpdate(ctx, v) })
}

func (d database) ProofPut(ctx context.Context, p *driverstate.Proof) error {
	return alone(func() error { return d.DB.ProofPut(ctx, p) })
}

func (d database) ProofsExpire(ctx context.Context, before time.Time) error {
	return alone(func() error { return d.DB.ProofsExpire(ctx, before) })
}

func (d database) ShipmentCreate(ctx context.Context, s *driverstate.Shipment) error {
	return alone(func() error { return d.DB.ShipmentCreate(ctx, s) })
}

func (d database) ShipmentUpdate(ctx context.Context, s *driverstate.Shipment) error {
	return alone(func() error { return d.DB.ShipmentUpdate(ctx, s) })
}

// caller names the function outside of this package that runs the transaction,
// without its receiver and without the closures in it.
func caller() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		pkg, function := split(frame.Function)
		if !strings.HasSuffix(pkg, "/fault/wrap") || !more {
			return function
		}
	}
}

// split takes a name such as example.org/a/b.(*T).run.func1 apart into package
// and function, of a generic one, example.org/a/b.run[...], without its types.
func split(name string) (pkg, function string) {
	slash := strings.LastIndexByte(name, '/') + 1
	dot := slash + strings.IndexByte(name[slash:], '.')
	pkg, rest := name[:dot], name[dot+1:]
	if _, method, ok := strings.Cut(rest, ")."); ok {
		rest = method
	}
	function, _, _ = strings.Cut(rest, ".")
	function, _, _ = strings.Cut(function, "[")
	return pkg, function
}
