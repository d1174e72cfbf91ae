// Package postgres is the database of an engine on several machines: Cinder's
// rows and River's jobs in one PostgreSQL database, so that a row and the job
// that follows from it are written together, and every process sees both.
//
// Transactions that write come one after the other, over all processes, as they
// do on SQLite: see DB.exclusively. What only reads waits for nobody.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/riverjobs"
	"github.com/cinder-go/cinder-go/driverstate/db/rows"
)

const (
	// maxConns bounds the connections of a process, unless the URL says
	// pool_max_conns. One listens, one at most writes, the rest read and keep
	// River's books. PostgreSQL has 100 for all, as it comes.
	maxConns = 10
	// connectTimeout bounds one attempt to connect, unless the URL says
	// connect_timeout.
	connectTimeout = 10 * time.Second
	// idleTimeout ends the transaction of a process that was stopped, or cut
	// off, in the middle of it, so that the others need not wait for it. A
	// transaction of the engine does nothing between its statements.
	idleTimeout = "15s"
	// maxAttempts is how often a transaction is tried that fails because of
	// another.
	maxAttempts = 8
	// fetchCooldown is the least time between two looks at a queue.
	fetchCooldown = 20 * time.Millisecond
)

var (
	_ db.DB = (*DB)(nil)
	_ db.Tx = (*transaction)(nil)
)

// Options are what a DB may be given.
type Options struct {
	Logger *slog.Logger // nil for none
	Now    db.Clock     // nil for time.Now
	// Host is what this process is, see db.WorkOptions.Runner. Another process
	// that opens the schema as the same host is refused until this one has
	// closed it or is dead. Empty for a process that runs no jobs.
	Host string
}

// DB is a db.DB in a schema of a PostgreSQL database, the first of its
// search_path.
type DB struct {
	rows.Rows
	pool   *pgxpool.Pool
	insert *river.Client[pgx.Tx] // inserts only
	logger *slog.Logger
	lock   int64         // of who writes
	turn   chan struct{} // held by who writes in this process
	named  string        // the database, for people
	host   string        // that this process is; may be empty
	isHost int64         // lock of who is that
	held   *pgx.Conn     // has isHost; nil without a host, and while the server is away

	keeping sync.Mutex // is held while held is asked, or replaced
}

type transaction struct {
	rows.Rows
	riverjobs.Jobs[pgx.Tx]
}

// Is reports whether address names a PostgreSQL database.
func Is(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// Name is the database of a URL without its password and parameters, for
// people. ErrInvalidInput when it is none.
func Name(address string) (string, error) {
	c, err := parse(address)
	if err != nil {
		return "", err
	}
	return name(c), nil
}

func name(c *pgxpool.Config) string {
	host := c.ConnConfig.Host
	if !strings.HasPrefix(host, "/") { // the directory of a socket
		host = net.JoinHostPort(host, strconv.Itoa(int(c.ConnConfig.Port)))
	}
	u := url.URL{Scheme: "postgres", User: url.User(c.ConnConfig.User), Host: host, Path: "/" + c.ConnConfig.Database}
	return u.String()
}

func parse(address string) (*pgxpool.Config, error) {
	if !Is(address) {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, "the URL of the database must begin with postgres://")
	}
	u, err := url.Parse(address)
	if err != nil {
		// Its text has the URL in it, and that the password.
		return nil, driverstate.Fail(driverstate.ErrInvalidInput,
			"the URL of the database cannot be read: write %XX for what is special in the password, or leave it out and set PGPASSWORD")
	}
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, "the URL of the database: "+err.Error())
	}
	if !u.Query().Has("pool_max_conns") {
		c.MaxConns = maxConns
	}
	if c.MaxConns < 4 {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, "the URL of the database: pool_max_conns must be 4 or more")
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = connectTimeout
	}
	for key, value := range map[string]string{"idle_in_transaction_session_timeout": idleTimeout, "application_name": "cinder-go"} {
		if _, set := c.ConnConfig.RuntimeParams[key]; !set {
			c.ConnConfig.RuntimeParams[key] = value
		}
	}
	return c, nil
}

// Open opens the database of a URL such as
// postgres://user:password@host:5432/database, making and migrating its tables
// as needed. The password may come from the URL, PGPASSWORD or a file
// (PGPASSFILE, ~/.pgpass), and further settings as libpq's. ErrUnavailable when
// it cannot be reached, ErrInvalidInput when it is not for this program.
func Open(ctx context.Context, address string, o Options) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c, err := parse(address)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name(c), err)
	}
	d := &DB{pool: pool, logger: o.Logger, turn: make(chan struct{}, 1), named: name(c), host: o.Host}
	d.Rows = rows.Rows{Q: alone{d}, Dialect: dialect, Clock: o.Now}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", d.named, explain(err)), d.Close())
	}
	return d, nil
}

func (d *DB) open(ctx context.Context) error {
	var schema *string
	if err := d.pool.QueryRow(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return err
	}
	if schema == nil {
		return driverstate.Fail(driverstate.ErrInvalidInput, "no schema of its search_path exists: create one")
	}
	d.lock = lockOf(*schema, "writes")
	if err := migrate(ctx, d.pool, lockOf(*schema, "migrates"), d.logger); err != nil {
		return err
	}
	d.isHost = lockOf(*schema, "is host "+d.host)
	var err error
	if d.held, err = d.hold(ctx); err != nil {
		return err
	}
	d.insert, err = riverjobs.NewInserter(riverpgxv5.New(d.pool), d.logger)
	return err
}

