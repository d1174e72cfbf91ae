package api

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

func (s *server) listVolumes(q *request) (int, any, error) {
	return q.volumeList("volumes", q.volumeSummary)
}

func (s *server) listVolumesDetail(q *request) (int, any, error) {
	return q.volumeList("volumes/detail", func(v *driverstate.Volume) object { return q.volumeDetail(v, true) })
}

func (q *request) volumeList(collection string, view func(*driverstate.Volume) object) (int, any, error) {
	t := table[*driverstate.Volume]{
		key: "volumes", collection: collection, resource: "Volume", tenant: tenantFilters("volume"),
		column: q.volumeColumn, times: volumeTime, view: view,
		flags:    []string{"bootable", "multiattach", "shared_targets", "deleted", "use_quota", "consumes_quota"},
		metadata: func(v *driverstate.Volume) map[string]string { return v.Metadata },
		valueless: []string{"cluster_name", "deleted_at", "ec2_id", "encryption_key_id", "glance_metadata", "launched_at", "previous_status",
			"provider_auth", "provider_geometry", "provider_id", "provider_location", "replication_driver_data", "replication_extended_status",
			"replication_status", "scheduled_at", "service_uuid", "terminated_at"},
	}
	return t.list(q, func(allProjects bool) ([]*driverstate.Volume, error) {
		return q.srv.ops.Volumes(q.Context(), q.caller, allProjects)
	})
}

// volumeColumn is the column function of a table.
func (q *request) volumeColumn(v *driverstate.Volume, column string) (value string, ok bool) {
	if v == nil {
		v = &driverstate.Volume{}
	}
	switch column {
	case "id":
		return v.ID, true
	case "name", "display_name":
		return v.Name, true
	case "status":
		return string(v.Status), true
	case "size":
		return strconv.FormatInt(v.Size, 10), true
	case "availability_zone":
		return v.AvailabilityZone, true
	case "host":
		return v.Host, true
	case "project_id":
		return v.ProjectID, true
	case "user_id":
		return v.UserID, true
	case "description", "display_description":
		return v.Description, true
	case "snapshot_id":
		return v.SnapshotID, true
	case "source_volid":
		return v.SourceVolID, true
	case "bootable":
		return strconv.FormatBool(v.Bootable), true
	case "attach_status":
		if len(v.Attachments) > 0 {
			return "attached", true
		}
		return "detached", true
	case "volume_type_id":
		return q.typeID(v.VolumeType), true
	case "multiattach", "shared_targets", "deleted":
		return "false", true
	case "migration_status", "group_id", "consistencygroup_id":
		return "", true
	case "use_quota", "consumes_quota":
		return "true", true
	}
	return "", false
}

func volumeTime(v *driverstate.Volume, column string) (time.Time, bool) {
	if v == nil {
		v = &driverstate.Volume{}
	}
	return stampOf(column, v.CreatedAt, v.UpdatedAt)
}

func (s *server) showVolume(q *request) (int, any, error) {
	v, err := s.ops.Volume(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"volume", q.volumeDetail(v, true)}}, nil
}

// deleteVolume removes a volume, with cascade its snapshots too, and with force
// from 3.23 in any status (cinder/api/v3/volumes.py delete).
func (s *server) deleteVolume(q *request) (int, any, error) {
	asked := params(q.Request)
	flag := map[string]bool{}
	for _, key := range []string{"cascade", "force"} {
		text, given := asked[key]
		b, sound := parseBool(text)
		if given && !sound {
			return 0, nil, badRequest("Value '%s' for '%s' is not a boolean.", clip(text), key)
		}
		flag[key] = b
	}
	id := q.vars["id"]
	switch {
	case flag["force"] && q.version.since(23):
		return http.StatusAccepted, nil, s.ops.ForceDeleteVolume(q.Context(), q.caller, id)
	case flag["cascade"]:
		return http.StatusAccepted, nil, s.ops.DeleteVolumeWithSnapshots(q.Context(), q.caller, id)
	}
	return http.StatusAccepted, nil, s.ops.DeleteVolume(q.Context(), q.caller, id)
}

// summarizeVolumes answers volumes/summary: how many there are, how large, and
// from 3.36 every value of their metadata.
func (s *server) summarizeVolumes(q *request) (int, any, error) {
	all, sound := parseBool(params(q.Request)["all_tenants"])
	volumes, err := s.ops.Volumes(q.Context(), q.caller, all && sound && q.caller.Admin)
	if err != nil {
		return 0, nil, err
	}
	var size int64
	values := map[string][]string{}
	for _, v := range volumes {
		size += v.Size
		for key, value := range v.Metadata {
			if !slices.Contains(values[key], value) {
				values[key] = append(values[key], value)
			}
		}
	}
	view := object{{"total_count", len(volumes)}, {"total_size", size}}
	if q.version.since(36) {
		view = append(view, member{"metadata", values})
	}
	return http.StatusOK, object{{"volume-summary", view}}, nil
}
