package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
)

// DeviceServer serves an image as a block device.
type DeviceServer interface {
	URI() string
	// Serve serves until ctx ends.
	Serve(ctx context.Context) error
	Usage() driverstate.DeviceUsage
}

// device is one that is served.
type device struct {
	driverstate.Device
	server DeviceServer
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended
}

// devices are those of a process.
type devices struct {
	mu   sync.Mutex
	byID map[string]*device
}

// CreateDevice serves the image of a backup, with a row or without, as a
// read-only network block device of this process, until DeleteDevice or Stop.
// Only admins may: Cinder has no such call.
func (m *Manager) CreateDevice(ctx context.Context, c driverstate.Caller, r driverstate.DeviceRequest) (*driverstate.Device, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := allow(c, "backup:device"); err != nil {
		return nil, err
	}
	if m.cfg.Device == nil {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "this engine serves no block devices: an engine in the operator's own process does (--standalone)")
	}
	if err := m.requireDriver(); err != nil {
		return nil, err
	}
	imager, ok := m.cfg.Driver.(driverstate.Imager)
	if !ok {
		return nil, refuseBackup(r.BackupID, driverstate.ErrNotSupported, fmt.Sprintf(
			"the driver %s cannot read a backup at any offset: restore it to a file", m.cfg.Driver.Service()))
	}
	chain, err := m.deviceChain(ctx, r.BackupID)
	if err != nil {
		return nil, err
	}
	lasting, cancel := context.WithCancel(m.ctx)
	image, err := imager.OpenImage(lasting, chain)
	if err != nil {
		cancel()
		return nil, err
	}
	server, err := m.cfg.Device(ctx, r, image)
	if err != nil {
		cancel()
		return nil, joinQuiet(err, image.Close())
	}
	d := &device{server: server, cancel: cancel, ended: make(chan struct{})}
	d.Device = driverstate.Device{ID: m.cfg.NewID(), BackupID: r.BackupID, URI: server.URI(), Size: image.Size(), Warnings: image.Warnings(), CreatedAt: m.cfg.Now().UTC()}
	for _, b := range chain {
		d.Chain = append(d.Chain, b.ID)
	}
	serve := func() {
		defer close(d.ended)
		defer cancel()
		d.err = errors.Join(server.Serve(lasting), image.Close())
	}
	if !m.background(serve) {
		cancel()
		serve() // it hangs up at once
		return nil, driverstate.Fail(driverstate.ErrServiceDown, "the service is being stopped")
	}
	all := &m.volumeKeeper().devices
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.byID == nil {
		all.byID = map[string]*device{}
	}
	all.byID[d.ID] = d
	return d.show(), nil
}

// deviceChain is the chain of a backup as the store has it. One that is damaged
// is served as far as it goes; one of which a document is missing cannot be.
func (m *Manager) deviceChain(ctx context.Context, id string) (driverstate.Chain, error) {
	if b, err := m.db.BackupGet(ctx, id); err == nil && (b.Status == driverstate.StatusCreating || b.Status == driverstate.StatusDeleting) {
		return nil, refuseBackup(id, driverstate.ErrInvalidStatus, "it is "+string(b.Status))
	} else if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
		return nil, err
	}
	scanner, err := m.scanner()
	if err != nil {
		return nil, err
	}
	tip, err := m.find(ctx, scanner, id, "")
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil, m.absent(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	line, err := m.lookBelow(ctx, scanner, tip)
	if err != nil {
		return nil, err
	}
	last := &line[len(line)-1]
	if line[0].Condition == driverstate.ConditionOrphaned || last.Backup.Incremental() || last.Condition == driverstate.ConditionPartial {
		return nil, refuseBackup(id, driverstate.ErrCorrupt, "it is "+string(line[0].Condition)+": "+faultOf(&line[0]))
	}
	chain := make(driverstate.Chain, len(line))
	for i := range line {
		chain[i] = &line[i].Backup
	}
	slices.Reverse(chain)
	return chain, nil
}

// show is the device as it is now.
func (d *device) show() *driverstate.Device {
	shown := d.Device
	shown.DeviceUsage = d.server.Usage()
	select {
	case <-d.ended:
		shown.Error = "it has ended"
		if d.err != nil {
			shown.Error = d.err.Error()
		}
	default:
	}
	return &shown
}

func (m *Manager) device(c driverstate.Caller, id string) (*device, error) {
	if err := allow(c, "backup:device"); err != nil {
		return nil, err
	}
	all := &m.volumeKeeper().devices
	all.mu.Lock()
	defer all.mu.Unlock()
	if d := all.byID[id]; d != nil {
		return d, nil
	}
	return nil, refuse("device", id, driverstate.ErrNotFound, "Device "+id+" could not be found.")
}

// Device returns one device and what has come of it so far.
func (m *Manager) Device(_ context.Context, c driverstate.Caller, id string) (*driverstate.Device, error) {
	d, err := m.device(c, id)
	if err != nil {
		return nil, err
	}
	return d.show(), nil
}

// DeleteDevice hangs up on the clients of a device, and returns when nothing of
// it is left.
func (m *Manager) DeleteDevice(ctx context.Context, c driverstate.Caller, id string) error {
	d, err := m.device(c, id)
	if err != nil {
		return err
	}
	d.cancel()
	select {
	case <-d.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	all := &m.volumeKeeper().devices
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.byID, id)
	return nil
}

// CreateDevice is Manager.CreateDevice of the service of the backup, or, if it
// has no row, of the one on whose store it is found.
func (s *Stores) CreateDevice(ctx context.Context, c driverstate.Caller, r driverstate.DeviceRequest) (*driverstate.Device, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := allow(c, "backup:device"); err != nil {
		return nil, err
	}
	m, err := s.locate(ctx, r.BackupID)
	if err != nil {
		return nil, err
	}
	return m.CreateDevice(ctx, c, r)
}
