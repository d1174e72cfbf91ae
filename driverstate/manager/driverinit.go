package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// driverState is what is known of the driver. It is guarded by Manager.mu.
type driverState struct {
	ready   bool
	reason  string // why it is not
	everUp  bool   // it was set up once since Start
	resumed bool   // what an earlier process left was resumed
	// told is the reason of the last driver_init.error, so that an outage is
	// told once and not at every attempt.
	told string
	// trying is the attempt that has not returned: a store that hangs keeps
	// one goroutine, however often it is asked.
	trying chan error
}

// errNoAnswer is the reason while an attempt has not come back.
var errNoAnswer = errors.New("the store did not answer in time")

// watchDriver sets up a driver that is down on every InitInterval and looks at
// one that is up on every CheckInterval, for as long as the service runs. (In
// Cinder the loop ends at the first failure, so that a failed start stays down
// until a restart, and a store that goes away later is only reported.)
func (m *Manager) watchDriver() {
	for {
		pause, try := m.cfg.InitInterval, m.initDriver
		if m.isReady() {
			pause, try = m.cfg.CheckInterval, m.checkDriver
		} else if m.cfg.InitOnce {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-m.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			try(m.ctx)
		}
	}
}

// initDriver makes one attempt to set up the driver. Before the service is up
// for the first time, what the earlier process left is resumed, so that
// resumed and new work cannot be confused.
func (m *Manager) initDriver(ctx context.Context) {
	if m.toldReason() == "" {
		m.publish(ctx, eventDriverInitStart, m.driverPayload())
	}
	err := m.attempt(ctx, m.setUp)
	if err == nil && !m.isResumed() {
		if err = m.resume(ctx); err == nil {
			m.setResumed()
		}
	}
	if ctx.Err() != nil && err != nil {
		return
	}
	m.driverIs(ctx, err)
}

// checkDriver looks whether the store of a driver that is up can still be used.
func (m *Manager) checkDriver(ctx context.Context) {
	err := m.attempt(ctx, m.cfg.Driver.CheckForSetupError)
	if err != nil && ctx.Err() == nil {
		m.driverIs(ctx, err)
	}
}

func (m *Manager) setUp(ctx context.Context) error {
	if err := m.cfg.Driver.DoSetup(ctx); err != nil {
		return err
	}
	return m.cfg.Driver.CheckForSetupError(ctx)
}

// attempt runs f for at most InitTimeout. An f that does not come back, as on
// a network mount whose server is gone, is left in a goroutine that Stop waits
// for, and no other is begun beside it.
func (m *Manager) attempt(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.InitTimeout)
	defer cancel()
	m.mu.Lock()
	done := m.driver.trying
	begin := done == nil
	if begin {
		done = make(chan error, 1)
		m.driver.trying = done
	}
	m.mu.Unlock()
	if begin {
		m.wg.Go(func() {
			err := f(ctx)
			m.mu.Lock()
			m.driver.trying = nil
			m.mu.Unlock()
			done <- err
		})
	}
	select {
	case err := <-done:
		if !begin && err == nil {
			return fmt.Errorf("%w: it is asked again", errNoAnswer) // what an old attempt found is old
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w (%s)", errNoAnswer, m.cfg.InitTimeout)
	}
}

// driverIs makes the outcome of an attempt the state of the service: in its
// row, the log and, when it changed, in a notification.
func (m *Manager) driverIs(ctx context.Context, err error) {
	reason := ""
	if err != nil {
		reason = clip(err.Error())
	}
	m.mu.Lock()
	was, told := m.driver.ready, m.driver.told
	m.driver.ready, m.driver.reason, m.driver.told = err == nil, reason, reason
	m.driver.everUp = m.driver.everUp || err == nil
	m.mu.Unlock()
	p := m.driverPayload()
	switch {
	case err == nil && !was:
		m.log.InfoContext(ctx, "the backup service is up", "host", m.cfg.Host)
		m.publish(ctx, eventDriverInitEnd, p)
	case err != nil && reason != told:
		m.log.ErrorContext(ctx, "the backup service is down", "host", m.cfg.Host, "error", err)
		p.FailReason = reason
		m.publish(ctx, eventDriverInitError, p)
	}
	if err := m.report(ctx); err != nil && ctx.Err() == nil {
		m.log.ErrorContext(ctx, "heartbeat failed", "host", m.cfg.Host, "error", err)
	}
}

func (m *Manager) driverPayload() Payload {
	return Payload{Host: m.cfg.Host, Service: m.cfg.Driver.Service()}
}

func (m *Manager) isReady() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.driver.ready
}

func (m *Manager) downReason() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.driver.reason
}

func (m *Manager) toldReason() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.driver.told
}

func (m *Manager) isResumed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.driver.resumed
}

func (m *Manager) setResumed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.driver.resumed = true
}

// serviceDown is Cinder's answer when no service can do the work; name is the
// binary, or on import the service that the record names.
func serviceDown(name string) error {
	return refuse("service", name, driverstate.ErrServiceDown, "Service "+name+" could not be found.")
}
