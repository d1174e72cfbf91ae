package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestEveryRefusalOfARealCinderHasItsKind(t *testing.T) {
	want := map[string]error{ // by the beginning of the message
		"Invalid input for field/attribute metadata":                driverstate.ErrInvalidInput,
		"Invalid backup: No backups available":                      driverstate.ErrInvalidStatus,
		"Invalid volume: volume size 1 is too small":                driverstate.ErrTooSmall,
		"Invalid backup: Backup status must be":                     driverstate.ErrInvalidStatus,
		"Invalid volume: Volume to be restored to must be":          driverstate.ErrInvalidStatus,
		"Invalid backup: Backup already exists":                     driverstate.ErrConflict,
		"Invalid backup: Incremental backups exist":                 driverstate.ErrHasDependents,
		"Backup status: bogus is invalid":                           driverstate.ErrInvalidInput,
		"Backup dcb81aa0-33dc-4776-9c80-6ab2591189a7 could not":     driverstate.ErrNotFound,
		"Service cinder-backup could not be found":                  driverstate.ErrServiceDown,
		"Service cinder.backup.drivers.posix.PosixBackupDriver cou": driverstate.ErrServiceDown,
		"Policy doesn't allow":                                      driverstate.ErrForbidden,
		"The server has either erred":                               driverstate.ErrUnavailable,
	}
	for _, a := range readJSON[[]answer](t, "refusals.json") {
		name, message := readFault(a.Body)
		t.Run(fmt.Sprintf("%d %s %.40s", a.Status, a.Method, message), func(t *testing.T) {
			var kind error
			for start, k := range want {
				if strings.HasPrefix(message, start) {
					kind = k
				}
			}
			require.NotNil(t, kind, "no expectation for %q", message)
			c := newCloud(t, map[string][]answer{"POST /backups/id/action": {a}})
			err := c.client(Options{}).ForceDeleteBackup(t.Context(), "id")
			requireKind(t, err, kind)
			e := failure(t, err)
			assert.Equal(t, a.Status, e.Status)
			assert.Equal(t, name, e.Fault)
			assert.NotEmpty(t, e.Fault)
			assert.Equal(t, message, e.Message)
			assert.Equal(t, a.RequestID, e.RequestID)
			assert.Contains(t, err.Error(), a.RequestID)
			assert.Len(t, c.asked(), 1, "a write is sent once")
		})
	}
}

func TestKindsOfAnswersThatTheRecordingsLack(t *testing.T) {
	fault := func(name string, code int, message string) string {
		return fmt.Sprintf(`{%q: {"code": %d, "message": %q}}`, name, code, message)
	}
	for name, c := range map[string]struct {
		status int
		body   string
		kind   error
	}{
		"keystone's own 401":  {401, `{"error":{"code":401,"title":"Unauthorized","message":"The request you have made requires authentication."}}`, driverstate.ErrForbidden},
		"service on a host":   {404, fault("itemNotFound", 404, "Service cinder-backup could not be found on host node1."), driverstate.ErrServiceDown},
		"force delete, ceph":  {405, fault("badMethod", 405, "Operation not supported: force delete."), driverstate.ErrNotSupported},
		"version too new":     {406, fault("computeFault", 406, "Version 3.999 is not supported by the API. Minimum is 3.0 and maximum is 3.71."), driverstate.ErrNotSupported},
		"conflict":            {409, fault("conflictingRequest", 409, "Backup x is managed already."), driverstate.ErrConflict},
		"quota":               {413, `{"overLimit":{"code":413,"message":"BackupLimitExceeded: Maximum number of backups allowed (10) exceeded","retryAfter":"0"}}`, driverstate.ErrOverLimit},
		"too many requests":   {429, `{}`, driverstate.ErrOverLimit},
		"not implemented":     {501, fault("notImplemented", 501, "no"), driverstate.ErrNotSupported},
		"wrong form":          {415, fault("badMediaType", 415, "Unsupported Content-Type"), driverstate.ErrInvalidInput},
		"invalid input":       {400, fault("badRequest", 400, "Invalid input received: Can't parse backup record."), driverstate.ErrInvalidInput},
		"impossible size":     {400, fault("badRequest", 400, "Invalid backup: Backup to be restored has invalid size"), driverstate.ErrInvalidInput},
		"read-only store":     {403, fault("forbidden", 403, "store is read-only"), driverstate.ErrReadOnly},
		"a gateway's page":    {502, "<html>Bad Gateway</html>", driverstate.ErrUnavailable},
		"nothing":             {503, "", driverstate.ErrUnavailable},
		"not routed, as JSON": {404, `{"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}`, driverstate.ErrNotSupported},
		"not routed, as text": {404, "404 Not Found\n\nThe resource could not be found.\n\n   \n", driverstate.ErrNotSupported},
		"a redirected write":  {302, "", driverstate.ErrNotSupported},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, map[string][]answer{"DELETE /backups/id": {says(c.status, c.body)}})
			err := cloud.client(Options{}).DeleteBackup(t.Context(), "id")
			requireKind(t, err, c.kind)
			assert.Equal(t, c.status, failure(t, err).Status)
			assert.NotContains(t, err.Error(), "<")
			assert.Len(t, cloud.asked(), 1)
		})
	}
}

