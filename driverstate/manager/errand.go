package manager

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// errands are the rows of jobs that have one of their own.
type errands interface {
	db.Verifications
	db.Shipments
}

// errand is a job with a row of its own, which tells how far the job is and
// what came of it: a verification, or a shipment.
type errand[T any] struct {
	resource, id string
	read         func(ctx context.Context, rows errands) (*T, error)
	write        func(ctx context.Context, rows errands, row *T) error
	count        func(row *T, done, total int64)
	// work does it; whatever it answers is for end to write into the row.
	work func(ctx context.Context, row *T, obs driverstate.Observer) error
	// end is given a context that has ended if the work was stopped.
	end func(ctx context.Context, row *T, err error)
}

// begin writes what insert does, the entry of an errand and its job, in one
// transaction.
func (m *Manager) beginErrand(ctx context.Context, entry driverstate.Worker, job db.Job, args any, insert func(db.Tx) error) error {
	return m.db.Update(ctx, func(tx db.Tx) error {
		if err := insert(tx); err != nil {
			return err
		}
		w, j := entry, job
		if err := tx.WorkerCreate(ctx, &w); err != nil {
			return err
		}
		return m.enqueue(ctx, tx, &j, args)
	})
}

// runErrand takes the errand of j, does it, and writes what came of it.
func runErrand[T any](ctx context.Context, m *Manager, j db.Job, e errand[T]) error {
	var w *driverstate.Worker
	var row *T
	err := m.db.Update(ctx, func(tx db.Tx) (err error) {
		if w, err = m.take(ctx, tx, j); err == nil {
			row, err = e.read(ctx, tx)
		}
		return err
	})
	if err != nil {
		return notBegun(err)
	}
	m.took(j, w)
	begun := *row
	progress := m.follow(ctx, func(ctx context.Context, done, total int64) error {
		seen := begun
		e.count(&seen, done, total)
		return e.write(ctx, m.db, &seen)
	})
	err = e.work(ctx, row, progress)
	done, total := progress.stop()
	e.count(row, done, total)
	if err != nil && ctx.Err() == nil {
		markFailed(ctx)
	}
	e.end(ctx, row, err)
	ctx, cancel := settle(ctx)
	defer cancel()
	return m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.ours(ctx, tx, w); err != nil {
			return err
		}
		if err := e.write(ctx, tx, row); err != nil {
			return err
		}
		return tx.WorkerDestroy(ctx, e.resource, e.id)
	})
}
