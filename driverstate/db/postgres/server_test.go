package postgres_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres/pgtest"
)

// with is a URL with one more parameter.
func with(t *testing.T, at, key, value string) string {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func row(id string) *driverstate.Backup {
	return &driverstate.Backup{ID: id, Status: driverstate.StatusAvailable}
}

func TestProcessesThatStartAtOnceMigrateOnce(t *testing.T) {
	at := pgtest.URL(t)
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			d, err := postgres.Open(t.Context(), at, postgres.Options{})
			if err == nil {
				err = d.Close()
			}
			errs[i] = err
		})
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	var steps int
	require.NoError(t, pgtest.Connect(t, at).QueryRow(t.Context(), "SELECT COUNT(*) FROM goose_db_version WHERE version_id = 1").Scan(&steps))
	assert.Equal(t, 1, steps)
}

func TestASchemaOfANewerProgramIsRefused(t *testing.T) {
	at := pgtest.URL(t)
	require.NoError(t, open(t, at).Close())
	_, err := pgtest.Connect(t, at).Exec(t.Context(), "UPDATE engine_schema SET version = 1000")
	require.NoError(t, err)
	_, err = postgres.Open(t.Context(), at, postgres.Options{})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	require.ErrorContains(t, err, "newer")
}

func TestASchemaOfAnEarlierProgramIsMigrated(t *testing.T) {
	at := pgtest.URL(t)
	d := open(t, at)
	service := driverstate.Service{Binary: driverstate.BinaryBackup, Host: "kept", Version: 7}
	require.NoError(t, d.ServiceUpsert(t.Context(), &service))
	require.NoError(t, d.BackupCreate(t.Context(), row("kept")))
	conn := pgtest.Connect(t, at)
	for _, back := range []string{
		"DROP TABLE proofs", "ALTER TABLE verifications DROP COLUMN request", "ALTER TABLE verifications DROP COLUMN results",
		"DELETE FROM goose_db_version WHERE version_id = 6",
		"DROP TABLE shipments", "DELETE FROM goose_db_version WHERE version_id = 5",
		"DROP INDEX backups_place", "DROP INDEX backups_project", "DELETE FROM goose_db_version WHERE version_id = 4",
		"DROP TABLE volume_types", "DROP TABLE quota_classes", "DROP TABLE transfers", "ALTER TABLE snapshots DROP COLUMN progress",
		"DELETE FROM goose_db_version WHERE version_id = 3",
		"ALTER TABLE services DROP COLUMN rpc_current_version",
		"DELETE FROM goose_db_version WHERE version_id = 2", "UPDATE engine_schema SET version = 1",
	} {
		_, err := conn.Exec(t.Context(), back)
		require.NoError(t, err, back)
	}
	// As the program of before writes it, which goes on until it is stopped.
	heartbeat := func() {
		_, err := conn.Exec(t.Context(), `INSERT INTO services ("binary", host) VALUES ('cinder-backup', 'kept') ON CONFLICT ("binary", host) DO UPDATE SET updated_at = now()`)
		require.NoError(t, err)
	}
	heartbeat()
	now := open(t, at)
	heartbeat()
	services, err := now.ServiceGetAll(t.Context())
	require.NoError(t, err)
	require.Len(t, services, 1)
	assert.Zero(t, services[0].Version, "that program wrote none")
	assert.Equal(t, service.ID, services[0].ID)
	_, err = now.BackupGet(t.Context(), "kept")
	require.NoError(t, err)
	service.Version = 8
	require.NoError(t, now.ServiceUpsert(t.Context(), &service))
	services, err = now.ServiceGetAll(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(8), services[0].Version)
}

func TestASchemaThatIsNotThereIsRefused(t *testing.T) {
	_, err := postgres.Open(t.Context(), with(t, pgtest.URL(t), "search_path", "absent"), postgres.Options{})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	require.ErrorContains(t, err, "no schema")
}

