package manager

import (
	"context"
	"slices"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/db"
)

// dropStrays takes off the jobs that the database has this process run and that
// it does not run. River gives up telling a database that is away for some
// seconds that a job has ended (its internal/jobcompleter, withRetries), and may
// not hear of one that it was given. While this process lives nobody else takes
// them off, and a delete or a reset on another host would wait for them for
// ever. What was never begun is queued again.
func (m *Manager) dropStrays(ctx context.Context) error {
	m.mu.Lock()
	since := m.cfg.Now().Sub(m.lookedForStrays)
	m.mu.Unlock()
	if since >= 0 && since < m.cfg.ServiceDownTime/2 { // not a transaction for each heartbeat
		return nil
	}
	due, err := m.strays(ctx)
	if err != nil || len(due) == 0 {
		return err
	}
	if err := m.cfg.KeepHost(ctx); err != nil { // what another process of this name runs looks like ours
		return err
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		for _, j := range due {
			m.log.WarnContext(ctx, "a job is taken off that nobody runs", "job", j.ID, "kind", j.Kind, "backup", j.BackupID)
			if err := m.dropStray(ctx, tx, j); err != nil {
				return err
			}
		}
		return nil
	})
}

// strays are those that were seen ServiceDownTime ago already, which is longer
// than River goes on telling.
func (m *Manager) strays(ctx context.Context) (due []db.Job, err error) {
	var jobs []db.JobState
	err = m.db.Update(ctx, func(tx db.Tx) (err error) {
		jobs, err = tx.JobsRunBy(ctx, m.cfg.Host)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fenced || m.stopped {
		return nil, nil
	}
	running := map[int64]bool{}
	for _, of := range m.tasks {
		for t := range of {
			running[t.job.ID] = true
		}
	}
	now, seen := m.cfg.Now(), map[int64]time.Time{}
	m.lookedForStrays = now
	for _, s := range jobs {
		if running[s.ID] {
			continue
		}
		since, known := m.unrun[s.ID]
		if !known {
			since = now
		}
		seen[s.ID] = since
		if now.Sub(since) >= m.cfg.ServiceDownTime {
			due = append(due, s.Job)
		}
	}
	m.unrun = seen
	return due, nil
}

func (m *Manager) dropStray(ctx context.Context, tx db.Tx, j db.Job) error {
	key, has := entryOf(j)
	if !has {
		return again(ctx, tx, j)
	}
	all, err := entries(ctx, tx)
	if err != nil {
		return err
	}
	w := all[key]
	if w == nil || w.ServiceID != 0 {
		return tx.JobsDiscard(ctx, j.ID)
	}
	jobs, err := tx.JobsOf(ctx, j.BackupID)
	if err != nil {
		return err
	}
	carries := func(of db.Job) bool {
		about, has := entryOf(of)
		return has && about == key && slices.Contains(intentsOf[of.Kind], w.Status)
	}
	if !carries(j) || slices.ContainsFunc(jobs, func(s db.JobState) bool { return s.ID != j.ID && carries(s.Job) }) {
		return tx.JobsDiscard(ctx, j.ID)
	}
	return again(ctx, tx, j)
}
