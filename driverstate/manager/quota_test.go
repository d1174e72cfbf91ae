package manager_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// limit sets limits of the callers' project.
func (l *lab) limit(limits string) {
	l.t.Helper()
	status, answer := l.ask("admin", "PUT", "os-quota-sets/"+project, `{"quota_set":`+limits+`}`)
	require.Equal(l.t, http.StatusOK, status, answer)
}

// idOf is the id of the one thing in an answer.
func idOf(t testing.TB, answer map[string]any) string {
	t.Helper()
	for _, inner := range answer {
		if doc, ok := inner.(map[string]any); ok {
			if id, ok := doc["id"].(string); ok {
				return id
			}
		}
	}
	require.Fail(t, "no id", "%v", answer)
	return ""
}

// The texts are those of Cinder 21, as a cloud answered them.
func TestWhatIsOverAQuotaIsRefusedInCindersWords(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	for _, c := range []struct {
		limits, method, path, body, message string
	}{
		{`{"volumes":1}`, "POST", "volumes", `{"volume":{"size":1}}`,
			"VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'."},
		{`{"volumes_` + driverstate.VolumeType + `":1}`, "POST", "volumes", `{"volume":{"size":1}}`,
			"VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes___DEFAULT__'."},
		{`{"per_volume_gigabytes":2}`, "POST", "volumes", `{"volume":{"size":4}}`,
			"VolumeSizeExceedsLimit: Requested volume size 4G is larger than maximum allowed limit 2G."},
		{`{"per_volume_gigabytes":2}`, "POST", "volumes/" + v.ID + "/action", `{"os-extend":{"new_size":3}}`,
			"VolumeSizeExceedsLimit: Requested volume size 3G is larger than maximum allowed limit 2G."},
		{`{"gigabytes":3,"volumes":1}`, "POST", "volumes", `{"volume":{"size":3}}`,
			"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 3G, quota is 3G and 1G has been consumed."},
		{`{"gigabytes":1}`, "POST", "volumes/" + v.ID + "/action", `{"os-extend":{"new_size":2}}`,
			"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 1G, quota is 1G and 1G has been consumed."},
		{`{"gigabytes":1,"snapshots":0}`, "POST", "snapshots", `{"snapshot":{"volume_id":"` + v.ID + `"}}`,
			"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 1G, quota is 1G and 1G has been consumed."},
		{`{"snapshots":0}`, "POST", "snapshots", `{"snapshot":{"volume_id":"` + v.ID + `"}}`,
			"SnapshotLimitExceeded: Maximum number of snapshots allowed (0) exceeded"},
		{`{"backups":0}`, "POST", "backups", `{"backup":{"volume_id":"` + v.ID + `"}}`,
			"BackupLimitExceeded: Maximum number of backups allowed (0) exceeded"},
		{`{"backup_gigabytes":0}`, "POST", "backups", `{"backup":{"volume_id":"` + v.ID + `"}}`,
			"VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested 1G, quota is 0G and 0G has been consumed."},
	} {
		l.limit(c.limits)
		status, answer := l.ask("tenant", c.method, c.path, c.body)
		assert.Equal(t, http.StatusRequestEntityTooLarge, status, c.message)
		assert.Equal(t, map[string]any{"overLimit": map[string]any{"code": 413.0, "message": c.message, "retryAfter": "0"}}, answer)
		status, _ = l.ask("admin", "DELETE", "os-quota-sets/"+project, "")
		require.Equal(t, http.StatusOK, status)
	}
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status, "what was refused left no trace")
	all, err := l.db.VolumeGetAll(t.Context(), "")
	require.NoError(t, err)
	assert.Len(t, all, 1)
	assert.EqualValues(t, 1, l.volume(v.ID).Size)
}