func TestTheTextOfAnErrorNamesTheObjectFirst(t *testing.T) {
	id := "dcb81aa0-33dc-4776-9c80-6ab2591189a7"
	absent := recorded(t, "backup absent")
	c := newCloud(t, map[string][]answer{
		"GET /backups/" + id:    {absent},
		"DELETE /backups/" + id: {says(400, `{"badRequest":{"code":400,"message":"Invalid backup: Backup status must be available or error"}}`)},
		"POST /backups/" + id + "/action": {
			says(404, `{"itemNotFound":{"code":404,"message":"Service cinder-backup could not be found."}}`)},
	})
	c.answers["POST /manageable_backups"] = []answer{
		says(409, `{"conflictingRequest":{"code":409,"message":"Backup `+id+` is managed already."}}`)}
	client := c.client(Options{})
	_, err := client.ManageBackup(t.Context(), ManageOpts{ID: id})
	assert.EqualError(t, err, "backup "+id+": is managed already (HTTP 409)")
	_, err = client.ShowBackup(t.Context(), id)
	assert.EqualError(t, err, "backup "+id+": not found (HTTP 404, "+absent.RequestID+")")
	err = client.DeleteBackup(t.Context(), id)
	assert.EqualError(t, err, "backup "+id+": backup status must be available or error (HTTP 400)")
	err = client.ForceDeleteBackup(t.Context(), id)
	assert.EqualError(t, err, "backup "+id+": no backup service is up to do it (Service cinder-backup could not be found) (HTTP 404)")
}

func TestNoAnswerIsUnavailable(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	client := New(&gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: s.URL + "/v3/"}, Options{})
	requireKind(t, client.DeleteBackup(t.Context(), "id"), driverstate.ErrUnavailable)
	_, err := client.ListBackups(t.Context(), ListOpts{})
	requireKind(t, err, driverstate.ErrUnavailable)
}

func TestAnAnswerThatIsCutOffIsUnavailable(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /volumes/id": {says(200, `{"volume": {"id": "i`)}})
	_, err := c.client(Options{}).ShowVolume(t.Context(), "id")
	requireKind(t, err, driverstate.ErrUnavailable)
	assert.Len(t, c.asked(), 1+maxRetries, "a read may be repeated")
}

func TestAnInterruptedCallIsOnlyInterrupted(t *testing.T) {
	c := newCloud(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.client(Options{}).ShowBackup(ctx, "id")
	require.ErrorIs(t, err, context.Canceled)
	requireKind(t, err, nil)
}

func TestIDsThatCannotBeAreRefusedUnsent(t *testing.T) {
	c := newCloud(t, nil)
	client := c.client(Options{})
	for _, id := range []string{"", ".", ".."} {
		_, err := client.ShowBackup(t.Context(), id)
		requireKind(t, err, driverstate.ErrInvalidInput)
		requireKind(t, client.DeleteBackup(t.Context(), id), driverstate.ErrInvalidInput)
		requireKind(t, client.ForceDeleteBackup(t.Context(), id), driverstate.ErrInvalidInput)
		requireKind(t, client.DeleteVolume(t.Context(), id), driverstate.ErrInvalidInput)
	}
	assert.Empty(t, c.requests)
}

func TestALoginThatIsRefusedIsExplained(t *testing.T) {
	cause := fmt.Errorf("login of ann: refused: %w", gophercloud.ErrUnexpectedResponseCode{
		Actual: 401, ResponseHeader: http.Header{"X-Openstack-Request-Id": {"req-1"}},
	})
	err := Explain(t.Context(), cause)
	requireKind(t, err, driverstate.ErrForbidden)
	assert.True(t, strings.HasPrefix(err.Error(), "login of ann: refused"), err.Error())
	assert.Equal(t, 1, strings.Count(err.Error(), "login of ann"))

	gone := gophercloud.ErrUnexpectedResponseCode{
		Actual: 404, URL: "https://keystone/v3/auth/tokens",
		Body: []byte(`{"error":{"code":404,"message":"Could not recognize Fernet token","title":"Not Found"}}`),
	}
	requireKind(t, Explain(t.Context(), gone), driverstate.ErrForbidden)
	requireKind(t, Explain(t.Context(), &gophercloud.ErrUnableToReauthenticate{ErrOriginal: gone}), driverstate.ErrForbidden)
	gone.Body = []byte("<!doctype html>\n<title>404 Not Found</title>")
	requireKind(t, Explain(t.Context(), gone), driverstate.ErrNotSupported)

	plain := errors.New("OS_AUTH_URL is missing")
	assert.Same(t, plain, Explain(t.Context(), plain))
	assert.NoError(t, Explain(t.Context(), nil))
}
