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
