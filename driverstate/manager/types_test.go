package manager_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// refused asks as an admin, and expects to be refused.
func (l *lab) refused(status int, text, method, path, body string) {
	l.t.Helper()
	code, answer := l.ask("admin", method, path, body)
	assert.Equal(l.t, status, code, "%s %s %s", method, path, body)
	assert.Equal(l.t, text, message(answer), "%s %s %s", method, path, body)
}

// newType makes a volume type and returns its id.
func (l *lab) newType(body string) string {
	l.t.Helper()
	code, answer := l.ask("admin", "POST", "types", `{"volume_type":`+body+`}`)
	require.Equal(l.t, http.StatusOK, code, answer)
	return idOf(l.t, answer)
}

// nobody is the id of nothing.
const nobody = "9d3b6f0a-55f5-4b53-8d0f-6c3c2f0b7f10"

// The texts and statuses are those of a Cinder of Zed.
func TestVolumeTypesAreMadeChangedAndRemovedAsInCinder(t *testing.T) {
	l := newLab(t, nil)
	code, answer := l.ask("admin", "POST", "types", `{"volume_type":{"name":"fast","description":"d","extra_specs":{"a b":"c","multiattach":"no"}}}`)
	require.Equal(t, http.StatusOK, code, answer)
	id := idOf(t, answer)
	assert.Equal(t, map[string]any{"volume_type": map[string]any{
		"id": id, "name": "fast", "description": "d", "is_public": true, "os-volume-type-access:is_public": true,
		"extra_specs": map[string]any{"a b": "c", "multiattach": "no"},
	}}, answer)
	_, answer = l.ask("tenant", "GET", "types/"+id, "")
	assert.Equal(t, map[string]any{"multiattach": "no"}, answer["volume_type"].(map[string]any)["extra_specs"], "what is everybody's to see")

	path := "types/" + id
	l.refused(409, "Volume Type fast already exists.", "POST", "types", `{"volume_type":{"name":"fast"}}`)
	l.refused(409, "Volume Type __DEFAULT__ already exists.", "POST", "types", `{"volume_type":{"name":"__DEFAULT__"}}`)
	l.refused(400, "An invalid 'name' value was provided. The 'name' can not be empty.", "POST", "types", `{"volume_type":{"name":"  "}}`)
	l.refused(400, "Invalid input for field/attribute name. Value: . '' is too short", "POST", "types", `{"volume_type":{"name":""}}`)
	l.refused(400, "Invalid input for field/attribute a. Value: 5. 5 is not of type 'string', 'null'", "POST", "types", `{"volume_type":{"name":"x","extra_specs":{"a":5}}}`)
	l.refused(400, "Specify volume type name, description, is_public or a combination thereof.", "PUT", path, `{"volume_type":{}}`)
	l.refused(400, "Volume type name can not be empty.", "PUT", path, `{"volume_type":{"name":" "}}`)
	l.refused(404, "Volume type "+nobody+" could not be found.", "PUT", "types/"+nobody, `{"volume_type":{"name":"x"}}`)
	l.refused(404, "Volume type "+nobody+" could not be found.", "DELETE", "types/"+nobody, "")
	l.refused(400, "The volume type "+driverstate.DefaultType+" is a default volume type and cannot be deleted.", "DELETE", "types/"+driverstate.DefaultType, "")
	l.refused(400, "Invalid is_public filter [zz]", "GET", "types?is_public=zz", "")

	specs := path + "/extra_specs"
	code, answer = l.ask("admin", "POST", specs, `{"extra_specs":{"k":"v"}}`)
	assert.Equal(t, http.StatusOK, code)
	assert.Equal(t, map[string]any{"extra_specs": map[string]any{"k": "v"}}, answer)
	_, answer = l.ask("admin", "PUT", specs+"/k", `{"k":"w"}`)
	assert.Equal(t, map[string]any{"k": "w"}, answer)
	_, answer = l.ask("admin", "GET", specs+"/k", "")
	assert.Equal(t, map[string]any{"k": "w"}, answer)
	l.refused(400, "Invalid input for field/attribute extra_specs. Value: {'k k': 'v'}. 'k k' does not match any of the regexes: '^[a-zA-Z0-9-_:.]{1,255}$'",
		"POST", specs, `{"extra_specs":{"k k":"v"}}`)
	l.refused(400, "Request body and URI mismatch", "PUT", specs+"/k", `{"j":"v"}`)
	l.refused(400, "{} does not have enough properties", "PUT", specs+"/k", `{}`)
	for _, method := range []string{"GET", "DELETE"} {
		l.refused(404, "Volume Type "+id+" has no extra specs with key zz.", method, specs+"/zz", "")
	}
	code, _ = l.ask("admin", "DELETE", specs+"/k", "")
	assert.Equal(t, http.StatusAccepted, code)
	l.refused(404, "Volume Type "+id+" has no extra specs with key k.", "GET", specs+"/k", "")

	for _, c := range []struct{ method, path, body, rule string }{
		{"POST", "types", `{"volume_type":{"name":"x"}}`, "type_create"},
		{"PUT", path, `{"volume_type":{"name":"x"}}`, "type_update"},
		{"DELETE", path, "", "type_delete"},
		{"POST", specs, `{"extra_specs":{"k":"v"}}`, "types_extra_specs:create"},
		{"DELETE", specs + "/multiattach", "", "types_extra_specs:delete"},
		{"PUT", specs + "/multiattach", `{"multiattach":"x"}`, "types_extra_specs:update"},
		{"POST", path + "/action", `{"addProjectAccess":{"project":"` + project + `"}}`, "volume_type_access:addProjectAccess"},
	} {
		code, answer = l.ask("tenant", c.method, c.path, c.body)
		assert.Equal(t, http.StatusForbidden, code, c.path)
		assert.Equal(t, "Policy doesn't allow volume_extension:"+c.rule+" to be performed.", message(answer))
	}
	code, _ = l.ask("admin", "DELETE", path, "")
	assert.Equal(t, http.StatusAccepted, code)
}

