package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// CleanupWorkers asks for the cleanup of what dead services left in the middle;
// admin only. The answer says who is being cleaned, not that it is done. Unlike
// in Cinder, backups are cleaned up too (cinder/api/v3/workers.py).
func (m *Manager) CleanupWorkers(ctx context.Context, c driverstate.Caller, f driverstate.CleanupFilter) (driverstate.CleanupResult, error) {
	var result driverstate.CleanupResult
	if err := allow(c, "workers:cleanup"); err != nil {
		return result, err
	}
	f, err := m.resolveResource(ctx, f)
	if err != nil {
		return result, err
	}
	until := m.cfg.Now()
	rows, err := m.db.ServiceGetAll(ctx)
	if err != nil {
		return result, err
	}
	if err := m.refuseUpgrade(rows, until); err != nil {
		return result, err
	}
	all, err := m.clusters(ctx)
	if err != nil {
		return result, err
	}
	clusters := map[clusterKey]driverstate.ClusterState{}
	for _, c := range all {
		clusters[clusterKey{c.Name, c.Binary}] = c
	}
	for _, s := range rows {
		up := m.heard(s, until)
		off, able := s.Disabled, up
		if s.Cluster != "" { // Cinder goes by the cluster's flag, and any member can do it
			of := clusters[clusterKey{s.Cluster, s.Binary}]
			off, able = of.Disabled, of.Up
		}
		switch {
		case !matches(s, f, up, off):
		case able, s.Binary == driverstate.BinaryScheduler:
			result.Cleaning = append(result.Cleaning, *s)
		default:
			left, err := m.leftSomething(ctx, s)
			if err != nil {
				return result, err
			}
			if left {
				result.Unavailable = append(result.Unavailable, *s)
			}
		}
	}
	for _, s := range result.Cleaning {
		if err := m.askCleanup(ctx, s, f, until); err != nil {
			return result, err
		}
	}
	return result, nil
}

// leftSomething reports whether a dead service may have left anything to clean
// up. A backup service that did not needs nobody: Cinder lists it all the same,
// for ever.
func (m *Manager) leftSomething(ctx context.Context, s *driverstate.Service) (left bool, err error) {
	if s.Binary != driverstate.BinaryBackup {
		return true, nil
	}
	claimed, err := m.db.WorkerGetAll(ctx, s.ID)
	if err != nil || len(claimed) > 0 {
		return true, err
	}
	for _, status := range unfinished {
		rows, err := m.db.BackupGetAll(ctx, driverstate.BackupFilter{Columns: map[string]string{"host": s.Host, "status": string(status)}})
		if err != nil || len(rows) > 0 {
			return true, err
		}
	}
	err = m.db.Update(ctx, func(tx db.Tx) error {
		jobs, err := tx.JobsRunBy(ctx, s.Host)
		left = len(jobs) > 0
		return err
	})
	return left, err
}

// clusterKey names a cluster.
type clusterKey struct {
	name   string
	binary driverstate.Binary
}

// askCleanup has the work of s cleaned up: by s itself if it lives, else by
// whichever member of its cluster is the first to take the request.
func (m *Manager) askCleanup(ctx context.Context, s driverstate.Service, f driverstate.CleanupFilter, until time.Time) error {
	job := db.Job{Kind: db.JobCleanup, Queue: cleanupQueue(s.Cluster)}
	switch {
	case s.Binary == driverstate.BinaryScheduler:
		return nil // the engine has none
	case m.heard(&s, until):
		job.Queue = s.Host
		if s.Binary == driverstate.BinaryVolume {
			job.Queue = hostPart(s.Host)
		}
	}
	args := cleanupArgs{ServiceID: s.ID, ResourceID: f.ResourceID, ResourceType: f.ResourceType, Until: until}
	return m.db.Update(ctx, func(tx db.Tx) error {
		j := job
		return m.enqueue(ctx, tx, &j, args)
	})
}

// heard reports whether a service was heard of lately. Unlike Up it does not
// ask whether the driver is ready: a process that lives cleans up itself.
func (m *Manager) heard(s *driverstate.Service, now time.Time) bool {
	last := s.UpdatedAt
	if last.IsZero() {
		last = s.CreatedAt
	}
	return now.Sub(last) <= m.cfg.ServiceDownTime
}

