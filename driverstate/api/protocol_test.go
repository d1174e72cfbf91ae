package api_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

const v3 = "/v3/" + project

func TestVersionDocument(t *testing.T) {
	h := serve(&fake{})
	root := send(t, h, ask{path: "/", header: map[string]string{"X-Auth-Token": ""}})
	assert.Equal(t, http.StatusMultipleChoices, root.StatusCode)
	doc := decode(t, root)
	version := doc["versions"].([]any)[0].(map[string]any)
	assert.Equal(t, "v3.0", version["id"])
	assert.Equal(t, "3.71", version["version"])
	assert.Equal(t, "3.0", version["min_version"])
	assert.Equal(t, "http://"+serverHost+"/v3/", version["links"].([]any)[1].(map[string]any)["href"])

	v3 := send(t, h, ask{path: "/v3/", version: "latest"})
	assert.Equal(t, http.StatusOK, v3.StatusCode)
	assert.Equal(t, "volume 3.71", v3.Header.Get("OpenStack-API-Version"))
	assert.Equal(t, doc, decode(t, v3))

	moved := send(t, h, ask{path: "/v3"})
	assert.Equal(t, http.StatusFound, moved.StatusCode)
	assert.Equal(t, "http://"+serverHost+"/v3/", moved.Header.Get("Location"))
}

func TestPublicURLIsWhatLinksBeginWith(t *testing.T) {
	f := &fake{backups: []*driverstate.Backup{sampleBackup()}}
	h := api.New(f, api.Config{PublicURL: "https://cloud.example/volume/"})
	links := decode(t, send(t, h, ask{path: "/v3/backups"}))["backups"].([]any)[0].(map[string]any)["links"].([]any)
	assert.Equal(t, "https://cloud.example/volume/v3/backups/"+backupID, links[0].(map[string]any)["href"])
	assert.Equal(t, "https://cloud.example/volume/backups/"+backupID, links[1].(map[string]any)["href"])

	r := send(t, serve(f), ask{path: v3 + "/backups", header: map[string]string{"X-Forwarded-Host": "a.example, b.example"}})
	links = decode(t, r)["backups"].([]any)[0].(map[string]any)["links"].([]any)
	assert.Equal(t, "http://b.example"+v3+"/backups/"+backupID, links[0].(map[string]any)["href"])
}

func TestHealthcheck(t *testing.T) {
	anonymous := map[string]string{"X-Auth-Token": "", "Accept": ""}
	assert.Equal(t, "OK", read(t, send(t, serve(&fake{}), ask{path: "/healthcheck", header: anonymous})))
	assert.Equal(t, []any{"OK"}, decode(t, send(t, serve(&fake{}), ask{path: "/healthcheck"}))["reasons"])
	// As oslo.middleware answers to load balancers.
	head := ask{method: "HEAD", path: "/healthcheck", header: anonymous}
	assert.Equal(t, http.StatusNoContent, send(t, serve(&fake{}), head).StatusCode)
	sick := api.New(&fake{}, api.Config{Logger: slog.New(slog.DiscardHandler), Health: func(context.Context) error { return errors.New("away") }})
	r := send(t, sick, head)
	assert.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
	assert.Empty(t, read(t, r))
}

func TestWhyNothingWorksIsForTheOperator(t *testing.T) {
	f := &fake{err: driverstate.Fail(driverstate.ErrUnavailable, "failed to connect to user=cinder database=cinder at 10.1.2.3")}
	h := api.New(f, api.Config{Logger: slog.New(slog.DiscardHandler), Auth: cloud{project}})
	_, message := fault(t, send(t, h, ask{path: v3 + "/backups", header: map[string]string{"X-Auth-Token": "admin"}}))
	assert.Contains(t, message, "10.1.2.3")
	r := send(t, h, ask{path: v3 + "/backups", header: map[string]string{"X-Auth-Token": "demo"}})
	assert.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
	_, message = fault(t, r)
	assert.Equal(t, "Service is unavailable at this time.", message)
}