func TestATypeThatIsNotPublicIsForThoseWhoWereLet(t *testing.T) {
	l := newLab(t, nil)
	id := l.newType(`{"name":"secret","os-volume-type-access:is_public":false}`)
	path := "types/" + id
	listed := func(who, query string) []string {
		_, answer := l.ask(who, "GET", "types"+query, "")
		return ids(answer, "volume_types")
	}
	create := `{"volume":{"size":1,"volume_type":"secret"}}`
	assert.NotContains(t, listed("admin", ""), id)
	assert.Equal(t, []string{id}, listed("admin", "?is_public=false"))
	assert.Equal(t, []string{id, driverstate.DefaultType}, listed("admin", "?is_public=None"))
	assert.Equal(t, []string{driverstate.DefaultType}, listed("stranger", "?is_public=false"), "a tenant cannot ask for them")
	code, answer := l.ask("stranger", "GET", path, "")
	assert.Equal(t, http.StatusNotFound, code, answer)
	code, answer = l.ask("stranger", "POST", "volumes", create)
	assert.Equal(t, http.StatusNotFound, code)
	assert.Equal(t, "Volume type with name secret could not be found.", message(answer))

	let := `{"addProjectAccess":{"project":"` + other + `"}}`
	code, _ = l.ask("admin", "POST", path+"/action", let)
	assert.Equal(t, http.StatusAccepted, code)
	l.refused(409, "Volume type access for "+id+" / "+other+" combination already exists.", "POST", path+"/action", let)
	_, answer = l.ask("admin", "GET", path+"/os-volume-type-access", "")
	assert.Equal(t, map[string]any{"volume_type_access": []any{map[string]any{"volume_type_id": id, "project_id": other}}}, answer)
	assert.Equal(t, []string{id, driverstate.DefaultType}, listed("stranger", ""))
	assert.Equal(t, []string{driverstate.DefaultType}, listed("tenant", ""))
	code, answer = l.ask("stranger", "POST", "volumes", create)
	require.Equal(t, http.StatusAccepted, code, answer)

	l.refused(404, "Volume type access not found for "+id+" / "+project+" combination.", "POST", path+"/action", `{"removeProjectAccess":{"project":"`+project+`"}}`)
	code, _ = l.ask("admin", "POST", path+"/action", `{"removeProjectAccess":{"project":"`+other+`"}}`)
	assert.Equal(t, http.StatusAccepted, code)
	_, answer = l.ask("stranger", "GET", "volumes/"+idOf(t, answer), "")
	assert.Equal(t, id, answer["volume"].(map[string]any)["volume_type_id"], "its volume stays what it is")
	_, _ = l.ask("admin", "PUT", path, `{"volume_type":{"is_public":true}}`)
	l.refused(400, "Invalid volume type: Type access modification is not applicable to public volume type.", "POST", path+"/action", let)
	l.refused(404, "Access list not available for public volume types.", "GET", path+"/os-volume-type-access", "")
}

