package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// volumeBackend is the backend part of the volume service's host. Clients
// expect the form host@backend (tempest, VolumesServicesTestJSON).
const volumeBackend = "@file"

// Start takes over what an earlier process left, sets up the driver once, and
// begins to work the queue of the host. A driver that cannot be set up is no
// error: the service is then down, says why in its row, and comes up by
// itself when a later attempt succeeds. ctx bounds Start only.
func (m *Manager) Start(ctx context.Context) error {
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := m.start(ctx); err != nil {
		m.cancel()
		m.wg.Wait()
		return err
	}
	m.background(m.heartbeat)
	m.background(m.watchDriver)
	if m.cfg.Cluster != "" {
		m.background(m.watch)
	}
	return nil
}

func (m *Manager) start(ctx context.Context) error {
	m.mu.Lock()
	m.driver = driverState{reason: "the driver is being set up"}
	m.lookedForStrays = m.cfg.Now() // a start takes off what is there
	m.mu.Unlock()
	if err := m.report(ctx); err != nil {
		return fmt.Errorf("register the services of host %s: %w", m.cfg.Host, err)
	}
	if m.cfg.Cluster != "" {
		binaries := []driverstate.Binary{driverstate.BinaryBackup}
		if m.volumeKeeper() == m {
			binaries = append(binaries, driverstate.BinaryVolume)
		}
		for _, binary := range binaries {
			if err := m.db.ClusterEnsure(ctx, &driverstate.Cluster{Name: m.cfg.Cluster, Binary: binary}); err != nil {
				return fmt.Errorf("register the cluster %s: %w", m.cfg.Cluster, err)
			}
		}
	}
	if err := m.takeOver(ctx); err != nil {
		return fmt.Errorf("take over the rows of host %s: %w", m.cfg.Host, err)
	}
	m.initDriver(ctx)
	queue, err := m.db.Work(m.ctx, db.WorkOptions{Runner: m.cfg.Host, Queues: m.queues(), Parallel: m.cfg.Jobs}, m.handle)
	if err != nil {
		return fmt.Errorf("work the queues of host %s: %w", m.cfg.Host, err)
	}
	m.queue = queue
	return nil
}

