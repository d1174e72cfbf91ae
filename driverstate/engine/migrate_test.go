package engine_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres/pgtest"
	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
	"github.com/cinder-go/cinder-go/driverstate/engine"
)

const manyBackups = 450 // more than two batches

func oldState(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	d, err := sqlite.Open(t.Context(), filepath.Join(dir, "cinder-go.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() }) //nolint:errcheck // a test may have closed it
	return d
}

// fillState writes some of everything, the last of the backups deleted.
func fillState(t *testing.T, d db.DB) {
	t.Helper()
	ctx := t.Context()
	at := time.Date(2026, 11, 21, 6, 0, 0, 123456000, time.UTC)
	name, empty := "Sicherung für 'Müller' 🐘", ""
	job := func(kind db.JobKind, n int) *db.Job {
		return &db.Job{Kind: kind, Queue: "h1", BackupID: fmt.Sprintf("b%04d", n), RequestID: "req-1", Args: []byte(`{"force": true}`)}
	}
	require.NoError(t, d.Update(ctx, func(tx db.Tx) error {
		for n := range manyBackups {
			b := &driverstate.Backup{ID: fmt.Sprintf("b%04d", n), Status: driverstate.StatusAvailable, ProjectID: "p", Size: int64(n), CreatedAt: at.Add(time.Duration(n) * time.Second)}
			if n%3 == 0 {
				b.Name, b.Description, b.Metadata, b.DataTimestamp = &name, &empty, map[string]string{"b": "2", "a": "1\x00"}, at
			}
			if err := tx.BackupCreate(ctx, b); err != nil {
				return err
			}
		}
		if err := tx.BackupDestroy(ctx, fmt.Sprintf("b%04d", manyBackups-1)); err != nil {
			return err
		}
		if err := tx.JobInsert(ctx, job(db.JobRestore, 1)); err != nil {
			return err
		}
		return tx.JobInsert(ctx, job(db.JobDelete, 2))
	}))
	require.NoError(t, d.VolumeCreate(ctx, &driverstate.Volume{ID: "v1", Status: driverstate.VolumeRestoring, Size: 2, CreatedAt: at, Managed: true, Path: "/srv/v1",
		Attachments: []driverstate.Attachment{{ID: "v1", ServerID: "s", AttachedAt: at}}}))
	require.NoError(t, d.SnapshotCreate(ctx, &driverstate.Snapshot{ID: "s1", VolumeID: "v1", Status: driverstate.SnapshotAvailable, Size: 2, CreatedAt: at}))
	for _, host := range []string{"h1", "gone", "h3"} {
		require.NoError(t, d.ServiceUpsert(ctx, &driverstate.Service{Binary: driverstate.BinaryBackup, Host: host, Reason: "no \xff store"}))
	}
	require.NoError(t, d.ClusterEnsure(ctx, &driverstate.Cluster{Name: "c", Binary: driverstate.BinaryBackup}))
	require.NoError(t, d.WorkerCreate(ctx, &driverstate.Worker{ResourceType: "Backup", ResourceID: "b0001", Status: "restoring", ServiceID: 1}))
	require.NoError(t, d.MessageCreate(ctx, &driverstate.Message{ID: "m1", ProjectID: "p", Action: driverstate.MessageBackupCreate, Detail: driverstate.MessageCreateFailed, Level: "ERROR", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}))
	require.NoError(t, d.VerificationCreate(ctx, &driverstate.Verification{ID: "f1", BackupID: "b0002", Depth: driverstate.DepthData, Status: driverstate.VerificationDone,
		Report: driverstate.Report{Condition: driverstate.ConditionDamaged, Problems: []driverstate.Problem{{Object: "o\x00", Length: 5}}}, BytesDone: 1 << 40, CreatedAt: at}))
	require.NoError(t, d.ProofPut(ctx, driverstate.NewProof(driverstate.Layout{BackupID: "b0002", Identity: "i", Lengths: []int64{5, 6}}, []int64{0, 1_800_000_000})))
	require.NoError(t, d.ShipmentCreate(ctx, &driverstate.Shipment{ID: "h1", Request: driverstate.ShipRequest{BackupID: "b0002", To: "posix:///b"}, Status: driverstate.ShipmentDone,
		Result: driverstate.ShipResult{Landed: []driverstate.Landed{{BackupID: "b0002", Objects: 3}}}, BytesDone: 1 << 40, CreatedAt: at}))
	require.NoError(t, d.QuotaSet(ctx, "p", "backups", -1))
	require.NoError(t, d.QuotaSet(ctx, "p", "backup_gigabytes", 1<<40))
	require.NoError(t, d.QuotaClassSet(ctx, "default", "volumes", 7))
	require.NoError(t, d.VolumeTypeCreate(ctx, &driverstate.VolumeTypeRow{ID: "t1", Name: name, ExtraSpecs: map[string]string{"k": "v"}, Projects: []string{"p"}, CreatedAt: at}))
	require.NoError(t, d.TransferCreate(ctx, &driverstate.Transfer{ID: "x1", VolumeID: "v1", Salt: "s", CryptHash: "h", SourceProjectID: "p", NoSnapshots: true, CreatedAt: at}))
}

// sums are of the files of a state directory.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "cinder-go.db") || strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		sum := sha256.Sum256(raw)
		out[e.Name()] = hex.EncodeToString(sum[:])
	}
	return out
}

