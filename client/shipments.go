package client

import (
	"context"
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Shipment is a copy of a backup from the store of an engine to another, or a
// comparison of two stores.
type Shipment struct {
	ID          string                     `json:"id"`
	BackupID    string                     `json:"backup_id"`
	To          string                     `json:"to"`
	Status      driverstate.ShipmentStatus `json:"status"`
	Landed      []Landed                   `json:"landed"` // parents before children
	Differences []driverstate.Difference   `json:"differences"`
	Compared    int                        `json:"compared"` // backups that both stores have
	Equal       int                        `json:"equal"`
	Warnings    []string                   `json:"warnings"`
	BytesDone   int64                      `json:"bytes_done"` // volume bytes
	BytesTotal  int64                      `json:"bytes_total"`
	Error       string                     `json:"error"`
	Fault       string                     `json:"fault"` // kind of Error
}

// Landed is a backup that is at the target, whole.
type Landed struct {
	BackupID        string `json:"backup_id"`
	Container       string `json:"container"`
	ServiceMetadata string `json:"service_metadata"`
	Objects         int    `json:"objects"`
	Bytes           int64  `json:"bytes"`         // that were sent
	ObjectsKept     int    `json:"objects_kept"`  // that were there already
	WasThere        bool   `json:"was_there"`     // all of it was
	Record          Record `json:"backup-record"` // for the site of the target
}

// ShipOpts ask for a shipment; the fields are those of driverstate.ShipRequest.
type ShipOpts = driverstate.ShipRequest

// StartShipment starts a shipment. A cloud answers ErrNotSupported.
func (c *Client) StartShipment(ctx context.Context, o ShipOpts) (Shipment, error) {
	k := call{method: http.MethodPost, path: []string{"shipments"}, resource: "backup", id: o.BackupID, extension: true,
		body: map[string]any{"shipment": o}, ok: []int{http.StatusAccepted}}
	return c.shipment(ctx, k)
}

func (c *Client) shipment(ctx context.Context, k call) (Shipment, error) {
	var answer struct {
		Shipment Shipment `json:"shipment"`
	}
	err := c.do(ctx, k, &answer)
	return answer.Shipment, err
}

func (c *Client) showShipment(ctx context.Context, id string) (Shipment, error) {
	if err := checkID("shipment", id); err != nil {
		return Shipment{}, err
	}
	return c.shipment(ctx, call{method: http.MethodGet, path: []string{"shipments", id}, resource: "shipment", id: id, extension: true})
}

// CancelShipment ends a shipment that runs: ErrInvalidStatus when it has ended.
func (c *Client) CancelShipment(ctx context.Context, id string) error {
	if err := checkID("shipment", id); err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodDelete, path: []string{"shipments", id}, resource: "shipment", id: id, extension: true,
		ok: []int{http.StatusAccepted}}, nil)
}

// WaitShipment returns a shipment when it has ended. One that failed is an
// error of the kind that the engine met.
func (c *Client) WaitShipment(ctx context.Context, id string) (Shipment, error) {
	var s Shipment
	err := c.poll(ctx, func(ctx context.Context) (done bool, err error) {
		s, err = c.showShipment(ctx, id)
		return err == nil && s.Status != driverstate.ShipmentRunning, err
	})
	if err == nil && s.Status != driverstate.ShipmentDone {
		err = driverstate.Fail(driverstate.FaultKind(s.Fault), s.Error)
	}
	return s, err
}

// cancelTime bounds the call that cancels the shipment of one who does not wait
// any more.
const cancelTime = 10 * time.Second

// Ship starts a shipment and waits for its end; when ctx ends, it is cancelled.
func (c *Client) Ship(ctx context.Context, o ShipOpts) (Shipment, error) {
	started, err := c.StartShipment(ctx, o)
	if err != nil {
		return started, err
	}
	s, err := c.WaitShipment(ctx, started.ID)
	if ctx.Err() != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
		defer cancel()
		if late := c.CancelShipment(stopping, started.ID); late != nil {
			c.log.Debug("shipment could not be cancelled", "shipment", started.ID, "error", late)
		}
	}
	return s, err
}
