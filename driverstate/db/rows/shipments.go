package rows

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

var shipmentTable = table{"shipment", "shipments", []string{
	"id", "backup_id", "request", "status", "result", "error", "fault", "bytes_done", "bytes_total", "created_at", "finished_at",
}}

func shipmentFields(s *driverstate.Shipment) []field {
	return []field{
		text[string]{&s.ID}, text[string]{&s.Request.BackupID}, document{&s.Request}, text[driverstate.ShipmentStatus]{&s.Status},
		document{&s.Result}, prose{&s.Error}, text[string]{&s.Fault},
		number[int64]{&s.BytesDone}, number[int64]{&s.BytesTotal}, stamp{&s.CreatedAt}, stamp{&s.FinishedAt},
	}
}

// ShipmentCreate inserts s; ErrConflict if its id exists.
func (r Rows) ShipmentCreate(ctx context.Context, s *driverstate.Shipment) error {
	return r.add(ctx, shipmentTable, shipmentFields(s), s.ID)
}

// ShipmentGet returns the shipment of id.
func (r Rows) ShipmentGet(ctx context.Context, id string) (*driverstate.Shipment, error) {
	s := new(driverstate.Shipment)
	if err := r.get(ctx, shipmentTable, shipmentFields(s), "id = ?", id); err != nil {
		return nil, err
	}
	return s, nil
}

// ShipmentUpdate writes every column of s while the row says that it runs.
func (r Rows) ShipmentUpdate(ctx context.Context, s *driverstate.Shipment) error {
	done, err := r.put(ctx, shipmentTable, shipmentFields(s), " AND status = ?", string(driverstate.ShipmentRunning))
	if err == nil && !done {
		return moved("shipment", s.ID, "it has ended")
	}
	return err
}