// Another client of the database, such as psql, takes no advisory lock: the two
// may wait for each other, and PostgreSQL ends the one that finds it out. It looks
// once, when it has waited for deadlock_timeout: here ours closes the circle, and
// the other never looks.
func TestATransactionThatADeadlockEndedIsRunAgain(t *testing.T) {
	at := pgtest.URL(t)
	d, ctx := open(t, at), t.Context()
	require.NoError(t, d.BackupCreate(ctx, row("1")))
	require.NoError(t, d.BackupCreate(ctx, row("2")))
	other, watch := pgtest.Connect(t, at), pgtest.Connect(t, at)
	const touch = "UPDATE backups SET container = 'other' WHERE id = $1"
	_, err := other.Exec(ctx, "SET deadlock_timeout = '1h'")
	require.NoError(t, err)
	_, err = other.Exec(ctx, "BEGIN")
	require.NoError(t, err)
	_, err = other.Exec(ctx, touch, "2")
	require.NoError(t, err)

	waits := func() bool {
		var n int
		err := watch.QueryRow(ctx, "SELECT cardinality(pg_blocking_pids($1))", other.PgConn().PID()).Scan(&n)
		return assert.NoError(t, err) && n > 0
	}
	runs := 0
	done := make(chan error, 1)
	require.NoError(t, d.Update(ctx, func(tx db.Tx) error {
		if runs++; runs == 2 {
			// Who wakes late would find the first row changed again.
			require.NoError(t, <-done)
		}
		for _, id := range []string{"1", "2"} {
			b := row(id)
			b.Container = "engine"
			if err := tx.BackupUpdate(ctx, b); err != nil {
				return err
			}
			if runs > 1 || id == "2" {
				continue
			}
			go func() {
				_, err := other.Exec(ctx, touch, "1")
				if err == nil {
					_, err = other.Exec(ctx, "COMMIT")
				}
				done <- err
			}()
			require.Eventually(t, waits, time.Minute, time.Millisecond)
		}
		return nil
	}))
	assert.Equal(t, 2, runs)
	for _, id := range []string{"1", "2"} {
		b, err := d.BackupGet(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, "engine", b.Container)
	}
}

func TestATransactionIsNotRunAgainForEver(t *testing.T) {
	d := open(t, pgtest.URL(t))
	runs := 0
	err := d.Update(t.Context(), func(tx db.Tx) error {
		runs++
		assert.NoError(t, tx.BackupCreate(t.Context(), row("1")), "the run before it left nothing")
		return &pgconn.PgError{Code: "40001"}
	})
	require.ErrorContains(t, err, "40001")
	assert.Equal(t, 8, runs)
}

// A process that is stopped in a transaction keeps the others from writing until
// the server ends it. When it goes on, it begins again.
func TestATransactionOfAStoppedProcessIsEnded(t *testing.T) {
	at := pgtest.URL(t)
	stopped, other := open(t, with(t, at, "idle_in_transaction_session_timeout", "2s")), open(t, at)
	ctx := t.Context()
	require.NoError(t, other.BackupCreate(ctx, row("1")))
	runs := 0
	require.NoError(t, stopped.Update(ctx, func(tx db.Tx) error {
		runs++
		b, err := tx.BackupGet(ctx, "1")
		if err != nil {
			return err
		}
		if runs == 1 {
			require.Empty(t, b.Container)
			b := row("1")
			b.Container = "other"
			require.NoError(t, other.BackupUpdate(ctx, b)) // waits for the end of ours
		}
		b.Size++
		return tx.BackupUpdate(ctx, b)
	}))
	assert.Equal(t, 2, runs)
	b, err := other.BackupGet(ctx, "1")
	require.NoError(t, err)
	assert.Equal(t, "other", b.Container, "not overwritten with what was read before")
	assert.EqualValues(t, 1, b.Size)
}

func TestThePasswordIsNotTold(t *testing.T) {
	at := pgtest.URL(t)
	u, err := url.Parse(at)
	require.NoError(t, err)
	const secret = "s3cretPassword"
	u.User = url.UserPassword(u.User.Username(), secret)
	wrong := u.String()
	u.Host = "127.0.0.1:1"
	away := u.String()
	for _, c := range []struct {
		name, url string
		kind      error
	}{
		{"wrong password", wrong, nil},
		{"nobody there", away, driverstate.ErrUnavailable},
		{"unknown parameter", with(t, wrong, "no_such_setting", "1"), nil},
		{"bad port", "postgres://u:" + secret + "@h:port/db", driverstate.ErrInvalidInput},
		{"bad escape", "postgres://u:" + secret + "%zz@h/db", driverstate.ErrInvalidInput},
		{"a slash in it", "postgres://u:" + secret + "/x@h/db", driverstate.ErrInvalidInput},
		{"bad parameter", "postgres://u:" + secret + "@h/db?pool_max_conns=x", driverstate.ErrInvalidInput},
		{"too few connections", "postgres://u:" + secret + "@h/db?pool_max_conns=1", driverstate.ErrInvalidInput},
		{"bad sslmode", "postgres://u:" + secret + "@h/db?sslmode=x&password=" + secret, driverstate.ErrInvalidInput},
		{"no URL", "host=h password=" + secret, driverstate.ErrInvalidInput},
		{"another kind", "mysql://u:" + secret + "@h/db", driverstate.ErrInvalidInput},
	} {
		_, err := postgres.Open(t.Context(), c.url, postgres.Options{})
		if !assert.Error(t, err, c.name) {
			continue
		}
		if c.kind != nil {
			assert.ErrorIs(t, err, c.kind, c.name)
		}
		assert.NotContains(t, err.Error(), secret, c.name)
		t.Log(err)
	}
	named, err := postgres.Name("postgres://u:" + secret + "@h:6543/db?sslmode=require&password=" + secret)
	require.NoError(t, err)
	assert.Equal(t, "postgres://u@h:6543/db", named)
}

