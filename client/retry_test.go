package client

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestAReadIsTriedAgainWhenAGatewayOrConnectionFails(t *testing.T) {
	for name, first := range map[string]answer{
		"502": says(502, ""), "503": says(503, ""), "504": says(504, "<html>"), "hang-up": {hangUp: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, map[string][]answer{"GET /volumes/id": {first, recorded(t, "volume available")}})
			_, err := c.client(Options{}).ShowVolume(t.Context(), "id")
			require.NoError(t, err)
			assert.Len(t, c.asked(), 2)
			assert.Equal(t, []time.Duration{firstPause}, c.slept)
		})
	}
}

func TestTheRetriesOfAReadAreBounded(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /volumes/id": {says(503, "")}})
	_, err := c.client(Options{}).ShowVolume(t.Context(), "id")
	requireKind(t, err, driverstate.ErrUnavailable)
	assert.Len(t, c.asked(), 1+maxRetries)
	assert.Equal(t, []time.Duration{firstPause, 2 * firstPause, 4 * firstPause}, c.slept)
}

func TestAWriteIsSentOnceWhateverComes(t *testing.T) {
	for name, a := range map[string]answer{"503": says(503, ""), "hang-up": {hangUp: true}} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, map[string][]answer{
				"POST /backups/id/restore": {a}, "DELETE /backups/id": {a}, "POST /backups/id/action": {a},
				"POST /backups/import_record": {a}, "POST /manageable_backups": {a}, "POST /volumes": {a},
			})
			client := c.client(Options{})
			_, err := client.RestoreBackup(t.Context(), "id", RestoreOpts{})
			requireKind(t, err, driverstate.ErrUnavailable)
			requireKind(t, client.DeleteBackup(t.Context(), "id"), driverstate.ErrUnavailable)
			requireKind(t, client.ForceDeleteBackup(t.Context(), "id"), driverstate.ErrUnavailable)
			_, err = client.ImportRecord(t.Context(), Record{})
			requireKind(t, err, driverstate.ErrUnavailable)
			_, err = client.ManageBackup(t.Context(), ManageOpts{ID: "id"})
			requireKind(t, err, driverstate.ErrUnavailable)
			_, err = client.CreateVolume(t.Context(), CreateVolumeOpts{})
			requireKind(t, err, driverstate.ErrUnavailable)
			assert.Len(t, c.asked(), 6)
			assert.Empty(t, c.slept)
		})
	}
}

func TestWhatARetryCannotCureIsNotRetried(t *testing.T) {
	refused := func(status int, body string) error {
		return fmt.Errorf("wrapped: %w", gophercloud.ErrUnexpectedResponseCode{Actual: status, Body: []byte(body)})
	}
	assert.False(t, passing(refused(500, "")))
	assert.False(t, passing(refused(404, "")))
	assert.False(t, passing(refused(503, `{"serviceUnavailable":{"code":503,"message":"Service x could not be found."}}`)))
	assert.False(t, passing(syscall.ECONNREFUSED))
	assert.False(t, passing(errors.New("x509: certificate signed by unknown authority")))
	assert.True(t, passing(refused(503, "")))
	assert.True(t, passing(fmt.Errorf("read: %w", syscall.ECONNRESET)))
}

func TestAServerMayAskForAPauseWithinBounds(t *testing.T) {
	wait := func(seconds string) error {
		return gophercloud.ErrUnexpectedResponseCode{Actual: 503, ResponseHeader: http.Header{"Retry-After": {seconds}}}
	}
	assert.Equal(t, 3*time.Second, backoff(0, wait("3")))
	assert.Equal(t, maxPause, backoff(0, wait("86400")))
	assert.Equal(t, firstPause, backoff(0, wait("0")))
	assert.Equal(t, maxPause, backoff(20, errors.New("")))
}
