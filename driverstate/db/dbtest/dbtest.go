// Package dbtest is the contract of db.DB as tests: every database passes Run.
package dbtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

const patience = 2 * time.Minute

// Run holds the database that open makes, a new and empty one at each call, to
// the contract.
func Run(t *testing.T, open func(t *testing.T) db.DB) {
	for name, test := range map[string]func(*testing.T, db.DB){
		"a row comes back as it was written":                      roundTrip,
		"a live id cannot be created twice":                       createTwice,
		"a deleted row is gone and its id can be revived":         revive,
		"an update needs one of the expected statuses":            compareAndSet,
		"of many updates from one status one succeeds":            oneWinner,
		"pages cover every row once":                              pages,
		"ten thousand rows are listed by pages":                   tenThousand,
		"filters compare columns and unknown ones select nothing": filters,
		"volumes":                       volumes,
		"services keep their disabling": services,
		"snapshots":                     snapshots,
		"quotas are what was set":       quotas,
		"volume types":                  volumeTypes,
		"volumes and limits follow a renamed type": renamedType,
		"transfers":                     transfers,
		"clusters keep their disabling": clusters,
		"messages expire":               messages,
		"usage is that of live rows":    usage,
		"a worker is claimed once":      claims,
		"a worker that nobody has is taken by one and released": takeAndRelease,
		"verifications": verifications,
		"what was proven of a backup goes with its row": proofs,
		"shipments": shipments,
		"a failed transaction leaves neither row nor job":       rollback,
		"a job runs once, after the commit, with its arguments": jobs,
		"stop cancels a running job and waits for it":           stop,
		"a job starts on commit, not at the next poll":          prompt,
		"at most so many jobs run at once":                      parallel,
		"a runner works several queues":                         severalQueues,
		"the jobs of a backup and of a runner are known":        knownJobs,
		"a job that is discarded does not run":                  discardSome,
		"work that cannot be is refused":                        refusedWork,
		"stop gives up in time and can be called again":         stopTwice,
		"a transaction sees its own writes, others do not":      isolation,
		"many writers at once all succeed":                      writers,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func id(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

func backup(n int) *driverstate.Backup {
	name, empty := "nightly", ""
	at := time.Date(2026, 11, 21, 6, 0, n%60, 123456000, time.UTC)
	return &driverstate.Backup{
		ID: id(n), VolumeID: id(1000 + n%3), UserID: "u", ProjectID: fmt.Sprintf("p%d", n%2), Host: "h", AvailabilityZone: "nova",
		Name: &name, Description: &empty, Container: "aa/bb", ServiceMetadata: "prefix", Service: "cinder.backup.drivers.posix.PosixBackupDriver",
		ParentID: id(7), Status: driverstate.StatusAvailable, FailReason: "because", Size: int64(n), ObjectCount: 3,
		TempVolumeID: "tv", TempSnapshotID: "ts", NumDependentBackups: 2, SnapshotID: "sn", DataTimestamp: at,
		RestoreVolumeID: "rv", Metadata: map[string]string{"k": "v"}, EncryptionKeyID: "ek", CreatedAt: at, UpdatedAt: at,
	}
}

func roundTrip(t *testing.T, d db.DB) {
	ctx := t.Context()
	want := backup(1)
	require.NoError(t, d.BackupCreate(ctx, want))
	got, err := d.BackupGet(ctx, want.ID)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	bare := &driverstate.Backup{ID: id(2), Status: driverstate.StatusCreating}
	require.NoError(t, d.BackupCreate(ctx, bare))
	got, err = d.BackupGet(ctx, bare.ID)
	require.NoError(t, err)
	assert.Nil(t, got.Name, "NULL and the empty name differ")
	assert.True(t, got.DataTimestamp.IsZero())
	_, err = d.BackupGet(ctx, id(3))
	assert.ErrorIs(t, err, driverstate.ErrNotFound)
}

func createTwice(t *testing.T, d db.DB) {
	require.NoError(t, d.BackupCreate(t.Context(), backup(1)))
	assert.ErrorIs(t, d.BackupCreate(t.Context(), backup(1)), driverstate.ErrConflict)
}

func revive(t *testing.T, d db.DB) {
	ctx := t.Context()
	require.NoError(t, d.BackupCreate(ctx, backup(1)))
	require.NoError(t, d.BackupDestroy(ctx, id(1)))
	_, err := d.BackupGet(ctx, id(1))
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	require.ErrorIs(t, d.BackupDestroy(ctx, id(1)), driverstate.ErrNotFound)
	require.ErrorIs(t, d.BackupUpdate(ctx, backup(1)), driverstate.ErrNotFound)
	again := backup(1)
	again.Size = 77
	require.NoError(t, d.BackupCreate(ctx, again))
	got, err := d.BackupGet(ctx, id(1))
	require.NoError(t, err)
	assert.Equal(t, again, got)
}

func compareAndSet(t *testing.T, d db.DB) {
	ctx := t.Context()
	b := backup(1)
	require.NoError(t, d.BackupCreate(ctx, b))
	b.Status = driverstate.StatusRestoring
	require.NoError(t, d.BackupUpdate(ctx, b, driverstate.StatusError, driverstate.StatusAvailable))
	require.ErrorIs(t, d.BackupUpdate(ctx, b, driverstate.StatusAvailable), driverstate.ErrConflict)
	b.Status = driverstate.StatusError
	require.NoError(t, d.BackupUpdate(ctx, b))
	got, err := d.BackupGet(ctx, b.ID)
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusError, got.Status)
	assert.True(t, got.UpdatedAt.After(backup(1).UpdatedAt))
}

func oneWinner(t *testing.T, d db.DB) {
	require.NoError(t, d.BackupCreate(t.Context(), backup(1)))
	var group sync.WaitGroup
	results := make([]error, 10)
	for i := range results {
		group.Go(func() {
			b := backup(1)
			b.Status = driverstate.StatusDeleting
			results[i] = d.Update(t.Context(), func(tx db.Tx) error {
				return tx.BackupUpdate(t.Context(), b, driverstate.StatusAvailable)
			})
		})
	}
	group.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else {
			assert.ErrorIs(t, err, driverstate.ErrConflict)
		}
	}
	assert.Equal(t, 1, won)
}

// fill writes n backups, every fifth without a name.
func fill(t *testing.T, d db.DB, n int) {
	t.Helper()
	require.NoError(t, d.Update(t.Context(), func(tx db.Tx) error {
		for n := range n {
			b := backup(n)
			if n%5 == 0 {
				b.Name = nil
			}
			if err := tx.BackupCreate(t.Context(), b); err != nil {
				return err
			}
		}
		return nil
	}))
}

// covers walks the pages of an order and wants the whole list in its order.
func covers(t *testing.T, d db.DB, sort []driverstate.SortKey, limit, rows int) {
	t.Helper()
	whole, err := d.BackupGetAll(t.Context(), driverstate.BackupFilter{Sort: sort})
	require.NoError(t, err)
	require.Len(t, whole, rows)
	want := make([]string, 0, rows)
	for _, b := range whole {
		want = append(want, b.ID)
	}
	var paged []string
	for marker := ""; ; marker = paged[len(paged)-1] {
		page, err := d.BackupGetAll(t.Context(), driverstate.BackupFilter{Sort: sort, Limit: limit, Marker: marker})
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		require.LessOrEqual(t, len(page), limit)
		for _, b := range page {
			paged = append(paged, b.ID)
		}
	}
	assert.Equal(t, want, paged)
}

func tenThousand(t *testing.T, d db.DB) {
	fill(t, d, 10_000)
	covers(t, d, nil, 1000, 10_000)
}

func pages(t *testing.T, d db.DB) {
	ctx := t.Context()
	fill(t, d, 500)
	for _, sort := range [][]driverstate.SortKey{
		{{Column: "display_name"}},
		{{Column: "display_name", Ascending: true}},
		{{Column: "size", Ascending: true}},
		{{Column: "volume_id", Ascending: true}, {Column: "id"}},
		{{Column: "created_at", Ascending: true}},
		{{Column: "status"}, {Column: "data_timestamp", Ascending: true}},
	} {
		covers(t, d, sort, 83, 500)
	}
	newest, err := d.BackupGetAll(ctx, driverstate.BackupFilter{Limit: 2})
	require.NoError(t, err)
	require.Len(t, newest, 2)
	// created_at goes by n modulo 60: the newest are 479, 419, ... by id.
	assert.Equal(t, []string{id(479), id(419)}, []string{newest[0].ID, newest[1].ID})
	offset, err := d.BackupGetAll(ctx, driverstate.BackupFilter{Sort: []driverstate.SortKey{{Column: "size", Ascending: true}}, Offset: 10, Limit: 1})
	require.NoError(t, err)
	require.Len(t, offset, 1)
	assert.Equal(t, id(10), offset[0].ID)
	_, err = d.BackupGetAll(ctx, driverstate.BackupFilter{Marker: id(99999)})
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	_, err = d.BackupGetAll(ctx, driverstate.BackupFilter{Sort: []driverstate.SortKey{{Column: "1; DROP TABLE backups"}}})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
}

func filters(t *testing.T, d db.DB) {
	ctx := t.Context()
	for n := range 6 {
		require.NoError(t, d.BackupCreate(ctx, backup(n)))
	}
	for _, c := range []struct {
		filter driverstate.BackupFilter
		want   int
	}{
		{driverstate.BackupFilter{}, 6},
		{driverstate.BackupFilter{ProjectID: "p1"}, 3},
		{driverstate.BackupFilter{Columns: map[string]string{"volume_id": id(1000)}}, 2},
		{driverstate.BackupFilter{Columns: map[string]string{"size": "4"}}, 1},
		{driverstate.BackupFilter{Columns: map[string]string{"status": "error"}}, 0},
		{driverstate.BackupFilter{Columns: map[string]string{"nonsense": "1"}}, 0},
		{driverstate.BackupFilter{Like: map[string]string{"display_name": "ight"}}, 6},
		{driverstate.BackupFilter{ProjectID: "p0", Columns: map[string]string{"parent_id": id(7)}}, 3},
		{driverstate.BackupFilter{Columns: map[string]string{"created_at": "2026-11-21T06:00:03.123456"}}, 1},
		{driverstate.BackupFilter{Columns: map[string]string{"data_timestamp": "2026-11-21 06:00:03.123456"}}, 1},
		{driverstate.BackupFilter{Columns: map[string]string{"created_at": "yesterday"}}, 0},
		{driverstate.BackupFilter{Columns: map[string]string{"metadata": "{}"}}, 0},
		{driverstate.BackupFilter{Columns: map[string]string{"snapshot_id": ""}}, 0},
		{driverstate.BackupFilter{Like: map[string]string{"service": ""}}, 6},
	} {
		found, err := d.BackupGetAll(ctx, c.filter)
		require.NoError(t, err)
		assert.Len(t, found, c.want, "%+v", c.filter)
		n, err := d.BackupCount(ctx, c.filter)
		require.NoError(t, err)
		assert.Equal(t, c.want, n)
	}
}

func volumes(t *testing.T, d db.DB) {
	ctx := t.Context()
	v := &driverstate.Volume{ID: id(1), ProjectID: "p", Size: 1, Status: driverstate.VolumeAvailable,
		Metadata: map[string]string{"a": "b"}, Path: "/x", Managed: true, CreatedAt: time.Unix(1, 0).UTC(),
		Bootable: true, SnapshotID: id(2), SourceVolID: id(3), VolumeType: "fast", Attachments: []driverstate.Attachment{
			{ID: id(1), AttachmentID: id(4), ServerID: id(5), HostName: "compute", Device: "/dev/vdb", AttachedAt: time.Unix(2, 0).UTC()}}}
	require.NoError(t, d.VolumeCreate(ctx, v))
	require.ErrorIs(t, d.VolumeCreate(ctx, v), driverstate.ErrConflict)
	got, err := d.VolumeGet(ctx, v.ID)
	require.NoError(t, err)
	assert.Equal(t, v, got)
	v.Status = driverstate.VolumeRestoring
	require.NoError(t, d.VolumeUpdate(ctx, v, driverstate.VolumeAvailable))
	require.ErrorIs(t, d.VolumeUpdate(ctx, v, driverstate.VolumeAvailable), driverstate.ErrConflict)
	all, err := d.VolumeGetAll(ctx, "")
	require.NoError(t, err)
	assert.Len(t, all, 1)
	all, err = d.VolumeGetAll(ctx, "other")
	require.NoError(t, err)
	assert.Empty(t, all)
	require.NoError(t, d.VolumeCreate(ctx, &driverstate.Volume{ID: id(6), ProjectID: "p", Size: 4, Status: driverstate.VolumeError}))
	count, gigabytes, err := d.VolumeUsage(ctx, "p")
	require.NoError(t, err)
	assert.Equal(t, []int64{2, 5}, []int64{count, gigabytes})
	require.NoError(t, d.VolumeDestroy(ctx, v.ID))
	require.ErrorIs(t, d.VolumeDestroy(ctx, v.ID), driverstate.ErrNotFound)
}

func services(t *testing.T, d db.DB) {
	ctx := t.Context()
	s := &driverstate.Service{Binary: driverstate.BinaryBackup, Host: "h", Reason: "not yet", Version: 3}
	require.NoError(t, d.ServiceUpsert(ctx, s))
	s.Disabled, s.DisabledReason = true, "maintenance"
	require.NoError(t, d.ServiceUpdate(ctx, s))
	again := &driverstate.Service{Binary: driverstate.BinaryBackup, Host: "h", Cluster: "c", Version: 4}
	require.NoError(t, d.ServiceUpsert(ctx, again))
	assert.Equal(t, s.ID, again.ID)
	all, err := d.ServiceGetAll(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.True(t, all[0].Disabled)
	assert.Equal(t, "maintenance", all[0].DisabledReason)
	assert.Equal(t, "c", all[0].Cluster)
	assert.Empty(t, all[0].Reason)
	assert.Equal(t, int64(4), all[0].Version)
	assert.False(t, all[0].UpdatedAt.IsZero())
}

func shipments(t *testing.T, d db.DB) {
	ctx := t.Context()
	s := &driverstate.Shipment{ID: id(1), Request: driverstate.ShipRequest{Mode: driverstate.ShipCopy, BackupID: id(2), To: "posix:///b", Chain: true},
		Status: driverstate.ShipmentRunning, CreatedAt: time.Unix(5, 0).UTC()}
	require.NoError(t, d.ShipmentCreate(ctx, s))
	s.BytesDone, s.BytesTotal = 1, 1<<40
	require.NoError(t, d.ShipmentUpdate(ctx, s))
	s.Status, s.Error, s.Fault = driverstate.ShipmentFailed, "no \x00 store", "unavailable"
	s.Result.Landed = []driverstate.Landed{{BackupID: id(2), Bytes: 5, Record: driverstate.ExportedRecord{BackupService: "s", BackupURL: "u"}}}
	s.FinishedAt = time.Unix(6, 0).UTC()
	require.NoError(t, d.ShipmentUpdate(ctx, s))
	s.Error = "no  store"
	got, err := d.ShipmentGet(ctx, s.ID)
	require.NoError(t, err)
	assert.Equal(t, s, got)
	require.ErrorIs(t, d.ShipmentUpdate(ctx, s), driverstate.ErrConflict, "it has ended")
	_, err = d.ShipmentGet(ctx, id(9))
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}

func verifications(t *testing.T, d db.DB) {
	ctx := t.Context()
	v := &driverstate.Verification{ID: id(1), BackupID: id(2), Depth: driverstate.DepthData, Status: driverstate.VerificationRunning, CreatedAt: time.Unix(5, 0).UTC()}
	require.NoError(t, d.VerificationCreate(ctx, v))
	v.Status = driverstate.VerificationDone
	v.Request = driverstate.VerifyRequest{BackupIDs: []string{id(2), id(3)}, Depth: driverstate.DepthData, Subset: "5%", NotSince: time.Unix(1, 0).UTC()}
	v.Results = []driverstate.VerifyResult{{BackupID: id(2), VerifiedAt: time.Unix(7, 0).UTC(), Share: 0.5, Bytes: 1 << 40}, {BackupID: id(3), Error: "gone", Fault: "not_found"}}
	v.Report = driverstate.Report{Condition: driverstate.ConditionDamaged, Problems: []driverstate.Problem{{Object: "o", Reason: "missing", Length: 5}}}
	require.NoError(t, d.VerificationUpdate(ctx, v))
	got, err := d.VerificationGet(ctx, v.ID)
	require.NoError(t, err)
	assert.Equal(t, v, got)
	late := driverstate.Verification{ID: v.ID, BackupID: v.BackupID, Depth: v.Depth, Status: driverstate.VerificationRunning, CreatedAt: v.CreatedAt}
	require.ErrorIs(t, d.VerificationUpdate(ctx, &late), driverstate.ErrConflict, "it has ended")
	_, err = d.VerificationGet(ctx, id(9))
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}
