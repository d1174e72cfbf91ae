package manager

import (
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// Clusters lists all clusters; admin only.
func (m *Manager) Clusters(ctx context.Context, c driverstate.Caller) ([]driverstate.ClusterState, error) {
	if err := allow(c, "clusters:get_all"); err != nil {
		return nil, err
	}
	return m.clusters(ctx)
}

// Cluster returns the cluster that has the name, of backup services if binary
// says so and there is one, else of volume services, as in Cinder, which has no
// other; admin only.
func (m *Manager) Cluster(ctx context.Context, c driverstate.Caller, name string, binary driverstate.Binary) (driverstate.ClusterState, error) {
	if err := allow(c, "clusters:get"); err != nil {
		return driverstate.ClusterState{}, err
	}
	if binary == driverstate.BinaryBackup {
		if state, err := m.findCluster(ctx, name, binary); !errors.Is(err, driverstate.ErrNotFound) {
			return state, err
		}
	}
	return m.findCluster(ctx, name, driverstate.BinaryVolume)
}

// SetCluster lets the services of a cluster take new work or keeps it from
// them; admin only.
func (m *Manager) SetCluster(ctx context.Context, c driverstate.Caller, set driverstate.ClusterSetting) (driverstate.ClusterState, error) {
	var none driverstate.ClusterState
	if err := allow(c, "clusters:update"); err != nil {
		return none, err
	}
	state, err := m.findCluster(ctx, set.Name, set.Binary)
	if err != nil {
		return none, err
	}
	state.Disabled, state.DisabledReason = set.Disabled, set.Reason
	return state, m.db.ClusterUpdate(ctx, &state.Cluster)
}

// findCluster returns the first cluster of a name, of any binary when that is
// empty.
func (m *Manager) findCluster(ctx context.Context, name string, binary driverstate.Binary) (driverstate.ClusterState, error) {
	all, err := m.clusters(ctx)
	if err != nil {
		return driverstate.ClusterState{}, err
	}
	for _, s := range all {
		if s.Name == name && (binary == "" || s.Binary == binary) {
			return s, nil
		}
	}
	key := fmt.Sprintf("{'binary': '%s', 'name': '%s'}", binary, name) // as Cinder prints it
	return driverstate.ClusterState{}, refuse("cluster", key, driverstate.ErrNotFound, "Cluster "+key+" could not be found.")
}

func (m *Manager) clusters(ctx context.Context) ([]driverstate.ClusterState, error) {
	rows, err := m.db.ClusterGetAll(ctx)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	services, err := m.db.ServiceGetAll(ctx)
	if err != nil {
		return nil, err
	}
	now := m.cfg.Now()
	states := make([]driverstate.ClusterState, len(rows))
	for i, row := range rows {
		state := &states[i]
		state.Cluster = *row
		thawed := 0
		for _, s := range services {
			if s.Cluster != row.Name || s.Binary != row.Binary {
				continue
			}
			state.Hosts++
			if !s.Frozen() {
				thawed++
			}
			if m.heard(s, now) {
				state.Up = true
			} else {
				state.DownHosts++
			}
			if s.UpdatedAt.After(state.LastHeartbeatAt) {
				state.LastHeartbeatAt = s.UpdatedAt
			}
		}
		state.Frozen = state.Hosts > 0 && thawed == 0
	}
	return states, nil
}

// disabledClusters are the names of the clusters of services of a binary that
// are disabled.
func disabledClusters(ctx context.Context, rows db.Clusters, binary driverstate.Binary) (map[string]bool, error) {
	all, err := rows.ClusterGetAll(ctx)
	disabled := map[string]bool{}
	for _, c := range all {
		if c.Disabled && c.Binary == binary {
			disabled[c.Name] = true
		}
	}
	return disabled, err
}
