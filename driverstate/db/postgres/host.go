package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cinder-go/cinder-go/driverstate"
)

// hostPatience is how long a host waits until another process of its name is
// gone: longer than the server takes to find that a machine is (keepalives).
const hostPatience = "20s"

// pingTimeout bounds the question whether the connection that holds the host is
// there yet.
const pingTimeout = 10 * time.Second

// keepalives let the server find within 11 s that a machine lost its power, also
// one that it was answering.
var keepalives = map[string]string{
	"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3", "tcp_user_timeout": "11000",
}

// hold returns a connection that keeps other processes from being our host until
// it is closed, or this process is dead; nil without a host. What a host left
// when it died is taken over when it starts again: two processes of one name
// would take each other's work for that of a dead one.
func (d *DB) hold(ctx context.Context) (*pgx.Conn, error) {
	if d.host == "" {
		return nil, nil
	}
	c := d.pool.Config().ConnConfig // a copy
	maps.Copy(c.RuntimeParams, keepalives)
	if _, set := c.RuntimeParams["lock_timeout"]; !set {
		c.RuntimeParams["lock_timeout"] = hostPatience
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", d.isHost)
	if code(err) == lockTimeout {
		err = driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("another process is host %s on it: stop that one, or give this one a name of its own with --host", d.host))
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

// KeepHost sees to it that this process is its host yet: a server that was
// restarted, or whose place another took, has forgotten it. ErrConflict when
// another process has become it since; the work of this one is that one's then.
// It must not be called beside Close.
func (d *DB) KeepHost(ctx context.Context) error {
	d.keeping.Lock()
	defer d.keeping.Unlock()
	if d.held != nil {
		asked, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		if d.held.Ping(asked) == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		_ = d.held.PgConn().Conn().Close() // it failed already
	}
	var err error
	if d.held, err = d.hold(ctx); err != nil {
		return fmt.Errorf("database %s: %w", d.named, explain(err))
	}
	return nil
}
