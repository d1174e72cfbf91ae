package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// createBackup accepts a backup (cinder/api/contrib/backups.py create,
// cinder/api/schemas/backups.py).
func (s *server) createBackup(q *request) (int, any, error) {
	rules := schema{required: []string{"volume_id"}, members: map[string]rule{
		"volume_id": uuidRule, "snapshot_id": uuidOrNullRule,
		"name": nameRule, "description": descriptionRule, "container": nameRule,
		"incremental": booleanRule, "force": booleanRule,
	}}
	if q.version.since(43) {
		rules.members["metadata"] = isObjectOrNull
	}
	if q.version.since(51) {
		rules.members["availability_zone"] = nameRule
	}
	asked, err := q.inner("backup", rules)
	if err != nil {
		return 0, nil, err
	}
	if f := checkMetadata(asked["metadata"]); f != nil {
		return 0, nil, f
	}
	container, _ := asked["container"].(string) // a name on the store, kept as it is
	b, err := s.ops.CreateBackup(q.Context(), q.caller, driverstate.BackupRequest{
		VolumeID:         word(asked, "volume_id"),
		SnapshotID:       word(asked, "snapshot_id"),
		Name:             optional(asked, "name"),
		Description:      optional(asked, "description"),
		Container:        container,
		AvailabilityZone: word(asked, "availability_zone"),
		Incremental:      truth(asked["incremental"]),
		Force:            truth(asked["force"]),
		Metadata:         metadata(asked["metadata"]),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, object{{"backup", q.backupSummary(b)}}, nil
}

// updateBackup changes what a backup is called (cinder/api/v3/backups.py
// update). A body that holds null is 500 in Cinder.
func (s *server) updateBackup(q *request) (int, any, error) {
	rules := schema{members: map[string]rule{"name": nameRule, "description": descriptionRule}}
	if q.version.since(43) {
		rules.members["metadata"] = isObject
	}
	asked, err := q.inner("backup", rules)
	if err != nil {
		return 0, nil, err
	}
	if f := checkMetadata(asked["metadata"]); f != nil {
		return 0, nil, f
	}
	u := driverstate.BackupUpdate{Name: change(asked, "name"), Description: change(asked, "description")}
	if _, ok := asked["metadata"]; ok {
		u.Metadata = metadata(asked["metadata"])
	}
	b, err := s.ops.UpdateBackup(q.Context(), q.caller, q.vars["id"], u)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, object{{"backup", q.backupSummary(b)}}, nil
}

// change is what a member asks to write; nil when it is absent.
func change(members map[string]any, key string) **string {
	if _, ok := members[key]; !ok {
		return nil
	}
	to := optional(members, key)
	return &to
}
