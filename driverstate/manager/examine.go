package manager

import (
	"context"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Examine examines the drivers of the services, whether they are up or not.
// Only admins may: Cinder has no such call. ErrInvalidInput when none has the host,
// ErrNotSupported when a driver cannot be examined.
func (m *Manager) Examine(ctx context.Context, c driverstate.Caller, r driverstate.ExamineRequest) ([]driverstate.Examination, error) {
	if err := allow(c, "backup:examine"); err != nil {
		return nil, err
	}
	var (
		all   []driverstate.Examination
		hosts []string
	)
	for _, m := range m.peers() {
		hosts = append(hosts, m.cfg.Host)
		if r.Host != "" && r.Host != m.cfg.Host {
			continue
		}
		x := driverstate.Examination{Host: m.cfg.Host, Service: m.cfg.Driver.Service()}
		driver, ok := m.cfg.Driver.(driverstate.Examiner)
		if !ok {
			return nil, driverstate.Fail(driverstate.ErrNotSupported, fmt.Sprintf("the driver %s cannot be examined", x.Service))
		}
		var err error
		if x.Steps, err = m.examine(ctx, driver, r.ExamineOptions); err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	if all == nil {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("no service of this engine is on host %s: there are %s", r.Host, strings.Join(hosts, ", ")))
	}
	return all, nil
}

// examine takes the steps of driver. Stop ends it and waits for it, because what
// it has written has to be removed.
func (m *Manager) examine(ctx context.Context, driver driverstate.Examiner, o driverstate.ExamineOptions) (steps []driverstate.Step, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	run := func() {
		defer close(done)
		for step := range driver.Examine(ctx, o) {
			steps = append(steps, step)
		}
		err = ctx.Err()
	}
	if !m.background(func() {
		defer context.AfterFunc(m.ctx, cancel)()
		run()
	}) {
		run()
	}
	<-done
	return steps, err
}
