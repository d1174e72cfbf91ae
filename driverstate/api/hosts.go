package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// listHosts answers os-hosts: the services, each under the name of its host
// (cinder/api/contrib/hosts.py).
func (s *server) listHosts(q *request) (int, any, error) {
	if err := q.requireAdmin("volume_extension:hosts"); err != nil {
		return 0, nil, err
	}
	services, err := s.ops.Services(q.Context(), q.caller)
	if err != nil {
		return 0, nil, err
	}
	zone := params(q.Request)["zone"]
	views := []object{}
	for _, row := range services {
		if zone != "" && row.AvailabilityZone != zone {
			continue
		}
		status, state := "unavailable", "enabled"
		if row.Up {
			status = "available"
		}
		if row.Disabled {
			state = "disabled"
		}
		views = append(views, object{
			{"host_name", row.Host},
			{"service", row.Binary},
			{"zone", nullable(row.AvailabilityZone)},
			{"service-status", status},
			{"service-state", state},
			{"last-update", apiTime(row.UpdatedAt)},
		})
	}
	return http.StatusOK, object{{"hosts", views}}, nil
}

// showHost counts what lies on the host of a volume service, in all and by
// project. Its numbers are strings in Cinder.
func (s *server) showHost(q *request) (int, any, error) {
	if err := q.requireAdmin("volume_extension:hosts"); err != nil {
		return 0, nil, err
	}
	host := q.vars["host"]
	services, err := s.ops.Services(q.Context(), q.caller)
	if err != nil {
		return 0, nil, err
	}
	if !slices.ContainsFunc(services, func(row driverstate.ServiceState) bool {
		return row.Binary == driverstate.BinaryVolume && row.Host == host
	}) {
		return 0, nil, newFault(http.StatusNotFound, "Service cinder-volume could not be found on host "+clip(host)+".")
	}
	volumes, err := s.ops.Volumes(q.Context(), q.caller, true)
	if err != nil {
		return 0, nil, err
	}
	snapshots, err := s.ops.Snapshots(q.Context(), q.caller, true)
	if err != nil {
		return 0, nil, err
	}
	var total hostUse
	on, uses, projects := map[string]bool{}, map[string]*hostUse{}, []string{}
	of := func(project string) *hostUse {
		if uses[project] == nil {
			uses[project], projects = &hostUse{}, append(projects, project)
		}
		return uses[project]
	}
	for _, v := range volumes {
		if v.Host != host && !strings.HasPrefix(v.Host, host+"#") {
			continue
		}
		on[v.ID] = true
		for _, u := range []*hostUse{&total, of(v.ProjectID)} {
			u.volumes, u.volumeGB = u.volumes+1, u.volumeGB+v.Size
		}
	}
	for _, snap := range snapshots {
		if !on[snap.VolumeID] {
			continue
		}
		for _, u := range []*hostUse{&total, of(snap.ProjectID)} {
			u.snapshots, u.snapshotGB = u.snapshots+1, u.snapshotGB+snap.Size
		}
	}
	views := []object{{{"resource", total.view(host, "(total)")}}}
	for _, project := range projects {
		views = append(views, object{{"resource", uses[project].view(host, project)}})
	}
	return http.StatusOK, object{{"host", views}}, nil
}

type hostUse struct{ volumes, volumeGB, snapshots, snapshotGB int64 }

func (u hostUse) view(host, project string) object {
	digits := func(n int64) string { return strconv.FormatInt(n, 10) }
	return object{
		{"host", host},
		{"project", project},
		{"volume_count", digits(u.volumes)},
		{"total_volume_gb", digits(u.volumeGB)},
		{"snapshot_count", digits(u.snapshots)},
		{"total_snapshot_gb", digits(u.snapshotGB)},
	}
}
