package api

import (
	"cmp"
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

const maxSize = 1<<31 - 1 // GiB; Cinder's column

// createVolume makes a volume: blank, or from a snapshot, a volume or, from
// 3.47, a backup (cinder/api/v3/volumes.py create).
func (s *server) createVolume(q *request) (int, any, error) {
	if body, ok := q.body.(map[string]any); ok {
		delete(body, "OS-SCH-HNT:scheduler_hints") // there is one place to put a volume
	}
	asked, err := q.inner("volume", q.volumeRules())
	if err != nil {
		return 0, nil, err
	}
	if err := refusedOrigins(asked); err != nil {
		return 0, nil, err
	}
	r := driverstate.VolumeRequest{
		Name:             cmp.Or(word(asked, "name"), word(asked, "display_name")),
		Description:      cmp.Or(word(asked, "description"), word(asked, "display_description")),
		AvailabilityZone: word(asked, "availability_zone"),
		Metadata:         metadata(asked["metadata"]),
		SnapshotID:       word(asked, "snapshot_id"),
		SourceVolID:      word(asked, "source_volid"),
		VolumeType:       word(asked, "volume_type"),
	}
	if q.version.since(47) && r.SnapshotID == "" && r.SourceVolID == "" {
		r.BackupID = word(asked, "backup_id")
	}
	if r.SnapshotID != "" {
		r.SourceVolID = ""
	}
	r.Size, _ = integer(asked["size"])
	if r.Size == 0 && r.SnapshotID == "" && r.SourceVolID == "" && r.BackupID == "" {
		return 0, nil, newFault(http.StatusBadRequest, "")
	}
	if err := q.checkZone(r.AvailabilityZone); err != nil {
		return 0, nil, err
	}
	return s.made(q, r)
}

func (q *request) volumeRules() schema {
	rules := schema{open: !q.version.since(53), members: map[string]rule{
		"size": sizeOrNull, "name": nameRule, "description": descriptionRule,
		"display_name": nameRule, "display_description": descriptionRule,
		"metadata": metadataRule, "availability_zone": nameRule, "volume_type": nameRule,
		"snapshot_id": uuidOrNullRule, "source_volid": uuidOrNullRule, "backup_id": uuidOrNullRule,
		"consistencygroup_id": uuidOrNullRule, "group_id": uuidOrNullRule,
		"imageRef": nameRule, "image_id": nameRule, "multiattach": booleanOrNull,
	}}
	return rules
}

func sizeOrNull(v any) string {
	if v == nil {
		return ""
	}
	return volumeSize(v)
}

func booleanOrNull(v any) string {
	if v == nil {
		return ""
	}
	return booleanRule(v)
}

// volumeSize is a size in GiB (cinder/api/validation/parameter_types.py
// volume_size).
func volumeSize(v any) string {
	if s, ok := v.(string); ok && !digits.MatchString(s) {
		return python(s) + " does not match '^[0-9]+$'"
	}
	return whole(1, maxSize)(v)
}

// refusedOrigins refuses what a volume cannot be made of.
func refusedOrigins(asked map[string]any) error {
	for _, key := range []string{"consistencygroup_id", "group_id"} {
		if id := word(asked, key); id != "" {
			return newFault(http.StatusNotFound, "Group "+id+" could not be found.")
		}
	}
	if truth(asked["multiattach"]) {
		return badRequest("multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. " +
			"Contact your administrator to create a multiattach enabled volume type and use it to create multiattach volumes.")
	}
	if word(asked, "imageRef") != "" || word(asked, "image_id") != "" {
		return badRequest("Invalid image identifier or unable to access requested image. The engine of cinder-go has no image service.")
	}
	return nil
}

// checkZone refuses a zone that no volume service is in.
func (q *request) checkZone(zone string) error {
	if zone == "" {
		return nil
	}
	zones, _, err := q.zones()
	if err != nil {
		return err
	}
	for _, known := range zones {
		if known == zone {
			return nil
		}
	}
	return badRequest("Availability zone '%s' is invalid.", clip(zone))
}

// manageVolume takes a file or device under management as a volume. Size and
// overwrite are not Cinder's: there the back end knows the size.
func (s *server) manageVolume(q *request) (int, any, error) {
	asked, err := q.inner("volume", schema{
		required: []string{"ref"},
		members: map[string]rule{
			"host": poolRule, "cluster": hostRule, "ref": isObject,
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
		VolumeType:       word(asked, "volume_type"),
		SourceName:       asked["ref"].(map[string]any)["source-name"].(string),
		Overwrite:        truth(asked["overwrite"]),
	})
}

func (s *server) made(q *request, r driverstate.VolumeRequest) (int, any, error) {
	v, err := s.ops.CreateVolume(q.Context(), q.caller, r)
	if err != nil {
		return 0, nil, err
	}
	accepted := *v // Cinder answers before it makes the volume
	accepted.Status, accepted.UpdatedAt = driverstate.VolumeCreating, time.Time{}
	return http.StatusAccepted, object{{"volume", q.volumeDetail(&accepted, false)}}, nil
}

// updateVolume changes what a volume is called (cinder/api/v3/volumes.py update).
func (s *server) updateVolume(q *request) (int, any, error) {
	u, err := q.readUpdate("volume", isObject)
	if err != nil {
		return 0, nil, err
	}
	v, err := s.ops.UpdateVolume(q.Context(), q.caller, q.vars["id"], u)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"volume", q.volumeDetail(v, false)}}, nil
}

// readUpdate reads a change of a volume or of a snapshot; metadata is nil where
// it cannot be changed.
func (q *request) readUpdate(key string, metadataOf rule) (u driverstate.VolumeUpdate, err error) {
	rules := schema{members: map[string]rule{
		"name": nameRule, "description": descriptionRule, "display_name": nameRule, "display_description": descriptionRule,
	}}
	if metadataOf != nil {
		rules.members["metadata"] = metadataOf
	}
	asked, err := q.inner(key, rules)
	if err != nil {
		return u, err
	}
	if len(asked) == 0 {
		return u, violation(key, asked, "{} is not valid under any of the given schemas")
	}
	if f := checkMetadata(asked["metadata"]); f != nil {
		return u, f
	}
	for _, name := range []string{"display_name", "name"} {
		if _, ok := asked[name]; ok {
			text := word(asked, name)
			u.Name = &text
		}
	}
	for _, name := range []string{"display_description", "description"} {
		if _, ok := asked[name]; ok {
			text := word(asked, name)
			u.Description = &text
		}
	}
	if _, ok := asked["metadata"]; ok {
		u.Metadata = metadata(asked["metadata"])
	}
	return u, nil
}
