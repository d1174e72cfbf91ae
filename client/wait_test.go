package client

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func backupIs(t *testing.T, status driverstate.Status, failReason any) answer {
	t.Helper()
	return edit(t, "backup available", "backup", map[string]any{"id": "b", "status": status, "fail_reason": failReason})
}

func volumeIs(t *testing.T, status driverstate.VolumeStatus, metadata map[string]string) answer {
	t.Helper()
	return edit(t, "volume available", "volume", map[string]any{"id": "v", "status": status, "metadata": metadata})
}

func TestAWaitLooksUntilItIsDone(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/b": {
		backupIs(t, "creating", nil), backupIs(t, "creating", nil), backupIs(t, "available", nil),
	}})
	b, err := c.client(Options{}).WaitBackup(t.Context(), "b", func(b Backup) (bool, error) { return b.Status.Resting(), nil })
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusAvailable, b.Status)
	assert.Equal(t, []time.Duration{time.Second, 1125 * time.Millisecond}, c.slept)
}

func TestPausesGrowToFiveTimesTheFirst(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/b": {backupIs(t, "creating", nil)}})
	looks := 0
	_, err := c.client(Options{PollInterval: 20 * time.Millisecond}).WaitBackup(t.Context(), "b", func(Backup) (bool, error) {
		looks++
		return looks == 40, nil
	})
	require.NoError(t, err)
	assert.Equal(t, 20*time.Millisecond, c.slept[0])
	assert.Equal(t, 100*time.Millisecond, c.slept[len(c.slept)-1])
}

func TestAWaitEndsWithItsFunctionsError(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/b": {backupIs(t, "error", "why")}})
	stop := errors.New("stop")
	b, err := c.client(Options{}).WaitBackup(t.Context(), "b", func(Backup) (bool, error) { return false, stop })
	assert.Same(t, stop, err)
	assert.Equal(t, driverstate.StatusError, b.Status)
	assert.Len(t, c.asked(), 1)
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/b": {backupIs(t, "creating", nil)}})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.client(Options{}).WaitBackup(ctx, "b", func(Backup) (bool, error) {
		cancel()
		return false, nil
	})
	require.ErrorIs(t, err, context.Canceled)
	requireKind(t, err, nil)
	assert.Len(t, c.asked(), 1)
}

func TestAWaitOutlastsAServerThatIsAwayForAWhile(t *testing.T) {
	away := says(500, "{}")
	c := newCloud(t, map[string][]answer{"GET /backups/b": {
		backupIs(t, "creating", nil), away, away, away, away, away, backupIs(t, "available", nil),
	}})
	_, err := c.client(Options{}).WaitBackup(t.Context(), "b", func(b Backup) (bool, error) { return b.Status.Resting(), nil })
	require.NoError(t, err)

	c = newCloud(t, map[string][]answer{"GET /backups/b": {away}})
	_, err = c.client(Options{}).WaitBackup(t.Context(), "b", func(b Backup) (bool, error) { return true, nil })
	requireKind(t, err, driverstate.ErrUnavailable)
	assert.Len(t, c.asked(), maxMissed+1)
}

func TestADeletedBackupIsGone(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/b": {backupIs(t, "deleting", nil), recorded(t, "backup absent")}})
	require.NoError(t, c.client(Options{}).WaitGone(t.Context(), "b"))
	c = newCloud(t, map[string][]answer{"GET /backups/b": {backupIs(t, "deleted", nil)}})
	require.NoError(t, c.client(Options{}).WaitGone(t.Context(), "b"))
}

func TestADeletionThatWasGivenUpIsNotApplied(t *testing.T) {
	for _, status := range []driverstate.Status{"error", "error_deleting", "available"} {
		c := newCloud(t, map[string][]answer{"GET /backups/b": {backupIs(t, "deleting", nil), backupIs(t, status, "store is away")}})
		err := c.client(Options{}).WaitGone(t.Context(), "b")
		requireKind(t, err, driverstate.ErrNotApplied)
		assert.EqualError(t, err, "backup b: not deleted, it is "+string(status)+": store is away")
	}
}