// resolveResource adds to a filter that names only a resource the service that
// works on it.
func (m *Manager) resolveResource(ctx context.Context, f driverstate.CleanupFilter) (driverstate.CleanupFilter, error) {
	if f.ResourceID == nil || f.ServiceID != nil || f.ClusterName != nil || f.Host != nil {
		return f, nil
	}
	all, err := m.db.WorkerGetAll(ctx, 0)
	if err != nil {
		return f, err
	}
	var found []*driverstate.Worker
	for _, w := range all {
		if w.ResourceID == *f.ResourceID && cleanable(w) && wanted(w, f) {
			found = append(found, w)
		}
	}
	switch len(found) {
	case 0:
		return f, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("There is no resource with UUID %s pending cleanup.", *f.ResourceID))
	case 1:
		f.ServiceID, f.ResourceType = &found[0].ServiceID, &found[0].ResourceType
		return f, nil
	}
	return f, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
		"There are multiple resources with UUID %s pending cleanup.  Please be more specific.", *f.ResourceID))
}

// cleanable tells what may be asked for from what goes with it.
func cleanable(w *driverstate.Worker) bool {
	return w.ResourceType == volumeResource || w.ResourceType == snapshotResource || w.ResourceType == backupResource
}

func wanted(w *driverstate.Worker, f driverstate.CleanupFilter) bool {
	return (f.ResourceType == nil || *f.ResourceType == w.ResourceType) &&
		(f.ResourceID == nil || *f.ResourceID == w.ResourceID)
}

func matches(s *driverstate.Service, f driverstate.CleanupFilter, up, disabled bool) bool {
	return up == f.IsUp &&
		(f.ServiceID == nil || *f.ServiceID == s.ID) &&
		(f.Binary == nil || *f.Binary == s.Binary) &&
		(f.Disabled == nil || *f.Disabled == disabled) &&
		(f.Host == nil || hostMatches(*f.Host, s.Host)) &&
		(f.ClusterName == nil || hostMatches(*f.ClusterName, s.Cluster))
}

// hostMatches compares as Cinder does: a host names its backends and pools, a
// backend its pools (cinder/db/sqlalchemy/api.py filter_by_host).
func hostMatches(want, have string) bool {
	if want == have {
		return true
	}
	if strings.Contains(want, "#") {
		return false
	}
	return strings.HasPrefix(have, want+"#") || !strings.Contains(want, "@") && strings.HasPrefix(have, want+"@")
}

// runCleanup carries out a request for cleanup.
func (m *Manager) runCleanup(ctx context.Context, j db.Job) error {
	var args cleanupArgs
	if err := json.Unmarshal(j.Args, &args); err != nil {
		return fmt.Errorf("arguments of job %d: %w", j.ID, err)
	}
	rows, err := m.db.ServiceGetAll(ctx)
	if err != nil {
		return err
	}
	f := driverstate.CleanupFilter{ResourceID: args.ResourceID, ResourceType: args.ResourceType}
	for _, s := range rows {
		if s.ID == args.ServiceID {
			err = m.cleanService(ctx, s, f, args.Until)
		}
	}
	if err != nil && ctx.Err() != nil {
		return m.putBack(ctx, j, nil)
	}
	return err
}

// cleanService cleans up after one service, as far as f asks for it and it is
// not newer than until. Entries that are being worked on here are left alone.
func (m *Manager) cleanService(ctx context.Context, s *driverstate.Service, f driverstate.CleanupFilter, until time.Time) error {
	m.log.InfoContext(ctx, "cleaning up", "service", s.ID, "binary", s.Binary, "host", s.Host)
	switch s.Binary {
	case driverstate.BinaryVolume:
		return m.cleanVolumes(ctx, s.ID, f, until)
	case driverstate.BinaryBackup:
		return m.cleanBackups(ctx, s, f, until)
	}
	return nil
}

// cleanBackups is cleanVolumes for a backup service. What a dead one had taken
// off its queue and not begun goes back to where others take it.
func (m *Manager) cleanBackups(ctx context.Context, s *driverstate.Service, f driverstate.CleanupFilter, until time.Time) error {
	asked := func(w *driverstate.Worker) bool {
		if w.ResourceType == verificationResource || w.ResourceType == shipmentResource {
			return f.ResourceID == nil && (f.ResourceType == nil || *f.ResourceType == backupResource)
		}
		return wanted(w, f) && (m.isReady() || withoutDriver(w))
	}
	err := m.db.Update(ctx, func(tx db.Tx) error {
		living, err := m.livingHosts(ctx, tx)
		if err != nil || living[s.Host] {
			return err
		}
		return m.requeue(ctx, tx, s.Host, asked)
	})
	if err != nil {
		return err
	}
	return m.takeEntries(ctx, s.ID, s.Host, asked, until)
}