func TestARestoreAndAnImportAreHeldToQuotas(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(64<<10, 1))
	status, answer := l.ask("admin", "GET", "backups/"+b.ID+"/export_record", "")
	require.Equal(t, http.StatusOK, status)
	record := answer["backup-record"].(map[string]any)

	l.limit(`{"volumes":0}`)
	status, answer = l.ask("tenant", "POST", "backups/"+b.ID+"/restore", `{"restore":{}}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
	assert.Equal(t, "Maximum number of volumes allowed (0) exceeded for quota 'volumes'.", message(answer), "without the class")
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status)

	status, _ = l.ask("admin", "DELETE", "backups/"+b.ID, "")
	require.Equal(t, http.StatusAccepted, status)
	l.untilGone(b.ID)
	l.limit(`{"backups":0}`)
	status, answer = l.ask("admin", "POST", "backups/import_record",
		fmt.Sprintf(`{"backup-record":{"backup_service":%q,"backup_url":%q}}`, record["backup_service"], record["backup_url"]))
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
	assert.Equal(t, "BackupLimitExceeded: Maximum number of backups allowed (0) exceeded", message(answer))
}

func TestOfManyCreatesAtOnceTheQuotaAdmitsOne(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		admitsOne(t, a.lab, b.lab)
	})
}

// admitsOne has the members of a fleet asked in turn.
func admitsOne(t *testing.T, members ...*lab) {
	l := members[0]
	v := l.ownVolume()
	l.limit(`{"volumes":2,"snapshots":1,"backups":1}`)
	const many = 12
	for _, c := range []struct{ path, body string }{
		{"volumes", `{"volume":{"size":1}}`},
		{"snapshots", `{"snapshot":{"volume_id":"` + v.ID + `"}}`},
		{"backups", `{"backup":{"volume_id":"` + v.ID + `","force":true}}`},
	} {
		statuses := make([]int, many)
		var together sync.WaitGroup
		for i := range many {
			together.Go(func() { statuses[i], _ = members[i%len(members)].ask("tenant", "POST", c.path, c.body) })
		}
		together.Wait()
		admitted := 0
		for _, status := range statuses {
			if status == http.StatusAccepted {
				admitted++
			}
		}
		assert.Equal(t, 1, admitted, "%s: %v", c.path, statuses)
	}
	status, answer := l.ask("tenant", "GET", "os-quota-sets/"+project+"?usage=True", "")
	assert.Equal(t, http.StatusOK, status)
	set := answer["quota_set"].(map[string]any)
	for resource, limit := range map[string]float64{"volumes": 2, "snapshots": 1, "backups": 1} {
		assert.Equal(t, map[string]any{"limit": limit, "in_use": limit, "reserved": 0.0}, set[resource], resource)
	}
}

func TestQuotasAreShownSetAndForgotten(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.Quotas = driverstate.CinderQuotas })
	l.ownVolume()
	path := "os-quota-sets/" + project
	defaults := map[string]any{
		"id": project, "volumes": 10.0, "per_volume_gigabytes": -1.0, "snapshots": 10.0, "gigabytes": 1000.0, "backups": 10.0, "backup_gigabytes": 1000.0,
		"volumes___DEFAULT__": -1.0, "gigabytes___DEFAULT__": -1.0, "snapshots___DEFAULT__": -1.0, "groups": 10.0,
	}
	for _, p := range []string{path, path + "/defaults", path + "?usage=0"} {
		status, answer := l.ask("tenant", "GET", p, "")
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, map[string]any{"quota_set": defaults}, answer, p)
	}
	status, answer := l.ask("admin", "GET", "os-quota-class-sets/default", "")
	assert.Equal(t, http.StatusOK, status)
	class := answer["quota_class_set"].(map[string]any)
	assert.Equal(t, "default", class["id"])
	assert.Equal(t, 10.0, class["volumes"])

	status, answer = l.ask("admin", "PUT", path, `{"quota_set":{"volumes":"7","tenant_id":"x"}}`)
	assert.Equal(t, http.StatusOK, status)
	set := answer["quota_set"].(map[string]any)
	assert.Equal(t, 7.0, set["volumes"])
	assert.NotContains(t, set, "id", "as Cinder")

	for body, text := range map[string]string{
		`{"quota_set":{}}`:                        "Invalid input for field/attribute quota_set. Value: {}. {} does not have enough properties",
		`{"quota_set":{"bad":1}}`:                 "Invalid input received: Bad key(s) in quota set: bad",
		`{"quota_set":{"volumes":-2}}`:            "volumes must be >= -1",
		`{"quota_set":{"volumes":"x"}}`:           "volumes must be an integer",
		`{"quota_set":{"volumes":1.5}}`:           "volumes must be an integer",
		`{"quota_set":{"volumes":null}}`:          "volumes must be an integer",
		`{"quota_set":{"volumes":99999999999}}`:   "volumes must be <= 2147483647",
		`{"quota_set":null}`:                      "Invalid input for field/attribute quota_set. Value: None. None is not of type 'object'",
		`{"x":1}`:                                 "'quota_set' is a required property",
		`{"quota_set":{"volumes":0,"backups":5}}`: "Quota volumes limit must be equal or greater than existing resources. Current usage is 1 and the requested limit is 0.",
	} {
		status, answer = l.ask("admin", "PUT", path, body)
		assert.Equal(t, http.StatusBadRequest, status, body)
		assert.Equal(t, text, message(answer))
	}
	status, answer = l.ask("tenant", "GET", path, "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, 10.0, answer["quota_set"].(map[string]any)["backups"], "a change that is refused changes nothing")

	for _, c := range []struct{ who, method, path, body, rule string }{
		{"tenant", "PUT", path, `{"quota_set":{"volumes":1}}`, "volume_extension:quotas:update"},
		{"tenant", "DELETE", path, "", "volume_extension:quotas:delete"},
		{"stranger", "GET", path, "", "volume_extension:quotas:show"},
		{"stranger", "GET", path + "/defaults", "", "volume_extension:quotas:show"},
		{"tenant", "GET", "os-quota-class-sets/default", "", "volume_extension:quota_classes:get"},
	} {
		status, answer = l.ask(c.who, c.method, c.path, c.body)
		assert.Equal(t, http.StatusForbidden, status)
		assert.Equal(t, "Policy doesn't allow "+c.rule+" to be performed.", message(answer))
	}
	status, answer = l.ask("admin", "GET", path+"?usage=x", "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Value 'x' for 'usage' is not a boolean.", message(answer))

	status, _ = l.ask("admin", "DELETE", path, "")
	assert.Equal(t, http.StatusOK, status)
	_, answer = l.ask("admin", "GET", path, "")
	assert.Equal(t, map[string]any{"quota_set": defaults}, answer)
}

func TestLimitsAreThoseOfTheProjectAndNeverBelowUse(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	status, answer := l.ask("tenant", "POST", "snapshots", `{"snapshot":{"volume_id":"`+v.ID+`"}}`)
	require.Equal(t, http.StatusAccepted, status, answer)
	l.limit(`{"backups":3}`)
	absolute := func(version, who, query string) map[string]any {
		status, answer := l.askAt(version, who, "GET", "limits"+query, "")
		require.Equal(t, http.StatusOK, status)
		limits := answer["limits"].(map[string]any)
		assert.Equal(t, []any{}, limits["rate"])
		return limits["absolute"].(map[string]any)
	}
	const none = 2147483647.0
	mine := map[string]any{
		"maxTotalVolumes": none, "maxTotalSnapshots": none, "maxTotalVolumeGigabytes": none, "maxTotalBackups": 3.0, "maxTotalBackupGigabytes": none,
		"totalVolumesUsed": 1.0, "totalGigabytesUsed": 2.0, "totalSnapshotsUsed": 1.0, "totalBackupsUsed": 0.0, "totalBackupGigabytesUsed": 0.0,
	}
	assert.Equal(t, mine, absolute("3.0", "tenant", ""))
	assert.Equal(t, 0.0, absolute("3.39", "admin", "?project_id="+other)["totalVolumesUsed"])
	assert.Equal(t, 0.0, absolute("3.39", "admin", "?tenant_id="+other)["totalVolumesUsed"])
	assert.Equal(t, mine, absolute("3.38", "admin", "?project_id="+other), "not before 3.39")
	assert.Equal(t, none, absolute("3.39", "stranger", "?project_id="+project)["maxTotalBackups"], "not of others")
}