func TestVolumesOfATypeCountForItsQuotasAndKeepItFromRemoval(t *testing.T) {
	l := newLab(t, nil)
	id := l.newType(`{"name":"fast"}`)
	l.limit(`{"volumes_fast":1,"gigabytes_fast":3,"snapshots_fast":0}`)
	create := func(body string) (int, map[string]any) {
		return l.ask("tenant", "POST", "volumes", `{"volume":`+body+`}`)
	}
	code, answer := create(`{"size":4,"volume_type":"` + id + `"}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, code)
	assert.Equal(t, "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes_fast quota. "+
		"Requested 4G, quota is 3G and 0G has been consumed.", message(answer))
	code, answer = create(`{"size":1,"volume_type":"` + id + `"}`)
	require.Equal(t, http.StatusAccepted, code, answer)
	volume := idOf(t, answer)
	shown := answer["volume"].(map[string]any)
	assert.Equal(t, []any{"fast", id}, []any{shown["volume_type"], shown["volume_type_id"]})
	code, answer = create(`{"size":1,"volume_type":"fast"}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, code)
	assert.Equal(t, "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes_fast'.", message(answer))
	code, answer = create(`{"size":1,"source_volid":"` + volume + `"}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, code, "a clone is of the type, too: %v", answer)
	code, answer = create(`{"size":1}`)
	assert.Equal(t, http.StatusAccepted, code, answer)
	code, answer = l.ask("tenant", "POST", "snapshots", `{"snapshot":{"volume_id":"`+volume+`"}}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, code, answer)
	_, answer = l.ask("tenant", "GET", "os-quota-sets/"+project+"?usage=true", "")
	of := func(resource string) any {
		return answer["quota_set"].(map[string]any)[resource].(map[string]any)["in_use"]
	}
	assert.Equal(t, []any{1.0, 1.0, 1.0, 2.0}, []any{of("volumes_fast"), of("gigabytes_fast"), of("volumes___DEFAULT__"), of("volumes")})

	l.refused(400, "Target volume type is still in use.", "DELETE", "types/"+id, "")
	l.refused(400, "Volume Type is currently in use.", "POST", "types/"+id+"/extra_specs", `{"extra_specs":{"k":"v"}}`)
	code, _ = l.ask("admin", "PUT", "types/"+id, `{"volume_type":{"name":"slow"}}`)
	assert.Equal(t, http.StatusOK, code)
	_, answer = l.ask("tenant", "GET", "volumes/"+volume, "")
	assert.Equal(t, "slow", answer["volume"].(map[string]any)["volume_type"])
	_, answer = l.ask("tenant", "GET", "os-quota-sets/"+project, "")
	assert.Equal(t, 1.0, answer["quota_set"].(map[string]any)["volumes_slow"])
	require.NoError(t, l.DeleteVolume(t.Context(), tenant, volume))
	code, _ = l.ask("admin", "DELETE", "types/"+id, "")
	assert.Equal(t, http.StatusAccepted, code)
}