// lockOf is the key of an advisory lock. Those are of a database, and engines
// may share one in schemas of their own.
func lockOf(schema, what string) int64 {
	sum := fnv.New64a()
	sum.Write([]byte("cinder-go " + what + " " + schema))
	return int64(sum.Sum64())
}

// Update runs f in one transaction.
func (d *DB) Update(ctx context.Context, f func(db.Tx) error) error {
	return d.exclusively(ctx, func(tx pgx.Tx) error {
		q := querier{tx}
		t := &transaction{
			Rows: rows.Rows{Q: q, Dialect: dialect, Clock: d.Clock},
			Jobs: riverjobs.Jobs[pgx.Tx]{Client: d.insert, Tx: tx, Q: q, Dialect: jobDialect},
		}
		if err := f(t); err != nil {
			return err
		}
		return wake(ctx, tx, t.Queued)
	})
}

// wake tells the workers of queues of new jobs, on commit. River does, but not
// twice within 100 ms, even if the first was rolled back; the workers would find
// the job only when they poll. PostgreSQL makes one of two that are the same.
func wake(ctx context.Context, tx pgx.Tx, queues []string) error {
	for _, queue := range queues {
		_, err := tx.Exec(ctx, "SELECT pg_notify(current_schema() || '.' || $1, $2)", riverjobs.InsertTopic, riverjobs.InsertPayload(queue))
		if err != nil {
			return fmt.Errorf("waking the workers of a queue: %w", explain(err))
		}
	}
	return nil
}

// exclusively runs f in a transaction that nobody else of this schema writes
// beside, in any process.
//
// The manager reads rows and then writes by what it read: it counts the
// dependents of a backup and deletes it, where another request makes a
// dependent; it reads a row and writes all its columns. On SQLite this is right
// because a transaction that writes has the file to itself. PostgreSQL offers
// three ways to the same. Row locks would have to be taken by every caller, and
// there is no row to lock for a dependent that is not made yet. SERIALIZABLE
// sees such pairs, but on tables as small as these its predicate locks are of
// whole tables, so that any two transactions fail each other, the more the more
// machines there are. So it is one advisory lock per schema, held to the
// end of the transaction: the manager has on PostgreSQL what it was proven with
// on SQLite. A transaction is a handful of statements by key, a few
// milliseconds; what takes time, the copying, happens outside of them. READ
// COMMITTED suffices then: each statement sees all that was committed before
// the lock was had. River's own bookkeeping goes on beside it, on rows of
// river_job that are changed by conditional updates alone.
//
// A process that dies lets go at once, since the server sees its connection
// close; one that is stopped, or cut off, after idleTimeout.
func (d *DB) exclusively(ctx context.Context, f func(pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := d.once(ctx, f)
		if err == nil || !again(err) || attempt == maxAttempts {
			return err
		}
		d.logger.DebugContext(ctx, "a transaction is run again", "attempt", attempt, "error", err)
		pause := time.NewTimer(rand.N(time.Duration(attempt) * 20 * time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return errors.Join(ctx.Err(), err)
		}
	}
}

// commitTimeout bounds the wait for the outcome of a commit whose caller waits
// no longer.
const commitTimeout = 30 * time.Second

// rollbackTimeout bounds the end of a transaction whose context may be over.
const rollbackTimeout = 5 * time.Second

func (d *DB) once(ctx context.Context, f func(pgx.Tx) error) error {
	// Those of this process wait here, so that they hold one connection and
	// leave the others to who reads.
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	tx, err := d.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", explain(err))
	}
	defer func() { // after a commit it answers ErrTxClosed
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		tx.Rollback(ctx) //nolint:errcheck // a connection that failed is not used again
	}()
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", d.lock); err != nil {
		return fmt.Errorf("beginning a transaction: %w", explain(err))
	}
	if err := f(tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// A commit that was sent cannot be taken back: its outcome is waited for,
	// or the caller would take for failed what others see done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("committing: %w", explain(err))
	}
	return nil
}

// Work works the queues until they are stopped, whatever becomes of ctx.
func (d *DB) Work(ctx context.Context, o db.WorkOptions, handle func(context.Context, db.Job) error) (db.Queue, error) {
	// A leader of another name: see riverjobs. The table is one that a crash
	// of the server empties, so it is written at each start.
	_, err := d.pool.Exec(ctx, `INSERT INTO river_leader (elected_at, expires_at, leader_id) VALUES (now(), '9999-12-31', 'cinder-go')
		ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at, leader_id = excluded.leader_id`)
	if err != nil {
		return nil, fmt.Errorf("queues of %s: %w", o.Runner, explain(err))
	}
	return riverjobs.Start(ctx, riverpgxv5.New(d.pool), riverjobs.WorkConfig{
		WorkOptions: o, Handle: handle, Logger: d.logger, Cooldown: fetchCooldown,
	})
}

// Close closes the connections. Queues must have been stopped.
func (d *DB) Close() error {
	d.pool.Close()
	if d.held == nil {
		return nil
	}
	// Without a goodbye: the server frees the host when it sees the end.
	return d.held.PgConn().Conn().Close()
}
