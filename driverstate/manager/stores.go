package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Store is one store of a process and the name that its service has besides
// the host; the store without a name has the host's alone.
type Store struct {
	Name             string
	Driver           driverstate.Driver
	AvailabilityZone string // that of the configuration when empty
	ProgressTimer    bool   // notifications by time, as Config.ProgressInterval says
}

// Stores are the backup services of one process, one for each of its stores:
// each a Manager with a row, heartbeat, driver, queue and cluster of its own, as
// several cinder-backup on one machine and one database would be. A backup is
// the business of the service of its host. The Manager of the store without a
// name, or else the first, keeps the volumes and answers what is not about a
// store.
type Stores struct {
	*Manager
	all []*Manager // in the order given
}

// NewStores returns the services of stores, which are not started. c is what
// they share: its Host is the machine's, HOST of a store without a name and
// HOST@NAME of one with; a cluster is named in the same way. Its Driver is not
// looked at.
func NewStores(c Config, stores []Store) (*Stores, error) {
	s := &Stores{}
	for _, of := range stores {
		own := c
		own.Driver, own.VolumeHost = of.Driver, c.Host
		if of.Name != "" {
			own.Host += "@" + of.Name
			if c.Cluster != "" {
				own.Cluster += "@" + of.Name
			}
		}
		if !of.ProgressTimer {
			own.ProgressInterval = 0
		}
		if of.AvailabilityZone != "" {
			own.AvailabilityZone = of.AvailabilityZone
		}
		m, err := New(own)
		if err != nil {
			return nil, err
		}
		m.group = s
		s.all = append(s.all, m)
		if s.Manager == nil || of.Name == "" {
			s.Manager = m
		}
	}
	if len(s.all) == 0 {
		return nil, errors.New("manager: no store")
	}
	return s, nil
}

// storeName is the part of a service's host that names its store.
func storeName(host string) string {
	_, name, _ := strings.Cut(host, "@")
	return name
}

// of is the Manager of the store that the service of a host works on: also of
// one on another machine, which shares the store, and of an earlier name of
// this machine. nil when this process has no such store.
func (s *Stores) of(host string) *Manager {
	if host == "" {
		return s.Manager // nobody's
	}
	for _, m := range s.all {
		if m.cfg.Host == host {
			return m
		}
	}
	for _, m := range s.all {
		if storeName(m.cfg.Host) == storeName(host) {
			return m
		}
	}
	return nil
}

// keeps reports whether the objects of b are in the store of m.
func (m *Manager) keeps(b *driverstate.Backup) bool {
	return m.group == nil || m.group.of(b.Host) == m
}

// apart reports whether what two hosts have is known to lie in different
// stores.
func (m *Manager) apart(a, b string) bool {
	if m.group == nil {
		return false
	}
	x, y := m.group.of(a), m.group.of(b)
	return x != nil && y != nil && x != y
}

// peers are the Managers of this process.
func (m *Manager) peers() []*Manager {
	if m.group == nil {
		return []*Manager{m}
	}
	return m.group.all
}

// volumeKeeper is the Manager that makes and removes volumes.
func (m *Manager) volumeKeeper() *Manager {
	if m.group == nil {
		return m
	}
	return m.group.Manager
}

// volumeHost is the host of the volume service.
func (m *Manager) volumeHost() string { return m.cfg.VolumeHost + volumeBackend }

// Start starts every service, all at once: a store that does not answer must
// not keep the others waiting.
func (s *Stores) Start(ctx context.Context) error {
	err := s.each(func(m *Manager) error { return m.Start(ctx) })
	if err != nil {
		stopping, cancel := settle(ctx)
		defer cancel()
		err = errors.Join(err, s.Stop(stopping))
	}
	return err
}

// Stop stops every service.
func (s *Stores) Stop(ctx context.Context) error {
	return s.each(func(m *Manager) error { return m.Stop(ctx) })
}

func (s *Stores) each(f func(*Manager) error) error {
	failed := make([]error, len(s.all))
	var wg sync.WaitGroup
	for i, m := range s.all {
		wg.Go(func() { failed[i] = f(m) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

// States are those of the services, by host.
func (s *Stores) States(ctx context.Context) (map[string]State, error) {
	states := make(map[string]State, len(s.all))
	var failed error
	for _, m := range s.all {
		state, err := m.State(ctx)
		states[m.cfg.Host], failed = state, errors.Join(failed, err)
	}
	return states, failed
}

// serving is the Manager that does what is asked of a backup which c may see.
// As in Cinder, a backup whose service is not there cannot be worked on.
func (s *Stores) serving(ctx context.Context, c driverstate.Caller, id string) (*Manager, *driverstate.Backup, error) {
	b, err := s.visible(ctx, c, id)
	if err != nil {
		return nil, nil, err
	}
	m := s.of(b.Host)
	if m == nil && b.Service == "" {
		m = s.Manager // no store has anything of it
	}
	if m == nil {
		return nil, b, noSuchService(b.Host)
	}
	return m, b, nil
}

func noSuchService(host string) error {
	return refuse("service", string(driverstate.BinaryBackup), driverstate.ErrServiceDown,
		fmt.Sprintf("Service %s could not be found on host %s.", driverstate.BinaryBackup, host))
}

// DeleteBackup is Manager.DeleteBackup in the store of the backup.
func (s *Stores) DeleteBackup(ctx context.Context, c driverstate.Caller, id string, force bool) error {
	m, _, err := s.serving(ctx, c, id)
	if err != nil {
		return err
	}
	return m.DeleteBackup(ctx, c, id, force)
}

// ResetBackupStatus is Manager.ResetBackupStatus. To error it needs no store.
func (s *Stores) ResetBackupStatus(ctx context.Context, c driverstate.Caller, id string, to driverstate.Status) error {
	m, b, err := s.serving(ctx, c, id)
	if err != nil && b != nil && to == driverstate.StatusError {
		m, err = s.Manager, nil
	}
	if err != nil {
		return err
	}
	return m.ResetBackupStatus(ctx, c, id, to)
}

// RestoreBackup is Manager.RestoreBackup from the store of the backup.
func (s *Stores) RestoreBackup(ctx context.Context, c driverstate.Caller, id string, r driverstate.RestoreRequest) (driverstate.RestoreAnswer, error) {
	m, _, err := s.serving(ctx, c, id)
	if err != nil {
		return driverstate.RestoreAnswer{}, err
	}
	return m.RestoreBackup(ctx, c, id, r)
}

// CreateVolume is Manager.CreateVolume; one from a backup is restored to by
// the service of the backup.
func (s *Stores) CreateVolume(ctx context.Context, c driverstate.Caller, r driverstate.VolumeRequest) (*driverstate.Volume, error) {
	if r.BackupID == "" {
		return s.Manager.CreateVolume(ctx, c, r)
	}
	m, _, err := s.serving(ctx, c, r.BackupID)
	if err != nil {
		return nil, err
	}
	return m.CreateVolume(ctx, c, r)
}

// ExportRecord is Manager.ExportRecord of the service of the backup.
func (s *Stores) ExportRecord(ctx context.Context, c driverstate.Caller, id string) (driverstate.ExportedRecord, error) {
	m, _, err := s.serving(ctx, c, id)
	if err != nil {
		return driverstate.ExportedRecord{}, err
	}
	return m.ExportRecord(ctx, c, id)
}
