package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/cinder-go/cinder-go/driverstate"
)

// hostPatience is how long a host waits until another process of its name is
// gone: longer than the server takes to find that a machine is (keepalives).
const hostPatience = "20s"

// keepalives let the server find within 11 s that a machine lost its power.
var keepalives = map[string]string{"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}

// hold returns a connection that keeps other processes from being host until it
// is closed, or this process is dead; nil when host is empty. What a host left
// when it died is taken over when it starts again: two processes of one name
// would take each other's work for that of a dead one.
func hold(ctx context.Context, c *pgx.ConnConfig, lock int64, host string) (*pgx.Conn, error) {
	if host == "" {
		return nil, nil
	}
	c = c.Copy()
	maps.Copy(c.RuntimeParams, keepalives)
	if _, set := c.RuntimeParams["lock_timeout"]; !set {
		c.RuntimeParams["lock_timeout"] = hostPatience
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lock)
	if code(err) == lockTimeout {
		err = driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("another process is host %s on it: stop that one, or give this one a name of its own with --host", host))
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}
