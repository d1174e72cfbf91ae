package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// CleanupWorkers asks for the cleanup of what dead volume services left in the
// middle; admin only. The answer says who is being cleaned, not that it is
// done. Backups are never cleaned this way: see ResetBackupStatus and force
// delete (cinder/api/v3/workers.py).
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
	disabled, err := disabledClusters(ctx, m.db)
	if err != nil {
		return result, err
	}
	alive := map[string]bool{} // clusters
	for _, s := range rows {
		if s.Cluster != "" && m.heard(s, until) {
			alive[s.Cluster] = true
		}
	}
	for _, s := range rows {
		up := m.heard(s, until)
		off := s.Disabled
		if s.Cluster != "" {
			off = disabled[s.Cluster] // Cinder goes by the cluster's flag
		}
		if !matches(s, f, up, off) {
			continue
		}
		switch {
		case s.Binary == driverstate.BinaryScheduler,
			s.Cluster != "" && alive[s.Cluster],
			s.Cluster == "" && up:
			result.Cleaning = append(result.Cleaning, *s)
		default:
			result.Unavailable = append(result.Unavailable, *s)
		}
	}
	m.cleanInBackground(result.Cleaning, f, until)
	return result, nil
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

// cleanable tells Cinder's own kinds of entries from those of this package.
func cleanable(w *driverstate.Worker) bool {
	return w.ResourceType == volumeResource || w.ResourceType == "Snapshot"
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

// cleanInBackground cleans those volume services that are this process or
// share its cluster; Stop waits for it.
func (m *Manager) cleanInBackground(services []driverstate.Service, f driverstate.CleanupFilter, until time.Time) {
	own := m.volumeService()
	for _, s := range services {
		mine := s.ID == own || s.Cluster != "" && s.Cluster == m.cfg.Cluster
		if s.Binary != driverstate.BinaryVolume || !mine {
			continue
		}
		m.background(func() {
			if err := m.cleanVolumes(m.ctx, s.ID, f, until); err != nil && m.ctx.Err() == nil {
				m.log.ErrorContext(m.ctx, "workers cleanup", "service", s.ID, "host", s.Host, "error", err)
			}
		})
	}
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
		if !cleanable(w) || !wanted(w, f) || w.UpdatedAt.After(until) || m.held(w.ResourceID) {
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