// content is all that a database tells.
func content(t *testing.T, d db.DB) map[string]any {
	t.Helper()
	ctx, out := t.Context(), map[string]any{}
	for what, read := range map[string]func() (any, error){
		"backups":       func() (any, error) { return d.BackupGetAll(ctx, driverstate.BackupFilter{}) },
		"volumes":       func() (any, error) { return d.VolumeGetAll(ctx, "") },
		"snapshots":     func() (any, error) { return d.SnapshotGetAll(ctx, "", "") },
		"services":      func() (any, error) { return d.ServiceGetAll(ctx) },
		"clusters":      func() (any, error) { return d.ClusterGetAll(ctx) },
		"workers":       func() (any, error) { return d.WorkerGetAll(ctx, 0) },
		"messages":      func() (any, error) { return d.MessageGetAll(ctx, "") },
		"verifications": func() (any, error) { return d.VerificationGet(ctx, "f1") },
		"proofs":        func() (any, error) { return d.ProofGet(ctx, "b0002") },
		"shipments":     func() (any, error) { return d.ShipmentGet(ctx, "h1") },
		"quotas":        func() (any, error) { return d.QuotaGetAll(ctx, "p") },
		"quota classes": func() (any, error) { return d.QuotaClassGetAll(ctx, "default") },
		"volume types":  func() (any, error) { return d.VolumeTypeGetAll(ctx) },
		"transfers":     func() (any, error) { return d.TransferGetAll(ctx, "") },
	} {
		all, err := read()
		require.NoError(t, err, what)
		out[what] = all
	}
	return out
}

func jobsIn(t *testing.T, d db.DB, backup string) []db.JobState {
	t.Helper()
	var out []db.JobState
	require.NoError(t, d.Update(t.Context(), func(tx db.Tx) (err error) {
		out, err = tx.JobsOf(t.Context(), backup)
		return err
	}))
	for i := range out {
		out[i].ID = 0
	}
	return out
}

func TestAStateDirectoryMovesToPostgreSQL(t *testing.T) {
	dir, at, ctx := t.TempDir(), pgtest.URL(t), t.Context()
	source := oldState(t, dir)
	fillState(t, source)
	// The first job was running in a process that was killed: its log is left
	// beside the file, and the lock is free.
	raw, err := sql.Open("sqlite", filepath.Join(dir, "cinder-go.db"))
	require.NoError(t, err)
	defer raw.Close()
	_, err = raw.Exec(`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = CURRENT_TIMESTAMP, attempted_by = '["h1"]' WHERE id = 1`)
	require.NoError(t, err)
	before := sums(t, dir)
	require.Len(t, before, 2, "with its log")

	copied, err := engine.Migrate(ctx, dir, at, nil)
	require.NoError(t, err)
	counts := map[string]int{}
	for _, c := range copied {
		counts[c.Table] = c.Rows
	}
	assert.Equal(t, map[string]int{"services": 3, "clusters": 1, "volumes": 1, "snapshots": 1, "backups": manyBackups, "workers": 1,
		"messages": 1, "verifications": 1, "proofs": 1, "shipments": 1, "quotas": 2, "quota_classes": 1, "volume_types": 1, "transfers": 1, "jobs": 2}, counts)
	assert.Equal(t, before, sums(t, dir), "the source is as it was")

	target, err := postgres.Open(ctx, at, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, target.Close()) })
	assert.Equal(t, content(t, source), content(t, target))
	for n := range 3 {
		id := fmt.Sprintf("b%04d", n)
		assert.Equal(t, jobsIn(t, source, id), jobsIn(t, target, id), id)
	}
	assert.True(t, jobsIn(t, target, "b0001")[0].Running)
	deleted := &driverstate.Backup{ID: fmt.Sprintf("b%04d", manyBackups-1), Status: driverstate.StatusAvailable}
	require.NoError(t, target.BackupCreate(ctx, deleted), "a deleted row can be revived")
	next := &driverstate.Service{Binary: driverstate.BinaryBackup, Host: "next"}
	require.NoError(t, target.ServiceUpsert(ctx, next))
	assert.EqualValues(t, 4, next.ID)

	_, err = engine.Migrate(ctx, dir, at, nil)
	require.ErrorIs(t, err, driverstate.ErrConflict)
	require.ErrorContains(t, err, "not empty")
}