func TestMicroversions(t *testing.T) {
	h := serve(&fake{})
	const generic = "The server could not comply with the request since it is either malformed or otherwise incorrect."
	for header, want := range map[string]struct {
		status         int
		told           string
		fault, message string
	}{
		"":                        {200, "volume 3.0", "", ""},
		"volume latest":           {200, "volume 3.71", "", ""},
		"volume 3.5":              {200, "volume 3.5", "", ""},
		"compute 2.1,volume 3.5":  {200, "volume 3.5", "", ""},
		"compute 2.1, volume 3.5": {200, "volume 3.5", "", ""},
		"volume 3.999":            {406, "volume 3.999", "computeFault", "Version 3.999 is not supported by the API. Minimum is 3.0 and maximum is 3.71."},
		"volume 2.0":              {406, "", "computeFault", "Version 2.0 is not supported by the API. Minimum is 3.0 and maximum is 3.71."},
		"volume 3.x":              {400, "", "badRequest", "API Version String 3.x is of invalid format. Must be of format MajorNum.MinorNum."},
		"volume 3":                {400, "", "badRequest", "API Version String 3 is of invalid format. Must be of format MajorNum.MinorNum."},
		"volume 03.1":             {400, "", "badRequest", "API Version String 03.1 is of invalid format. Must be of format MajorNum.MinorNum."},
		"volume":                  {400, "", "badRequest", "API Version String  is of invalid format. Must be of format MajorNum.MinorNum."},
		"compute 2.1":             {400, "", "badRequest", generic},
	} {
		t.Run(header, func(t *testing.T) {
			r := send(t, h, ask{path: "/v3/backups", header: map[string]string{"OpenStack-API-Version": header}})
			assert.Equal(t, want.status, r.StatusCode)
			assert.Equal(t, want.told, r.Header.Get("OpenStack-API-Version"))
			if want.fault != "" {
				name, message := fault(t, r)
				assert.Equal(t, want.fault, name)
				assert.Equal(t, want.message, message)
			}
		})
	}
}

func TestUnroutedIs404InTheFormThatAcceptAsksFor(t *testing.T) {
	h := serve(&fake{})
	for accept, want := range map[string]struct{ kind, begins string }{
		"":                                {"text/plain", "404 Not Found\n\nThe resource could not be found.\n\n   "},
		"application/xml":                 {"text/plain", "404 Not Found\n"},
		"*/*":                             {"text/html", "<html>\n <head>\n  <title>404 Not Found</title>"},
		"text/html":                       {"text/html", "<html>"},
		"application/json":                {"application/json", `{"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}`},
		"application/json, text/*;q=0.5":  {"application/json", `{"message"`},
		"text/html;q=0, application/json": {"application/json", `{"message"`},
	} {
		r := send(t, h, ask{path: "/v3/nothing", header: map[string]string{"Accept": accept}})
		assert.Equal(t, http.StatusNotFound, r.StatusCode)
		assert.Contains(t, r.Header.Get("Content-Type"), want.kind, accept)
		assert.True(t, strings.HasPrefix(read(t, r), want.begins), accept)
		assert.Empty(t, r.Header.Get("OpenStack-API-Version"))
		assert.NotEmpty(t, r.Header.Get("X-Openstack-Request-Id"))
		assert.Empty(t, r.Header.Get("X-Compute-Request-Id"))
	}
}

