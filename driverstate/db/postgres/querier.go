package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cinder-go/cinder-go/driverstate/db/riverjobs"
	"github.com/cinder-go/cinder-go/driverstate/db/rows"
)

var dialect = &rows.Dialect{
	Live:     "deleted = FALSE",
	Like:     "%s ILIKE ? ESCAPE ''",
	TimeText: `to_char("%s", 'YYYY-MM-DD HH24:MI:SS.US')`,
	NoTime:   "TIMESTAMP '0001-01-01 00:00:00'",
}

const lastRunner = "COALESCE(attempted_by[cardinality(attempted_by)], '')"

var jobDialect = &riverjobs.Dialect{
	Now:     "now()",
	Old:     "now() - INTERVAL '30 days'",
	Args:    "CAST(args AS TEXT)",
	Runner:  lastRunner,
	OfOne:   "args @> jsonb_build_object('BackupID', CAST(? AS TEXT))",
	RunByIt: lastRunner + " = ?",
}

// numbered makes PostgreSQL's placeholders of question marks. No statement has
// one in a text.
func numbered(statement string) string {
	var out strings.Builder
	for n := 1; ; n++ {
		before, after, more := strings.Cut(statement, "?")
		out.WriteString(before)
		if !more {
			return out.String()
		}
		out.WriteString("$" + strconv.Itoa(n))
		statement = after
	}
}

// querier is a rows.Querier in a transaction.
type querier struct{ tx pgx.Tx }

func (q querier) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	args, err := rows.Plain(args)
	if err != nil {
		return 0, err
	}
	tag, err := q.tx.Exec(ctx, numbered(statement), args...)
	return tag.RowsAffected(), explain(err)
}

func (q querier) Returning(ctx context.Context, statement string, args []any, into ...any) (bool, error) {
	args, err := rows.Plain(args)
	if err != nil {
		return false, err
	}
	err = q.tx.QueryRow(ctx, numbered(statement), args...).Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, explain(err)
}

func (q querier) Query(ctx context.Context, statement string, args ...any) (rows.Cursor, error) {
	return query(ctx, q.tx, statement, args)
}

// alone is a rows.Querier outside of a transaction: what writes is one of its
// own, see DB.exclusively; what reads sees what was committed.
type alone struct{ d *DB }

func (q alone) Exec(ctx context.Context, statement string, args ...any) (n int64, err error) {
	err = q.d.exclusively(ctx, func(tx pgx.Tx) (err error) {
		n, err = querier{tx}.Exec(ctx, statement, args...)
		return err
	})
	return n, err
}

func (q alone) Returning(ctx context.Context, statement string, args []any, into ...any) (found bool, err error) {
	err = q.d.exclusively(ctx, func(tx pgx.Tx) (err error) {
		found, err = querier{tx}.Returning(ctx, statement, args, into...)
		return err
	})
	return found, err
}

func (q alone) Query(ctx context.Context, statement string, args ...any) (rows.Cursor, error) {
	return query(ctx, q.d.pool, statement, args)
}

type queries interface {
	Query(ctx context.Context, statement string, args ...any) (pgx.Rows, error)
}

func query(ctx context.Context, on queries, statement string, args []any) (rows.Cursor, error) {
	args, err := rows.Plain(args)
	if err != nil {
		return nil, err
	}
	found, err := on.Query(ctx, numbered(statement), args...)
	if err != nil {
		return nil, explain(err)
	}
	return cursor{found}, nil
}

type cursor struct{ pgx.Rows }

func (c cursor) Err() error { return explain(c.Rows.Err()) }

func (c cursor) Close() error {
	c.Rows.Close()
	return nil
}