// Stop cancels the work in progress and waits until its rows are true: a
// restore ends as a failed one, a delete or import is left for the next Start.
func (m *Manager) Stop(ctx context.Context) error {
	if m.cancel == nil {
		return nil
	}
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
	var err error
	if m.queue != nil {
		err = m.queue.Stop(ctx)
	}
	m.cancel()
	done := make(chan struct{})
	go func() {
		m.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// background runs f in a goroutine that Stop waits for; after Stop, or before
// Start, it does nothing and returns false.
func (m *Manager) background(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == nil || m.stopped {
		return false
	}
	m.wg.Go(f)
	return true
}

func (m *Manager) heartbeat() {
	tick := time.NewTicker(m.cfg.ReportInterval)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		if err := m.report(m.ctx); err != nil && m.ctx.Err() == nil {
			m.log.ErrorContext(m.ctx, "heartbeat failed", "host", m.cfg.Host, "error", err)
		} else if err == nil {
			m.autoCleanup(m.ctx)
			if err := m.dropStrays(m.ctx); err != nil && m.ctx.Err() == nil {
				m.log.WarnContext(m.ctx, "looking for jobs that nobody runs", "host", m.cfg.Host, "error", err)
			}
		}
	}
}

// report writes the heartbeat of the services of m. One that comes
// too late finds the process fenced: it may have been stopped for a while.
func (m *Manager) report(ctx context.Context) error {
	if m.isSilent() {
		m.fence()
	}
	// One at a time, or the reason of an older one would stay.
	m.reporting.Lock()
	defer m.reporting.Unlock()
	ctx, cancel := context.WithTimeout(ctx, m.cfg.ServiceDownTime)
	defer cancel()
	begun := m.cfg.Now()
	reason := m.downReason()
	rows := []*driverstate.Service{
		{Binary: driverstate.BinaryBackup, Host: m.cfg.Host, AvailabilityZone: m.cfg.AvailabilityZone, Cluster: m.cfg.Cluster, Reason: reason},
	}
	if m.volumeKeeper() == m {
		rows = append(rows, &driverstate.Service{
			Binary: driverstate.BinaryVolume, Host: m.volumeHost(), AvailabilityZone: m.cfg.AvailabilityZone, Cluster: m.cfg.Cluster,
		})
	}
	for _, s := range rows {
		s.UpdatedAt, s.Version = m.cfg.Now().UTC(), serviceVersion
		if err := m.db.ServiceUpsert(ctx, s); err != nil {
			return err
		}
		m.mu.Lock()
		m.services[s.Binary] = s.ID
		m.reported = s.UpdatedAt
		m.mu.Unlock()
	}
	m.heardOfUs(begun)
	return nil
}

// requireUp answers ErrServiceDown unless a backup service that does our work
// is up and enabled: this one, or another member of the cluster. The zone of a
// backup is not asked: these are the only services that have its rows, and a
// changed zone must not lock them.
func (m *Manager) requireUp(ctx context.Context) error {
	rows, err := m.db.ServiceGetAll(ctx)
	if err != nil {
		return err
	}
	disabled, err := disabledClusters(ctx, m.db, driverstate.BinaryBackup)
	if err != nil {
		return err
	}
	for _, s := range rows {
		own := s.Host == m.cfg.Host
		if s.Binary != driverstate.BinaryBackup || !own && (s.Cluster == "" || s.Cluster != m.cfg.Cluster) {
			continue
		}
		if s.Disabled || disabled[s.Cluster] || own && !m.isReady() {
			continue
		}
		if s.Up(m.cfg.Now(), m.cfg.ServiceDownTime) {
			return nil
		}
	}
	return serviceDown(string(driverstate.BinaryBackup))
}

// requireDriver is requireUp for requests of our own, which say why.
func (m *Manager) requireDriver() error {
	if m.isReady() {
		return nil
	}
	return refuse("service", string(driverstate.BinaryBackup), driverstate.ErrUnavailable,
		"backup service on host "+m.cfg.Host+" is down: "+m.downReason())
}

// Services lists all services; admin only.
func (m *Manager) Services(ctx context.Context, c driverstate.Caller) ([]driverstate.ServiceState, error) {
	if err := allow(c, "volume_extension:services:index"); err != nil {
		return nil, err
	}
	rows, err := m.db.ServiceGetAll(ctx)
	if err != nil {
		return nil, err
	}
	now := m.cfg.Now()
	states := make([]driverstate.ServiceState, 0, len(rows))
	for _, s := range rows {
		states = append(states, driverstate.ServiceState{Service: *s, Up: s.Up(now, m.cfg.ServiceDownTime)})
	}
	return states, nil
}

// SetService lets a service take new work or keeps it from it; admin only. What
// it is doing goes on. Unlike in Cinder the service does not count as heard of
// by it.
func (m *Manager) SetService(ctx context.Context, c driverstate.Caller, set driverstate.ServiceSetting) error {
	if err := allow(c, "volume_extension:services:update"); err != nil {
		return err
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		rows, err := tx.ServiceGetAll(ctx)
		if err != nil {
			return err
		}
		for _, s := range rows {
			if s.Host == set.Host && s.Binary == set.Binary {
				s.Disabled, s.DisabledReason = set.Disabled, set.Reason
				return tx.ServiceUpdate(ctx, s)
			}
		}
		return refuse("service", string(set.Binary), driverstate.ErrNotFound,
			fmt.Sprintf("Service %s could not be found on host %s.", set.Binary, set.Host))
	})
}

// takesVolumes reports whether our volume service and its cluster are enabled.
func (m *Manager) takesVolumes(ctx context.Context) (bool, error) {
	disabled, err := disabledClusters(ctx, m.db, driverstate.BinaryVolume)
	if err != nil || disabled[m.cfg.Cluster] {
		return false, err
	}
	rows, err := m.db.ServiceGetAll(ctx)
	for _, s := range rows {
		if s.Binary == driverstate.BinaryVolume && s.Host == m.volumeHost() {
			return !s.Disabled, err
		}
	}
	return true, err
}
