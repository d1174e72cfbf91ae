package manager

import (
	"context"
	"errors"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// watch runs in a member of a cluster. It cancels work that is this process's
// no longer, because a request that another member answered stopped it, and
// all work when the process could not be heard of for so long that the others
// may take it for dead and do its work.
func (m *Manager) watch() {
	tick := time.NewTicker(m.cfg.WatchInterval)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		if m.isSilent() {
			m.fence()
		} else if err := m.dropLost(m.ctx, ""); err != nil && m.ctx.Err() == nil {
			m.log.WarnContext(m.ctx, "looking after the work under way", "host", m.cfg.Host, "error", err)
		}
	}
}

// dropLost cancels the tasks of a backup, of all when id is empty, whose work
// was stopped or taken over.
func (m *Manager) dropLost(ctx context.Context, id string) error {
	tasks := m.claimed(id)
	if len(tasks) == 0 {
		return nil
	}
	all, err := m.db.WorkerGetAll(ctx, m.backupService())
	if err != nil {
		return err
	}
	still := map[int64]int{}
	for _, w := range all {
		still[w.ID] = w.RacePreventer
	}
	for _, t := range tasks {
		if race, ok := still[t.claim.ID]; !ok || race != t.claim.RacePreventer {
			t.cancel(errSuperseded)
		} else if err := m.dropMoot(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// dropMoot cancels work whose volume is being deleted, and a verification or a
// shipment whose backup is.
func (m *Manager) dropMoot(ctx context.Context, t *task) error {
	if t.job.VolumeID != "" {
		v, err := m.db.VolumeGet(ctx, t.job.VolumeID)
		if errors.Is(err, driverstate.ErrNotFound) || err == nil && v.Status == driverstate.VolumeDeleting {
			t.cancel(errVolumeDeleted)
			return nil
		}
		return err
	}
	if moves(t.job) {
		return nil
	}
	b, err := m.db.BackupGet(ctx, t.job.BackupID)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil // one without a row may be verified too
	}
	if err == nil && b.Status == driverstate.StatusDeleting {
		t.cancel(errSuperseded)
	}
	return err
}

// isSilent reports whether the others of the cluster may take this process for
// dead. Wall clock: a monotonic one may stand still while a machine sleeps.
func (m *Manager) isSilent() bool {
	if m.cfg.Cluster == "" {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.beat.IsZero() && m.cfg.Now().Round(0).Sub(m.beat) >= m.cfg.ServiceDownTime
}

func (m *Manager) isFenced() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fenced
}

// fence cancels all work and lets no other begin until a heartbeat was written
// and what this process had was looked through, as after a restart.
func (m *Manager) fence() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fenced {
		m.refenced = true
		return
	}
	m.log.ErrorContext(m.ctx, "no heartbeat could be written for too long: work is stopped, since others may do it",
		"host", m.cfg.Host, "last", m.beat)
	m.stopClaimed()
}

// Disown stops the work of this process, whose host another process has become,
// for good: what it had is that one's. Stop is to follow.
func (m *Manager) Disown() {
	for _, p := range m.peers() {
		p.mu.Lock()
		p.stopped = true // or a heartbeat would end the fence
		p.stopClaimed()
		p.mu.Unlock()
	}
}

// stopClaimed is what a fence does, under mu.
func (m *Manager) stopClaimed() {
	m.fenced = true
	for _, of := range m.tasks {
		for t := range of {
			if t.claim != nil || t.job.Kind == db.JobCleanup {
				t.cancel(errFenced)
			}
		}
	}
}

// heardOfUs notes a heartbeat that was written at now, and has looked through
// what was left unsaid: by a fence, or by a job that could not write its
// outcome.
func (m *Manager) heardOfUs(now time.Time) {
	m.mu.Lock()
	m.beat = now.Round(0)
	begin := (m.fenced || m.unsaid) && !m.reclaiming
	m.reclaiming = m.reclaiming || begin
	m.mu.Unlock()
	if begin {
		m.background(m.reclaim)
	}
}

// reclaim resolves what this process had in work, has no task for any more, and
// nobody took over. It ends a fence, unless another silence came between.
func (m *Manager) reclaim() {
	m.mu.Lock()
	fenced := m.fenced
	m.refenced, m.unsaid = false, false
	m.mu.Unlock()
	if fenced {
		for _, t := range m.claimed("") {
			select {
			case <-t.done:
			case <-m.ctx.Done():
				return
			}
		}
	}
	// What was being written is looked at when the store is there again.
	ready, later := m.isReady(), false
	which := func(w *driverstate.Worker) bool {
		if !ready && !withoutDriver(w) {
			later = true
			return false
		}
		return m.begun(w)
	}
	err := m.cfg.KeepHost(m.ctx) // what another process of this name has in work looks like ours
	if err == nil {
		err = m.takeEntries(m.ctx, m.backupService(), m.cfg.Host, which, anyTime)
	}
	if err != nil && m.ctx.Err() == nil {
		m.log.ErrorContext(m.ctx, "taking up what was left unsaid", "host", m.cfg.Host, "error", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// Another heartbeat tries again.
	m.reclaiming = false
	m.unsaid = m.unsaid || err != nil || later
	m.fenced = m.fenced && (m.stopped || !fenced || err != nil || m.refenced)
}

// leave ends a task. One whose entry is still as it claimed it has not written
// its outcome: it was fenced, or the database failed it. The next heartbeat
// then has it resolved.
func (m *Manager) leave(t *task) {
	m.end(t)
	w := t.claim
	if w == nil || m.ctx.Err() != nil {
		return // the next start resolves it
	}
	ctx, cancel := settle(m.ctx)
	defer cancel()
	if still, err := standsAs(ctx, m.db, w); err == nil && !still {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unsaid = true
}

// claimed are the tasks of a backup, of all when id is empty, that have
// claimed their entry.
func (m *Manager) claimed(id string) []*task {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []*task
	for backup, of := range m.tasks {
		if id != "" && backup != id {
			continue
		}
		for t := range of {
			if t.claim != nil {
				found = append(found, t)
			}
		}
	}
	return found
}

// holds reports whether a task of this process has claimed the entry, and not
// only an earlier one of the same resource.
func (m *Manager) holds(w *driverstate.Worker) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, of := range m.tasks {
		for t := range of {
			if t.claim != nil && t.claim.ID == w.ID {
				return true
			}
		}
	}
	return false
}

// begun is false for an entry whose job is about to claim it, or has claimed it
// and not yet noted that.
func (m *Manager) begun(w *driverstate.Worker) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, of := range m.tasks {
		for t := range of {
			if key, ok := entryOf(t.job); ok && t.claim == nil && key == keyOf(w) {
				return false
			}
		}
	}
	return true
}

// took notes what the task of j has claimed.
func (m *Manager) took(j db.Job, w *driverstate.Worker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t := range m.tasks[j.BackupID] {
		if t.job.ID == j.ID {
			t.claim = w
		}
	}
}