func TestAnEndpointThatIsNoAPIDoesNotMakeABackupGone(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /backups/b": {says(404, "<html>proxy</html>")}})
	requireKind(t, c.client(Options{}).WaitGone(t.Context(), "b"), driverstate.ErrNotSupported)
}

func TestARestoreIsDoneWhenBothAreAvailable(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /volumes/v": {volumeIs(t, "creating", nil), volumeIs(t, "restoring-backup", nil), volumeIs(t, "available", nil)},
		"GET /backups/b": {backupIs(t, "restoring", nil), backupIs(t, "restoring", nil), backupIs(t, "restoring", nil), backupIs(t, "available", nil)},
	})
	b, v, err := c.client(Options{}).WaitRestore(t.Context(), "b", "v")
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusAvailable, b.Status)
	assert.Equal(t, driverstate.VolumeAvailable, v.Status)
	assert.Len(t, c.slept, 3)
}

func TestAFailedRestoreIsToldByItsVolume(t *testing.T) {
	for name, c := range map[string]struct {
		volume answer
		kind   error
		text   string
	}{
		"cinder": {volumeIs(t, "error_restoring", nil), driverstate.ErrNotApplied,
			"backup b: restore to volume v failed, the volume is error_restoring: disk full"},
		"cinder, new volume": {volumeIs(t, "error", nil), driverstate.ErrNotApplied,
			"backup b: restore to volume v failed, the volume is error: disk full"},
		"engine, damaged": {volumeIs(t, "error_restoring", map[string]string{"restore_error": "chunk 7: block hash differs", "restore_error_kind": "damaged"}),
			driverstate.ErrCorrupt, "backup b: chunk 7: block hash differs"},
		"engine, damaged without words": {volumeIs(t, "error_restoring", map[string]string{"restore_error_kind": "damaged"}),
			driverstate.ErrCorrupt, "backup b: disk full"},
		"engine, failed": {volumeIs(t, "error_restoring", map[string]string{"restore_error": "no space", "restore_error_kind": "failed"}),
			driverstate.ErrNotApplied, "backup b: restore to volume v failed, the volume is error_restoring: no space"},
	} {
		t.Run(name, func(t *testing.T) {
			// The volume fails first; the backup's reason comes after it.
			cloud := newCloud(t, map[string][]answer{
				"GET /volumes/v": {volumeIs(t, "restoring-backup", nil), c.volume},
				"GET /backups/b": {backupIs(t, "restoring", nil), backupIs(t, "restoring", nil), backupIs(t, "available", "disk full")},
			})
			_, v, err := cloud.client(Options{}).WaitRestore(t.Context(), "b", "v")
			requireKind(t, err, c.kind)
			assert.EqualError(t, err, c.text)
			assert.NotEqual(t, driverstate.VolumeAvailable, v.Status)
		})
	}
}

func TestAFailedVolumeDoesNotWaitForItsBackupForever(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /volumes/v": {volumeIs(t, "error_restoring", nil)}, "GET /backups/b": {backupIs(t, "restoring", nil)},
	})
	_, _, err := c.client(Options{}).WaitRestore(t.Context(), "b", "v")
	requireKind(t, err, driverstate.ErrNotApplied)
	assert.ErrorContains(t, err, "gives no reason")
	assert.Len(t, c.slept, finalLooks-1)
}

