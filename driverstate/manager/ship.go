package manager

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// CreateShipment starts a copy of a backup, with a row or without, to another
// store, or a comparison of stores. Only admins may: Cinder has no such call.
func (m *Manager) CreateShipment(ctx context.Context, c driverstate.Caller, r driverstate.ShipRequest) (*driverstate.Shipment, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := allow(c, "backup:ship"); err != nil {
		return nil, err
	}
	if err := m.requireDriver(); err != nil {
		return nil, err
	}
	if m.cfg.Ship == nil {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "this engine cannot ship backups")
	}
	s := &driverstate.Shipment{ID: m.cfg.NewID(), Request: r, Status: driverstate.ShipmentRunning, CreatedAt: m.cfg.Now().UTC()}
	// The environment and the pipes of a target are this process's.
	err := m.beginErrand(ctx, driverstate.Worker{ResourceType: shipmentResource, ResourceID: s.ID, Status: intentShip},
		db.Job{Kind: db.JobShip, BackupID: jobOf(s), Queue: m.cfg.Host}, shipArgs{ShipmentID: s.ID},
		func(tx db.Tx) error { return tx.ShipmentCreate(ctx, s) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// jobOf is what the job of a shipment is filed under.
func jobOf(s *driverstate.Shipment) string { return cmp.Or(s.Request.BackupID, s.ID) }

// Shipment returns one shipment and what it has brought so far.
func (m *Manager) Shipment(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Shipment, error) {
	if err := allow(c, "backup:ship"); err != nil {
		return nil, err
	}
	s, err := m.db.ShipmentGet(ctx, id)
	if err != nil {
		return nil, named(err, refuse("shipment", id, driverstate.ErrNotFound, "Shipment "+id+" could not be found."))
	}
	return s, nil
}

// CancelShipment ends a shipment that runs. What it has brought stays at the
// target, and another goes on from there.
func (m *Manager) CancelShipment(ctx context.Context, c driverstate.Caller, id string) error {
	s, err := m.Shipment(ctx, c, id)
	if err != nil {
		return err
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		s, err := tx.ShipmentGet(ctx, id)
		if err != nil {
			return err
		}
		s.Status, s.Error, s.FinishedAt = driverstate.ShipmentCancelled, "cancelled", m.cfg.Now().UTC()
		if err := tx.ShipmentUpdate(ctx, s); err != nil {
			return err
		}
		return tx.WorkerDestroy(ctx, shipmentResource, id)
	})
	if errors.Is(err, driverstate.ErrConflict) {
		return refuse("shipment", id, driverstate.ErrInvalidStatus, "Shipment "+id+" has ended: it is "+string(s.Status)+".")
	}
	if err != nil {
		return err
	}
	its := func(j db.Job) bool {
		key, ok := entryOf(j)
		return ok && key == entryKey{shipmentResource, id}
	}
	for _, p := range m.peers() {
		for _, t := range p.cancelWork(jobOf(s), its) {
			if err := t.wait(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// CreateShipment is Manager.CreateShipment of the service of the backup, or, if
// it has no row, of the one on whose store it is found; a comparison is for any.
func (s *Stores) CreateShipment(ctx context.Context, c driverstate.Caller, r driverstate.ShipRequest) (*driverstate.Shipment, error) {
	if err := allow(c, "backup:ship"); err != nil {
		return nil, err
	}
	if r.Mode != driverstate.ShipCopy {
		return s.Manager.CreateShipment(ctx, c, r)
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	m, err := s.locate(ctx, r.BackupID)
	if err != nil {
		return nil, err
	}
	return m.CreateShipment(ctx, c, r)
}

func (m *Manager) runShip(ctx context.Context, j db.Job) error {
	var args shipArgs
	if err := json.Unmarshal(j.Args, &args); err != nil {
		return fmt.Errorf("arguments of job %d: %w", j.ID, err)
	}
	return runErrand(ctx, m, j, errand[driverstate.Shipment]{
		resource: shipmentResource, id: args.ShipmentID,
		read: func(ctx context.Context, rows errands) (*driverstate.Shipment, error) {
			return rows.ShipmentGet(ctx, args.ShipmentID)
		},
		write: func(ctx context.Context, rows errands, s *driverstate.Shipment) error {
			return rows.ShipmentUpdate(ctx, s)
		},
		count: func(s *driverstate.Shipment, done, total int64) { s.BytesDone, s.BytesTotal = done, total },
		work: func(ctx context.Context, s *driverstate.Shipment, obs driverstate.Observer) (err error) {
			s.Result, err = m.ship(ctx, s.Request, obs)
			return err
		},
		end: m.endShipment,
	})
}

func (m *Manager) endShipment(ctx context.Context, s *driverstate.Shipment, err error) {
	s.FinishedAt = m.cfg.Now().UTC()
	switch {
	case err == nil:
		s.Status = driverstate.ShipmentDone
	case ctx.Err() != nil:
		s.Status, s.Error = driverstate.ShipmentFailed, stopCause(ctx).Error()
	default:
		s.Status, s.Error, s.Fault = driverstate.ShipmentFailed, err.Error(), driverstate.FaultOf(err)
	}
}

func (m *Manager) ship(ctx context.Context, r driverstate.ShipRequest, obs driverstate.Observer) (driverstate.ShipResult, error) {
	if r.Mode == driverstate.ShipCompare {
		return m.cfg.Ship(ctx, m.cfg.Driver, r, nil, obs)
	}
	line, err := m.shipLine(ctx, r)
	if err != nil {
		return driverstate.ShipResult{}, err
	}
	return m.cfg.Ship(ctx, m.cfg.Driver, r, line, obs)
}

// shipLine is what is to be shipped with all that it stands on, the full backup
// first, as far as the store has it.
func (m *Manager) shipLine(ctx context.Context, r driverstate.ShipRequest) ([]driverstate.ShipItem, error) {
	scanner, err := m.scanner()
	if err != nil {
		return nil, err
	}
	tip, err := m.find(ctx, scanner, r.BackupID, "")
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil, m.absent(ctx, r.BackupID)
	}
	if err != nil {
		return nil, err
	}
	if tip.Condition != driverstate.ConditionWhole {
		return nil, refuseBackup(r.BackupID, driverstate.ErrCorrupt, "it is "+string(tip.Condition)+": "+faultOf(&tip))
	}
	line, err := m.lookBelow(ctx, scanner, tip)
	if err != nil {
		return nil, err
	}
	if judged := &line[0]; judged.Condition != driverstate.ConditionWhole && (r.Chain || r.Flatten) {
		return nil, refuseBackup(r.BackupID, driverstate.ErrCorrupt, "it is "+string(judged.Condition)+": "+faultOf(judged))
	}
	items := make([]driverstate.ShipItem, len(line))
	for i := range line {
		row, err := m.shippedRow(ctx, &line[i].Backup)
		if err != nil {
			return nil, err
		}
		items[i] = driverstate.ShipItem{At: line[i].Backup, Row: *row}
	}
	slices.Reverse(items)
	return items, nil
}

// absent is the error for a backup of which the store holds nothing.
func (m *Manager) absent(ctx context.Context, id string) error {
	if _, err := m.db.BackupGet(ctx, id); err != nil {
		return named(err, backupNotFound(id))
	}
	return refuseBackup(id, driverstate.ErrCorrupt, "the store holds nothing of it")
}

// shippedRow is the row of a backup that was found; without one, what the store
// keeps of its record, or tells by itself.
func (m *Manager) shippedRow(ctx context.Context, found *driverstate.Backup) (*driverstate.Backup, error) {
	row, err := m.db.BackupGet(ctx, found.ID)
	if err == nil {
		if row.CreatedAt.IsZero() {
			row.CreatedAt = found.CreatedAt
		}
		row.Size = max(row.Size, found.Size)
		return row, nil
	}
	if !errors.Is(err, driverstate.ErrNotFound) {
		return nil, err
	}
	if keeper, ok := m.cfg.Driver.(driverstate.RecordKeeper); ok {
		if r, ok := keeper.KeptRecord(found.ID); ok {
			if decoded, err := driverstate.DecodeRecord(r); err == nil {
				return &decoded.Backup, nil
			}
		}
	}
	return found, nil
}

// failShipment ends a shipment whose process died. What it has brought stays at
// the target.
func (m *Manager) failShipment(ctx context.Context, tx db.Tx, id string) error {
	s, err := tx.ShipmentGet(ctx, id)
	if err == nil && s.Status == driverstate.ShipmentRunning {
		s.Status, s.Error, s.FinishedAt = driverstate.ShipmentFailed, "interrupted by a restart of the service: ship it again, and it goes on", m.cfg.Now().UTC()
		err = tx.ShipmentUpdate(ctx, s)
	}
	if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
		return err
	}
	return tx.WorkerDestroy(ctx, shipmentResource, id)
}
