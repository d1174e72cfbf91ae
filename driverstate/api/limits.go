package api

import (
	"net/http"

	"github.com/cinder-go/cinder-go/driverstate"
)

// unlimited stands in limits for what is not limited: clients expect a number
// that is not below what is used (gophercloud's TestLimits), where Cinder
// shows -1.
const unlimited = 1<<31 - 1

// showLimits answers limits, for an admin from 3.39 of any project
// (cinder/api/v3/limits.py, cinder/api/contrib/used_limits.py).
func (s *server) showLimits(q *request) (int, any, error) {
	project := q.caller.ProjectID
	if q.version.since(39) && q.caller.Admin {
		asked := params(q.Request)
		for _, key := range []string{"tenant_id", "project_id"} {
			if id := asked[key]; id != "" {
				project = id
			}
		}
	}
	quotas, err := s.ops.Quotas(q.Context(), q.caller, project)
	if err != nil {
		return 0, nil, err
	}
	most, used := map[string]int64{}, map[string]int64{}
	for _, l := range quotas {
		most[l.Resource], used[l.Resource] = l.Limit, l.InUse
		if l.Limit == driverstate.Unlimited {
			most[l.Resource] = unlimited
		}
	}
	return http.StatusOK, object{{"limits", object{
		{"rate", []any{}},
		{"absolute", object{
			{"maxTotalVolumes", most[driverstate.QuotaVolumes]},
			{"maxTotalSnapshots", most[driverstate.QuotaSnapshots]},
			{"maxTotalVolumeGigabytes", most[driverstate.QuotaGigabytes]},
			{"maxTotalBackups", most[driverstate.QuotaBackups]},
			{"maxTotalBackupGigabytes", most[driverstate.QuotaBackupGigabytes]},
			{"totalVolumesUsed", used[driverstate.QuotaVolumes]},
			{"totalGigabytesUsed", used[driverstate.QuotaGigabytes]},
			{"totalSnapshotsUsed", used[driverstate.QuotaSnapshots]},
			{"totalBackupsUsed", used[driverstate.QuotaBackups]},
			{"totalBackupGigabytesUsed", used[driverstate.QuotaBackupGigabytes]},
		}},
	}}}, nil
}