func TestARestoreWhoseObjectsAreTakenAwayIsNotApplied(t *testing.T) {
	c := newCloud(t, map[string][]answer{
		"GET /volumes/v": {volumeIs(t, "available", nil)}, "GET /backups/b": {backupIs(t, "error", "reset")},
	})
	_, _, err := c.client(Options{}).WaitRestore(t.Context(), "b", "v")
	requireKind(t, err, driverstate.ErrNotApplied)

	c = newCloud(t, map[string][]answer{
		"GET /volumes/v": {volumeIs(t, "deleting", nil)}, "GET /backups/b": {backupIs(t, "available", nil)},
	})
	_, _, err = c.client(Options{}).WaitRestore(t.Context(), "b", "v")
	requireKind(t, err, driverstate.ErrNotApplied)

	c = newCloud(t, map[string][]answer{
		"GET /volumes/v": {says(404, `{"itemNotFound": {"code": 404, "message": "Volume v could not be found."}}`)},
	})
	_, _, err = c.client(Options{}).WaitRestore(t.Context(), "b", "v")
	requireKind(t, err, driverstate.ErrNotFound)
}

func verification(status, more string) answer {
	return says(200, `{"verification": {"id": "w", "backup_id": "b", "depth": "data", "status": "`+status+`"`+more+`}}`)
}

func TestAVerificationIsWaitedFor(t *testing.T) {
	started := verification("running", "")
	started.Status = 202
	c := newCloud(t, map[string][]answer{
		"POST /verifications": {started},
		"GET /verifications/w": {verification("running", `, "bytes_done": 1`), verification("done", `, "condition": "damaged",
			"reason": "r", "problems": [{"object": "o", "reason": "missing"}], "warnings": ["x"], "bytes_read": 7, "objects_read": 2,
			"method": "sha256", "bytes_done": 7, "bytes_total": 7, "created_at": "2026-11-21T06:24:58.000000",
			"finished_at": "2026-11-21T06:25:00.000000"`)},
	})
	v, err := c.client(Options{}).Verify(t.Context(), "b", driverstate.DepthData)
	require.NoError(t, err, "damage that is found is not an error")
	assert.Equal(t, Verification{
		ID: "w", BackupID: "b", Depth: driverstate.DepthData, Status: driverstate.VerificationDone,
		Condition: driverstate.ConditionDamaged, Reason: "r", Problems: []Problem{{Object: "o", Reason: "missing"}},
		Warnings: []string{"x"}, BytesDone: 7, BytesTotal: 7, BytesRead: 7, ObjectsRead: 2, Method: "sha256",
		CreatedAt: time.Date(2026, 11, 21, 6, 24, 58, 0, time.UTC), FinishedAt: time.Date(2026, 11, 21, 6, 25, 0, 0, time.UTC),
	}, v)
	assert.JSONEq(t, `{"verification": {"backup_ids": ["b"], "depth": "data"}}`, c.asked()[0].body)
	assert.Len(t, c.slept, 1)
}

func TestWhoWatchesAVerificationIsToldOfEachLook(t *testing.T) {
	started := verification("running", "")
	started.Status = 202
	c := newCloud(t, map[string][]answer{
		"POST /verifications": {started},
		"GET /verifications/w": {verification("running", `, "bytes_done": 1, "bytes_total": 7`),
			verification("done", `, "condition": "whole", "bytes_done": 7, "bytes_total": 7`)},
	})
	var told [][2]int64
	_, err := c.client(Options{}).VerifyAll(t.Context(), VerifyOpts{BackupIDs: []string{"b"}, Depth: driverstate.DepthData,
		Watch: func(v Verification) { told = append(told, [2]int64{v.BytesDone, v.BytesTotal}) }})
	require.NoError(t, err)
	assert.Equal(t, [][2]int64{{0, 0}, {1, 7}, {7, 7}}, told)
}

func TestAVerificationThatCouldNotLookIsAnError(t *testing.T) {
	c := newCloud(t, map[string][]answer{"GET /verifications/w": {verification("failed", `, "error": "store did not answer"`)}})
	v, err := c.client(Options{}).WaitVerification(t.Context(), "w")
	requireKind(t, err, driverstate.ErrUnavailable)
	assert.EqualError(t, err, "backup b: could not be verified: store did not answer")
	assert.Equal(t, driverstate.VerificationFailed, v.Status)
}
