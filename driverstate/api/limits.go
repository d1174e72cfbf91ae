package api

import (
	"net/http"
	"slices"
)

// noLimit stands for what the engine does not limit: clients expect a number
// that is not below what is used.
const noLimit = 1<<31 - 1

// showLimits answers with what the project uses.
func (s *server) showLimits(q *request) (int, any, error) {
	u, err := s.ops.Usage(q.Context(), q.caller, q.caller.ProjectID)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"limits", object{
		{"rate", []any{}},
		{"absolute", object{
			{"maxTotalVolumes", noLimit},
			{"maxTotalSnapshots", noLimit},
			{"maxTotalVolumeGigabytes", noLimit},
			{"maxTotalBackups", noLimit},
			{"maxTotalBackupGigabytes", noLimit},
			{"totalVolumesUsed", u.Volumes},
			{"totalGigabytesUsed", u.Gigabytes},
			{"totalSnapshotsUsed", 0},
			{"totalBackupsUsed", u.Backups},
			{"totalBackupGigabytesUsed", u.BackupGigabytes},
		}},
	}}}, nil
}

// extensions are those of Cinder whose calls the engine has.
var extensions = []struct{ name, alias, description, updated string }{
	{"Backups", "backups", "Backups support.", "2012-12-12T00:00:00+00:00"},
	{"AdminActions", "os-admin-actions", "Enable admin actions.", "2012-08-25T00:00:00+00:00"},
	{"ExtendedServices", "os-extended-services", "Extended services support.", "2014-01-10T00:00:00-00:00"},
	{"Quotas", "os-quota-sets", "Quota management support.", "2011-08-08T00:00:00+00:00"},
	{"Services", "os-services", "Services support.", "2012-10-28T00:00:00-00:00"},
	{"UsedLimits", "os-used-limits", "Provide data on limited resource usage.", "2013-10-03T00:00:00+00:00"},
	{"VolumeHostAttribute", "os-vol-host-attr", "Expose host as an attribute of a volume.", "2011-11-03T00:00:00+00:00"},
	{"VolumeTenantAttribute", "os-vol-tenant-attr", "Expose the internal project_id as an attribute of a volume.", "2011-11-03T00:00:00+00:00"},
	{"AvailabilityZones", "os-availability-zone", "Describe Availability Zones.", "2013-06-27T00:00:00+00:00"},
}

func (s *server) listExtensions(*request) (int, any, error) {
	views := make([]object, 0, len(extensions))
	for _, e := range extensions {
		views = append(views, object{
			{"name", e.name},
			{"alias", e.alias},
			{"description", e.description},
			{"updated", e.updated},
			{"links", []any{}},
		})
	}
	return http.StatusOK, object{{"extensions", views}}, nil
}

// listZones answers with the zones of the services; everyone may ask, so the
// services are read as an admin would.
func (s *server) listZones(q *request) (int, any, error) {
	asAdmin := q.caller
	asAdmin.Admin = true
	services, err := s.ops.Services(q.Context(), asAdmin)
	if err != nil {
		return 0, nil, err
	}
	var zones []string
	up := map[string]bool{}
	for _, row := range services {
		if row.AvailabilityZone != "" && !slices.Contains(zones, row.AvailabilityZone) {
			zones = append(zones, row.AvailabilityZone)
		}
		up[row.AvailabilityZone] = up[row.AvailabilityZone] || row.Up && !row.Disabled
	}
	slices.Sort(zones)
	views := make([]object, 0, len(zones))
	for _, zone := range zones {
		views = append(views, object{{"zoneName", zone}, {"zoneState", object{{"available", up[zone]}}}})
	}
	return http.StatusOK, object{{"availabilityZoneInfo", views}}, nil
}