func TestConnectionsAreBounded(t *testing.T) {
	at := pgtest.URL(t)
	d, ctx := open(t, with(t, with(t, at, "application_name", t.Name()), "pool_max_conns", "5")), t.Context()
	queue, err := d.Work(ctx, db.WorkOptions{Runner: "h", Queues: []string{"h", "c"}, Parallel: 4}, func(context.Context, db.Job) error { return nil })
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			_, err := d.BackupCount(ctx, driverstate.BackupFilter{})
			assert.NoError(t, err)
			assert.NoError(t, d.Update(ctx, func(tx db.Tx) error { return tx.JobInsert(ctx, &db.Job{Kind: db.JobReset, Queue: "c"}) }))
		})
	}
	group.Wait()
	var n int
	require.NoError(t, pgtest.Connect(t, at).QueryRow(ctx, "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1", t.Name()).Scan(&n))
	assert.LessOrEqual(t, n, 5+1, "the pool and the listener")
	require.NoError(t, queue.Stop(ctx))
}

func TestTextThatPostgreSQLCannotKeep(t *testing.T) {
	d, ctx := open(t, pgtest.URL(t)), t.Context()
	for _, bad := range []string{"a\x00b", "a\xffb"} {
		b := row("1")
		b.Container = bad
		require.ErrorIs(t, d.BackupCreate(ctx, b), driverstate.ErrInvalidInput, "%q", bad)
		_, err := d.BackupGetAll(ctx, driverstate.BackupFilter{Columns: map[string]string{"volume_id": bad}})
		require.ErrorIs(t, err, driverstate.ErrInvalidInput, "%q", bad)
	}
	b := row("1")
	b.FailReason = "open /srv/\xff\x00: no such file"
	b.Metadata = map[string]string{"a\x00": "b\x00"}
	require.NoError(t, d.BackupCreate(ctx, b), "a failure can be recorded whatever it says")
	got, err := d.BackupGet(ctx, "1")
	require.NoError(t, err)
	assert.Equal(t, "open /srv/\uFFFD: no such file", got.FailReason)
	assert.Equal(t, b.Metadata, got.Metadata)
}

// As on SQLite: no client stands for River's election.
func TestAQueueThatIsStoppedAtOnceStops(t *testing.T) {
	at := pgtest.URL(t)
	d := open(t, at)
	for range 30 {
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
	}
	var leader string
	require.NoError(t, pgtest.Connect(t, at).QueryRow(t.Context(), "SELECT string_agg(leader_id, ',') FROM river_leader").Scan(&leader))
	assert.Equal(t, "cinder-go", leader)
}

func TestOldJobsAreRemoved(t *testing.T) {
	at := pgtest.URL(t)
	d, ctx := open(t, at), t.Context()
	for range 3 {
		require.NoError(t, d.Update(ctx, func(tx db.Tx) error {
			return tx.JobInsert(ctx, &db.Job{Kind: db.JobDelete, Queue: "h"})
		}))
	}
	conn := pgtest.Connect(t, at)
	for _, statement := range []string{
		"UPDATE river_job SET state = 'completed', finalized_at = now() - INTERVAL '29 days' WHERE id = 1",
		"UPDATE river_job SET state = 'completed', finalized_at = now() - INTERVAL '31 days' WHERE id = 2",
		"ALTER SEQUENCE river_job_id_seq RESTART WITH 1000",
	} {
		_, err := conn.Exec(ctx, statement)
		require.NoError(t, err)
	}
	require.NoError(t, d.Update(ctx, func(tx db.Tx) error {
		return tx.JobInsert(ctx, &db.Job{Kind: db.JobDelete, Queue: "h"})
	}))
	var left []string
	found, err := conn.Query(ctx, "SELECT id || ' ' || state FROM river_job ORDER BY id")
	require.NoError(t, err)
	for found.Next() {
		var one string
		require.NoError(t, found.Scan(&one))
		left = append(left, one)
	}
	assert.Equal(t, "1 completed, 3 available, 1000 available", strings.Join(left, ", "))
}