func TestAMigrationThatFailsLeavesNothingAndCanBeRepeated(t *testing.T) {
	dir, at, ctx := t.TempDir(), pgtest.URL(t), t.Context()
	source := oldState(t, dir)
	fillState(t, source)
	odd := "a\x00b"
	require.NoError(t, source.VolumeCreate(ctx, &driverstate.Volume{ID: "v2", Status: driverstate.VolumeError, Path: "/srv/\xff", Name: odd}))
	require.NoError(t, source.BackupCreate(ctx, &driverstate.Backup{ID: "b-odd", Status: driverstate.StatusError, Name: &odd}))
	require.NoError(t, source.QuotaSet(ctx, "p\x00", "backups", 1))
	require.NoError(t, source.Close())

	_, err := engine.Migrate(ctx, dir, at, nil)
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	require.NotErrorIs(t, err, driverstate.ErrInvalidInput, "it is no mistake in the command")
	require.ErrorContains(t, err, "volumes v2: display_name holds U+0000, path is not UTF-8; "+
		`backups b-odd: display_name holds U+0000; quotas p\x00 backups: project_id holds U+0000`)
	target, err := postgres.Open(ctx, at, postgres.Options{})
	require.NoError(t, err)
	services, err := target.ServiceGetAll(ctx)
	require.NoError(t, err)
	assert.Empty(t, services, "what came before it is gone too")
	require.NoError(t, target.Close())

	source = oldState(t, dir)
	require.NoError(t, source.VolumeDestroy(ctx, "v2"))
	require.NoError(t, source.Close())
	raw, err := sql.Open("sqlite", filepath.Join(dir, "cinder-go.db"))
	require.NoError(t, err)
	defer raw.Close()
	_, err = raw.Exec(`UPDATE backups SET display_name = 'ab' WHERE id = 'b-odd'; DELETE FROM quotas WHERE hard_limit = 1;
		UPDATE river_job SET args = replace(args, '"req-1"', '"\u0000"') WHERE id = 1`)
	require.NoError(t, err)
	_, err = engine.Migrate(ctx, dir, at, nil)
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	require.ErrorContains(t, err, "river_job 1, backup_restore of backup b0001")

	_, err = raw.Exec(`UPDATE river_job SET args = replace(args, '"\u0000"', '"req-1"') WHERE id = 1`)
	require.NoError(t, err)
	_, err = engine.Migrate(ctx, dir, at, nil)
	require.NoError(t, err)
}

func TestAStateDirectoryInUseIsNotMigrated(t *testing.T) {
	c := engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: store(t)}}, StoreReadOnly: true, Host: "h1"}
	at := pgtest.URL(t)
	e := start(t, c)
	_, err := engine.Migrate(t.Context(), c.StateDir, at, nil)
	require.ErrorIs(t, err, driverstate.ErrConflict)
	require.ErrorContains(t, err, "in use by process")
	require.NoError(t, e.Close(context.WithoutCancel(t.Context())))

	_, err = engine.Migrate(t.Context(), c.StateDir, at, nil)
	require.NoError(t, err)
	c.DatabaseURL = at
	start(t, c)
	_, err = engine.Migrate(t.Context(), t.TempDir(), at, nil)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}