func TestWhatIsNotRouted(t *testing.T) {
	h := serve(&fake{})
	for _, a := range []ask{
		{path: "/v1/backups"}, {path: "/v3/admin/backups"}, {path: "/v3/NOTHEX/backups"}, {path: "/v2/backups"},
		{method: "PATCH", path: "/v3/backups"}, {method: "POST", path: "/v3/backups/detail", body: "{}"},
		{method: "POST", path: "/v3/backups/" + backupID + "/export_record", body: "{}"},
		{path: "/v3/backups/"}, {path: "/v3/" + project}, {path: "/v3//backups//"},
		{path: "/v2/" + project + "/os-services"}, {path: "/v2/" + project + "/volumes"},
		{path: "/v3/backups/a%2Fb/c"}, {method: "PATCH", path: "/v3/os-services/enable", body: "{}"},
	} {
		r := send(t, h, a)
		assert.Equal(t, http.StatusNotFound, r.StatusCode, a.path)
		assert.Empty(t, r.Header.Get("X-Compute-Request-Id"), a.path)
	}
	// A collection that lacks the method says so as a fault.
	name, message := fault(t, send(t, h, ask{method: "POST", path: "/v3/os-services", body: "{}"}))
	assert.Equal(t, "itemNotFound", name)
	assert.Equal(t, "The resource could not be found.", message)
}

func TestProjectMayStandInTheURL(t *testing.T) {
	f := &fake{backups: []*driverstate.Backup{sampleBackup()}}
	for path, prefix := range map[string]string{
		"/v3/backups/" + backupID:             "/v3/backups/",
		"//v3///backups//" + backupID:         "/v3/backups/",
		v3 + "//backups/" + backupID:          v3 + "/backups/",
		v3 + "/backups/" + backupID:           v3 + "/backups/",
		v3 + "/backups/" + backupID + ".json": v3 + "/backups/",
	} {
		b := decode(t, send(t, serve(f), ask{path: path}))["backup"].(map[string]any)
		assert.Equal(t, "http://"+serverHost+prefix+backupID, b["links"].([]any)[0].(map[string]any)["href"])
		assert.Equal(t, backupID, f.id)
	}
	name, message := fault(t, send(t, serve(f), ask{path: "/v3/abcdef/backups"}))
	assert.Equal(t, "badRequest", name)
	assert.Equal(t, "Malformed request url", message)
}

func TestOldProposalsAreAnsweredUnderV2(t *testing.T) {
	f := &fake{backups: []*driverstate.Backup{sampleBackup()}}
	r := send(t, serve(f), ask{path: "/v2/" + project + "/backups/" + backupID, version: "3.999"})
	assert.Equal(t, http.StatusOK, r.StatusCode)
	assert.Empty(t, r.Header.Get("OpenStack-API-Version"))
	b := decode(t, r)["backup"].(map[string]any)
	assert.NotContains(t, b, "metadata", "it is of 3.43")
	assert.Equal(t, "http://"+serverHost+"/v2/"+project+"/backups/"+backupID, b["links"].([]any)[0].(map[string]any)["href"])

	r = send(t, serve(f), ask{method: "POST", path: "/v2/" + project + "/backups/" + backupID + "/action", body: `{"os-force_delete": {}}`})
	assert.Equal(t, http.StatusAccepted, r.StatusCode)
	assert.True(t, f.force)
}

func TestNoAuth(t *testing.T) {
	f := &fake{}
	r := send(t, serve(f), ask{path: v3 + "/backups", header: map[string]string{
		"X-Auth-Token": "", "X-Auth-User": "ann", "X-Auth-Project-Id": "p",
	}})
	assert.Equal(t, http.StatusNoContent, r.StatusCode)
	assert.Equal(t, "ann:p", r.Header.Get("X-Auth-Token"))
	assert.Equal(t, "http://"+serverHost+v3+"/backups", r.Header.Get("X-Server-Management-Url"))
	assert.Empty(t, f.called)

	r = send(t, serve(f), ask{path: "/v3/nothing", header: map[string]string{"X-Auth-Token": ""}})
	assert.Equal(t, "admin:admin", r.Header.Get("X-Auth-Token"), "every path below /v3")

	send(t, serve(f), ask{path: "/v3/backups", header: map[string]string{"X-Auth-Token": "ann", "X-Project-Id": "forged"}})
	assert.Equal(t, "ann", f.caller.UserID)
	assert.Equal(t, "ann", f.caller.ProjectID)
	assert.True(t, f.caller.Admin)
	assert.Regexp(t, `^req-[0-9a-f-]{36}$`, f.caller.RequestID)
}

