// Package rows is the SQL of Cinder's tables, once for every database: the
// columns and how a struct is read from them and written to them, and the
// methods of db.Backups and its neighbours over whatever runs a statement.
//
// A statement has ? for its arguments. Arguments and results are of the types
// of database/sql/driver, times among them; a database that keeps some of them
// otherwise changes them in its Querier. What databases say differently is in a
// Dialect. An insert never fails on a key that exists, it does nothing: on
// PostgreSQL a failed statement ends its transaction.
package rows

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// Querier runs statements, in a transaction or each in one of its own.
type Querier interface {
	// Exec runs a statement that writes, and returns how many rows it wrote.
	Exec(ctx context.Context, statement string, args ...any) (int64, error)
	// Returning is Exec for a statement that returns at most one row, which is
	// scanned into into; false when there is none.
	Returning(ctx context.Context, statement string, args []any, into ...any) (bool, error)
	// Query runs a statement that only reads.
	Query(ctx context.Context, statement string, args ...any) (Cursor, error)
}

// Cursor is a result being read. Close it.
type Cursor interface {
	Next() bool
	Scan(into ...any) error
	Err() error
	Close() error
}

// Rows are the tables.
type Rows struct {
	Q       Querier
	Dialect *Dialect
	Clock   db.Clock
}

// now is the time as the columns keep it, so that a row in hand equals the row
// read.
func (r Rows) now() time.Time { return r.Clock().UTC().Truncate(time.Microsecond) }

func notFound(resource, id string) error {
	return &driverstate.Error{Resource: resource, ID: id, Err: driverstate.ErrNotFound}
}

func moved(resource, id, what string) error {
	return &driverstate.Error{Resource: resource, ID: id, Err: driverstate.Fail(driverstate.ErrConflict, what)}
}

// first reads the first row of a query, and reports whether there is one.
func (r Rows) first(ctx context.Context, statement string, args []any, into ...any) (found bool, err error) {
	cursor, err := r.Q.Query(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	defer cursor.Close()
	if !cursor.Next() {
		return false, cursor.Err()
	}
	return true, cursor.Scan(into...)
}

// get reads one row into fields; ErrNotFound if there is none.
func (r Rows) get(ctx context.Context, t table, fields []field, where string, id string) error {
	found, err := r.first(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s", t.list(), t.name, where), []any{id}, values(fields)...)
	switch {
	case err != nil:
		return fmt.Errorf("reading %s %s: %w", t.resource, id, err)
	case !found:
		return notFound(t.resource, id)
	}
	return nil
}

// all reads every row of a query, each into what next returns fields of.
func (r Rows) all(ctx context.Context, t table, rest string, args []any, next func() []field) error {
	found, err := r.Q.Query(ctx, fmt.Sprintf("SELECT %s FROM %s %s", t.list(), t.name, rest), args...)
	if err != nil {
		return fmt.Errorf("reading %s: %w", t.name, err)
	}
	defer found.Close()
	for found.Next() {
		if err := found.Scan(values(next())...); err != nil {
			return fmt.Errorf("reading %s: %w", t.name, err)
		}
	}
	if err := found.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", t.name, err)
	}
	return nil
}

// add inserts a row; ErrConflict if its key exists.
func (r Rows) add(ctx context.Context, t table, fields []field, id string) error {
	n, err := r.Q.Exec(ctx, t.insert()+" ON CONFLICT DO NOTHING", values(fields)...)
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", t.resource, id, err)
	}
	if n == 0 {
		return moved(t.resource, id, "exists already")
	}
	return nil
}

// put updates the row whose key is fields[0] where the condition holds too, and
// reports whether there was one.
func (r Rows) put(ctx context.Context, t table, fields []field, where string, args ...any) (bool, error) {
	all := append(values(fields[1:]), fields[0])
	n, err := r.Q.Exec(ctx, t.update()+where, append(all, args...)...)
	if err != nil {
		return false, fmt.Errorf("writing %s: %w", t.name, err)
	}
	return n > 0, nil
}

// one runs a statement that must change the row of id.
func (r Rows) one(ctx context.Context, t table, id, statement string, args ...any) error {
	n, err := r.Q.Exec(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", t.resource, id, err)
	}
	if n == 0 {
		return notFound(t.resource, id)
	}
	return nil
}

// remove deletes the row of id.
func (r Rows) remove(ctx context.Context, t table, id string) error {
	return r.one(ctx, t, id, "DELETE FROM "+t.name+" WHERE id = ?", id)
}

// usage counts rows and sums up a column of them.
func (r Rows) usage(ctx context.Context, t table, size, where string, args ...any) (count, gigabytes int64, err error) {
	statement := fmt.Sprintf("SELECT COUNT(*), CAST(COALESCE(SUM(%s), 0) AS BIGINT) FROM %s WHERE %s", size, t.name, where)
	if _, err := r.first(ctx, statement, args, &count, &gigabytes); err != nil {
		return 0, 0, fmt.Errorf("summing up %s: %w", t.name, err)
	}
	return count, gigabytes, nil
}

func in[S ~string](column string, from []S) (where string, args []any) {
	if len(from) == 0 {
		return "", nil
	}
	for _, s := range from {
		args = append(args, string(s))
	}
	return fmt.Sprintf(" AND %s IN (?%s)", column, strings.Repeat(", ?", len(from)-1)), args
}
