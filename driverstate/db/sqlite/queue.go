package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/riverqueue/river/riverdriver/riversqlite"

	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/riverjobs"
)

// fetchCooldown is the least time between two looks at the queue.
const fetchCooldown = 2 * time.Millisecond

// Work works the queues until they are stopped, whatever becomes of ctx.
func (d *DB) Work(ctx context.Context, o db.WorkOptions, handle func(context.Context, db.Job) error) (db.Queue, error) {
	c := riverjobs.WorkConfig{WorkOptions: o, Handle: handle, Logger: d.logger, Cooldown: fetchCooldown}
	listener := newListener(c.RiverQueues())
	// A commit from here on is heard, one before it is seen by the first look.
	d.listeners.add(listener)
	queue, err := riverjobs.Start[*sql.Tx](ctx, listening{riversqlite.New(d.pool), listener}, c)
	if err != nil {
		d.listeners.remove(listener)
		return nil, err
	}
	return &running{queue, func() { d.listeners.remove(listener) }}, nil
}

type running struct {
	db.Queue
	forget func()
}

// Stop implements db.Queue.
func (r *running) Stop(ctx context.Context) error {
	r.forget()
	return r.Queue.Stop(ctx)
}
