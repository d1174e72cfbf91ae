package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/dbtest"
	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
)

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	d, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

func TestSQLiteKeepsTheContract(t *testing.T) {
	dbtest.Run(t, func(t *testing.T) db.DB { return open(t, filepath.Join(t.TempDir(), "state.db")) })
}

func TestOpenNamesAPathThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent", "state.db")
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.ErrorContains(t, err, path)
}

func TestWhatAKilledProcessLeaves(t *testing.T) {
	dbtest.Killed(t, func() string {
		path := filepath.Join(t.TempDir(), "odd ?name#", "state.db")
		require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
		return path
	}, func(t testing.TB, path string) db.DB { return open(t, path) })
}

// River v0.31 can deadlock when it is stopped just as it wins the election of
// its maintenance leader, so here it stands for none.
func TestAQueueThatIsStoppedAtOnceStops(t *testing.T) {
	for range 60 {
		d, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), sqlite.Options{})
		require.NoError(t, err)
		ran := make(chan struct{})
		queue, err := d.Work(t.Context(), db.WorkOptions{Runner: "h", Queues: []string{"h"}, Parallel: 2}, func(context.Context, db.Job) error { close(ran); return nil })
		require.NoError(t, err)
		require.NoError(t, d.Update(t.Context(), func(tx db.Tx) error {
			return tx.JobInsert(t.Context(), &db.Job{Kind: db.JobDelete, Queue: "h"})
		}))
		<-ran
		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		require.NoError(t, queue.Stop(soon))
		cancel()
		require.NoError(t, d.Close())
	}
}

func BenchmarkOpenCurrent(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state.db")
	open(b, path)
	for b.Loop() {
		d, err := sqlite.Open(b.Context(), path, sqlite.Options{})
		require.NoError(b, err)
		require.NoError(b, d.Close())
	}
}

func BenchmarkOpenEmpty(b *testing.B) {
	dir := b.TempDir()
	for n := 0; b.Loop(); n++ {
		d, err := sqlite.Open(b.Context(), filepath.Join(dir, strconv.Itoa(n)), sqlite.Options{})
		require.NoError(b, err)
		require.NoError(b, d.Close())
	}
}

func BenchmarkBackupGetAll(b *testing.B) {
	dbtest.ListOfTenThousand(b, open(b, filepath.Join(b.TempDir(), "state.db")))
}

func TestAFileOfANewerProgramIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, open(t, path).Close())
	raw, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = raw.Exec("PRAGMA user_version = 1000")
	require.NoError(t, err)
	require.NoError(t, raw.Close())
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	require.ErrorContains(t, err, "newer")
}

// The schemas of earlier programs, as what undoes the later migrations.
var undo = []struct {
	version int // in user_version
	steps   []string
}{
	{8, []string{
		"DROP TABLE proofs", "ALTER TABLE verifications DROP COLUMN request", "ALTER TABLE verifications DROP COLUMN results",
		"DELETE FROM goose_db_version WHERE version_id = 8", "PRAGMA user_version = 8",
	}},
	{7, []string{"DROP TABLE shipments", "DELETE FROM goose_db_version WHERE version_id = 7", "PRAGMA user_version = 7"}},
	{6, []string{
		"DROP INDEX backups_place", "DROP INDEX backups_project",
		"DROP INDEX backups_created", "CREATE INDEX backups_created ON backups (deleted, created_at, id)",
		"DELETE FROM goose_db_version WHERE version_id = 6", "PRAGMA user_version = 6",
	}},
	{5, []string{
		"DROP TABLE volume_types", "DROP TABLE quota_classes", "DROP TABLE transfers", "ALTER TABLE snapshots DROP COLUMN progress",
		"DELETE FROM goose_db_version WHERE version_id = 5", "PRAGMA user_version = 5",
	}},
	{4, []string{
		"ALTER TABLE services DROP COLUMN rpc_current_version",
		"DELETE FROM goose_db_version WHERE version_id = 4", "PRAGMA user_version = 4",
	}},
	{3, []string{
		"DROP TABLE snapshots", "DROP TABLE quotas",
		"ALTER TABLE volumes DROP COLUMN bootable", "ALTER TABLE volumes DROP COLUMN attachments", "ALTER TABLE volumes DROP COLUMN snapshot_id",
		"ALTER TABLE volumes DROP COLUMN source_volid", "ALTER TABLE volumes DROP COLUMN volume_type",
		"DELETE FROM goose_db_version WHERE version_id = 3", "PRAGMA user_version = 3",
	}},
	{2, []string{
		"DROP TABLE clusters", "DROP TABLE messages", "DELETE FROM goose_db_version WHERE version_id = 2", "PRAGMA user_version = 2",
	}},
}

func TestAFileOfAnEarlierVersionIsMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	d, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	volume := &driverstate.Volume{ID: "kept", Status: driverstate.VolumeAvailable, Metadata: map[string]string{"k": "v"}, Managed: true}
	require.NoError(t, d.BackupCreate(t.Context(), &driverstate.Backup{ID: "kept", Status: driverstate.StatusAvailable}))
	require.NoError(t, d.VolumeCreate(t.Context(), volume))
	service := driverstate.Service{Binary: driverstate.BinaryBackup, Host: "kept", Version: 7}
	require.NoError(t, d.ServiceUpsert(t.Context(), &service))
	require.NoError(t, d.Close())
	for steps := range undo {
		raw, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		for _, u := range undo[:steps+1] {
			for _, back := range u.steps {
				_, err = raw.Exec(back)
				require.NoError(t, err, back)
			}
		}
		require.NoError(t, raw.Close())

		now, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		require.NoError(t, err, "schema %d", undo[steps].version)
		_, err = now.BackupGet(t.Context(), "kept")
		require.NoError(t, err)
		got, err := now.VolumeGet(t.Context(), "kept")
		require.NoError(t, err)
		assert.Equal(t, volume, got)
		services, err := now.ServiceGetAll(t.Context())
		require.NoError(t, err)
		if undo[steps].version <= 4 {
			service.Version = 0 // that program wrote none
		}
		assert.Equal(t, []*driverstate.Service{&service}, services)
		messages, err := now.MessageGetAll(t.Context(), "")
		require.NoError(t, err)
		assert.Empty(t, messages)
		require.NoError(t, now.QuotaSet(t.Context(), "p", "backups", 5))
		snapshots, err := now.SnapshotGetAll(t.Context(), "", "")
		require.NoError(t, err)
		assert.Empty(t, snapshots)
		require.NoError(t, now.Close())
	}
}

// TestIndexesServeWhatIsAskedOften holds the plans of SQLite, which knows of no
// table how many rows of it an index leaves.
func TestIndexesServeWhatIsAskedOften(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, open(t, path).Close())
	raw, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer raw.Close()
	const newest = " ORDER BY created_at DESC, id DESC"
	for query, index := range map[string]string{
		"SELECT * FROM backups WHERE deleted = 0" + newest:                                                    "SCAN backups USING INDEX backups_created",
		"SELECT * FROM backups WHERE deleted = 0 AND project_id = ?" + newest:                                 "SEARCH backups USING INDEX backups_project",
		"SELECT * FROM backups WHERE deleted = 0 AND volume_id = ?" + newest:                                  "SEARCH backups USING INDEX backups_volume",
		"SELECT * FROM backups WHERE deleted = 0 AND container = ? AND service_metadata = ?" + newest:         "SEARCH backups USING INDEX backups_place",
		"SELECT COUNT(*) FROM backups WHERE deleted = 0 AND parent_id = ? AND status = ?":                     "SEARCH backups USING INDEX backups_parent",
		"SELECT COUNT(*), SUM(size) FROM backups WHERE deleted = 0 AND project_id = ?":                        "SEARCH backups USING COVERING INDEX backups_project",
		"SELECT * FROM workers WHERE resource_type = ? AND resource_id = ?":                                   "SEARCH workers USING INDEX",
		"SELECT * FROM backups WHERE deleted = 0 AND created_at <= ? AND (created_at < ? OR id < ?)" + newest: "SEARCH backups USING INDEX backups_created",
	} {
		var id, parent, unused int
		var plan string
		args := make([]any, strings.Count(query, "?"))
		require.NoError(t, raw.QueryRow("EXPLAIN QUERY PLAN "+query, args...).Scan(&id, &parent, &unused, &plan), query)
		assert.Contains(t, plan, index, query)
	}
}