func TestBodiesThatAreNone(t *testing.T) {
	restore, action, cleanup := v3+"/backups/"+backupID+"/restore", v3+"/backups/"+backupID+"/action", v3+"/workers/cleanup"
	none := "There is no such action: None. Verify the request body and Content-Type header and try again."
	for name, c := range map[string]struct {
		path, kind, body string
		status           int
		message          string
	}{
		"no body":              {restore, "", "", 400, "Malformed request body"},
		"no type":              {restore, "", "{}", 415, "Unsupported Content-Type"},
		"no JSON":              {restore, jsonType, "{", 400, "Malformed request body"},
		"two documents":        {restore, jsonType, "{} {}", 400, "Malformed request body"},
		"more after it":        {restore, jsonType, `{"restore":{}} ]`, 400, "Malformed request body"},
		"not UTF-8":            {restore, jsonType, "{\"\xff\":1}", 400, "Malformed request body"},
		"a list":               {restore, jsonType, "[]", 400, "[] is not of type 'object'"},
		"null inside":          {restore, jsonType, `{"restore":null}`, 400, "Invalid input for field/attribute restore. Value: None. None is not of type 'object'"},
		"unknown inside":       {restore, jsonType, `{"restore":{"x":1,"y":2}}`, 400, "Invalid input for field/attribute restore. Value: {'x': 1, 'y': 2}. Additional properties are not allowed ('x', 'y' were unexpected)"},
		"volume no UUID":       {restore, jsonType, `{"restore":{"volume_id":"v"}}`, 400, "Invalid input for field/attribute volume_id. Value: v. 'v' is not valid under any of the given schemas"},
		"form":                 {restore, "application/x-www-form-urlencoded", "a=b", 415, "Unsupported Content-Type"},
		"charset":              {restore, "application/json; charset=utf-8", `{"restore":{}}`, 202, ""},
		"vendor type":          {restore, "application/vnd.openstack.volume+json", `{"restore":{}}`, 202, ""},
		"action without body":  {action, "", "", 400, none},
		"empty action":         {action, jsonType, "{}", 400, "Malformed request body"},
		"list of actions":      {action, jsonType, "[]", 400, "Malformed request body"},
		"two actions":          {action, jsonType, `{"a":1,"b":2}`, 400, "Malformed request body"},
		"reset without status": {action, jsonType, `{"os-reset_status":{}}`, 400, "Invalid input for field/attribute os-reset_status. Value: {}. 'status' is a required property"},
		"the proposal's word":  {action, jsonType, `{"backup-reset_status":{}}`, 400, "There is no such action: backup-reset_status. Verify the request body and Content-Type header and try again."},
		"cleanup without body": {cleanup, "", "", 202, ""},
		"cleanup without type": {cleanup, "", `{"host":"a"}`, 415, "Unsupported Content-Type"},
		"too long":             {restore, jsonType, `{"restore":"` + strings.Repeat("x", 3<<20) + `"}`, 413, "Request is too large."},
	} {
		t.Run(name, func(t *testing.T) {
			r := send(t, serve(&fake{}), ask{
				method: "POST", path: c.path, version: "3.24", body: c.body, header: map[string]string{"Content-Type": c.kind},
			})
			require.Equal(t, c.status, r.StatusCode)
			if c.message != "" {
				_, message := fault(t, r)
				assert.Equal(t, c.message, message)
			}
		})
	}
}