// autoCleanup looks, at every heartbeat, for members of the cluster that are
// dead. One that was so AutoCleanupChecks times in a row is cleaned up, and
// again after as many, should anything have been left. Every member does this;
// of them one gets each entry.
func (m *Manager) autoCleanup(ctx context.Context) {
	if !m.cfg.AutoCleanup || m.cfg.Cluster == "" {
		return
	}
	rows, err := m.db.ServiceGetAll(ctx)
	if err != nil {
		m.log.WarnContext(ctx, "looking for dead members of the cluster", "error", err)
		return
	}
	now := m.cfg.Now()
	var dead []*driverstate.Service
	m.mu.Lock()
	for _, s := range rows {
		if s.Cluster != m.cfg.Cluster {
			continue
		}
		if m.heard(s, now) {
			delete(m.missed, s.ID)
		} else if m.missed[s.ID]++; m.missed[s.ID]%m.cfg.AutoCleanupChecks == 0 {
			dead = append(dead, s)
		}
	}
	begin := len(dead) > 0 && !m.cleaning && !m.fenced
	m.cleaning = m.cleaning || begin
	m.mu.Unlock()
	if !begin {
		return
	}
	m.background(func() {
		for _, s := range dead {
			if err := m.cleanService(m.ctx, s, driverstate.CleanupFilter{}, now); err != nil && m.ctx.Err() == nil {
				m.log.ErrorContext(ctx, "automatic cleanup", "service", s.ID, "host", s.Host, "error", err)
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.cleaning = false
	})
}

// cleanVolumes ends what the volume service left in the middle, as far as f
// asks for it and it is not newer than until (cinder/manager.py
// CleanableManager.do_cleanup).
func (m *Manager) cleanVolumes(ctx context.Context, serviceID int64, f driverstate.CleanupFilter, until time.Time) error {
	workers, err := m.db.WorkerGetAll(ctx, serviceID)
	if err != nil {
		return err
	}
	var failed error
	for _, w := range workers {
		if w.ResourceType != volumeResource && w.ResourceType != snapshotResource || !wanted(w, f) || newer(w, until) || m.held(w.ResourceID) {
			continue
		}
		claimed, err := m.db.WorkerClaimForCleanup(ctx, w, m.volumeService())
		if err == nil && claimed {
			err = m.cleanOne(ctx, w)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("clean up %s %s: %w", strings.ToLower(w.ResourceType), w.ResourceID, err))
		}
	}
	return failed
}

// cleanOne acts on one entry. A resource that is gone or moved on only loses
// the entry.
func (m *Manager) cleanOne(ctx context.Context, w *driverstate.Worker) error {
	if w.ResourceType == snapshotResource {
		return m.cleanSnapshot(ctx, w)
	}
	v, err := m.db.VolumeGet(ctx, w.ResourceID)
	switch {
	case w.ResourceType != volumeResource, errors.Is(err, driverstate.ErrNotFound):
		return m.db.WorkerDestroy(ctx, w.ResourceType, w.ResourceID)
	case err != nil:
		return err
	case string(v.Status) != w.Status:
		return m.db.WorkerDestroy(ctx, w.ResourceType, w.ResourceID)
	}
	from, to := v.Status, driverstate.VolumeError
	switch from {
	case driverstate.VolumeDeleting:
		return m.removeVolume(ctx, v)
	case driverstate.VolumeCreating, volumeDownloading:
	case volumeExtending:
		return m.undoExtend(ctx, v)
	case volumeUploading:
		to = driverstate.VolumeAvailable
	default:
		return m.db.WorkerDestroy(ctx, w.ResourceType, w.ResourceID)
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		v.Status = to
		if err := tx.VolumeUpdate(ctx, v, from); err != nil && !errors.Is(err, driverstate.ErrConflict) {
			return err
		}
		return tx.WorkerDestroy(ctx, w.ResourceType, w.ResourceID)
	})
}
