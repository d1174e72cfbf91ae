package manager

import (
	"context"
	"math"

	"github.com/cinder-go/cinder-go/driverstate"
)

// notFrozen refuses what makes or removes snapshots while our volume service is
// frozen (cinder/objects/volume.py assert_not_frozen).
func (m *Manager) notFrozen(ctx context.Context) error {
	rows, err := m.db.ServiceGetAll(ctx)
	if err != nil {
		return err
	}
	for _, s := range rows {
		if s.Host == m.volumeHost() && s.Frozen() {
			return driverstate.Fail(driverstate.ErrInvalidInput, "Modification operations are not allowed on frozen storage backends.")
		}
	}
	return nil
}

// Pools lists where the engine makes volumes; admin only. The services of a
// cluster are one pool, under its name.
func (m *Manager) Pools(ctx context.Context, c driverstate.Caller) ([]driverstate.Pool, error) {
	if err := allow(c, "scheduler_extension:scheduler_stats:get_pools"); err != nil {
		return nil, err
	}
	services, err := m.db.ServiceGetAll(ctx)
	if err != nil {
		return nil, err
	}
	volumes, err := m.db.VolumeGetAll(ctx, "")
	if err != nil {
		return nil, err
	}
	now := m.cfg.Now()
	var pools []driverstate.Pool
	at := map[string]int{}
	for _, s := range services {
		if s.Binary != driverstate.BinaryVolume || s.Disabled {
			continue // as to Cinder's scheduler
		}
		name := s.Host
		if s.Cluster != "" {
			name = s.Cluster
		}
		i, known := at[name]
		if !known {
			i, at[name] = len(pools), len(pools)
			pools = append(pools, driverstate.Pool{Name: name + "#file", Backend: volumeBackend[1:], Pool: "file"})
			m.measure(&pools[i])
		}
		p := &pools[i]
		p.Up = p.Up || m.heard(s, now)
		if s.UpdatedAt.After(p.UpdatedAt) {
			p.UpdatedAt = s.UpdatedAt
		}
		for _, v := range volumes {
			if v.Host == s.Host+"#file" {
				p.AllocatedGB += v.Size
			}
		}
	}
	return pools, nil
}

// measure fills in the room there is for volumes, in GiB with two digits. It is
// that of this host's directory.
func (m *Manager) measure(p *driverstate.Pool) {
	if m.cfg.Space == nil || m.cfg.VolumeDir == "" {
		return
	}
	total, free, err := m.cfg.Space(m.cfg.VolumeDir)
	if err != nil {
		m.log.Warn("the room for volumes cannot be told", "directory", m.cfg.VolumeDir, "error", err)
		return
	}
	round := func(n int64) float64 { return math.Round(float64(n)/float64(gib)*100) / 100 }
	p.TotalGB, p.FreeGB = round(total), round(free)
}