func TestErrorsBecomeFaults(t *testing.T) {
	of := func(resource string, kind error) error {
		return &driverstate.Error{Op: "x", Resource: resource, ID: "7", Err: driverstate.Fail(kind, "Why.")}
	}
	for name, c := range map[string]struct {
		err            error
		status         int
		fault, message string
	}{
		"backup not found":       {of("backup", driverstate.ErrNotFound), 404, "itemNotFound", "Backup 7 could not be found."},
		"volume not found":       {of("volume", driverstate.ErrNotFound), 404, "itemNotFound", "Volume 7 could not be found."},
		"something not found":    {driverstate.ErrNotFound, 404, "itemNotFound", "The resource could not be found."},
		"service down":           {of("service", driverstate.ErrServiceDown), 404, "itemNotFound", "Service 7 could not be found."},
		"service down, nameless": {driverstate.ErrServiceDown, 404, "itemNotFound", "Service cinder-backup could not be found."},
		"status of a volume":     {of("volume", driverstate.ErrInvalidStatus), 400, "badRequest", "Invalid volume: Why."},
		"dependents":             {of("backup", driverstate.ErrHasDependents), 400, "badRequest", "Invalid backup: Why."},
		"target too small":       {of("", driverstate.ErrTooSmall), 400, "badRequest", "Invalid volume: Why."},
		"input":                  {of("", driverstate.ErrInvalidInput), 400, "badRequest", "Invalid input received: Why."},
		"input about a volume":   {of("volume", driverstate.ErrInvalidInput), 400, "badRequest", "Invalid volume: Why."},
		"bare input":             {driverstate.Fail(driverstate.ErrInvalidInput, "Why."), 400, "badRequest", "Invalid input received: Why."},
		"forbidden":              {driverstate.Fail(driverstate.ErrForbidden, "Policy."), 403, "forbidden", "Policy."},
		"read-only":              {of("backup", driverstate.ErrReadOnly), 403, "forbidden", "Why."},
		"not supported":          {of("backup", driverstate.ErrNotSupported), 405, "badMethod", "Why."},
		"conflict":               {of("backup", driverstate.ErrConflict), 409, "conflictingRequest", "Why."},
		"quota":                  {driverstate.Fail(driverstate.ErrOverLimit, "BackupLimitExceeded: full"), 413, "overLimit", "BackupLimitExceeded: full"},
		"unavailable":            {of("", driverstate.ErrUnavailable), 503, "serviceUnavailable", "Why."},
		"damaged":                {of("backup", driverstate.ErrCorrupt), 500, "computeFault", "Why."},
		"anything else":          {errors.New("secret path"), 500, "computeFault", "The server has either erred or is incapable of performing the requested operation."},
	} {
		t.Run(name, func(t *testing.T) {
			r := send(t, serve(&fake{err: c.err}), ask{path: v3 + "/backups/7"})
			assert.Equal(t, c.status, r.StatusCode)
			if c.status == 413 {
				assert.Equal(t, "0", r.Header.Get("Retry-After"))
			}
			name, message := fault(t, r)
			assert.Equal(t, c.fault, name)
			assert.Equal(t, c.message, message)
		})
	}
}

func TestOverLimitSaysZeroSecondsAsText(t *testing.T) {
	f := &fake{err: driverstate.Fail(driverstate.ErrOverLimit, "full")}
	inner := decode(t, send(t, serve(f), ask{path: v3 + "/backups/7"}))["overLimit"].(map[string]any)
	assert.Equal(t, "0", inner["retryAfter"])
}

func TestPanicIsOneFaultAndLeaksNothing(t *testing.T) {
	var log bytes.Buffer
	h := api.New(&fake{panics: true}, api.Config{Logger: slog.New(trace.Handler(slog.NewTextHandler(&log, nil)))})
	r := send(t, h, ask{path: v3 + "/backups"})
	assert.Equal(t, http.StatusInternalServerError, r.StatusCode)
	name, message := fault(t, r)
	assert.Equal(t, "computeFault", name)
	assert.NotContains(t, message, "secret")
	assert.Contains(t, log.String(), "secret of the engine")
	assert.Contains(t, log.String(), r.Header.Get("X-Openstack-Request-Id"))
}
