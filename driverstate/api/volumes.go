package api

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

const maxSize = 1<<31 - 1 // GiB; Cinder's column

func (s *server) listVolumes(q *request) (int, any, error) {
	return q.volumeList("volumes", q.volumeSummary)
}

func (s *server) listVolumesDetail(q *request) (int, any, error) {
	return q.volumeList("volumes/detail", func(v *driverstate.Volume) object { return q.volumeDetail(v, true) })
}

func (q *request) volumeList(collection string, view func(*driverstate.Volume) object) (int, any, error) {
	t := table[*driverstate.Volume]{
		key: "volumes", collection: collection, resource: "Volume", tenant: tenantVolumeFilters,
		column: volumeColumn, created: func(v *driverstate.Volume) time.Time { return v.CreatedAt }, view: view,
	}
	return t.list(q, func(allProjects bool) ([]*driverstate.Volume, error) {
		return q.srv.ops.Volumes(q.Context(), q.caller, allProjects)
	})
}

// volumeColumn is the column function of a table.
func volumeColumn(v *driverstate.Volume, column string) (value string, ok bool) {
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
	case "bootable":
		return "false", true
	}
	return "", false
}

func (s *server) showVolume(q *request) (int, any, error) {
	v, err := s.ops.Volume(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"volume", q.volumeDetail(v, true)}}, nil
}

func (s *server) deleteVolume(q *request) (int, any, error) {
	return http.StatusAccepted, nil, s.ops.DeleteVolume(q.Context(), q.caller, q.vars["id"])
}

// volumeSources are the members of a create that ask for a volume with data.
// The engine makes blank ones only; a backup is restored instead.
var volumeSources = []string{"snapshot_id", "source_volid", "imageRef", "image_id", "backup_id", "consistencygroup_id", "group_id"}

func (s *server) createVolume(q *request) (int, any, error) {
	rules := schema{open: !q.version.since(53), members: map[string]rule{
		"size": whole(1, maxSize), "name": nameRule, "description": descriptionRule,
		"display_name": nameRule, "display_description": descriptionRule,
		"metadata": metadataRule, "availability_zone": nameRule, "volume_type": nameRule,
		"multiattach": func(v any) string {
			if v == nil {
				return ""
			}
			return booleanRule(v)
		},
	}}
	for _, key := range volumeSources {
		rules.members[key] = nameRule
	}
	if body, ok := q.body.(map[string]any); ok {
		delete(body, "OS-SCH-HNT:scheduler_hints") // there is one place to put a volume
	}
	asked, err := q.inner("volume", rules)
	if err != nil {
		return 0, nil, err
	}
	for _, key := range volumeSources {
		if asked[key] != nil {
			return 0, nil, invalidInput("%s is not supported: only blank volumes can be created", key)
		}
	}
	if truth(asked["multiattach"]) {
		return 0, nil, badRequest("multiattach is not supported")
	}
	size, ok := integer(asked["size"])
	if !ok {
		return 0, nil, invalidInput("Volume size must be specified and greater than zero.")
	}
	return s.made(q, driverstate.VolumeRequest{
		Size:             size,
		Name:             cmp.Or(word(asked, "name"), word(asked, "display_name")),
		Description:      cmp.Or(word(asked, "description"), word(asked, "display_description")),
		AvailabilityZone: word(asked, "availability_zone"),
		Metadata:         metadata(asked["metadata"]),
	})
}

// manageVolume takes a file or device under management as a volume. Size and
// overwrite are not Cinder's: there the back end knows the size.
func (s *server) manageVolume(q *request) (int, any, error) {
	asked, err := q.inner("volume", schema{
		required: []string{"ref"},
		members: map[string]rule{
			"host": hostRule, "cluster": hostRule, "ref": isObject,
			"name": nameRule, "description": descriptionRule, "availability_zone": nameRule,
			"volume_type": nameRule, "metadata": metadataRule, "bootable": booleanRule,
			"size": whole(1, maxSize), "overwrite": booleanRule,
		},
	})
	if err != nil {
		return 0, nil, err
	}
	ref := schema{
		required: []string{"source-name"},
		members:  map[string]rule{"source-name": text(false, 1, 4096, nil)},
	}
	if f := ref.check("ref", asked["ref"]); f != nil {
		return 0, nil, f
	}
	size, _ := integer(asked["size"])
	return s.made(q, driverstate.VolumeRequest{
		Size:             size,
		Name:             word(asked, "name"),
		Description:      word(asked, "description"),
		AvailabilityZone: word(asked, "availability_zone"),
		Metadata:         metadata(asked["metadata"]),
		SourceName:       asked["ref"].(map[string]any)["source-name"].(string),
		Overwrite:        truth(asked["overwrite"]),
	})
}

func (s *server) made(q *request, r driverstate.VolumeRequest) (int, any, error) {
	v, err := s.ops.CreateVolume(q.Context(), q.caller, r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"volume", q.volumeDetail(v, false)}}, nil
}