func TestAVolumeOfATypeForAnotherBackEndIsErrorWithAMessage(t *testing.T) {
	l := newLab(t, nil)
	for spec, want := range map[string]driverstate.VolumeStatus{
		`"volume_backend_name":"file"`:                driverstate.VolumeAvailable,
		`"volume_backend_name":"other"`:               driverstate.VolumeError,
		`"capabilities:vendor_name":"x"`:              driverstate.VolumeError,
		`"vendor_name":"<in> cinder"`:                 driverstate.VolumeAvailable,
		`"storage_protocol":"<or> iSCSI <or> file"`:   driverstate.VolumeAvailable,
		`"storage_protocol":"<or> iSCSI <or> ceph"`:   driverstate.VolumeError,
		`"multiattach":"<is> True"`:                   driverstate.VolumeError,
		`"nobody_has":"this"`:                         driverstate.VolumeError,
		`"hpe3par:provisioning":"thin"`:               driverstate.VolumeAvailable,
		`"volume_backend_name":"s== file","cost":"1"`: driverstate.VolumeError,
	} {
		id := l.newType(`{"name":` + "\"t-" + l.conf.Host + `","extra_specs":{` + spec + `}}`)
		code, answer := l.ask("tenant", "POST", "volumes", `{"volume":{"size":1,"volume_type":"`+id+`"}}`)
		require.Equal(t, http.StatusAccepted, code, answer)
		volume := idOf(t, answer)
		assert.Equal(t, want, l.volume(volume).Status, spec)
		_, answer = l.ask("tenant", "GET", "messages?resource_uuid="+volume, "")
		told := answer["messages"].([]any)
		if want == driverstate.VolumeError && assert.Len(t, told, 1, spec) {
			assert.Contains(t, told[0].(map[string]any)["user_message"], "schedule allocate volume:")
		} else {
			assert.Empty(t, told)
		}
		require.NoError(t, l.DeleteVolume(t.Context(), tenant, volume))
		code, _ = l.ask("admin", "DELETE", "types/"+id, "")
		require.Equal(t, http.StatusAccepted, code)
	}
}

func TestTheDefaultQuotaClassIsWhatDefaultsComeFrom(t *testing.T) {
	l := newLab(t, nil)
	l.newType(`{"name":"fast"}`)
	class := "os-quota-class-sets/default"
	code, answer := l.ask("admin", "PUT", class, `{"quota_class_set":{"volumes":1,"volumes_fast":"7"}}`)
	require.Equal(t, http.StatusOK, code, answer)
	set := answer["quota_class_set"].(map[string]any)
	assert.Equal(t, []any{1.0, 7.0, -1.0}, []any{set["volumes"], set["volumes_fast"], set["backups"]})
	assert.NotContains(t, set, "id")
	_, answer = l.ask("tenant", "GET", "os-quota-sets/"+project+"/defaults", "")
	assert.Equal(t, 7.0, answer["quota_set"].(map[string]any)["volumes_fast"])
	_, answer = l.ask("admin", "PUT", "os-quota-class-sets/rich", `{"quota_class_set":{"backups":5}}`)
	set = answer["quota_class_set"].(map[string]any)
	assert.Equal(t, []any{1.0, 5.0}, []any{set["volumes"], set["backups"]}, "before the defaults")

	l.ownVolume()
	code, answer = l.ask("tenant", "POST", "volumes", `{"volume":{"size":1}}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, code)
	assert.Equal(t, "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.", message(answer))
	l.limit(`{"volumes":2}`)
	code, _ = l.ask("tenant", "POST", "volumes", `{"volume":{"size":1}}`)
	assert.Equal(t, http.StatusAccepted, code, "what was set for the project counts")
	l.refused(400, "Invalid input received: Bad key(s) in quota class set: volumes_slow", "PUT", class, `{"quota_class_set":{"volumes_slow":1}}`)
	for _, method := range []string{"GET", "PUT"} {
		code, _ = l.ask("tenant", method, class, `{"quota_class_set":{"volumes":9}}`)
		assert.Equal(t, http.StatusForbidden, code)
	}
}
