package manager

import (
	"context"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// SetFrozen freezes the volume service of a host, or those of a cluster, or
// thaws them; admin only. A frozen one makes no volumes, and neither makes nor
// removes snapshots (cinder/volume/api.py freeze_host, thaw_host).
func (m *Manager) SetFrozen(ctx context.Context, c driverstate.Caller, set driverstate.FreezeSetting) error {
	if err := allow(c, "volume_extension:services:update"); err != nil {
		return err
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		services, err := replicated(ctx, tx, set.Host, set.Cluster)
		if err != nil {
			return err
		}
		changed := false
		for _, s := range services {
			if s.Frozen() == set.Frozen {
				continue
			}
			changed = true
			s.Disabled, s.DisabledReason = set.Frozen, ""
			if set.Frozen {
				s.DisabledReason = driverstate.FrozenReason
			}
			if err := tx.ServiceUpdate(ctx, s); err != nil {
				return err
			}
		}
		if !changed {
			return unchanged("frozen", services, pythonBool(!set.Frozen)+" to failover.")
		}
		return nil
	})
}

// Failover refuses: the engine's volumes are not replicated; admin only.
func (m *Manager) Failover(ctx context.Context, c driverstate.Caller, set driverstate.FreezeSetting) error {
	if err := allow(c, "volume_extension:services:update"); err != nil {
		return err
	}
	services, err := replicated(ctx, m.db, set.Host, set.Cluster)
	if err != nil {
		return err
	}
	return unchanged("replication_status", services, "['enabled', 'failed-over'] and must be up to failover.")
}

// replicated are the volume services of a host, or of a cluster when host is
// empty.
func replicated(ctx context.Context, rows db.Services, host, cluster string) ([]*driverstate.Service, error) {
	all, err := rows.ServiceGetAll(ctx)
	if err != nil {
		return nil, err
	}
	var found []*driverstate.Service
	for _, s := range all {
		if s.Binary == driverstate.BinaryVolume && (host != "" && hostMatches(host, s.Host) || host == "" && s.Cluster == cluster) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case host != "":
		return nil, driverstate.Fail(driverstate.ErrInvalidStatus, "No service found with host="+host)
	}
	return nil, driverstate.Fail(driverstate.ErrInvalidStatus, "No service found with cluster="+cluster)
}

// unchanged is Cinder's answer when a change of replication fits no service.
func unchanged(field string, services []*driverstate.Service, expected string) error {
	var hosts []string
	for _, s := range services {
		hosts = append(hosts, "'"+s.Host+"'")
	}
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
		"No service could be changed: %s in [%s] must be %s", field, strings.Join(hosts, ", "), expected))
}