func TestTwoProcessesAreNotTheSameHost(t *testing.T) {
	at := with(t, pgtest.URL(t), "lock_timeout", "50ms")
	first, err := postgres.Open(t.Context(), at, postgres.Options{Host: "h"})
	require.NoError(t, err)
	_, err = postgres.Open(t.Context(), at, postgres.Options{Host: "h"})
	require.ErrorIs(t, err, driverstate.ErrConflict)
	require.ErrorContains(t, err, "another process is host h")
	other, err := postgres.Open(t.Context(), at, postgres.Options{Host: "i"})
	require.NoError(t, err)
	require.NoError(t, other.Close())
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool {
		again, err := postgres.Open(t.Context(), at, postgres.Options{Host: "h"})
		return err == nil && assert.NoError(t, again.Close())
	}, time.Minute, time.Millisecond)
}

// forget ends the sessions of an application, as a restart of the server does.
func forget(t *testing.T, conn *pgx.Conn, application string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var left int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", application).Scan(&left))
		return left == 0
	}, time.Minute, 5*time.Millisecond)
}

func TestAHostThatTheServerForgotIsKeptUnlessAnotherHasBecomeIt(t *testing.T) {
	at := pgtest.URL(t)
	conn := pgtest.Connect(t, at)
	at = with(t, at, "lock_timeout", "50ms")
	name := rand.Text()
	first, err := postgres.Open(t.Context(), with(t, at, "application_name", name), postgres.Options{Host: "h"})
	require.NoError(t, err)
	require.NoError(t, first.KeepHost(t.Context()), "the server knows it")
	forget(t, conn, name)
	require.NoError(t, first.KeepHost(t.Context()))
	_, err = postgres.Open(t.Context(), at, postgres.Options{Host: "h"})
	require.ErrorIs(t, err, driverstate.ErrConflict, "it is held again")

	forget(t, conn, name)
	second, err := postgres.Open(t.Context(), at, postgres.Options{Host: "h"})
	require.NoError(t, err)
	for range 2 {
		err = first.KeepHost(t.Context())
		require.ErrorIs(t, err, driverstate.ErrConflict)
		require.ErrorContains(t, err, "another process is host h on it: stop that one, or give this one a name of its own with --host")
	}
	require.NoError(t, second.KeepHost(t.Context()))
	require.NoError(t, second.Close())
	require.NoError(t, first.Close())
}

// The watch of a manager cancels a task whose entry is gone, which it may see
// while the task that removed it still waits for its own commit.
func TestACommitThatWasSentIsNotInterrupted(t *testing.T) {
	at := pgtest.URL(t)
	d, conn := open(t, at), pgtest.Connect(t, at)
	const held = "hashtext(current_schema()), 1" // until it was cancelled, and a while longer
	for _, statement := range []string{
		"SELECT pg_advisory_lock(" + held + ")",
		"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(" + held + "), pg_sleep(1); RETURN NULL; END'",
		"CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON backups DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()",
	} {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Update(ctx, func(tx db.Tx) error { return tx.BackupCreate(ctx, row("b")) }) }()
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT COUNT(*) FROM pg_stat_activity WHERE query ILIKE 'commit' AND pg_backend_pid() = ANY(pg_blocking_pids(pid))").Scan(&n))
		return n > 0
	}, time.Minute, time.Millisecond)
	cancel()
	_, err := conn.Exec(t.Context(), "SELECT pg_advisory_unlock("+held+")")
	require.NoError(t, err)
	require.NoError(t, <-done)
	_, err = d.BackupGet(t.Context(), "b")
	require.NoError(t, err)

	over, end := context.WithCancel(t.Context())
	require.ErrorIs(t, d.Update(over, func(tx db.Tx) error {
		defer end()
		return tx.BackupCreate(over, row("c"))
	}), context.Canceled)
	_, err = d.BackupGet(t.Context(), "c")
	require.ErrorIs(t, err, driverstate.ErrNotFound, "one that was not sent is not")
}
